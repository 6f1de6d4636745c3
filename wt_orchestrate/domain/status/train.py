"""The train for people and programs: what is in it, in order, what waits and why, and what happened to the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wt_orchestrate.domain.state.lifecycle import ENDED, Phase, Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, acceptance, integrated_as
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.domain.train.train import prefixes

SCHEMA = "wto.train/1"


def train_view(state: RunState, *, asked: Sequence[str]) -> dict[str, Any]:
    """The train of a run as plain values; `asked`: branches that were queued and not taken yet."""
    places = {car.workstream: number for number, car in enumerate(state.train.cars, 1)}
    last = len(places) + 1
    ordered = sorted(state.workstreams.values(), key=lambda ws: (places.get(ws.id, last), _accepted_order(ws)))
    return {
        "schema": SCHEMA,
        "run": state.id,
        "target": state.target,
        "phase": state.phase.value,
        "branches": [_row(state, ws, places.get(ws.id)) for ws in ordered],
        "asked": list(asked),
        "flaky": _flaky(state),
    }


def _accepted_order(ws: WorkstreamState) -> int:
    claim = acceptance(ws)
    return claim.order if claim is not None else 0


def _row(state: RunState, ws: WorkstreamState, place: int | None) -> dict[str, str | int | None]:
    return {
        "place": place,
        "workstream": ws.id,
        "branch": ws.branch,
        "state": ws.stage.value,
        "why": clean(_why(state, ws, place)),
        "commit": integrated_as(ws),
    }


def _why(state: RunState, ws: WorkstreamState, place: int | None) -> str:
    suspect = next((each for each in state.suspects if each.workstream == ws.id), None)
    if suspect is not None:
        return f"aside: `{suspect.command}` failed when it was added; being confirmed"
    if ws.id in state.train.waiting:
        return f"waits for {', '.join(state.train.waiting[ws.id])}, because they conflict"
    if place is not None:
        return "passed together with those before it" if place <= prefixes(state).green else "rides"
    if ws.stage in ENDED:
        return ws.outcome.reason or (f"as {commit[:10]}" if (commit := integrated_as(ws)) is not None else "")
    return "waits for wto train run" if state.phase is Phase.RUNNING and ws.stage is Stage.QUEUED else ""


def _flaky(state: RunState) -> dict[str, int]:
    """Checks that failed and passed on the same tree, with the number of trees."""
    found: dict[str, int] = {}
    for of_tree in state.checks.judged.values():
        for command, each in of_tree.items():
            if each.flaky:
                found[command] = found.get(command, 0) + 1
    return found
