"""The port of the conflict forecast: what merging unfinished work would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from wt_orchestrate.domain.effects import Side
from wt_orchestrate.domain.events.forecast import BlindSpot, Clash
from wt_orchestrate.domain.ids import CommitId


class MergeForecast(Struct, frozen=True, kw_only=True):
    """The sides that would conflict, and those that touch the same paths without a conflict. `merged`: how many merges
    it took."""

    conflicts: tuple[Clash, ...]
    touching: tuple[Clash, ...] = ()
    merged: int = 0
    blind: tuple[BlindSpot, ...] = ()


class Forecasts(Protocol):
    """Merges that are tried and never kept."""

    def forecast(self, sides: Sequence[Side], *, against: CommitId) -> MergeForecast:
        """What merging each side with `against`, and any two with each other, would give. Leaves nothing behind; a
        worktree that is gone or too large is reported, never an error. Equal sides of the same name are one."""
