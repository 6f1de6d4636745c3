"""The rules of the conflict forecast: whose work is compared, when, and what is news.

A forecast is made while agents work, as soon as a head has moved and at the latest after the setting `radar`, but never
for more than a small share of the time. A warning goes to both sides, once for each pair and path, and only to an agent
in the middle of its turn: nobody is started, stopped or sent back by it. What others wrote is quoted as data, bounded.
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain.effects import FORECAST, Forecast
from wt_orchestrate.domain.events.forecast import BlindSpot, Clash, ForecastMade
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import seconds
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.forecast import basis, forecast_sides
from wt_orchestrate.domain.state.lifecycle import Phase, Stage
from wt_orchestrate.domain.state.run import ForecastState, RunState
from wt_orchestrate.domain.state.workstream import live_attempt

MOST_PATHS = 20
"""How many paths of one conflict are kept."""
MOST_CLASHES = 500
_SHARE = 10
"""The pause after a forecast is at least so many times as long as it took."""
_LONG_S = 60.0
"""A forecast that seems to have taken longer did not: the machine slept."""
_REST_S = 2.0


# ---------------------------------------------------------------- when, and of whom


def forecast_effects(state: RunState, now: float) -> tuple[Forecast, ...]:
    """The forecast that should be under way."""
    if state.integration.commit is None or not _is_due(state, now):
        return ()
    return (Forecast(against=state.integration.commit, sides=forecast_sides(state)),)


def _is_due(state: RunState, now: float) -> bool:
    pause = seconds(state.settings.radar) or 0.0
    if not pause or state.phase is not Phase.RUNNING:
        return False
    streams = state.workstreams.values()
    if not any(ws.stage is Stage.WORKING and live_attempt(ws) is not None for ws in streams):
        return False
    seen = forecast_sides(state)
    if len(seen) < 2 and all(
        state.workstreams[WorkstreamId(each.name)].base == state.integration.commit for each in seen
    ):
        return False
    if FORECAST in state.effects.open:
        return True
    last = state.forecast
    took = min(max(0.0, last.ended_at - last.begun_at), _LONG_S)
    rest = _REST_S if basis(state) != last.basis else pause
    return now >= last.ended_at + max(rest, _SHARE * took) or now < last.begun_at


# ---------------------------------------------------------------- what is news


def news(before: ForecastState, clashes: Sequence[Clash], blind: Sequence[BlindSpot]) -> ForecastMade | None:
    """What has changed since the last forecast; None if nothing has."""
    now = {(each.one, each.other): each for each in clashes[:MOST_CLASHES]}
    known = {(each.one, each.other): each for each in before.conflicts}
    found = tuple(each for pair, each in now.items() if known.get(pair) != each)
    gone = tuple(Clash(one=each.one, other=each.other) for pair, each in known.items() if pair not in now)
    if not found and not gone and tuple(blind) == before.blind:
        return None
    return ForecastMade(found=found, gone=gone, blind=tuple(blind))


def bounded(found: Clash) -> Clash:
    """A conflict with as many of its paths as are kept."""
    more = max(0, len(found.paths) - MOST_PATHS)
    return replace(found, paths=found.paths[:MOST_PATHS], more=found.more + more)
