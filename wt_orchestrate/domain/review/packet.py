"""The review packet of a workstream: what was asked, what its agent says, what the diff does, what was checked, and
what to look at.

Plain values, stable as JSON (`wto.review/1`; later versions only add). Agents' texts are kept as they are; whoever
shows them escapes them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.review.flags import Flag, FlagWeight, flags
from wt_orchestrate.domain.state.comments import Comment, CommentPlace, CommentStatus, of_status, says_fixed
from wt_orchestrate.domain.state.contradictions import contradictions
from wt_orchestrate.domain.state.findings import findings_of, shared_values
from wt_orchestrate.domain.state.forecast import of as clashes_of
from wt_orchestrate.domain.state.lifecycle import DONE
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import (
    WorkstreamState,
    accepted,
    claimed_by_person,
    conflict_paths,
    integrated_as,
)
from wt_orchestrate.domain.text.clean import addressless, at_line, clean, counted
from wt_orchestrate.domain.text.diff import FileDiff, areas, moves
from wt_orchestrate.domain.text.secrets import without_secrets
from wt_orchestrate.domain.text.status_words import shown

SCHEMA = "wto.review/1"
_QUOTED = 2_000
_ASKED = 400
"""How many characters of another workstream's brief stand for its missing title."""


def reviewed_head(ws: WorkstreamState) -> CommitId | None:
    """The newest own work of a workstream: what was last accepted, without conflict resolutions, else its branch."""
    return ws.looked_at if accepted(ws) is not None else ws.head


def packet(
    state: RunState,
    ws: WorkstreamState,
    files: Sequence[FileDiff],
    *,
    places: Mapping[str, CommentPlace] | None = None,
    lockfiles: Collection[str] = (),
    calls: bool = False,
    resolution: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The packet of one workstream, from its state and its diff. `places`: where its comments are now, by their ids.
    `resolution`: how its conflict was resolved (`commit`, `ours`, `theirs`, `files`). The rest as in `flags`."""
    found = flags(files, scope=ws.spec.scope, protected=state.settings.protected, lockfiles=lockfiles, calls=calls)
    masked: dict[str, Any] = _masked(_packet(state, ws, files, found, places or {}) | _conflict(ws, resolution))
    return masked


def _masked(value: Any) -> Any:
    """The value with everything masked that looks like a secret."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {key: _masked(each) for key, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list) else value


def _packet(
    state: RunState,
    ws: WorkstreamState,
    files: Sequence[FileDiff],
    found: Sequence[Flag],
    places: Mapping[str, CommentPlace],
) -> dict[str, Any]:
    handoff = ws.handoff
    return {
        "schema": SCHEMA,
        "run": state.id,
        "workstream": ws.id,
        "stage": ws.stage.value,
        "target": state.target,
        "branch": ws.branch,
        "base": ws.base,
        "head": reviewed_head(ws),
        "commits": ws.commits,
        "integrated_as": integrated_as(ws),
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
            "shared": shared_values(findings_of(state, ws.id)),
        },
        "does": _does(files),
        "checks": _checks(state, ws),
        "review": _review(ws),
        "flags": [_flag(flag) for flag in found],
        "overlaps": _overlaps(state, ws, files),
        "contradictions": [*contradictions(ws), *_claims_against(ws, files)],
        "questions": list(_questions(ws, found, files)),
        "threads": [_thread(comment, places.get(comment.id)) for comment in ws.comments],
        "read_first": list(_order(files, found)),
    }


def _conflict(ws: WorkstreamState, resolution: Mapping[str, Any] | None) -> dict[str, Any]:
    """Its conflict, with who or what resolved each file."""
    resolved = None
    settled_by = dict(ws.conflict.settled_by) if ws.conflict is not None else {}
    if resolution is not None:
        whoever = "person" if claimed_by_person(ws) else "its agent"
        files = [{**file, "by": settled_by.get(file["path"], whoever)} for file in resolution["files"]]
        resolved = {**resolution, "files": files}
    return {"conflict": {"settled_by": settled_by, "paths": list(conflict_paths(ws)), "resolution": resolved}}


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
                each.flaky
                for command, each in state.checks.judged.get(check.tree, {}).items()
                if command == check.command
            ),
        }
        for check in ws.checks
    ]


