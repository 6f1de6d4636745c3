"""What agents said by their tools, folded: findings into the run, with messages to those they concern; the rest into the
attempt that said it."""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold_messages import put
from wt_orchestrate.domain.notes import SharedFinding
from wt_orchestrate.domain.sharing import REMEMBERED, finding_message, hearers
from wt_orchestrate.domain.state import MessageKind, RunState
from wt_orchestrate.domain.values import replace


def fold_shared(state: RunState, record: e.Record, shared: e.FindingShared) -> RunState:
    """The run with one more finding; each workstream at work that it concerns is told once."""
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
