"""Comments of reviewers on a workstream: about which line, and whether answered or resolved.

A comment is kept, sent with others as one message, answered by the agent, and resolved by a person. An answer is the
agent's own word: it is shown beside what really changed, and never resolves anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.text.clean import at_line, clean
from wt_orchestrate.domain.text.diff import FileDiff, line_after

TEXT_LIMIT = 4_000
QUOTE_LIMIT = 2_000
MOST = 500
"""How many comments one workstream may have."""


class CommentStatus(StrEnum):
    """The state of a comment."""

    UNSENT = "unsent"
    OPEN = "open"
    """Sent and not answered yet."""
    ANSWERED = "answered"
    RESOLVED = "resolved"


class Comment(Struct, frozen=True, kw_only=True):
    """One comment. Without a path it is about the work as a whole; with line 0, about the file as a whole. Times are
    wall seconds."""

    id: str
    text: str
    at: float
    path: str = ""
    line: int = 0
    end: int = 0
    commit: CommitId | None = None
    """The head it was made on: `line` to `end` are lines of the file there."""
    quoted: str = ""
    """The text of these lines."""
    sent_as: str = ""
    """The message that carried it."""
    by: str = ""
    """The reviewer whose finding it is; empty for a person."""
    origin: str = ""
    """Its id on the forge, if it comes from there."""
    answer: str = ""
    answered_at: float | None = None
    resolved_at: float | None = None

    @property
    def status(self) -> CommentStatus:
        if self.resolved_at is not None:
            return CommentStatus.RESOLVED
        if not self.sent_as:
            return CommentStatus.UNSENT
        return CommentStatus.OPEN if self.answered_at is None else CommentStatus.ANSWERED

    @property
    def place(self) -> str:
        """Its place as people write it; empty for the work as a whole."""
        return at_line(self.path, self.line) + (f"-{self.end}" if self.end > self.line else "")


def of_status(comments: Sequence[Comment], status: CommentStatus) -> tuple[Comment, ...]:
    return tuple(each for each in comments if each.status is status)


# ---------------------------------------------------------------- to the agent and back

_ASKED = (
    "For each comment: make the change and commit it, or explain why not. Then answer in HANDOFF.md, one line each:\n\n"
    "    ## Review\n"
    "    - C1: fixed in <commit>\n"
    "    - C2: your answer, if nothing needs to change\n\n"
    "Keep the other sections, and set `status: done` again when you are finished."
)


def review_message(comments: Sequence[Comment]) -> str:
    """All comments as the one message that the agent gets."""
    count = "a comment" if len(comments) == 1 else f"{len(comments)} comments"
    listed = "\n\n".join(_told(each) for each in comments)
    by = comments[0].by if comments else ""
    who = f"The reviewer `{by}` reviewed" if by else "A person reviewed"
    return f"{who} your work and has {count}.\n\n{listed}\n\n{_ASKED}"


def open_comments(comments: Sequence[Comment], *, carried: Sequence[str]) -> str:
    """What a new session must know of earlier comments; `carried` are messages that it gets anyway."""
    waiting = [each for each in of_status(comments, CommentStatus.OPEN) if each.sent_as not in carried]
    return f"## A reviewer's comments\n\n{review_message(waiting)}" if waiting else ""


def _told(comment: Comment) -> str:
    quoted = "".join(f"> {line}\n" for line in comment.quoted.splitlines())
    before = f"(Your answer was: {comment.answer})\n" if comment.answer else ""
    return f"{comment.id}{', ' if comment.place else ''}{comment.place}:\n{quoted}{before}{comment.text.strip()}"


_ANSWER = re.compile(r"\s*(?:(?:[-*+]|\d+[.)])\s+)?[`*_\[(]*(C\d{1,4})\b[`*_\])]*\s*[:.,-]\s*(.*)", re.IGNORECASE)
_FIXED = re.compile(r"\W*(?:fixed|done|changed|resolved)\b", re.IGNORECASE)


def answers(section: str) -> Mapping[str, str]:
    """The answers in the section `## Review` of a handoff, by comment id. The last one counts; indented lines belong to
    it."""
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        match = _ANSWER.match(line)
        if match is not None:
            name = match[1].upper()
            found[name] = match[2].strip()
        elif name and line.strip():
            found[name] = f"{found[name]}\n{line.strip()}".strip()
    return {name: clean(text[:QUOTE_LIMIT]) for name, text in found.items() if text}


def says_fixed(comment: Comment) -> bool:
    """Whether the answer says that something was changed."""
    return comment.answered_at is not None and _FIXED.match(comment.answer) is not None


# ---------------------------------------------------------------- where it is now


class CommentPlace(Struct, frozen=True, kw_only=True):
    """Where the lines of a comment are at a newer head; line 0 if they are gone."""

    path: str
    line: int
    end: int


def place_after(comment: Comment, files: Sequence[FileDiff]) -> CommentPlace:
    """Where a comment's lines are after a diff from its head; changed lines are nowhere."""
    file = next((each for each in files if (each.old or each.path) == comment.path), None)
    if file is None or not comment.line:
        return CommentPlace(path=comment.path, line=comment.line, end=comment.end)
    if file.status == "D" or not file.lines_known or file.binary:
        return CommentPlace(path=file.path, line=0, end=0)
    first, last = line_after(file, comment.line), line_after(file, comment.end)
    whole = first is not None and last is not None and last - first == comment.end - comment.line
    changed = any(comment.line <= line.number <= comment.end for line in file.gone)
    if changed or not whole:
        return CommentPlace(path=file.path, line=0, end=0)
    assert first is not None and last is not None
    return CommentPlace(path=file.path, line=first, end=last)


def place_of_text(comment: Comment, now: str) -> CommentPlace:
    """Where a comment's lines are in a file whose history was rewritten, if their text occurs exactly once."""
    lines, wanted = now.split("\n"), comment.quoted.split("\n")
    found = [at for at in range(len(lines) - len(wanted) + 1) if lines[at : at + len(wanted)] == wanted]
    if len(found) != 1 or not comment.line:
        return CommentPlace(path=comment.path, line=0, end=0)
    return CommentPlace(path=comment.path, line=found[0] + 1, end=found[0] + len(wanted))
