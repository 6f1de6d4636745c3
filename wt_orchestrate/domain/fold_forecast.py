"""Forecasts folded: what is foreseen, and the warnings that follow for the agents concerned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import FORECAST
from wt_orchestrate.domain.fold_messages import put
from wt_orchestrate.domain.forecast import basis, hears, of, warning
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.state import MessageKind, RunState

_REMEMBERED = 20_000


def fold_forecast(state: RunState, record: e.Record) -> RunState:
    """The run after one more record."""
    match record.event:
        case e.EffectIntended(key=key) if key == FORECAST:
            return replace(state, forecast=replace(state.forecast, basis=basis(state), begun_at=record.at))
        case e.EffectConcluded(key=key) | e.EffectFailed(key=key) if key == FORECAST:
            return replace(state, forecast=replace(state.forecast, ended_at=record.at))
        case e.ForecastMade() as made:
            return _warned(_foreseen(state, made, record.at), made, record)
        case _:
            return state


def _foreseen(state: RunState, made: e.ForecastMade, at: float) -> RunState:
    other = {(each.one, each.other) for each in (*made.found, *made.gone)}
    kept = (each for each in state.forecast.conflicts if (each.one, each.other) not in other)
    return replace(
        state, forecast=replace(state.forecast, conflicts=(*kept, *made.found), blind=made.blind, seen_at=at)
    )


def _warned(state: RunState, made: e.ForecastMade, record: e.Record) -> RunState:
    """Each agent that is concerned and hears it is told what is new to it."""
    new = {(each.one, each.other) for each in made.found}
    names = dict.fromkeys(name for pair in new for name in pair if name)
    for name in sorted(names):
        ws = state.workstreams[WorkstreamId(name)]
        if not hears(state, ws):
            continue
        found = {
            other: tuple(path for path in each.paths or ("",) if (name, other, path) not in state.forecast.told)
            for other, each in of(state, ws.id)
            if (each.one, each.other) in new
        }
        found = {other: paths for other, paths in found.items() if paths}
        if found:
            ws = put(ws, record, MessageKind.RADAR, warning(state, list(found.items())), interrupts=False)
            state = replace(_told(state, name, found), workstreams={**state.workstreams, ws.id: ws})
    return state


def _told(state: RunState, name: str, found: Mapping[str, tuple[str, ...]]) -> RunState:
    new = {(name, other, path) for other, paths in found.items() for path in paths}
    told = state.forecast.told if len(state.forecast.told) < _REMEMBERED else frozenset()
    return replace(state, forecast=replace(state.forecast, told=told | new))
