"""What agents said by their tools, as facts: bounded for each attempt, and only from the one that is alive.

The attempt is the folder that was read; a folder of an earlier epoch, or of one that has ended, is not listened to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import AttemptId, WorkstreamId
from wt_orchestrate.domain.notes import (
    MOST_FINDINGS,
    MOST_LINES,
    MOST_PROGRESS,
    MOST_QUESTIONS,
    AnswerReadNote,
    FindingNote,
    ProgressNote,
    QuestionNote,
    ask_name,
    parse_note,
)
from wt_orchestrate.domain.state import Attempt, RunState, live_attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class NotesIn:
    """A stretch of an attempt's drop file, up to a byte offset."""

    workstream: WorkstreamId
    attempt: AttemptId
    offset: int
    lines: tuple[bytes, ...]


def heard(state: RunState, reading: NotesIn) -> Sequence[e.Event]:
    """The facts in a stretch that are new; nothing from an attempt that is not the live one."""
    attempt = live_attempt(state.workstreams[reading.workstream])
    if attempt is None or attempt.id != reading.attempt or reading.offset <= attempt.notes.offset:
        return ()
    said: list[e.Event] = []
    progress: list[e.Event] = []
    for line in reading.lines[: max(0, MOST_LINES - attempt.notes.lines)]:
        match parse_note(line):
            case ProgressNote(percent=percent, note=note):
                told = e.ProgressTold(workstream=reading.workstream, attempt=attempt.id, percent=percent, note=note)
                progress = [told]  # only the newest word of a stretch counts
            case FindingNote() as found:
                said += _shared(state, reading, found, said, attempt)
            case QuestionNote() as question:
                said += _asked(reading, question, said, attempt)
            case AnswerReadNote(ask=ask):
                if any(name == ask_name(ask) for name, _ in attempt.answers):
                    said.append(e.AnswerRead(workstream=reading.workstream, attempt=attempt.id, ask=ask_name(ask)))
            case None:
                pass
    if attempt.notes.progress >= MOST_PROGRESS:
        progress = []
    return (_read(reading, [*said, *progress]), *said, *progress)


def _read(reading: NotesIn, said: Sequence[e.Event]) -> e.NotesRead:
    read = e.NotesRead(
        workstream=reading.workstream,
        attempt=reading.attempt,
        offset=reading.offset,
        lines=len(reading.lines),
        dropped=len(reading.lines) - len(said),
    )
    return replace(
        read,
        findings=_count(said, e.FindingShared),
        questions=_count(said, e.AttemptAsked),
        progress=_count(said, e.ProgressTold),
    )


def _count(said: Iterable[e.Event], kind: type[e.Event]) -> int:
    return sum(isinstance(each, kind) for each in said)


def _shared(
    state: RunState, reading: NotesIn, found: FindingNote, said: Sequence[e.Event], attempt: Attempt
) -> Sequence[e.Event]:
    """The finding, unless it was shared before or its attempt shared enough."""
    if attempt.notes.findings + _count(said, e.FindingShared) >= MOST_FINDINGS:
        return ()
    known = {(each.text, each.path, each.line) for each in state.shared if each.workstream == reading.workstream}
    known |= {(each.text, each.path, each.line) for each in said if isinstance(each, e.FindingShared)}
    if (found.text, found.path, found.line) in known:
        return ()
    to = tuple(WorkstreamId(name) for name in found.to if WorkstreamId(name) in state.workstreams)
    shared = e.FindingShared(
        workstream=reading.workstream,
        attempt=attempt.id,
        kind=found.kind,
        text=found.text,
        path=found.path,
        line=found.line,
        to=to,
    )
    return (shared,)


def _asked(reading: NotesIn, question: QuestionNote, said: Sequence[e.Event], attempt: Attempt) -> Sequence[e.Event]:
    """The question, unless its attempt asked enough."""
    if attempt.notes.questions + _count(said, e.AttemptAsked) >= MOST_QUESTIONS:
        return ()
    asked = e.AttemptAsked(
        workstream=reading.workstream,
        attempt=attempt.id,
        ask=ask_name(question.ask),
        question=True,
        tool="",
        text=question.text,
        payload="",
        options=question.options,
    )
    return (asked,)
