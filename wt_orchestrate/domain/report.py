"""What a run did and what it really saved, measured from the log.

Wall time runs from the start to the run's rest; what a person waits before landing is not the run's. Active time is the
sum of the agents' own time; the critical path is the longest chain of needs by that time; the speed-up
is active time over wall time. Waiting is counted by cause, from the stages each workstream went through. Nothing here is
estimated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold import fold
from wt_orchestrate.domain.graph import needs_of
from wt_orchestrate.domain.schedule import held_by, rests, waits_for
from wt_orchestrate.domain.sharing import shared_values
from wt_orchestrate.domain.stages import at_gate
from wt_orchestrate.domain.state import (
    DONE,
    Phase,
    RunState,
    Stage,
    WorkstreamState,
    cost_usd,
    live_attempt,
    run_cost_usd,
)
from wt_orchestrate.domain.text import clean, counted

SCHEMA = "wto.report/1"


def report(records: Sequence[e.Record], *, now: float) -> dict[str, Any]:
    """The report of a run as plain values; all durations in seconds. `now` ends what is still going on."""
    state: RunState | None = None
    happened: dict[str, list[str]] = defaultdict(list)
    waiting: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for record in records:
        if state is not None:
            _wait(state, waiting, record.at - state.at)
        state = fold(state, record)
        name = e.workstream_of(record.event)
        trouble = _trouble(record.event)
        if name is not None and trouble:
            happened[name].append(trouble)
    assert state is not None
    return _report(state, waiting, now, happened)


def _trouble(event: e.Event) -> str:
    """What did not simply go on, in words; empty for what did."""
    match event:
        case e.RetryDecided(reason=reason, cause=cause):
            return f"another attempt because of {cause.value if cause is not None else reason}"
        case e.AttemptEnded(cause="lost"):
            return "its agent was lost: the keeper was killed or the machine went down"
        case e.AttemptEnded(exit_code=int(code)) if code < 0 and event.cause == "exit":
            return f"its agent was killed by signal {-code}"
        case e.AttemptNudged(evidence=evidence):
            return f"interrupted: {evidence}"
        case e.AttemptAsked(question=True, text=text):
            return f"asked: {text}"
        case e.WorktreeLost(what=what):
            return f"its {what} was taken away and made again"
        case e.CheckFinished(command=command, outcome=outcome) if outcome is not e.CheckOutcome.PASSED:
            return f"the check {command} {outcome.value}"
        case e.MergeConflicted(paths=paths):
            return f"conflicted in {', '.join(paths)}"
        case e.BudgetReached(what=what):
            return f"used up its bound on {what}"
        case _:
            return ""


def _wait(state: RunState, waiting: dict[str, dict[str, float]], length: float) -> None:
    """Add a stretch of time to the cause each workstream spent it on."""
    if length <= 0:
        return
    for ws in state.workstreams.values():
        cause = _cause(state, ws)
        if cause:
            waiting[ws.id][cause] += length


def _cause(state: RunState, ws: WorkstreamState) -> str:
    live = live_attempt(ws)
    if at_gate(state, ws):
        return "person"
    match ws.stage:
        case Stage.QUEUED:
            if held_by(state, ws):
                return ""
            return "needs" if waits_for(state, ws) else "place"
        case Stage.PREPARING:
            return "limit" if ws.retry is not None and ws.retry.reason in {"limit", "overload"} else "preparation"
        case Stage.WORKING:
            return "person" if live is not None and any(ask.question for ask in live.asks) else ""
        case Stage.CLAIMED | Stage.VERIFYING | Stage.VERIFIED:
            return "checks"
        case Stage.ESCALATED:
            return "person" if state.phase.value == "running" else ""
        case _:
            return ""


def active_s(ws: WorkstreamState, now: float) -> float:
    """The time a workstream's agents were at work."""
    return sum((attempt.ended_at or now) - attempt.started_at for attempt in ws.attempts)


