"""The report of a run as plain values: what was achieved, and what working in parallel saved.

Times come from `timeline.py`, what is computed from them from `speedup.py`; each number says what it is (`how`):
measured, computed from what was measured, or estimated. The one estimate is what more agents could have done. Texts of
agents are quoted, bounded and attributed.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.statements import plain
from wt_orchestrate.domain.ids import CommitId, RunId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType
from wt_orchestrate.domain.report.digest import contribution, digest
from wt_orchestrate.domain.report.intervals import lengths
from wt_orchestrate.domain.report.speedup import Gain, again, gain, rework, serial_work
from wt_orchestrate.domain.report.timeline import ACTIVE, CheckTime, MeasuredRun, Recorder, StreamTime
from wt_orchestrate.domain.schedule.schedule import held_by, rests
from wt_orchestrate.domain.state.attempt import Attempt
from wt_orchestrate.domain.state.checks import base_words, held_by_base
from wt_orchestrate.domain.state.findings import shared_values
from wt_orchestrate.domain.state.lifecycle import DONE, Phase, Stage
from wt_orchestrate.domain.state.run import RunState, run_cost_usd
from wt_orchestrate.domain.state.stages import at_gate
from wt_orchestrate.domain.state.workstream import WorkstreamState, cost_usd, integrated_as
from wt_orchestrate.domain.text.secrets import without_secrets

SCHEMA = "wto.report/1"
HOW = {
    "wall_s": "measured",
    "active_s": "measured",
    "waiting_s": "measured",
    "agents_s": "measured",
    "rest_s": "measured",
    "skipped_s": "measured",
    "unwatched_s": "at most",
    "unsure_s": "at most",
    "cost_usd": "measured",
    "tokens": "measured",
    "rework": "measured",
    "checks": "measured",
    "serial_s": "computed",
    "speedup": "computed",
    "critical_path_s": "computed",
    "best": "estimated",
}
"""How each number was made; `measured` costs and tokens are what the agents' programs reported."""
_HAPPENED = 30
_TROUBLE = 600


def report(
    records: Iterable[e.Record], *, now: float, watched: bool = True, learned: int | None = None
) -> dict[str, Any]:
    """The report of a run; all durations in seconds. `now` ends what still goes on. `watched`: a supervisor is at work
    on it. `learned`: how many entries the memory has learned from it (None if unknown)."""
    ledger = Ledger()
    for record in records:
        ledger.take(record)
    return ledger.report(now=now, watched=watched, learned=learned)


class Ledger:
    """The basis of a report as far as a run's log has been read: `take` its records in order, and ask for a `report` at
    any time."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self._happened: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_HAPPENED))
        self._seen: dict[WorkstreamId, set[CommitId]] = defaultdict(set)
        self._kept: dict[WorkstreamId, set[CommitId]] = defaultdict(set)

    @property
    def number(self) -> int:
        """The number of the newest event taken; 0 before the first."""
        return self.recorder.state.number if self.recorder.state is not None else 0

    @property
    def run(self) -> RunId:
        """The run; at least one record must have been taken."""
        assert self.recorder.state is not None
        return self.recorder.state.id

    def take(self, record: e.Record) -> None:
        self.recorder.take(record)
        name, trouble = e.workstream_of(record.event), _trouble(record.event)
        if name is not None and trouble:
            self._happened[name].append(plain(trouble, _TROUBLE))
        if isinstance(record.event, e.CommitsSeen):
            self._commits(record.event)

    def _commits(self, event: e.CommitsSeen) -> None:
        new = {line.id for line in event.commits}
        self._seen[event.workstream] |= new
        if event.rewritten:
            self._kept[event.workstream] = new
        else:
            self._kept[event.workstream] |= new

    def report(self, *, now: float, watched: bool = True, learned: int | None = None) -> dict[str, Any]:
        """The same as the function `report`."""
        found = self.recorder.measured(now, watched=watched)
        # commits that are no longer in the history: amended, rebased or reset
        rewritten = {name: len(commits - self._kept[name]) for name, commits in self._seen.items()}
        values = _report(found, gain(found), self._happened, rewritten)
        return {**values, "memory": _memory(found.state, learned)}


def _memory(state: RunState, learned: int | None) -> dict[str, Any]:
    """What the memory added to this run's briefs, and how many entries were learned from it."""
    recalled = [
        {
            "workstream": ws.id,
            "id": each.id,
            "kind": each.kind,
            "source": each.source,
            "text": _told(each.text),
            "stale": list(each.stale),
        }
        for ws in state.workstreams.values()
        for each in (ws.recalled.entries if ws.recalled is not None else ())
    ]
    return {"recalled": recalled, "learned": learned}


