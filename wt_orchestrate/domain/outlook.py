"""What is foreseen of a run's merges: the part of the state that the radar keeps."""

from __future__ import annotations

from dataclasses import dataclass

from wt_orchestrate.domain.forecast_events import BlindSpot, Clash


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The last forecast. Times are wall seconds; a forecast is under way while it began after the last one ended."""

    conflicts: tuple[Clash, ...] = ()
    blind: tuple[BlindSpot, ...] = ()
    basis: tuple[str, ...] = ()
    """What it was made of: the integration head and each side."""
    begun_at: float = 0.0
    ended_at: float = 0.0
    seen_at: float = 0.0
    """When what is foreseen last changed."""
    told: frozenset[tuple[str, str, str]] = frozenset()
    """Workstream, other and path of which an agent was warned already."""
