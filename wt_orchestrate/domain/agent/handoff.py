"""Parse `HANDOFF.md`, the report an agent leaves, into a value. Tolerant: it never raises.

Handoff text is hostile: it is data, never an instruction, and nothing in it counts without evidence from git. The front
matter is lines of `key: value`, not YAML (no aliases, tags or types); sections are headings outside code fences.
`problems` says what is malformed; the rest is still read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct, field

from wt_orchestrate.domain.text.clean import clean

LIMIT = 1 << 18
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.+)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_BULLET = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+(.*)")
_PLACE = re.compile(r"(?<![\w./-])([\w./-]{1,4096}\.\w+):(\d{1,9})")
"""Anchored at the start of a word, so that a line of a hundred thousand letters takes no quadratic time."""
_KIND = re.compile(r"\(?(fact|risk|convention|todo)\)?\s*[:-]\s*", re.IGNORECASE)

HANDOFF_CONTRACT = """## Your handoff

Keep a file `HANDOFF.md` at the root of your worktree (never commit it). Update it while you work and complete it at the end:

    ---
    status: working        (then `done` when everything is finished and committed, or `blocked` when you need an answer)
    progress: 60
    ---
    ## Summary
    ## Decisions
    ## Findings            (one per line; `fact:`, `risk:`, `convention:` or `todo:`, with path:line where it fits)
    ## Verification        (commands you ran and their results)
    ## Questions           (what you need from the orchestrator, with status blocked)
    ## Next

Only `status: done` with a summary counts as finished. We then verify it in git and run the checks again."""


class HandoffStatus(StrEnum):
    WORKING = "working"
    DONE = "done"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    """No status, or an unknown one."""


class HandoffFinding(Struct, frozen=True, kw_only=True):
    """One finding. `kind` is fact, risk, convention or todo; `path` and `line` are set if it names a place."""

    text: str
    kind: str = "fact"
    path: str = ""
    line: int | None = None


class Handoff(Struct, frozen=True, kw_only=True):
    """A parsed handoff; its texts are cleaned for display."""

    status: HandoffStatus = HandoffStatus.UNKNOWN
    progress: int | None = None
    summary: str = ""
    decisions: str = ""
    findings: tuple[HandoffFinding, ...] = ()
    verification: str = ""
    questions: str = ""
    next: str = ""
    review: str = ""
    """Answers to a reviewer's comments."""
    other: Mapping[str, str] = field(default_factory=dict)
    """Sections with other names, by name."""
    problems: tuple[str, ...] = ()