def _trouble(event: e.Event) -> str:
    """What went wrong on the way, in words; empty if nothing did."""
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
            return f"its {what} was removed and created again"
        case e.CheckFinished(command=command, outcome=outcome) if outcome is not e.CheckOutcome.PASSED:
            return f"the check {command} {outcome.value}"
        case e.MergeConflicted(paths=paths):
            return f"conflicted in {', '.join(paths)}"
        case e.BudgetReached(what=what):
            return f"used up its limit on {what}"
        case _:
            return ""


def _report(
    found: MeasuredRun, gained: Gain, happened: Mapping[str, Sequence[str]], rewritten: Mapping[WorkstreamId, int]
) -> dict[str, Any]:
    state = found.state
    streams = state.workstreams.values()
    waiting: dict[str, float] = defaultdict(float)
    for times in found.streams.values():
        for cause, length in times.waiting.items():
            waiting[cause] += length
    return {
        "schema": SCHEMA,
        "run": state.id,
        "goal": state.plan.goal,
        "phase": state.phase.value,
        "started_at": state.started_at,
        "ended_at": state.ended_at if state.phase in {Phase.FINISHED, Phase.STOPPED} else None,
        "target": state.target,
        "base": state.base,
        "integration": state.integration.commit,
        "landed": state.landed.commit,
        "wall_s": round(found.wall_s, 3),
        "active_s": round(sum(times.active_s for times in found.streams.values()), 3),
        "critical_path_s": round(gained.critical_s, 3),
        "critical_path": list(gained.critical),
        "speedup": _ratio(gained.serial_s, found.wall_s),
        "waiting_s": _rounded(waiting),
        "cost_usd": round(run_cost_usd(state), 6),
        "tokens": _tokens(attempt for ws in streams for attempt in ws.attempts),
        "integrated": [ws.id for ws in streams if ws.stage in DONE],
        "not_integrated": [
            {"id": ws.id, "stage": ws.stage.value, "why": _why(state, ws)} for ws in streams if ws.stage not in DONE
        ],
        "gain": _gain(found, gained),
        "rework": {**rework(found), "commits_rewritten": sum(rewritten.values())},
        "spent": _spent(state),
        "checks": _checks(found.checks),
        "synthesis": digest(state, _flaky(found.checks)),
        "how": HOW,
        "workstreams": [_workstream(found, ws, happened.get(ws.id, ()), rewritten.get(ws.id, 0)) for ws in streams],
        "shared": shared_values(state.shared),
    }


def _ratio(one: float, other: float) -> float | None:
    return round(one / other, 3) if other > 0 else None


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(length, 3) for name, length in sorted(values.items()) if round(length, 3) > 0}


def _why(state: RunState, ws: WorkstreamState) -> str:
    held = held_by(state, ws)
    if held:
        return f"blocked: it needs {', '.join(held)}"
    if at_gate(state, ws):
        return f"needs approval: wto approve {at_gate(state, ws)}"
    if ws.stage is Stage.QUEUED and held_by_base(state):
        return base_words(state)
    if ws.stage is Stage.QUEUED and rests(state, ws):
        return "put on hold by a person"
    return ws.outcome.reason or state.reason


def _tokens(attempts: Iterable[Attempt]) -> dict[str, int]:
    each = tuple(attempts)
    return {
        "input": sum(attempt.input_tokens for attempt in each),
        "output": sum(attempt.output_tokens for attempt in each),
        "cache": sum(attempt.cache_tokens for attempt in each),
    }


def _gain(found: MeasuredRun, gained: Gain) -> dict[str, Any]:
    """The measured gain, with the parts of each number."""
    sure = gained.unsure_s <= 0
    best = [
        {"agents": agents, "wall_s": round(took, 3), "speedup": _ratio(gained.serial_s, took)}
        for agents, took in gained.best
    ]
    return {
        "wall_s": round(found.wall_s, 3),
        "rest_s": round(found.rest_s, 3),
        "skipped_s": round(found.skipped_s, 3),
        "unwatched_s": round(found.unwatched_s, 3),
        "agents_s": round(found.agents_s, 3),
        "serial_s": round(gained.serial_s, 3),
        "serial_parts": {"work_s": round(gained.work_s, 3), "start_s": round(gained.start_s, 3)},
        "unsure_s": round(gained.unsure_s, 3),
        "speedup": {
            "value": _ratio(gained.serial_s, found.wall_s),
            "least": _ratio(gained.serial_s if sure else gained.least_s, found.wall_s),
            "how": "computed" if sure else "between",
        },
        "overhead_s": _overhead(found),
        "best": {"how": "estimated", "of": "agent work only, without waiting", "with": best},
    }


