"""What a run achieved as a whole: contributions, contradictions, risks, follow-ups, and what was learned.

All of it follows from the log: what agents handed over is quoted and attributed, what was measured stands beside it.
Two workstreams contradict each other here if they literally say different things of the same line, file, setting or
command, or if one reports a check otherwise than we saw it; whether they really disagree is for the reader to judge. A
synthesis (of a stage, or a workstream that a person gave that role) is quoted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from wt_orchestrate.domain.agent.statements import (
    Statement,
    commands,
    decided,
    paths_in,
    places,
    plain,
    points,
    settings,
)
from wt_orchestrate.domain.plan.model import Kind
from wt_orchestrate.domain.plan.roles import SYNTHESISER
from wt_orchestrate.domain.state.comments import CommentStatus, of_status
from wt_orchestrate.domain.state.contradictions import contradictions as own_contradictions
from wt_orchestrate.domain.state.lifecycle import DONE, Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, integrated_as
from wt_orchestrate.domain.text.clean import counted
from wt_orchestrate.domain.text.status_words import shown

_MOST = 200
"""How many entries of one list are kept; the total is given."""
SECTIONS = {
    "decisions": ("decisions",),
    "contradictions": ("contradictions", "conflicts"),
    "risks": ("risks",),
    "follow_ups": ("follow-ups", "follow ups", "followups", "next"),
    "learned": ("learned", "what was learned", "lessons"),
}
"""Sections of a synthesis beyond those of every handoff, and their accepted names."""

Entry = dict[str, Any]


def digest(state: RunState, flaky: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The digest as plain values. `flaky`: (check, tree) of those that failed and passed on one tree."""
    streams = tuple(state.workstreams.values())
    lists = {
        "contradictions": list(_contradictions(streams)),
        "risks": list(_risks(state, streams, flaky)),
        "follow_ups": list(_follow_ups(streams)),
        "learned": list(_learned(streams)),
    }
    return {
        **{name: entries[:_MOST] for name, entries in lists.items()},
        "left_out": {name: len(entries) - _MOST for name, entries in lists.items() if len(entries) > _MOST},
        "synthesisers": [found for ws in streams if (found := _said(ws)) is not None],
    }


def contribution(ws: WorkstreamState) -> str:
    """What a workstream contributed, in one paragraph: what was measured, then what its agent says."""
    parts: list[str] = [_outcome(ws)]
    if ws.commits or ws.change.files:
        where = f" in {_folders(ws.change.paths)}" if ws.change.paths else ""
        lines = f" (+{ws.change.added} -{ws.change.deleted})" if ws.change.files else ""
        files = f", {counted(ws.change.files, 'file')}{lines}{where}" if ws.change.files else ""
        parts.append(f"{counted(ws.commits, 'commit')}{files}.")
    if ws.checks:
        parts.append(
            f"Checks on its tree: {'; '.join(f'`{plain(c.command, 80)}` {c.outcome.value}' for c in ws.checks[:5])}."
        )
    if ws.conflict is not None and ws.conflict.settled_by:
        how = ", ".join(sorted(set(ws.conflict.settled_by.values())))
        parts.append(f"Its conflict in {_listed(sorted(ws.conflict.settled_by))} was resolved by {how}.")
    said = plain(ws.handoff.summary, 600) if ws.handoff is not None else ""
    if said:
        parts.append(f"The agent says: “{said}”")
    elif ws.history:
        parts.append(f"Commits: “{plain('; '.join(c.subject for c in ws.history[-5:]), 300)}”")
    return " ".join(parts)


def _outcome(ws: WorkstreamState) -> str:
    if ws.stage in DONE:
        where = f" as {commit[:10]}" if (commit := integrated_as(ws)) is not None else ""
        return f"Landed{where}." if ws.stage is Stage.LANDED else f"Integrated{where}."
    why = f": {plain(ws.outcome.reason, 200)}" if ws.outcome.reason else ""
    return f"Not integrated ({shown(ws.stage.value)}{why})."


def _folders(paths: Sequence[str]) -> str:
    if len(paths) <= 3:
        return ", ".join(f"`{path}`" for path in paths)
    folders = sorted({path.rpartition("/")[0] or "." for path in paths})
    return ", ".join(f"`{folder}/`" for folder in folders[:3]) + (" and more" if len(folders) > 3 else "")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# ---------------------------------------------------------------- contradictions


def _contradictions(streams: Sequence[WorkstreamState]) -> Iterator[Entry]:
    said = [(ws, ws.handoff) for ws in streams if ws.handoff is not None and not ws.spec.serves]
    said = [(ws, handoff) for ws, handoff in said if not _is_synthesis(ws)]
    yield from _differing("setting", ((ws.id, each) for ws, handoff in said for each in settings(handoff)))
    yield from _differing("place", ((ws.id, each) for ws, handoff in said for each in places(handoff)))
    yield from _differing("file", ((ws.id, each) for ws, handoff in said for each in decided(handoff)))
    yield from _differing("check", ((ws.id, each) for ws, handoff in said for each in commands(handoff)))
    for ws, handoff in said:
        yield from _unlike_measured(ws, tuple(commands(handoff)))


def _differing(kind: str, found: Iterable[tuple[str, Statement]]) -> Iterator[Entry]:
    """To what two or more workstreams give different values."""
    by_subject: dict[str, dict[str, list[Statement]]] = {}
    for name, each in found:
        by_subject.setdefault(each.about, {}).setdefault(name, []).append(each)
    for about, by_stream in by_subject.items():
        values = {name: frozenset(each.value for each in told) for name, told in by_stream.items()}
        if len(by_stream) > 1 and len(set(values.values())) > 1:
            says = [{"workstream": name, "text": told[-1].text} for name, told in by_stream.items()]
            yield {"kind": kind, "about": plain(about, 160), "how": "found", "says": says}