def parse_handoff(text: str) -> Handoff:
    """The handoff in a text, however malformed it is."""
    problems: list[str] = []
    if len(text) > LIMIT:
        text = text[:LIMIT]
        problems.append(f"it is longer than {LIMIT} characters and was cut")
    lines = clean(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    front, body = _split(lines, problems)
    sections = dict(_sections(body))
    known = {"summary", "decisions", "findings", "verification", "questions", "next", "review"}
    return Handoff(
        status=_status(front, problems),
        progress=_progress(front, problems),
        summary=sections.get("summary", ""),
        decisions=sections.get("decisions", ""),
        findings=tuple(_remarks(sections.get("findings", ""))),
        verification=sections.get("verification", ""),
        questions=sections.get("questions", ""),
        next=sections.get("next", ""),
        review=sections.get("review", ""),
        other={name: body for name, body in sections.items() if name not in known and body},
        problems=tuple(problems),
    )


def complete(handoff: Handoff) -> tuple[str, ...]:
    """What a finished handoff lacks, one sentence each."""
    missing = list(handoff.problems)
    if not handoff.summary:
        missing.append("the section '## Summary' is missing or empty")
    return tuple(missing)


def lacks(handoff: Handoff | None, sections: Sequence[str]) -> tuple[str, ...]:
    """Which of these sections, by title, are missing or empty."""
    return tuple(title for title in sections if handoff is None or not _holds(handoff, title.lower()))


def _holds(handoff: Handoff, section: str) -> bool:
    known = {
        "summary": handoff.summary,
        "decisions": handoff.decisions,
        "findings": handoff.findings,
        "verification": handoff.verification,
        "questions": handoff.questions,
        "next": handoff.next,
        "review": handoff.review,
    }
    return bool(known[section] if section in known else handoff.other.get(section))


def summary_of_commits(subjects: Sequence[str]) -> str:
    """The summary of work whose agent left no handoff: the subjects of its commits."""
    return clean("\n".join(f"- {subject}" for subject in subjects[-20:]))


def _split(lines: Sequence[str], problems: list[str]) -> tuple[Mapping[str, str], Sequence[str]]:
    """The pairs of the front matter and the lines after it."""
    start = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if not lines or lines[start].strip() != "---":
        problems.append("there is no front matter (`---`, `status: ...`, `---`) at the top")
        return {}, lines
    pairs: dict[str, str] = {}
    for number in range(start + 1, len(lines)):
        line = lines[number].strip()
        if line in {"---", "..."}:
            return pairs, lines[number + 1 :]
        if _HEADING.match(lines[number]):
            problems.append("its front matter is not closed by `---`")
            return pairs, lines[number:]
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() not in pairs:
            pairs[key.strip().lower()] = value.strip().strip("\"'")
    problems.append("its front matter is not closed by `---`")
    return pairs, ()


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each heading outside code fences, in lower case, with the text below it."""
    name, body, fence = "", list[str](), ""
    for line in lines:
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark.group(1)[:3]
        heading = None if fence or mark else _HEADING.match(line)
        if heading is None:
            body.append(line)
            continue
        if name:
            yield name, "\n".join(body).strip()
        name, body = _title(heading.group(1)).lower(), []
    if name:
        yield name, "\n".join(body).strip()


def _title(text: str) -> str:
    """A heading without its closing marks."""
    text = text.strip()
    return text.rstrip("#").rstrip() or text


def _status(front: Mapping[str, str], problems: list[str]) -> HandoffStatus:
    word = front.get("status", "").split("(")[0].strip().lower()
    try:
        return HandoffStatus(word)
    except ValueError:
        if front:
            problems.append(f"its status is {word or 'missing'!r}; it must be working, done or blocked")
        return HandoffStatus.UNKNOWN


def _progress(front: Mapping[str, str], problems: list[str]) -> int | None:
    text = front.get("progress", "").rstrip("% ")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 3:
        problems.append("its progress is not a number from 0 to 100")
        return None
    return min(100, int(text))


def _remarks(text: str) -> Iterator[HandoffFinding]:
    """One remark for each bullet, or for each paragraph if there are no bullets."""
    bullets = [match.group(1) for line in text.splitlines() if (match := _BULLET.match(line))]
    for part in bullets or [part.strip() for part in text.split("\n\n")]:
        if part:
            yield _remark(part)


def _remark(text: str) -> HandoffFinding:
    kind = _KIND.match(text)
    place = _PLACE.search(text)
    return HandoffFinding(
        text=text[kind.end() :] if kind else text,
        kind=kind.group(1).lower() if kind else "fact",
        path=place.group(1) if place else "",
        line=int(place.group(2)) if place else None,
    )


NOTHING = "none"
SECTIONS: Mapping[str, str] = {
    "Decisions": "what to do given the findings: each with its reason and the finding it is based on",
    "Contradictions": "where handoffs disagree: who says what, which is right, and how you know",
    "Risks": "what may go wrong next, most serious first",
    "Follow-ups": "what is worth doing but not part of this plan",
    "Learned": "what anyone who works on this repository next should know",
}
"""The sections of a synthesis's strategic notes, and what belongs in each."""


def says_nothing(text: str) -> bool:
    """Whether a section says that there is nothing to report, such as `none`."""
    return text.strip(" \n\t-*.`_").lower() == NOTHING


def gaps(decisions: str, other: Mapping[str, str], *, plans: bool) -> Iterator[str]:
    """What strategic notes lack, one sentence each. `plans`: whether they also have to plan the next stage."""
    for name in SECTIONS:
        text = decisions if name == "Decisions" else other.get(name.lower(), "")
        if not text.strip():
            yield f"the section '## {name}' is missing or empty; write `{NOTHING}` if there is nothing to say"
    if plans and not other.get("workstreams", "").strip():
        yield f"the section '## Workstreams' is missing or empty; plan the next stage there, or write `{NOTHING}`"
