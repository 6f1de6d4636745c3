"""Lessons for later runs, extracted from a run's log at its end by rules and without a model.

Two kinds, kept apart by their source: what was measured (attempts, checks, conflicts, limits compared with use), and
what agents wrote in their handoffs, quoted as theirs. The same log gives the same lessons. What is measured again
replaces the earlier measurement, by its topic.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.handoff import HandoffFinding
from wt_orchestrate.domain.fold.run import fold_all
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.memory.entries import AGENT, MEASURED, MOST_PATHS, MemoryLayer, Note, Source, normal, note
from wt_orchestrate.domain.plan.model import seconds
from wt_orchestrate.domain.report.digest import SECTIONS
from wt_orchestrate.domain.state.lifecycle import DONE
from wt_orchestrate.domain.state.run import RunState, run_cost_usd
from wt_orchestrate.domain.state.workstream import WorkstreamState, cost_usd, integrated_as, is_reviewer, newest_of
from wt_orchestrate.domain.text.clean import counted

_MOST = 20
"""How many quotes are taken from one section of one handoff."""
_BULLET = re.compile(r"\s{0,3}(?:[-*+]|\d+[.)])\s+(.*)")
_NOTHING = re.compile(r"\W*(none|nothing|n/?a|no|-|keine?|tbd)?\W*", re.IGNORECASE)
_KINDS = {"learned": "convention", "risks": "risk", "contradictions": "risk", "follow_ups": "todo"}
_SECTIONS = {called: kind for name, kind in _KINDS.items() for called in SECTIONS[name]}
"""Sections of a synthesis beyond those of every handoff, and the kind of entry each becomes."""
_FAR = 4.0
"""A limit this many times as large as the use was a wrong guess."""


def lessons(records: Sequence[e.Record]) -> tuple[Note, ...]:
    """The entries to remember of a run; none if no agent ever worked."""
    state = fold_all(records)
    if state is None or not any(ws.attempts or ws.spec.branch for ws in state.workstreams.values()):
        return ()
    return (*_goal(state), *_quotes(state, records), *_estimates(state, records), *_attempts(state, records))


# ---------------------------------------------------------------- what was measured


def _goal(state: RunState) -> Iterator[Note]:
    streams = state.workstreams.values()
    done = [ws.id for ws in streams if ws.stage in DONE]
    landed = f", landed on {state.target}" if state.landed.commit else ""
    took = (state.ended_at or state.at) - state.started_at
    text = (
        f"{state.id} was to: {state.plan.goal.strip()}\n{len(done)} of {counted(len(streams), 'workstream')} integrated"
        f"{f' ({_listed(done)})' if done else ''}{landed}; {took:.0f} s, ${run_cost_usd(state):.2f}."
    )
    yield _measured(
        state, text, kind="goal", topic="goal", commit=state.landed.commit or state.integration.commit or ""
    )


def _estimates(state: RunState, records: Sequence[e.Record]) -> Iterator[Note]:
    yield from _conflicts(state, records)
    yield from _waits(state)
    yield from _bounds(state, records)


def _conflicts(state: RunState, records: Sequence[e.Record]) -> Iterator[Note]:
    """Conflicts that happened, with whether they were forecast, and forecast ones that did not happen."""
    foreseen: dict[tuple[str, str], set[str]] = {}
    real: dict[WorkstreamId, set[str]] = {}
    for record in records:
        match record.event:
            case e.ForecastMade(found=found):
                for each in found:
                    if each.other:
                        foreseen.setdefault((each.one, each.other), set()).update(each.paths)
            case e.MergeConflicted(workstream=name, paths=met):
                real.setdefault(name, set()).update(met)
    for name, paths in real.items():
        ws = state.workstreams[name]
        others = [each.id for each in state.workstreams.values() if each.id != name and paths & set(each.change.paths)]
        known = any(name in pair and (seen & paths or not seen) for pair, seen in foreseen.items())
        radar = "The forecast had predicted it." if known else "The forecast had not predicted it."
        text = f"`{name}` conflicted with {_listed(others) or 'work integrated earlier'} in {_listed(sorted(paths))}. {radar}"
        yield _measured(state, text, topic=f"conflict:{name}", ws=ws, paths=sorted(paths))
    for (one, other), paths in foreseen.items():
        if real.keys() & {one, other} or not _both_done(state, one, other):
            continue
        text = f"A conflict of `{one}` and `{other}` in {_listed(sorted(paths))} was predicted and did not happen."
        yield _measured(state, text, topic=f"foreseen:{one}:{other}", paths=sorted(paths))


def _both_done(state: RunState, one: str, other: str) -> bool:
    named = [ws for ws in state.workstreams.values() if ws.id in {one, other}]
    return len(named) == 2 and all(ws.stage in DONE for ws in named)


def _waits(state: RunState) -> Iterator[Note]:
    """Needs whose two sides changed no file in common. The order of stages is deliberate and does not count."""
    for ws in state.workstreams.values():
        if ws.spec.serves or ws.spec.continues or ws.stage not in DONE or not ws.change.paths:
            continue
        for need in (state.workstreams[WorkstreamId(name)] for name in ws.spec.needs):
            if need.change.paths and not set(need.change.paths) & set(ws.change.paths):
                text = (
                    f"`{ws.id}` waited for `{need.id}` ({_active_s(need):.0f} s of work), and they changed no "
                    "common file: if one does not need the other, they can run in parallel."
                )
                paths = (*ws.change.paths[:10], *need.change.paths[:10])
                yield _measured(state, text, topic=f"wait:{need.id}:{ws.id}", ws=ws, paths=paths)


def _bounds(state: RunState, records: Sequence[e.Record]) -> Iterator[Note]:
    """Limits that were used up, and those that were far too large."""
    reached = {
        (record.event.workstream, record.event.what): record.event
        for record in records
        if isinstance(record.event, e.BudgetReached)
    }
    for (name, what), event in reached.items():
        whose = f"`{name}`" if name is not None else "the run"
        text = f"The limit on {what} of {whose} was too small: all {event.cap:g} were used."
        yield _measured(
            state, text, topic=f"bound:{name or ''}:{what}", ws=state.workstreams.get(name) if name else None
        )
    limits, spent = state.plan.limits, run_cost_usd(state)
    if limits.budget_usd and 0 < spent * _FAR < limits.budget_usd:
        yield _measured(
            state,
            f"The budget of ${limits.budget_usd:.2f} was far too large: {state.id} cost ${spent:.2f}.",
            topic="bound:cost",
        )
    wall, took = seconds(limits.wall) if limits.wall else None, (state.ended_at or state.at) - state.started_at
    if wall and 0 < took * _FAR < wall:
        yield _measured(
            state,
            f"The time limit of {limits.wall} was far too large: {state.id} took {took:.0f} s.",
            topic="bound:wall",
        )


def _attempts(state: RunState, records: Sequence[e.Record]) -> Iterator[Note]:
    for ws in state.workstreams.values():
        if not ws.attempts:
            continue
        yield _course(state, ws, records)
        yield from _failed_first(state, ws, records)


def _course(state: RunState, ws: WorkstreamState, records: Sequence[e.Record]) -> Note:
    """The course of a workstream: attempts, how they ended, what it took."""
    causes = Counter(
        record.event.cause.value if record.event.cause is not None else record.event.reason
        for record in records
        if isinstance(record.event, e.RetryDecided) and record.event.workstream == ws.id
    )
    again = ", ".join(f"{cause} ({times})" for cause, times in causes.items())
    done = ws.stage in DONE
    end = (
        "integrated"
        if done
        else f"not integrated ({ws.stage.value}{f': {ws.outcome.reason}' if ws.outcome.reason else ''})"
    )
    helped = "; another attempt that knew of it succeeded" if again and done else ""
    text = (
        f"`{ws.id}`{f' ({ws.spec.title})' if ws.spec.title else ''}: {end} after "
        f"{counted(len(ws.attempts), 'attempt')}, "
        f"{_active_s(ws):.0f} s of agent time, ${cost_usd(ws):.2f}, {counted(ws.change.files, 'file')} changed."
        + (f" New attempts because of: {again}{helped}." if again else "")
    )
    kind = "fact" if done and not again else "remedy" if done else "failure"
    return _measured(
        state,
        text,
        layer=MemoryLayer.EXECUTION,
        kind=kind,
        topic=f"course:{ws.id}",
        ws=ws,
        paths=ws.change.paths or ws.spec.scope,
    )


def _failed_first(state: RunState, ws: WorkstreamState, records: Sequence[e.Record]) -> Iterator[Note]:
    """Checks and verdicts that failed at first."""
    failed: dict[str, str] = {}
    for record in records:
        match record.event:
            case e.CheckFinished(workstream=name, command=command, outcome=e.CheckOutcome.FAILED) if name == ws.id:
                failed.setdefault(command, _last_line(record.event.tail))
            case e.ClaimRejected(workstream=name, findings=findings) if name == ws.id and findings:
                failed.setdefault("", findings[0])
    after = "; it passed after another attempt" if ws.stage in DONE else ""
    for command, said in failed.items():
        text = (
            f"The check `{command}` first failed on the work of `{ws.id}`: {said or 'no output'}{after}."
            if command
            else f"The first claim of `{ws.id}` was rejected: {said}."
        )
        yield _measured(
            state,
            text,
            layer=MemoryLayer.EXECUTION,
            kind="failure",
            topic=f"failed:{ws.id}:{command}",
            ws=ws,
            paths=ws.change.paths,
        )


def _last_line(tail: str) -> str:
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _active_s(ws: WorkstreamState) -> float:
    return sum((attempt.ended_at or attempt.started_at) - attempt.started_at for attempt in ws.attempts)


def _measured(
    state: RunState,
    text: str,
    *,
    topic: str,
    layer: MemoryLayer = MemoryLayer.STRATEGIC,
    kind: str = "estimate",
    ws: WorkstreamState | None = None,
    paths: Iterable[str] = (),
    commit: str = "",
) -> Note:
    source = Source(
        who=MEASURED,
        run=state.id,
        workstream=ws.id if ws is not None else "",
        commit=commit or state.integration.commit or "",
        paths=tuple(paths)[:MOST_PATHS],
        at=state.at,
    )
    return note(text, layer=layer, kind=kind, sources=(source,), topic=f"{state.id}:{topic}")


# ---------------------------------------------------------------- what agents wrote


def _quotes(state: RunState, records: Sequence[e.Record]) -> Iterator[Note]:
    shared = [record.event for record in records if isinstance(record.event, e.FindingShared)]
    for ws in state.workstreams.values():
        yield from _shared(state, ws, [each for each in shared if each.workstream == ws.id])
        if ws.handoff is None or is_reviewer(ws):
            continue
        if ws.stage in DONE:
            for text in parts(ws.handoff.decisions):
                yield _said(
                    state,
                    ws,
                    text,
                    layer=MemoryLayer.STRATEGIC,
                    kind="decision",
                    paths=_named(ws, text) or ws.change.paths,
                )
            for name, body in ws.handoff.other.items():
                kind = _SECTIONS.get(name.strip().lower())
                for text in parts(body) if kind else ():
                    yield _said(
                        state, ws, text, layer=MemoryLayer.STRATEGIC, kind=kind or "note", paths=_named(ws, text)
                    )
        for remark in ws.handoff.findings[: 2 * _MOST]:
            yield from _found(state, ws, remark)


def _found(state: RunState, ws: WorkstreamState, remark: HandoffFinding) -> Iterator[Note]:
    if _says_nothing(remark.text):
        return
    strategic = remark.kind in {"convention", "decision"} and ws.stage in DONE
    paths = (remark.path,) if remark.path else _named(ws, remark.text)
    yield _said(
        state,
        ws,
        remark.text,
        layer=MemoryLayer.STRATEGIC if strategic else MemoryLayer.SHARED,
        kind=remark.kind,
        paths=paths,
    )


def _shared(state: RunState, ws: WorkstreamState, shared: Sequence[e.FindingShared]) -> Iterator[Note]:
    """The newest findings that it shared; what its handoff repeats is taken from there."""
    handed_over = [normal(each.text) for each in ws.handoff.findings] if ws.handoff is not None else []
    for each in shared[-2 * _MOST :]:
        if not any(normal(each.text) in text for text in handed_over):
            yield from _found(state, ws, HandoffFinding(text=each.text, kind=each.kind, path=each.path))


def parts(text: str) -> tuple[str, ...]:
    """The points of a section: its bullets with their indented lines, or its paragraphs."""
    points: list[str] = []
    bulleted = any(_BULLET.match(line) for line in text.splitlines())
    fresh = True
    for line in text.splitlines():
        bullet = _BULLET.match(line)
        if bullet:
            points.append(bullet[1])
        elif not line.strip():
            fresh = not bulleted
            continue
        elif fresh and not bulleted:
            points.append(line)
        elif points:
            points[-1] += f"\n{line.strip()}"
        fresh = False
    return tuple(point for point in points if not _says_nothing(point))[:_MOST]


def _says_nothing(text: str) -> bool:
    return len(text) < 40 and _NOTHING.fullmatch(text) is not None


def _named(ws: WorkstreamState, text: str) -> tuple[str, ...]:
    """The files of its work that a text names."""
    return tuple(path for path in ws.change.paths if path in text)


def _said(
    state: RunState, ws: WorkstreamState, text: str, *, layer: MemoryLayer, kind: str, paths: Sequence[str]
) -> Note:
    source = Source(
        who=AGENT,
        run=state.id,
        workstream=ws.id,
        commit=integrated_as(ws) or newest_of(ws) or ws.base or "",
        paths=tuple(paths)[:MOST_PATHS],
        at=state.at,
    )
    return note(text, layer=layer, kind=kind, sources=(source,))


def _listed(names: Sequence[str], limit: int = 8) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
