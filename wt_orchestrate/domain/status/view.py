"""The view: what `wto status --json` prints, made from the state alone.

It is stored with every turn of the supervisor, so that `wto status` needs no fold and few imports. Its schema is
stable: later versions only add. Ages are computed by whoever shows it, from the times given here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from wt_orchestrate.domain.ids import WorkstreamId, integration_branch
from wt_orchestrate.domain.plan import stages
from wt_orchestrate.domain.replace import as_json
from wt_orchestrate.domain.schedule.budget import Use, run_use, workstream_use
from wt_orchestrate.domain.schedule.schedule import held_by, waits_for
from wt_orchestrate.domain.schedule.synthesis import next_workstreams
from wt_orchestrate.domain.state.attempt import Account, Attempt, Message, rests_until
from wt_orchestrate.domain.state.checks import base_words, held_by_base
from wt_orchestrate.domain.state.comments import CommentStatus, of_status
from wt_orchestrate.domain.state.contradictions import contradictions
from wt_orchestrate.domain.state.findings import findings_of, shared_values, told_progress
from wt_orchestrate.domain.state.forecast import conflicts
from wt_orchestrate.domain.state.lifecycle import Phase, Stage
from wt_orchestrate.domain.state.run import RunState, agent_name, run_cost_usd
from wt_orchestrate.domain.state.stages import (
    Standing,
    at_gate,
    gate,
    gate_round,
    standings,
    synthesis_of,
    waiting_gate,
    waits_for_stage,
)
from wt_orchestrate.domain.state.workstream import WorkstreamState, cost_usd, integrated_as, live_attempt, progress_at
from wt_orchestrate.domain.status.activity import Activity, AgentPlaces, Condition, activity
from wt_orchestrate.domain.status.evidence import evidence
from wt_orchestrate.domain.train.train import prefixes
from wt_orchestrate.domain.verdict.stuck import idle_for, waits_for_others

SCHEMA = "wto.status/1"
_SHARED = 40
"""How many of a workstream's newest findings are shown."""
HELD = "held"
"""Shown instead of `queued` while something that a workstream needs cannot go on."""


def render_view(state: RunState) -> str:
    """The view as JSON text."""
    return as_json(view(state))


def view(state: RunState) -> dict[str, Any]:
    """The view as plain values. Times are seconds since the epoch."""
    places = AgentPlaces.of(state)
    doing = {ws.id: activity(state, ws, state.at, places) for ws in state.workstreams.values()}
    return {
        "schema": SCHEMA,
        "at": state.at,
        "number": state.number,
        "run": _run(state),
        "forecast": _forecast(state),
        "stages": _stages(state),
        "workstreams": [_workstream(state, ws, doing[ws.id]) for ws in state.workstreams.values()],
        "next": list(_next_steps(state, doing)),
    }


def _run(state: RunState) -> dict[str, Any]:
    return {
        "id": state.id,
        "goal": state.plan.goal,
        "phase": state.phase.value,
        "reason": state.reason or state.land_refusal or base_words(state),
        "target": state.target,
        "base": state.base,
        "integration": integration_branch(state.id),
        "integration_head": state.integration.commit,
        "landed": state.landed.commit,
        "landing": state.landing is not None,
        "plan": state.plan_path,
        "repository": state.repository,
        "started_at": state.started_at,
        "ended_at": state.ended_at,
        "landed_at": state.landed.at,
        "on_hold": state.on_hold,
        "red": state.base_checks.red if held_by_base(state) else None,
        "admission": state.room.reason,
        "repository_changes": [
            {
                "what": each.words,
                "put_back": each.put_back,
                "stops": each.stops,
                "during": list(each.during),
                "name": each.name,
                "mark": each.mark,
            }
            for each in state.changed.values()
        ],
        "accounts": [_account(account, state.at) for account in state.accounts.values()],
        "used": [_use(use) for use in run_use(state, state.at)],
        "cost_usd": round(run_cost_usd(state), 6),
        "budget_usd": state.plan.limits.budget_usd,
        "agents": state.plan.limits.agents,
        "wall": state.sandbox,
        "train": _train(state),
    }


