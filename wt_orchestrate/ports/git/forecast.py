"""The seam to the forecast: what merging work that goes on would come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wt_orchestrate.domain.ids import CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Work whose merges are foreseen. With a worktree and the index that `dirty` keeps for it, what is not committed there
    counts as well."""

    name: str
    head: CommitId
    worktree: str = ""
    index: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Two sides and paths; `other` is empty for what they are all merged onto."""

    one: str
    other: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A side whose uncommitted work is not in a forecast, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Who would conflict with whom, and who touches the same paths without a conflict. `merged` is how many merges that took."""

    conflicts: tuple[Foreseen, ...]
    touching: tuple[Foreseen, ...] = ()
    merged: int = 0
    untold: tuple[Untold, ...] = ()


class Forecasts(Protocol):
    """Merges that are foreseen, and never made."""

    def forecast(self, sides: Sequence[Side], *, against: CommitId) -> Forecast:
        """Foresee what merging each side with `against`, and any two with each other, would come to. Leaves nothing behind;
        a worktree that is gone or too large is told, never an error. The same sides of the same name are one."""