def _review(ws: WorkstreamState) -> dict[str, Any] | None:
    """A reviewing agent's last findings; `current`: about this very head."""
    review = ws.review
    if review is None:
        return None
    return {
        "by": review.reviewer,
        "head": review.head,
        "current": review.head == reviewed_head(ws),
        "findings": [
            {"weighs": each.weighs.value, "path": each.path or None, "line": each.line or None, "text": each.text}
            for each in review.findings
        ],
    }


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
        theirs = set(other.change.paths) or {path for commit in other.history for path in commit.paths}
        both = sorted(own & theirs)
        if other.id != ws.id and both and not other.spec.serves:
            found.append(
                {
                    "workstream": other.id,
                    "asked": other.spec.title or " ".join(other.spec.brief.split())[:_ASKED],
                    "stage": other.stage.value,
                    "paths": both[:50],
                    "count": len(both),
                    "forecast": _foreseen(state, ws, other.id),
                }
            )
    return found


def _foreseen(state: RunState, ws: WorkstreamState, other: str) -> str | None:
    """The forecast for merging both; None if there is none, or one of them is done."""
    if not state.forecast.ended_at or ws.stage in DONE or state.workstreams[WorkstreamId(other)].stage in DONE:
        return None
    return "conflict" if any(name == other for name, _ in clashes_of(state, ws.id)) else "clean"


def _thread(comment: Comment, place: CommentPlace | None) -> dict[str, Any]:
    """A comment with its answer, and where its lines are now; `changed` is our own observation."""
    now = place if place is not None and (place.line or not comment.line) else None
    return {
        "id": comment.id,
        "status": comment.status.value,
        "path": comment.path or None,
        "line": comment.line or None,
        "end": comment.end or None,
        "commit": comment.commit,
        "now": {"path": now.path, "line": now.line, "end": now.end} if now is not None and now.line else None,
        "changed": place is not None and now is None,
        "quoted": comment.quoted,
        "text": comment.text,
        "answer": comment.answer if comment.answered_at is not None else "",
        "says_fixed": says_fixed(comment),
    }