def _stages(state: RunState) -> list[dict[str, Any]]:
    """The stages of the plan in order; for a gate that waits, since when and which workstreams wait for it."""
    found = standings(state)
    shown: list[dict[str, Any]] = []
    for spec in stages.stage_specs(state.plan):
        synthesis, known = synthesis_of(state, spec.name), gate(state, spec.name)
        waits = found[spec.name] is Standing.GATE
        shown.append(
            {
                "name": spec.name,
                "standing": found[spec.name].value,
                "gate": spec.gate.value,
                "synthesis": synthesis.id if synthesis is not None else None,
                "workstreams": [ws.id for ws in state.workstreams.values() if ws.spec.stage == spec.name],
                "round": gate_round(state, spec.name),
                "waits_since": known.reached_at or None if waits else None,
                "approved_at": known.approved_at or None,
                "then": list(next_workstreams(state, spec.name)) if waits else [],
            }
        )
    return shown


def _forecast(state: RunState) -> dict[str, Any]:
    """Which workstreams would conflict (`other` is null for the integration branch)."""
    return {
        "at": state.forecast.ended_at or None,
        "conflicts": [
            {"one": each.one, "other": each.other or None, "paths": list(each.paths), "more": each.more}
            for each in conflicts(state)
        ],
        "blind": [{"workstream": each.workstream, "reason": each.reason} for each in state.forecast.blind],
    }


def _account(account: Account, now: float) -> dict[str, Any]:
    until = rests_until(account)
    return {
        "name": account.name,
        "agents": account.cap or None,
        "rests_until": until if until > now else None,
        "refusal": account.refusal,
    }


def _use(use: Use) -> dict[str, Any]:
    return {"what": use.what, "used": round(use.used, 6), "cap": use.cap, "words": use.words()}


def _train(state: RunState) -> dict[str, Any] | None:
    """The train in order; `running` is the check that started first. None if the train is empty."""
    cars, made = state.train.cars, state.candidate
    checks = [command for command in state.commands.values() if command.purpose == "check"]
    if not cars and made is None and not state.suspects:
        return None
    first = cars[0] if cars else made
    return {
        "workstream": cars[0].workstream if cars else None,
        "commit": first.commit if first is not None else None,
        "checks_passed": sum(each.passed > 0 for each in state.checks.judged.get(first.tree, {}).values())
        if first
        else 0,
        "running": checks[0].command if checks else None,
        "cars": [car.workstream for car in cars],
        "green": prefixes(state).green,
        "suspects": [{"workstream": each.workstream, "command": each.command} for each in state.suspects],
        "waiting": {name: list(ahead) for name, ahead in state.train.waiting.items()},
        "checks": [
            {"command": each.command, "workstreams": [*each.ahead, each.workstream], "why": each.probe}
            for each in checks
        ],
    }


def denied_calls(ws: WorkstreamState) -> dict[str, int]:
    """What its agents were not allowed to do, and how often; the most frequent first."""
    counts = Counter(call for attempt in ws.attempts for call in attempt.denied)
    return dict(counts.most_common())