def _unlike_measured(ws: WorkstreamState, told: Sequence[Statement]) -> Iterator[Entry]:
    """What an agent says of a check that we ran on its work with another result."""
    ran = {" ".join(check.command.split()): check.outcome.value for check in ws.checks}
    for each in told:
        seen = ran.get(each.about)
        if seen is not None and (seen == "passed") != (each.value == "passed"):
            says = [{"workstream": ws.id, "text": each.text}, {"workstream": "", "text": f"measured: {seen}"}]
            yield {"kind": "measured", "about": each.about, "how": "found", "says": says}


# ---------------------------------------------------------------- risks, follow-ups, what was learned


def _risks(state: RunState, streams: Sequence[WorkstreamState], flaky: Sequence[tuple[str, str]]) -> Iterator[Entry]:
    for command, tree in flaky:
        text = f"`{plain(command, 120)}` failed and passed on the same tree {tree[:10]}"
        yield {"kind": "flaky check", "workstream": "", "text": text, "how": "measured"}
    for ws in streams:
        yield from _findings(ws, "risk")
        if ws.change.protected:
            text = f"it changes protected paths: {_listed(ws.change.protected)}"
            yield {"kind": "protected path", "workstream": ws.id, "text": text, "how": "measured"}
        for text in own_contradictions(ws):
            yield {"kind": "contradicts itself", "workstream": ws.id, "text": text, "how": "measured"}
        yield from _unverified(state, ws)
        denied = sorted({tool for attempt in ws.attempts for tool in attempt.denied})
        if denied:
            text = f"its agent was not allowed {plain(', '.join(denied), 200)}; so parts of the work may be missing"
            yield {"kind": "denied", "workstream": ws.id, "text": text, "how": "measured"}


def _unverified(state: RunState, ws: WorkstreamState) -> Iterator[Entry]:
    """What only an agent's word supports."""
    if ws.spec.serves:
        return
    if ws.stage in DONE and ws.spec.kind is Kind.CHANGE and not (state.plan.checks or ws.spec.checks):
        text = "it was integrated without a check: the plan has none"
        yield {"kind": "unverified", "workstream": ws.id, "text": text, "how": "measured"}
    if ws.handoff is None:
        return
    ran = {" ".join(check.run.split()) for check in (*state.plan.checks, *ws.spec.checks)}
    alone = dict.fromkeys(each.about for each in commands(ws.handoff) if each.about not in ran)
    if alone:
        text = f"it reports the result of {_listed([plain(each, 80) for each in alone])}; only its agent ran that"
        yield {"kind": "unverified", "workstream": ws.id, "text": text, "how": "its word"}


def _follow_ups(streams: Sequence[WorkstreamState]) -> Iterator[Entry]:
    for ws in streams:
        if ws.stage not in DONE and not ws.spec.serves:
            text = f"not integrated ({shown(ws.stage.value)}){': ' + plain(ws.outcome.reason, 200) if ws.outcome.reason else ''}"
            commands_ = list(ws.outcome.commands) or [f"wto status {ws.id}"]
            yield {
                "kind": "not integrated",
                "workstream": ws.id,
                "text": text,
                "how": "measured",
                "commands": commands_,
            }
        yield from _findings(ws, "todo")
        if ws.handoff is not None and not _is_synthesis(ws):
            for kind, section in (("next", ws.handoff.next), ("question", ws.handoff.questions)):
                for text in points(section):
                    yield {"kind": kind, "workstream": ws.id, "text": text, "how": "its word"}
        for comment in of_status(ws.comments, CommentStatus.OPEN):
            yield {"kind": "comment", "workstream": ws.id, "text": plain(comment.text), "how": "a reviewer's word"}


def _learned(streams: Sequence[WorkstreamState]) -> Iterator[Entry]:
    for ws in streams:
        yield from _findings(ws, "convention")
        if ws.handoff is not None and not _is_synthesis(ws):
            for text in points(ws.handoff.decisions):
                yield {
                    "kind": "decision",
                    "workstream": ws.id,
                    "text": text,
                    "how": "its word",
                    "paths": [*paths_in(text)],
                }


def _findings(ws: WorkstreamState, kind: str) -> Iterator[Entry]:
    for each in ws.handoff.findings if ws.handoff is not None else ():
        if each.kind == kind:
            place = f"{each.path}:{each.line}" if each.path and each.line is not None else each.path
            entry = {"kind": kind, "workstream": ws.id, "text": plain(each.text), "how": "its word"}
            yield {**entry, "place": place} if place else entry


# ---------------------------------------------------------------- the synthesiser's word


def _is_synthesis(ws: WorkstreamState) -> bool:
    """Whether the tool or a person asked it to speak for others; not an agent that added it."""
    return bool(ws.spec.synthesises) or (ws.spec.role == SYNTHESISER and ws.added_by is None)


def _said(ws: WorkstreamState) -> Entry | None:
    """What a synthesis handed over, section by section."""
    if not _is_synthesis(ws) or ws.handoff is None:
        return None
    known: Mapping[str, str] = {"decisions": ws.handoff.decisions, "next": ws.handoff.next, **ws.handoff.other}
    sections = {
        name: [text for title in titles for text in points(known.get(title, ""))] for name, titles in SECTIONS.items()
    }
    sections["risks"] += [plain(each.text) for each in ws.handoff.findings if each.kind == "risk"]
    return {
        "workstream": ws.id,
        "stage": ws.stage.value,
        "summary": plain(ws.handoff.summary, 1_500),
        **{name: entries[:_MOST] for name, entries in sections.items()},
    }