_CHANGING = re.compile(
    r"(?i)\b(add|chang|creat|delet|edit|extend|fix|mend|mov|refactor|remov|renam|replac|rewr[io]t|rework|updat|wr[io]t)\w*"
)
_PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*\.[A-Za-z]\w{0,7})(?::\d+)?`|\b([\w.-]+(?:/[\w.-]+)+\.[A-Za-z]\w{0,7})\b")
_COMMAND = re.compile(r"`([^`\n]{2,200})`|^\s*\$\s+(.{2,200})$", re.MULTILINE)
_SAID = 5
"""How many claims of one kind are listed."""


def _claims_against(ws: WorkstreamState, files: Sequence[FileDiff]) -> Iterator[str]:
    """Where the handoff reports changes that the diff does not hold, or commands that nobody else ran."""
    if ws.handoff is None:
        return
    touched = [path for file in files for path in (file.path, file.old) if path]
    claimed = [
        match[1] or match[2]
        for line in f"{ws.handoff.summary}\n{ws.handoff.decisions}".splitlines()
        if _CHANGING.search(line)
        for match in _PATH.finditer(line[:2_000])
    ]
    for path in list(dict.fromkeys(claimed))[:_SAID]:
        if not any(each == path or each.endswith(f"/{path}") for each in touched):
            yield f"its handoff reports a change in {path}, but the diff does not touch it"
    ran = [(match[1] or match[2]).strip() for match in _COMMAND.finditer(ws.handoff.verification)]
    ours = {check.command for check in ws.checks}
    for command in [each for each in dict.fromkeys(ran) if " " in each and each not in ours][:_SAID]:
        yield f"its handoff reports `{command}`, which none of our checks ran"
    if ws.handoff.verification.strip() and not ws.checks:
        yield "its handoff reports commands it ran, but none of our checks has run on its work yet"


def _questions(ws: WorkstreamState, found: Sequence[Flag], files: Sequence[FileDiff]) -> Iterator[str]:
    """Questions to the reviewer, most pressing first."""
    if ws.handoff is not None and ws.handoff.questions.strip():
        yield f"Its agent asks: {ws.handoff.questions.strip()[:400]}"
    for comment in of_status(ws.comments, CommentStatus.ANSWERED)[:5]:
        yield f"{comment.id} is answered: is it resolved?"
    high = [flag for flag in found if flag.weight is FlagWeight.HIGH]
    for flag in high[:5]:
        yield f"{at_line(flag.path, flag.line)}: {flag.text}. Is this intended?"
    tests = [file for file in files if "test" in file.path]
    if files and not tests:
        yield "No test was added or changed. How do we know it works?"


def _order(files: Sequence[FileDiff], found: Sequence[Flag]) -> Iterator[str]:
    """The files in reading order: those with flags of high weight first, then the largest changes."""
    weights = {FlagWeight.HIGH: 100, FlagWeight.MEDIUM: 10, FlagWeight.LOW: 1}
    score = {file.path: 0 for file in files}
    for flag in found:
        score[flag.path] = score.get(flag.path, 0) + weights[flag.weight]
    size = {file.path: file.added + file.deleted for file in files}
    yield from sorted(size, key=lambda path: (-score[path], -size[path], path))


def packet_text(packet: dict[str, Any], limit: int) -> str:
    """The packet as Markdown of at most `limit` characters; texts of agents are quoted as data, code is in code spans."""
    says, does = packet["says"], packet["does"]
    title = clean(packet["asked"]["title"] or packet["workstream"])
    parts = [
        f"## Purpose\n\n{_plain(title)}\n\n{_quoted(packet['asked']['brief'])}",
        *_section("Questions", [_plain(each) for each in packet["questions"]]),
        *_section("To check", [_flag_line(flag) for flag in packet["flags"]], "nothing found"),
        "## What the agent says (its own words)\n\n" + (_quoted(says["summary"]) or "nothing"),
        *(f"### {name.capitalize()}\n\n{_quoted(says[name])}" for name in ("decisions", "verification") if says[name]),
        *_section("What it shared with other agents (its own words)", [_shared_line(each) for each in says["shared"]]),
        *_section("Contradictions", [_plain(each) for each in packet["contradictions"]]),
        *_section("What the diff does", [_area_line(area) for area in does["areas"]], "nothing"),
        *_section("Checks", [_check_line(check) for check in packet["checks"]], "none has run"),
        *_resolution_section(packet["conflict"]["resolution"], packet["workstream"]),
        *_review_section(packet["review"]),
        *_section("Others in these files", [_overlap_line(other) for other in packet["overlaps"]]),
        *_section("Comments", [_thread_line(thread) for thread in packet["threads"]]),
        *_section("Read first", [_code(path) for path in packet["read_first"][:10]]),
    ]
    text = "\n\n".join(parts) + "\n"
    cut = "\n\n(cut; the whole packet: wto review --json)\n"
    return text if len(text) <= limit else text[: max(0, limit - len(cut))] + cut[:limit]


def _shared_line(each: dict[str, Any]) -> str:
    place = f" at {_code(each['path'])}" if each["path"] else ""
    return f"{_plain(each['kind'])}{place}: {_plain(each['text'])}"


def _section(name: str, lines: Sequence[str], nothing: str = "") -> Iterator[str]:
    """A heading with its lines as a list; without lines, the text for nothing, or no section."""
    if lines or nothing:
        yield f"## {name}\n\n" + ("\n".join(f"- {line}" for line in lines) or nothing)


_HUNKS, _HUNK_LINES = 20, 12


def _resolution_section(resolution: dict[str, Any] | None, name: str) -> Iterator[str]:
    """Each conflict as each side had it and as it was resolved, in a code block."""
    for file in resolution["files"] if resolution is not None else ():
        yield f"## Conflict in {_code(file['path'])}, resolved by {_plain(file['by'])}"
        for hunk in file["hunks"][:_HUNKS]:
            parts = (("it was", "base"), (name, "ours"), ("integrated", "theirs"), ("became", "result"))
            lines = [
                f"{title:<12} {line}" for title, key in parts for line in hunk[key][:_HUNK_LINES] or ("(nothing)",)
            ]
            gone = [*hunk["dropped_ours"], *hunk["dropped_theirs"]]
            yield _block(lines)
            if gone:
                yield f"Removed here: {', '.join(_code(line.strip()) for line in gone[:_HUNK_LINES])}"


def _block(lines: Sequence[str]) -> str:
    """Lines as a code block that no fence inside can end."""
    return "\n".join(f"    {clean(line)}" for line in lines)


def _review_section(review: dict[str, Any] | None) -> Iterator[str]:
    if review is not None:
        older = "" if review["current"] else f" (of the earlier {review['head'][:10]})"
        lines = [_remark_line(each) for each in review["findings"]]
        yield from _section(f"What {review['by']} says{older}(an agent's words)", lines, "nothing to change")


def _remark_line(remark: dict[str, Any]) -> str:
    place = (
        f"{_code(remark['path'] + (':' + str(remark['line']) if remark['line'] else ''))} " if remark["path"] else ""
    )
    return f"{remark['weighs']}: {place}{_plain(remark['text'])}"


def _flag_line(flag: dict[str, Any]) -> str:
    place = f"{flag['path']}{':' + str(flag['line']) if flag['line'] else ''}"
    return f"{flag['weight']}: {_code(place)} {_plain(flag['text'])} ({flag['kind']})"


def _area_line(area: dict[str, Any]) -> str:
    return f"{_code(area['area'])}: {counted(area['files'], 'file')} +{area['added']} -{area['deleted']}"


def _check_line(check: dict[str, Any]) -> str:
    flaky = ", flaky" if check["flaky"] else ""
    return f"{_code(check['command'])}: {check['outcome']} in {check['duration_s']:.1f} s on tree {check['tree'][:10]}{flaky}"


def _overlap_line(other: dict[str, Any]) -> str:
    foreseen = f", merges {other['forecast']}ly" if other["forecast"] == "clean" else ""
    foreseen = ", **would conflict**" if other["forecast"] == "conflict" else foreseen
    paths = ", ".join(map(_code, other["paths"][:5]))
    return f"{other['workstream']} ({shown(other['stage'])}{foreseen}): {paths}; its task: {_plain(other['asked'])}"


def _thread_line(thread: dict[str, Any]) -> str:
    place = (
        f" on {_code(thread['path'] + (':' + str(thread['line']) if thread['line'] else ''))}" if thread["path"] else ""
    )
    answer = f"; the agent: {_plain(thread['answer'])}" if thread["answer"] else ""
    return f"{thread['id']} {thread['status']}{place}: {_plain(thread['text'])}{answer}"


_MARKS = re.compile(r"([\\`*_\[\]<>|~!&]|^/)")
"""Markdown's special characters, and the one that makes a line a command to GitLab (`/merge`)."""


def _plain(text: str) -> str:
    """Text on one line without Markdown: no link, picture, HTML or mention."""
    return _inert(" ".join(clean(text).split())[:_QUOTED])


def _inert(line: str) -> str:
    return addressless(_MARKS.sub(r"\\\1", line))


def _code(text: str) -> str:
    """A path or a command as a code span."""
    one_line = " ".join(clean(text).split())
    if "`" not in one_line:
        return f"`{one_line}`"
    fence = "`" * (1 + max(map(len, re.findall("`+", one_line))))
    return f"{fence} {one_line} {fence}"


def _quoted(text: str) -> str:
    """Text as a quotation without Markdown."""
    return "\n".join(f"> {_inert(line)}" for line in clean(text[:_QUOTED]).splitlines())
