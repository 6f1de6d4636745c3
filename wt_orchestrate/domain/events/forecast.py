"""Events of the conflict forecast while agents work."""

from __future__ import annotations

from msgspec import Struct


class Clash(Struct, frozen=True, kw_only=True):
    """Two workstreams (or branches) that would conflict if they were merged as they are now; `other` is empty for what both
    are merged onto. `more`: how many paths there are beyond those listed; an event lists a bounded number, the vault all."""

    one: str
    other: str
    paths: tuple[str, ...] = ()
    more: int = 0


class BlindSpot(Struct, frozen=True, kw_only=True):
    """A workstream whose uncommitted work is not in the forecast, and why."""

    workstream: str
    reason: str


class ForecastMade(Struct, frozen=True, kw_only=True):
    """The forecast changed: new conflicts (or other paths), and conflicts that are gone."""

    found: tuple[Clash, ...] = ()
    gone: tuple[Clash, ...] = ()
    blind: tuple[BlindSpot, ...] = ()
    """All of them, as of now."""
