"""Contradictions between a workstream's claim, its evidence, and other handoffs."""

from __future__ import annotations

from collections.abc import Iterator

from wt_orchestrate.domain.agent.handoff import HandoffStatus
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.plan.model import Kind
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.workstream import WorkstreamState, last_attempt, live_attempt


def contradictions(ws: WorkstreamState) -> Iterator[str]:
    """Where what is claimed and what is seen differ, one sentence each."""
    live, last = live_attempt(ws), last_attempt(ws)
    says = ws.handoff.status if ws.handoff is not None else None
    claims = ws.stage is Stage.CLAIMED or says is HandoffStatus.DONE
    if claims and ws.spec.kind is Kind.CHANGE and not ws.commits and last is not None:
        yield "it is claimed done, but it has no commit"
    at_work_at = live.seen_at if live is not None and not live.idle else None
    if says is HandoffStatus.DONE and at_work_at is not None and at_work_at > (ws.handoffs.at or at_work_at) + 60:
        yield "its handoff says done, but its agent keeps working"
    if says is HandoffStatus.BLOCKED and ws.stage in {Stage.CLAIMED, Stage.VERIFYING, Stage.VERIFIED}:
        yield "its handoff says blocked, but its work is being verified"
    if (
        last is not None
        and last.outcome is TurnOutcome.COMPLETED
        and last.exit_code not in {0, None}
        and last.cause == "exit"
    ):
        yield f"its agent says its turn is complete, but it exited with code {last.exit_code}"
    if says is HandoffStatus.DONE and ws.handoff is not None and (ws.handoff.progress or 100) < 100:
        yield f"its handoff says done at {ws.handoff.progress} percent"
