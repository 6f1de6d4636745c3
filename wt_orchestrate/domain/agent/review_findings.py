"""Parse a reviewing agent's remarks about a workstream's work from the section `## Review` of its handoff.

A reviewer may write nothing but its handoff. Its remarks are shown as its own words and quoted as data. They never
change or land anything by themselves; `domain/verdict` decides what follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.text.clean import at_line, clean

MOST = 50
"""How many remarks of one review count."""
TEXT_LIMIT = 2_000
NOTHING = "none"


class Weighing(StrEnum):
    """The weight of a remark."""

    MUST = "must"
    """Must be answered before the work goes on."""
    SHOULD = "should"
    NOTE = "note"


class ReviewFinding(Struct, frozen=True, kw_only=True):
    """One remark. Without a path it is about the work as a whole; with line 0, about the file as a whole."""

    text: str
    weighs: Weighing = Weighing.NOTE
    path: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        return at_line(self.path, self.line)


class Review(Struct, frozen=True, kw_only=True):
    """One review: of which head, by whom, and its remarks. `claim` is the claim it reviewed, `sent_as` the message that
    carried its remarks to the agent."""

    reviewer: WorkstreamId
    head: CommitId
    claim: int
    findings: tuple[ReviewFinding, ...] = ()
    sent_as: str = ""

    @property
    def asks(self) -> bool:
        """Whether something must be changed or answered before the work goes on."""
        return any(finding.weighs is Weighing.MUST for finding in self.findings)


def to_answer(findings: Sequence[ReviewFinding]) -> tuple[ReviewFinding, ...]:
    """The remarks that go back to the agent if any must be answered; notes are not among them."""
    return tuple(finding for finding in findings if finding.weighs is not Weighing.NOTE)


_BEGIN = re.compile(r"\s*(?:(?:[-*+]|\d+[.)])\s+)?[`*_\[(]*(must|should|note)\b[`*_\])]*\s*:?\s*(.*)", re.IGNORECASE)
_PLACE = re.compile(r"`?([^\s`:]+):(\d{1,7})(?:-\d{1,7})?`?\s*[:,-]?\s*")
_FILE = re.compile(r"`([^`:]+)`\s*:\s*")


def findings_of(section: str) -> tuple[ReviewFinding, ...]:
    """The remarks in a section `## Review`: each starts with its weight, indented lines below belong to it. At most
    fifty."""
    return tuple(_finding(weighs, text) for weighs, text in _entries(section) if text.strip())[:MOST]


def is_given(section: str) -> bool:
    """Whether the section counts as a review: it has remarks, or says that there are none."""
    return bool(findings_of(section)) or section.strip(" \n\t-*.`").lower().startswith(NOTHING)


def _entries(section: str) -> Iterator[tuple[Weighing, str]]:
    found: tuple[Weighing, str] | None = None
    for line in section.splitlines():
        match = _BEGIN.match(line)
        if match is not None:
            if found is not None:
                yield found
            found = Weighing(match[1].lower()), match[2]
        elif found is not None:
            found = found[0], f"{found[1]}\n{line.strip()}"
    if found is not None:
        yield found


def _finding(weighs: Weighing, text: str) -> ReviewFinding:
    place, file = _PLACE.match(text), _FILE.match(text)
    path, line, rest = "", 0, text
    if place is not None:
        path, line, rest = place[1], int(place[2]), text[place.end() :]
    elif file is not None:
        path, rest = file[1], text[file.end() :]
    return ReviewFinding(text=clean(rest.strip()[:TEXT_LIMIT]), weighs=weighs, path=clean(path), line=line)
