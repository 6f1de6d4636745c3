"""The port of the conflict forecast: what merging unfinished work would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from wt_orchestrate.domain.ids import CommitId


class Side(Struct, frozen=True, kw_only=True):
    """One side of a forecast. With a worktree and the index that `dirty` keeps for it, uncommitted work counts too."""

    name: str
    head: CommitId
    worktree: str = ""
    index: str = ""


class Foreseen(Struct, frozen=True, kw_only=True):
    """Two sides and paths; `other` is empty for the commit that all are merged onto."""

    one: str
    other: str
    paths: tuple[str, ...]


class Untold(Struct, frozen=True, kw_only=True):
    """A side whose uncommitted work is not in the forecast, and why."""

    name: str
    reason: str


class MergeForecast(Struct, frozen=True, kw_only=True):
    """The sides that would conflict, and those that touch the same paths without a conflict. `merged`: how many merges
    it took."""

    conflicts: tuple[Foreseen, ...]
    touching: tuple[Foreseen, ...] = ()
    merged: int = 0
    untold: tuple[Untold, ...] = ()


class Forecasts(Protocol):
    """Merges that are tried and never kept."""

    def forecast(self, sides: Sequence[Side], *, against: CommitId) -> MergeForecast:
        """What merging each side with `against`, and any two with each other, would give. Leaves nothing behind; a
        worktree that is gone or too large is reported, never an error. Equal sides of the same name are one."""
