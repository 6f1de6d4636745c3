"""Fold what agents reported through their tools: findings into the run, with messages to those they concern; the rest
into the attempt."""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.notes import SharedFinding
from wt_orchestrate.domain.fold.messages import put
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import MessageKind
from wt_orchestrate.domain.state.findings import REMEMBERED, finding_message, hearers
from wt_orchestrate.domain.state.run import RunState


def fold_shared(state: RunState, record: e.Record, shared: e.FindingShared) -> RunState:
    """The run with one more finding; each working workstream that it concerns gets one message."""
    finding = SharedFinding(
        id=f"F{record.number}",
        workstream=shared.workstream,
        attempt=shared.attempt,
        at=record.at,
        kind=shared.kind,
        text=shared.text,
        path=shared.path,
        line=shared.line,
        to=tuple(shared.to),
    )
    told = {
        name: put(state.workstreams[name], record, MessageKind.SHARED, finding_message(finding), interrupts=False)
        for name in hearers(state, finding)
    }
    known = state.shared[-(REMEMBERED - 1) :]
    return replace(state, shared=(*known, finding), workstreams={**state.workstreams, **told})