def critical_path(state: RunState, now: float) -> tuple[float, tuple[str, ...]]:
    """The longest chain of needs by active time, and its workstreams in order."""
    longest: dict[str, tuple[float, tuple[str, ...]]] = {}

    def chain(name: str) -> tuple[float, tuple[str, ...]]:
        if name not in longest:
            ws = next(ws for ws in state.workstreams.values() if ws.id == name)
            before = max((chain(need) for need in needs_of(state.plan, name)), default=(0.0, ()))
            longest[name] = (before[0] + active_s(ws, now), (*before[1], name))
        return longest[name]

    return max((chain(name) for name in state.workstreams), default=(0.0, ()))


def _report(
    state: RunState, waiting: dict[str, dict[str, float]], now: float, happened: dict[str, list[str]]
) -> dict[str, Any]:
    streams = state.workstreams.values()
    at_work = state.phase in {Phase.RUNNING, Phase.STOPPING} or any(live_attempt(ws) for ws in streams)
    end = now if at_work or state.ended_at is None else state.ended_at
    wall = max(0.0, end - state.started_at)
    active = sum(active_s(ws, now) for ws in streams)
    path_s, path = critical_path(state, now)
    totals: dict[str, float] = defaultdict(float)
    for causes in waiting.values():
        for cause, length in causes.items():
            totals[cause] += length
    return {
        "schema": SCHEMA,
        "run": state.id,
        "goal": state.plan.goal,
        "phase": state.phase.value,
        "target": state.target,
        "base": state.base,
        "integration": state.integration,
        "landed": state.landed,
        "wall_s": round(wall, 3),
        "active_s": round(active, 3),
        "critical_path_s": round(path_s, 3),
        "critical_path": list(path),
        "speedup": round(active / wall, 3) if wall > 0 else None,
        "waiting_s": {cause: round(length, 3) for cause, length in sorted(totals.items())},
        "cost_usd": round(run_cost_usd(state), 6),
        "tokens": _tokens(streams),
        "integrated": [ws.id for ws in streams if ws.stage in DONE],
        "not_integrated": [
            {"id": ws.id, "stage": ws.stage.value, "why": _why(state, ws)} for ws in streams if ws.stage not in DONE
        ],
        "workstreams": [_workstream(ws, waiting[ws.id], now, happened[ws.id]) for ws in streams],
        "shared": shared_values(state.shared),
    }


def _why(state: RunState, ws: WorkstreamState) -> str:
    held = held_by(state, ws)
    if held:
        return f"held: it needs {', '.join(held)}"
    if at_gate(state, ws):
        return f"waits for a person: wto approve {at_gate(state, ws)}"
    if ws.stage is Stage.QUEUED and rests(state, ws):
        return "put on hold by a person"
    return ws.reason or state.reason


def _tokens(streams: Any) -> dict[str, int]:
    attempts = [attempt for ws in streams for attempt in ws.attempts]
    return {
        "input": sum(attempt.input_tokens for attempt in attempts),
        "output": sum(attempt.output_tokens for attempt in attempts),
        "cache": sum(attempt.cache_tokens for attempt in attempts),
    }


def _workstream(ws: WorkstreamState, waiting: dict[str, float], now: float, happened: list[str]) -> dict[str, Any]:
    handoff = ws.handoff
    findings = handoff.findings if handoff is not None else ()
    return {
        "id": ws.id,
        "title": ws.spec.title,
        "stage": ws.stage.value,
        "summary": handoff.summary if handoff is not None else "; ".join(c.subject for c in ws.history[-5:]),
        "decisions": handoff.decisions if handoff is not None else "",
        "findings": [{"kind": f.kind, "text": f.text, "path": f.path, "line": f.line} for f in findings],
        "verification": handoff.verification if handoff is not None else "",
        "evidence": [
            {
                "check": check.command,
                "outcome": check.outcome.value,
                "exit_code": check.exit_code,
                "duration_s": check.duration_s,
                "tree": check.tree,
                "log": check.log,
            }
            for check in ws.checks
        ],
        "commits": [{"id": c.id, "author": c.author, "subject": c.subject} for c in ws.history],
        "integrated_as": ws.integrated_as,
        "files": {"changed": ws.files, "added": ws.added, "deleted": ws.deleted},
        "cost_usd": round(cost_usd(ws), 6),
        "active_s": round(active_s(ws, now), 3),
        "waiting_s": {cause: round(length, 3) for cause, length in sorted(waiting.items())},
        "attempts": [
            {
                "id": attempt.id,
                "reason": attempt.reason,
                "resumed": attempt.resumed,
                "exit_code": attempt.exit_code,
                "cause": attempt.cause,
                "seconds": round((attempt.ended_at or now) - attempt.started_at, 3),
                "cost_usd": round(attempt.cost_usd, 6),
                "input_tokens": attempt.input_tokens,
                "output_tokens": attempt.output_tokens,
                "cache_tokens": attempt.cache_tokens,
                "turns": attempt.turns,
                "denied": list(attempt.denied),
            }
            for attempt in ws.attempts
        ],
        "happened": happened[-30:],
        "reason": ws.reason,
        "tried": list(ws.what_was_tried),
    }


