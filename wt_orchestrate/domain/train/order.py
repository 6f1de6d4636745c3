"""Who goes first in the train: which claims may join it, and in which order.

Claims with the fewest forecast conflicts come first, then the oldest.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Kind
from wt_orchestrate.domain.review.reviewers import awaits_review, must_answer
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState, aboard
from wt_orchestrate.domain.state.workstream import WorkstreamState, accepted, open_conflict

LONGEST = 200
"""How many claims join at a time."""


def rides(state: RunState, ws: WorkstreamState) -> bool:
    """Whether it has a claim that waits for the train, or is in it."""
    return (
        ws.stage is Stage.VERIFYING
        and ws.spec.kind is Kind.CHANGE
        and not ws.spec.serves
        and not only_answers(ws)
        and accepted(ws) is not None
        and not (_unsettled(ws) or ws.faults.failed_check or ws.faults.findings or ws.stopping or ws.cancelling)
        and not (awaits_review(state, ws) or must_answer(state, ws))
    )


def _unsettled(ws: WorkstreamState) -> bool:
    """Whether it has a conflict that no rule resolves."""
    found = open_conflict(ws)
    return found is not None and found.unsettled


def only_answers(ws: WorkstreamState) -> bool:
    """Whether it continues integrated work and changed nothing of it."""
    return bool(ws.spec.continues) and accepted(ws) is not None and ws.change.files == 0


def waiting(state: RunState) -> tuple[WorkstreamState, ...]:
    """Claims that can join the train now, in the order in which they join."""
    free = (ws for ws in state.workstreams.values() if rides(state, ws) and not ws.on_hold and not aboard(state, ws.id))
    riders = [ws for ws in free if ws.id not in state.train.waiting]
    met = _foreseen(state, {ws.id for ws in riders})
    return tuple(sorted(riders, key=lambda ws: (met[ws.id], _claimed_order(ws), ws.id)))


def _claimed_order(ws: WorkstreamState) -> int:
    return ws.claim.order if ws.claim is not None else 0


def _foreseen(state: RunState, names: Set[WorkstreamId]) -> Mapping[WorkstreamId, int]:
    """With how many others of these each will conflict, as far as the forecast knows. The one with the fewest goes
    first, because one of two that conflict has to wait. A workstream's needs are integrated before it starts, so they
    are always ahead."""
    met = dict.fromkeys(names, 0)
    for clash in state.forecast.conflicts:
        if clash.one in names and clash.other in names:
            met[WorkstreamId(clash.one)] += 1
            met[WorkstreamId(clash.other)] += 1
    return met
