"""The review packet: what was asked, what its agent says, what the diff really does, what was checked, and what to look at.

Plain values, stable as JSON (`wto.review/1`; later versions only add). Agent text is told as the agent's own words; whoever
shows it escapes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from wt_orchestrate.domain.difftext import FileDiff, areas, moves
from wt_orchestrate.domain.evidence import contradictions
from wt_orchestrate.domain.flags import Flag, Weight, flags
from wt_orchestrate.domain.state import RunState, WorkstreamState
from wt_orchestrate.domain.text import clean

SCHEMA = "wto.review/1"
_QUOTED = 2_000


def packet(state: RunState, ws: WorkstreamState, files: Sequence[FileDiff]) -> dict[str, Any]:
    """The packet of one workstream, from its state and its diff."""
    found = flags(files, scope=ws.spec.scope, protected=state.settings.protected)
    handoff = ws.handoff
    return {
        "schema": SCHEMA,
        "run": state.id,
        "workstream": ws.id,
        "stage": ws.stage.value,
        "target": state.target,
        "branch": ws.branch,
        "base": ws.base,
        "head": ws.head,
        "integrated_as": ws.integrated_as,
        "asked": {
            "title": ws.spec.title,
            "brief": ws.spec.brief,
            "role": ws.spec.role,
            "scope": list(ws.spec.scope),
        },
        "says": {
            "status": handoff.status.value if handoff is not None else None,
            "summary": handoff.summary if handoff is not None else "",
            "decisions": handoff.decisions if handoff is not None else "",
            "verification": handoff.verification if handoff is not None else "",
            "questions": handoff.questions if handoff is not None else "",
            "findings": [
                {"kind": each.kind, "text": each.text, "path": each.path, "line": each.line}
                for each in (handoff.findings if handoff is not None else ())
            ],
        },
        "does": _does(files),
        "checks": _checks(state, ws),
        "conflict": {"settled_by": dict(ws.settled_by), "paths": list(ws.conflict)},
        "flags": [_flag(flag) for flag in found],
        "overlaps": _overlaps(state, ws, files),
        "contradictions": [*contradictions(ws), *_claims_against(ws, files)],
        "questions": list(_questions(ws, found, files)),
        "read_first": list(_order(files, found)),
    }


def _does(files: Sequence[FileDiff]) -> dict[str, Any]:
    return {
        "files": [
            {
                "path": file.path,
                "status": file.status,
                "old": file.old,
                "added": file.added,
                "deleted": file.deleted,
                "binary": file.binary,
            }
            for file in files
        ],
        "added": sum(file.added for file in files),
        "deleted": sum(file.deleted for file in files),
        "areas": [
            {"area": area, "files": count, "added": added, "deleted": deleted}
            for area, (count, added, deleted) in areas(files).items()
        ],
        "moved": [
            {"from": f"{each.from_path}:{each.from_line}", "to": f"{each.to_path}:{each.to_line}", "lines": each.lines}
            for each in moves(files)
        ],
    }


def _checks(state: RunState, ws: WorkstreamState) -> list[dict[str, Any]]:
    return [
        {
            "command": check.command,
            "outcome": check.outcome.value,
            "duration_s": check.duration_s,
            "tree": check.tree,
            "log": check.log,
            "tail": clean(check.tail[-_QUOTED:]),
            "flaky": any(
                each.flaky for command, each in state.judged.get(check.tree, {}).items() if command == check.command
            ),
        }
        for check in ws.checks
    ]


def _flag(flag: Flag) -> dict[str, Any]:
    return {
        "kind": flag.kind,
        "weight": flag.weight.value,
        "path": flag.path,
        "line": flag.line,
        "text": flag.text,
    }


def _overlaps(state: RunState, ws: WorkstreamState, files: Sequence[FileDiff]) -> list[dict[str, Any]]:
    """Other workstreams that touch the same files."""
    own = {file.path for file in files}
    found: list[dict[str, Any]] = []
    for other in state.workstreams.values():
        theirs = set(other.paths) or {path for commit in other.history for path in commit.paths}
        both = sorted(own & theirs)
        if other.id != ws.id and both:
            found.append({"workstream": other.id, "stage": other.stage.value, "paths": both[:50], "count": len(both)})
    return found


def _claims_against(ws: WorkstreamState, files: Sequence[FileDiff]) -> Iterator[str]:
    """Where the handoff speaks of files that the diff does not touch."""
    touched = {file.path for file in files}
    for finding in ws.handoff.findings if ws.handoff is not None else ():
        if finding.kind == "fact" and finding.path and finding.line and finding.path not in touched and not touched:
            yield f"its handoff names {finding.path}:{finding.line}, and the diff is empty"
    said = ws.handoff.verification if ws.handoff is not None else ""
    if said.strip() and not ws.checks:
        yield "its handoff tells of commands that were run, and no check of ours has run on its work yet"


def _questions(ws: WorkstreamState, found: Sequence[Flag], files: Sequence[FileDiff]) -> Iterator[str]:
    """What the reviewer is asked, most pressing first."""
    if ws.handoff is not None and ws.handoff.questions.strip():
        yield f"Its agent asks: {ws.handoff.questions.strip()[:400]}"
    high = [flag for flag in found if flag.weight is Weight.HIGH]
    for flag in high[:5]:
        yield f"{_place(flag)}: {flag.text}. Is that meant?"
    tests = [file for file in files if "test" in file.path]
    if files and not tests:
        yield "No test was added or changed. Does anything show that it works?"


def _place(flag: Flag) -> str:
    return f"{flag.path}:{flag.line}" if flag.line else flag.path


def _order(files: Sequence[FileDiff], found: Sequence[Flag]) -> Iterator[str]:
    """The files in the order in which to read them: those with weighty flags first, then the busiest."""
    weights = {Weight.HIGH: 100, Weight.MEDIUM: 10, Weight.LOW: 1}
    score = {file.path: 0 for file in files}
    for flag in found:
        score[flag.path] = score.get(flag.path, 0) + weights[flag.weight]
    size = {file.path: file.added + file.deleted for file in files}
    yield from sorted(size, key=lambda path: (-score[path], -size[path], path))


def packet_text(packet: dict[str, Any], limit: int) -> str:
    """The packet as Markdown of at most `limit` characters, agent text quoted as data."""
    parts = [
        f"## Purpose\n\n{packet['asked']['title']}\n\n{_quoted(packet['asked']['brief'])}",
        "## What its agent says (its own words)\n\n" + (_quoted(packet["says"]["summary"]) or "nothing"),
        "## What the diff does\n\n"
        + "\n".join(
            f"- `{area['area']}`: {area['files']} files +{area['added']} -{area['deleted']}"
            for area in packet["does"]["areas"]
        ),
        "## Checks\n\n"
        + ("\n".join(f"- `{check['command']}`: {check['outcome']}" for check in packet["checks"]) or "none has run"),
        "## To look at\n\n"
        + (
            "\n".join(
                f"- {flag['weight']}: `{flag['path']}{':' + str(flag['line']) if flag['line'] else ''}` {flag['text']}"
                for flag in packet["flags"]
            )
            or "nothing was found"
        ),
    ]
    if packet["questions"]:
        parts.append("## Questions\n\n" + "\n".join(f"- {clean(each)}" for each in packet["questions"]))
    text = "\n\n".join(parts) + "\n"
    cut = "\n\n(cut; the whole packet: wto review --json)\n"
    return text if len(text) <= limit else text[: limit - len(cut)] + cut


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in clean(text[:_QUOTED]).splitlines())