def _overhead(found: MeasuredRun) -> dict[str, float]:
    """Agents' time that parallel work cost and serial work would not: starts, endings, conflicts, syntheses."""
    all_: dict[str, float] = defaultdict(float)
    for name, times in found.streams.items():
        for what, length in lengths(times.stretches).items():
            if what in ACTIVE:
                all_[what] += length
        why = "synthesis" if found.state.workstreams[name].spec.synthesises else "conflict"
        all_[why] += sum(each.work_s for each in times.attempts) - serial_work(found, name)
    return {name: round(all_[name], 3) for name in ("starting", "ending", "conflict", "synthesis")}


def _spent(state: RunState) -> list[dict[str, Any]]:
    """Cost and tokens by agent and model, as the agents' programs reported them."""
    by: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for ws in state.workstreams.values():
        for attempt in ws.attempts:
            by[attempt.agent, attempt.model].append(attempt)
    return [
        {
            "agent": agent,
            "model": model,
            "attempts": len(attempts),
            "turns": sum(attempt.turns for attempt in attempts),
            "cost_usd": round(sum(attempt.cost_usd for attempt in attempts), 6),
            "tokens": _tokens(attempts),
        }
        for (agent, model), attempts in sorted(by.items())
    ]


def _checks(checks: Sequence[CheckTime]) -> list[dict[str, Any]]:
    """How often each check ran, how long in all, and its results."""
    by: dict[str, list[CheckTime]] = defaultdict(list)
    for each in checks:
        by[each.command].append(each)
    return [
        {
            "check": command,
            "runs": len(runs),
            "seconds": round(sum(run.end - run.start for run in runs), 3),
            "outcomes": {
                outcome.value: count
                for outcome in e.CheckOutcome
                if (count := sum(run.outcome is outcome for run in runs))
            },
        }
        for command, runs in by.items()
    ]


def _flaky(checks: Sequence[CheckTime]) -> tuple[tuple[str, str], ...]:
    """Checks that failed and passed on one tree."""
    words: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for each in checks:
        if each.outcome is not e.CheckOutcome.LOST:
            words[each.command, each.tree].add(each.outcome is e.CheckOutcome.PASSED)
    return tuple(key for key, said in words.items() if len(said) > 1)


def _workstream(found: MeasuredRun, ws: WorkstreamState, happened: Sequence[str], rewritten: int) -> dict[str, Any]:
    handoff, times = ws.handoff, found.streams[ws.id]
    findings = handoff.findings if handoff is not None else ()
    return {
        "id": ws.id,
        "title": ws.spec.title,
        "role": ws.spec.role,
        "stage": ws.stage.value,
        "contribution": contribution(ws),
        "summary": _told(handoff.summary if handoff is not None else "; ".join(c.subject for c in ws.history[-5:])),
        "decisions": _told(handoff.decisions) if handoff is not None else "",
        "findings": [{"kind": f.kind, "text": _told(f.text), "path": f.path, "line": f.line} for f in findings],
        "verification": _told(handoff.verification) if handoff is not None else "",
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
        "commits_rewritten": rewritten,
        "integrated_as": integrated_as(ws),
        "files": {"changed": ws.change.files, "added": ws.change.added, "deleted": ws.change.deleted},
        "cost_usd": round(cost_usd(ws), 6),
        "tokens": _tokens(ws.attempts),
        "active_s": round(times.active_s, 3),
        "serial_s": round(serial_work(found, ws.id), 3),
        "waiting_s": _rounded(times.waiting),
        "attempts": _attempts(ws, times),
        "happened": list(happened),
        "reason": ws.outcome.reason,
        "tried": list(ws.outcome.tried),
    }


def _told(text: str) -> str:
    """What an agent wrote, with what looks like a secret masked."""
    return without_secrets(text) if text else ""


def _attempts(ws: WorkstreamState, times: StreamTime) -> list[dict[str, Any]]:
    known = {attempt.id: attempt for attempt in ws.attempts}
    return [
        {
            "id": each.id,
            "reason": known[each.id].reason,
            "agent": known[each.id].agent,
            "model": known[each.id].model,
            "provider": "anthropic" if known[each.id].agent_type is AgentType.CLAUDE_CODE else "",
            "resumed": known[each.id].resumed,
            "exit_code": known[each.id].exit_code,
            "cause": known[each.id].cause,
            "began_s": round(each.start, 3),
            "seconds": round(each.end - each.start, 3),
            "spent_s": _rounded(each.at),
            "unsure_s": round(each.unsure_s, 3),
            "rework": again(ws, each, first=number == 0),
            "cost_usd": round(known[each.id].cost_usd, 6),
            "input_tokens": known[each.id].input_tokens,
            "output_tokens": known[each.id].output_tokens,
            "cache_tokens": known[each.id].cache_tokens,
            "turns": known[each.id].turns,
            "denied": list(known[each.id].denied),
        }
        for number, each in enumerate(times.attempts)
        if each.id in known
    ]