def report_markdown(values: dict[str, Any]) -> str:
    """The report for people."""
    speedup = f"{values['speedup']:.2f}" if values["speedup"] is not None else "unknown"
    lines = [
        f"# Run {values['run']}: {' '.join(values['goal'].split())}",
        "",
        f"- Landed: {values['landed'] or 'not yet'} on {values['target']}",
        f"- Integrated: {len(values['integrated'])} of {len(values['workstreams'])} workstreams",
        f"- Wall-clock time {values['wall_s']:.1f} s, agents' active time {values['active_s']:.1f} s, "
        f"critical path {values['critical_path_s']:.1f} s ({' > '.join(values['critical_path'])})",
        f"- Measured speed-up against one agent after another: {speedup}",
        f"- Cost ${values['cost_usd']:.2f}; tokens: " + ", ".join(f"{n} {k}" for k, n in values["tokens"].items()),
        "- Waiting by cause: "
        + (", ".join(f"{cause} {length:.1f} s" for cause, length in values["waiting_s"].items()) or "none"),
    ]
    if values["not_integrated"]:
        lines += ["", "## What did not get integrated, and why", ""]
        lines += [
            f"- `{each['id']}` ({each['stage']}): {each['why'] or 'no reason known'}"
            for each in values["not_integrated"]
        ]
    if values["shared"]:
        lines += ["", "## What agents told one another", ""]
        lines += [f"- {_shared_line(each)}" for each in values["shared"]]
    for ws in values["workstreams"]:
        lines += _workstream_markdown(ws)
    return "\n".join(lines) + "\n"


def _shared_line(each: dict[str, Any]) -> str:
    line = f":{each['line']}" if each["line"] else ""
    place = f" at {each['path']}{line}" if each["path"] else ""
    return " ".join(clean(f"{each['kind']} {each['id']} of {each['workstream']}{place}: {each['text']}").split())


def _workstream_markdown(ws: dict[str, Any]) -> list[str]:
    lines = ["", f"## {ws['id']}: {ws['title'] or ws['stage']}", ""]
    lines.append(
        f"Stage {ws['stage']}, {counted(len(ws['attempts']), 'attempt')}, {counted(len(ws['commits']), 'commit')}, "
        f"{counted(ws['files']['changed'], 'file')} (+{ws['files']['added']} -{ws['files']['deleted']}), "
        f"{ws['active_s']:.1f} s of agent time, ${ws['cost_usd']:.2f}"
    )
    for name in ("summary", "decisions", "verification"):
        if ws[name]:
            lines += ["", f"{name.capitalize()}:", "", *(f"> {line}" for line in ws[name].splitlines())]
    if ws["happened"]:
        lines += ["", "What happened on the way:", ""]
        lines += [f"- {clean(text)}" for text in ws["happened"]]
    if ws["findings"]:
        lines += ["", "Findings:", ""]
        lines += [f"- {f['kind']}: {f['text']}" for f in ws["findings"]]
    if ws["evidence"]:
        lines += ["", "Checks on the combined tree:", ""]
        lines += [f"- `{c['check']}` {c['outcome']} in {c['duration_s']:.1f} s" for c in ws["evidence"]]
    return lines
