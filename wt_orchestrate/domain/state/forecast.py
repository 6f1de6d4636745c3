"""Forecast conflicts in the state: which workstreams are compared, and which conflicts each has."""

from __future__ import annotations

from collections.abc import Iterator

from wt_orchestrate.domain.effects import Side
from wt_orchestrate.domain.events.forecast import Clash
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Kind
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt

ON_THE_WAY = frozenset({Stage.PREPARING, Stage.WORKING, Stage.CLAIMED, Stage.VERIFYING, Stage.VERIFIED})
"""Stages in which a workstream has work that is not integrated yet."""


def forecast_sides(state: RunState) -> tuple[Side, ...]:
    """The sides to compare, each with its worktree if somebody works in it."""
    return tuple(
        Side(name=ws.id, head=head, worktree=ws.worktree if _is_inhabited(ws) and ws.worktree else "")
        for ws in state.workstreams.values()
        if ws.stage in ON_THE_WAY
        and ws.spec.kind is Kind.CHANGE
        and not ws.spec.serves
        and (head := ws.head or ws.base) is not None
        and not ws.cancelling
    )


def _is_inhabited(ws: WorkstreamState) -> bool:
    return live_attempt(ws) is not None and not ws.checkout.removed and not ws.checkout.lost


def basis(state: RunState) -> tuple[str, ...]:
    """What a forecast is made of: when it changes, another one is due."""
    parts = (f"{each.name} {each.head} {each.worktree}" for each in forecast_sides(state))
    return (state.integration.commit or "", *parts)


def conflicts(state: RunState) -> tuple[Clash, ...]:
    """Forecast conflicts between workstreams that are still on their way."""
    return tuple(
        each
        for each in state.forecast.conflicts
        if all(state.workstreams[name].stage in ON_THE_WAY for name in _names(each))
    )


def of(state: RunState, name: WorkstreamId) -> Iterator[tuple[str, Clash]]:
    """The conflicts of one workstream, each with the other side (empty for the integration branch)."""
    for each in conflicts(state):
        if each.one == name:
            yield each.other, each
        elif each.other == name:
            yield each.one, each


def _names(each: Clash) -> tuple[WorkstreamId, ...]:
    return tuple(WorkstreamId(name) for name in (each.one, each.other) if name)
