"""The present for people and programs: what `wto status --json` prints, made from state alone.

The view is stored with every turn of the supervisor, so that looking needs neither a fold nor any package. Its schema is
stable: later versions only add. Ages are left to whoever looks, from the times given here.
"""

from __future__ import annotations

import json
from typing import Any

from wt_orchestrate.domain.ids import integration_branch
from wt_orchestrate.domain.schedule import held_by, waits_for
from wt_orchestrate.domain.state import (
    Attempt,
    Candidate,
    Phase,
    RunState,
    Stage,
    WorkstreamState,
    agent_name,
    cost_usd,
    last_attempt,
    live_attempt,
    run_cost_usd,
)
from wt_orchestrate.domain.text import counted
from wt_orchestrate.domain.verdict import how_it_ended

SCHEMA = "wto.status/1"
HELD = "held"
"""Shown in place of `queued` while something a workstream needs cannot go on."""


def render_view(state: RunState) -> str:
    """The view as JSON text."""
    return json.dumps(view(state), ensure_ascii=False, separators=(",", ":"))


def view(state: RunState) -> dict[str, Any]:
    """The view as plain values. Times are seconds since the epoch."""
    return {
        "schema": SCHEMA,
        "at": state.at,
        "number": state.number,
        "run": _run(state),
        "workstreams": [_workstream(state, ws) for ws in state.workstreams.values()],
        "next": list(_next_steps(state)),
    }


def _run(state: RunState) -> dict[str, Any]:
    return {
        "id": state.id,
        "goal": state.plan.goal,
        "phase": state.phase.value,
        "reason": state.reason or state.land_refusal,
        "target": state.target,
        "base": state.base,
        "integration": integration_branch(state.id),
        "integration_head": state.integration,
        "landed": state.landed,
        "plan": state.plan_path,
        "repository": state.repository,
        "started_at": state.started_at,
        "ended_at": state.ended_at,
        "landed_at": state.landed_at,
        "cost_usd": round(run_cost_usd(state), 6),
        "budget_usd": state.plan.limits.budget_usd,
        "agents": state.plan.limits.agents,
        "wall": "none",
        "train": _train(state, state.candidate),
    }


def _train(state: RunState, candidate: Candidate | None) -> dict[str, Any] | None:
    if candidate is None:
        return None
    running = [command.command for command in state.commands.values() if command.purpose == "check"]
    return {
        "workstream": candidate.workstream,
        "commit": candidate.commit,
        "checks_passed": candidate.passed,
        "running": running[0] if running else None,
    }


def _workstream(state: RunState, ws: WorkstreamState) -> dict[str, Any]:
    live = live_attempt(ws)
    held = held_by(state, ws)
    return {
        "id": ws.id,
        "title": ws.spec.title,
        "role": ws.spec.role,
        "kind": ws.spec.kind.value,
        "agent": agent_name(state, ws),
        "stage": HELD if held else ws.stage.value,
        "since": ws.since,
        "attempts": len(ws.attempts),
        "commits": ws.commits,
        "evidence": [evidence for evidence in _evidence(ws, live) if evidence["text"]],
        "progress": ws.handoff.progress if ws.handoff is not None else None,
        "summary": ws.handoff.summary if ws.handoff is not None else "",
        "cost_usd": round(cost_usd(ws), 6),
        "needs": list(ws.spec.needs),
        "waits_for": list(waits_for(state, ws)) if ws.stage is Stage.QUEUED else [],
        "held_by": list(held),
        "branch": ws.branch,
        "worktree": None if ws.removed else ws.worktree,
        "base": ws.base,
        "head": ws.head,
        "integrated_as": ws.integrated_as,
        "process": live.id if live is not None else None,
        "asks": [
            {"id": ask.id, "text": ask.text, "options": list(ask.options), "at": ask.at}
            for ask in (live.asks if live is not None else ())
            if ask.question
        ],
        "reason": ws.reason,
        "hint": ws.hint,
        "commands": list(ws.commands),
        "files": {"changed": ws.files, "added": ws.added, "deleted": ws.deleted},
    }


def _evidence(ws: WorkstreamState, live: Attempt | None) -> list[dict[str, Any]]:
    """What is known and since when, newest matters first."""
    last = last_attempt(ws)
    found: list[dict[str, Any]] = []

    def add(kind: str, text: str, at: float | None) -> None:
        found.append({"kind": kind, "text": text, "at": at})

    if live is not None:
        add("process", f"attempt {live.epoch} of {live.agent} is alive", live.started_at)
        for ask in live.asks:
            add("ask", f"{'asks' if ask.question else 'wants leave for'}: {ask.text}", ask.at)
        add("waits", live.waits, live.seen_at)
        add("tool", f"{live.tool} {live.target}".strip(), live.seen_at)
        add("said", live.said, live.seen_at)
    elif last is not None:
        add("process", f"attempt {last.epoch} {how_it_ended(last)}", last.ended_at)
    if ws.commits:
        newest = ws.history[-1].subject if ws.history else ""
        add("commits", f"{counted(ws.commits, 'commit')}, newest: {newest}", ws.head_at)
    if ws.handoff is not None:
        add("handoff", f"status {ws.handoff.status.value}, version {ws.handoff_versions}", ws.handoff_at)
    add("handoff", ws.handoff_problem, ws.since)
    for check in ws.checks:
        add("check", f"`{check.command}` {check.outcome.value} in {check.duration_s:.1f} s", check.at)
    for finding in ws.findings:
        add("finding", finding, ws.since)
    if last is not None and ws.stage is Stage.CLAIMED and not ws.commits and ws.spec.kind.value == "change":
        add("contradiction", "it claims to be done, but there is no commit", ws.since)
    add("conflict", ", ".join(ws.conflict), ws.since)
    add("outcome", ws.reason, ws.since)
    return found


def _next_steps(state: RunState) -> list[str]:
    """Commands for a person, most pressing first."""
    steps: list[str] = []
    for ws in state.workstreams.values():
        live = live_attempt(ws)
        if live is not None and any(ask.question for ask in live.asks):
            steps.append(f'wto answer {ws.id} "..."')
    for ws in state.workstreams.values():
        if ws.stage is Stage.ESCALATED:
            steps.append(ws.commands[-1] if ws.commands else f"wto status {ws.id}")
        elif ws.stage is Stage.FAILED:
            steps.append(f"wto logs {ws.id}")
    if any(ws.stage is Stage.STOPPED for ws in state.workstreams.values()):
        steps.append("wto resume")
    at_rest = state.phase in {Phase.FINISHED, Phase.STOPPED} and state.landing is None
    if at_rest and any(ws.stage is Stage.INTEGRATED for ws in state.workstreams.values()):
        steps.append("wto land")
    if not steps and any(
        ws.stage is Stage.LANDED and ws.worktree and not ws.removed for ws in state.workstreams.values()
    ):
        steps.append("wto clean")
    return steps