def _workstream(state: RunState, ws: WorkstreamState, doing: Activity) -> dict[str, Any]:
    live = live_attempt(ws)
    held = held_by(state, ws)
    return {
        "id": ws.id,
        "title": ws.spec.title,
        "role": ws.spec.role,
        "kind": ws.spec.kind.value,
        "agent": "" if ws.spec.branch else agent_name(state, ws),
        "stage": HELD if held else ws.stage.value,
        "condition": doing.word.value,
        "resumes_at": doing.until,
        "stuck_at": _stuck_at(state, ws, live),
        "on_hold": ws.on_hold,
        "since": ws.since,
        "attempts": len(ws.attempts),
        "commits": ws.commits,
        "evidence": [found for found in evidence(state, ws, live, doing) if found["text"]],
        "contradictions": list(contradictions(ws)),
        "messages": [_message(message) for message in ws.messages if message.text][-20:],
        "comments": {status.value: count for status in CommentStatus if (count := len(of_status(ws.comments, status)))},
        "used": [_use(use) for use in workstream_use(state, ws, state.at)],
        "progress": ws.handoff.progress if ws.handoff is not None else None,
        "told": _told(ws),
        "denied": [{"call": call, "times": times} for call, times in denied_calls(ws).items()],
        "shared": shared_values(findings_of(state, ws.id)[-_SHARED:]),
        "summary": ws.handoff.summary if ws.handoff is not None else "",
        "cost_usd": round(cost_usd(ws), 6),
        "recalled": [each.id for each in ws.recalled.entries] if ws.recalled is not None else [],
        "needs": list(ws.spec.needs),
        "waits_for": list(waits_for(state, ws)) if ws.stage is Stage.QUEUED else [],
        "held_by": list(held),
        "waits_for_stage": waits_for_stage(state, ws) or None,
        "gate": at_gate(state, ws) or None,
        "branch": ws.branch,
        "worktree": None if ws.checkout.removed else ws.worktree,
        "base": ws.base,
        "head": ws.head,
        "integrated_as": integrated_as(ws),
        "process": live.id if live is not None else None,
        "asks": [
            {"id": ask.id, "text": ask.text, "options": list(ask.options), "at": ask.at, "tool": ask.tool}
            for ask in (live.asks if live is not None else ())
            if ask.question
        ],
        "reason": ws.outcome.reason,
        "hint": ws.outcome.hint,
        "commands": list(ws.outcome.commands),
        "tried": list(ws.outcome.tried),
        "files": {"changed": ws.change.files, "added": ws.change.added, "deleted": ws.change.deleted},
    }


def _stuck_at(state: RunState, ws: WorkstreamState, live: Attempt | None) -> float | None:
    """When it will count as stuck if it stays silent, for whoever looks later than the last turn."""
    idle = idle_for(state, ws)
    if live is None or idle is None or waits_for_others(live) or live.idle or live.stopping:
        return None
    return max(progress_at(ws, live), state.clock.woke_at, live.waits_until) + idle


def _told(ws: WorkstreamState) -> dict[str, Any] | None:
    """Its agent's last report of its own progress."""
    told = told_progress(ws)
    return None if told is None else {"percent": told.percent, "note": told.note, "at": told.told_at}


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "kind": message.kind.value,
        "text": message.text,
        "at": message.at,
        "sent_to": message.sent_to,
        "delivered_at": message.delivered_at,
    }


def _next_steps(state: RunState, doing: Mapping[WorkstreamId, Activity]) -> list[str]:
    """Commands for a person, the most urgent first."""
    steps: list[str] = []
    for ws in state.workstreams.values():
        live = live_attempt(ws)
        if live is not None and any(ask.question for ask in live.asks):
            steps.append(f'wto answer {ws.id} "..."')
    waits = waiting_gate(state)
    if waits is not None:
        steps.append(f"wto approve {waits.name}")
    for ws in state.workstreams.values():
        if ws.stage is Stage.ESCALATED:
            named = [
                each for each in ws.outcome.commands if each.startswith("wto ") and not each.startswith("wto cancel")
            ]
            steps.append(named[-1] if named else f"wto status {ws.id}")
        elif ws.stage is Stage.FAILED:
            steps.append(f"wto {'status' if ws.spec.branch else 'logs'} {ws.id}")
        elif live_attempt(ws) is not None and doing[ws.id].word is Condition.IDLE:
            steps.append(f'wto tell {ws.id} "..."')
    if held_by_base(state):
        steps += [
            f"wto run again once {state.target} is fixed",
            "wto resume to check it again",
            "wto release to start the agents all the same",
        ]
    elif state.on_hold:
        steps.append("wto release")
    steps += [f"wto release {ws.id}" for ws in state.workstreams.values() if ws.on_hold]
    unshown = state.phase is Phase.STOPPED and state.published.commit != state.integration.commit
    if unshown or any(ws.stage is Stage.STOPPED for ws in state.workstreams.values()):
        steps.append("wto resume")
    at_rest = state.phase in {Phase.FINISHED, Phase.STOPPED} and state.landing is None and waits is None
    if at_rest and any(ws.stage is Stage.INTEGRATED for ws in state.workstreams.values()):
        steps.append("wto land")
    if not steps and any(
        ws.stage is Stage.LANDED and ws.worktree and not ws.checkout.removed for ws in state.workstreams.values()
    ):
        steps.append("wto clean")
    return steps
