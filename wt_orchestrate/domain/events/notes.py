"""Events of what agents reported through their tools while they worked."""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain.ids import AttemptId, WorkstreamId


class NotesRead(Struct, frozen=True, kw_only=True):
    """The note file of a running attempt was read up to a byte offset. Counts are of this part alone; `dropped` are
    lines that were not notes, repeated one, or exceeded a bound."""

    workstream: WorkstreamId
    attempt: AttemptId
    offset: int
    lines: int = 0
    dropped: int = 0
    findings: int = 0
    questions: int = 0
    progress: int = 0


class ProgressTold(Struct, frozen=True, kw_only=True):
    """The agent's own report of its progress."""

    workstream: WorkstreamId
    attempt: AttemptId
    percent: int | None
    note: str


class FindingShared(Struct, frozen=True, kw_only=True):
    """The agent found something that others should know: those it names in `to`, or whose scope covers `path`."""

    workstream: WorkstreamId
    attempt: AttemptId
    kind: str
    text: str
    path: str = ""
    line: int = 0
    to: tuple[WorkstreamId, ...] = ()


class AnswerRead(Struct, frozen=True, kw_only=True):
    """The tool call that asked has returned with the answer."""

    workstream: WorkstreamId
    attempt: AttemptId
    ask: str
