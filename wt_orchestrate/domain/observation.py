"""Turn readings into events: what the outside world shows, compared with the state.

A reading is read after a hint or at a poll. It says how things are, never what changed. Nothing new gives no event, so
a doubled notification changes nothing and a lost one is made up for by the next reading.

No event has text of an agent or a check in which something looks like a secret: it is masked here, before the log. The one
exception is the input of a tool call that waits for an answer, because the answer gives it back to the agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent import stream as s
from wt_orchestrate.domain.agent.notes import (
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
from wt_orchestrate.domain.ids import AttemptId, CommitId, ProcessId, WorkstreamId
from wt_orchestrate.domain.plan.model import Check
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import Attempt
from wt_orchestrate.domain.state.run import Command, RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt
from wt_orchestrate.domain.text.secrets import without_secrets


class NotesIn(Struct, frozen=True, kw_only=True):
    """New lines of an attempt's note file, up to a byte offset."""

    workstream: WorkstreamId
    attempt: AttemptId
    offset: int
    lines: tuple[bytes, ...]


def note_events(state: RunState, reading: NotesIn) -> Sequence[e.Event]:
    """The new events in an attempt's notes; none if it is not the live attempt."""
    attempt = live_attempt(state.workstreams[reading.workstream])
    if attempt is None or attempt.id != reading.attempt or reading.offset <= attempt.notes.offset:
        return ()
    said: list[e.Event] = []
    progress: list[e.Event] = []
    for line in reading.lines[: max(0, MOST_LINES - attempt.notes.lines)]:
        match parse_note(line):
            case ProgressNote(percent=percent, note=note):
                told = e.ProgressTold(workstream=reading.workstream, attempt=attempt.id, percent=percent, note=note)
                progress = [told]  # only the newest report of progress counts
            case FindingNote() as found:
                said += _shared(state, reading, found, said, attempt)
            case QuestionNote() as question:
                said += _question_noted(reading, question, said, attempt)
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
    """The finding, unless it was shared before or its attempt has shared enough."""
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


def _question_noted(
    reading: NotesIn, question: QuestionNote, said: Sequence[e.Event], attempt: Attempt
) -> Sequence[e.Event]:
    """The question, unless its attempt has asked enough."""
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


_JUDGED_NOTHING = frozenset({4, 5})
"""Exit codes of pytest for a wrong call and for no test at all; unittest uses 5 too (Python 3.12)."""

_EDITS = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})


class EndKind(StrEnum):
    EXITED = "exited"
    LOST = "lost"


class ProcessEnd(Struct, frozen=True, kw_only=True):
    """How a kept process ended; no descendant of it is left."""

    process: ProcessId
    kind: EndKind
    exit_code: int | None
    cause: str
    started_at: float
    ended_at: float
    survivors: int
    detail: str
    log: str
    tail: str


class StreamRead(Struct, frozen=True, kw_only=True):
    """The signs in new output of an attempt, up to a byte offset."""

    workstream: WorkstreamId
    attempt: AttemptId
    offset: int
    signs: tuple[s.Sign, ...]


class BranchRead(Struct, frozen=True, kw_only=True):
    """A branch's head, which the vault holds; `commits`: those since the known head, oldest first."""

    workstream: WorkstreamId
    head: CommitId
    count: int
    commits: tuple[e.CommitLine, ...]
    rewritten: bool


class HandoffRead(Struct, frozen=True, kw_only=True):
    """HANDOFF.md as it is now; `text` is None if there is none; `problem`: why it cannot be read."""

    workstream: WorkstreamId
    text: str | None
    problem: str = ""


class Taken(Struct, frozen=True, kw_only=True):
    """A worktree or a branch that should exist and does not."""

    workstream: WorkstreamId
    what: str


class ElsewhereRead(Struct, frozen=True, kw_only=True):
    """Commits at a worktree's HEAD that its branch does not hold; `head` None: there are none. `left`: where it was before, if
    the branch does not hold that either."""

    workstream: WorkstreamId
    where: str = ""
    head: CommitId | None = None
    count: int = 0
    left: CommitId | None = None


Reading = ElsewhereRead | ProcessEnd | StreamRead | BranchRead | HandoffRead | NotesIn | Taken


def observe(state: RunState, reading: Reading, *, last_handoff: str | None = None) -> Sequence[e.Event]:
    """The new events in a reading."""
    match reading:
        case ProcessEnd():
            return _process_ended(
                state,
                replace(reading, detail=without_secrets(reading.detail), tail=without_secrets(reading.tail)),
            )
        case StreamRead():
            return _stream_read(state, reading)
        case NotesIn():
            return note_events(state, reading)
        case BranchRead(workstream=name, head=head):
            if state.workstreams[name].head == head:
                return ()
            return (
                e.CommitsSeen(
                    workstream=name,
                    head=head,
                    count=reading.count,
                    commits=tuple(replace(line, subject=without_secrets(line.subject)) for line in reading.commits),
                    rewritten=reading.rewritten,
                ),
            )
        case ElsewhereRead(workstream=name, where=where, head=head):
            before = state.workstreams[name].checkout.elsewhere
            if (before.head if before is not None else None) == head:
                return ()
            return (
                e.CommitsElsewhere(workstream=name, where=where, head=head, count=reading.count, left=reading.left),
            )
        case Taken(workstream=name, what=what):
            return () if state.workstreams[name].checkout.lost else (e.WorktreeLost(workstream=name, what=what),)
        case HandoffRead(workstream=name, text=text, problem=problem):
            if problem:
                known = state.workstreams[name].handoffs.problem == problem
                return () if known else (e.HandoffSeen(workstream=name, text="", problem=problem),)
            if text is None or text == last_handoff or without_secrets(text) == last_handoff:
                return ()
            return (e.HandoffSeen(workstream=name, text=without_secrets(text)),)


# ---------------------------------------------------------------- processes


def _process_ended(state: RunState, end: ProcessEnd) -> Sequence[e.Event]:
    command = state.commands.get(end.process)
    if command is not None:
        return (_command_ended(state, command, end),)
    for ws in state.workstreams.values():
        attempt = live_attempt(ws)
        if attempt is not None and ProcessId(attempt.id) == end.process:
            return (
                e.AttemptEnded(
                    workstream=ws.id,
                    attempt=attempt.id,
                    exit_code=end.exit_code,
                    cause="lost" if end.kind is EndKind.LOST else end.cause,
                    ended_at=end.ended_at,
                    survivors=end.survivors,
                    detail=end.detail,
                ),
            )
    return ()


def _command_ended(state: RunState, command: Command, end: ProcessEnd) -> e.Event:
    if command.purpose == "setup":
        assert command.workstream is not None
        return e.SetupFinished(
            workstream=command.workstream,
            process=end.process,
            command=command.command,
            exit_code=end.exit_code,
            log=end.log,
            tail=end.tail,
        )
    if end.cause == "stopped" or command.commit is None or command.tree is None:
        return e.CommandDropped(process=end.process)
    return e.CheckFinished(
        workstream=command.workstream,
        commit=command.commit,
        tree=command.tree,
        command=command.command,
        outcome=check_outcome(Check(run=command.command), end),
        exit_code=end.exit_code,
        duration_s=round(end.ended_at - end.started_at, 3),
        log=end.log,
        tail=end.tail,
        process=end.process,
        probe=command.probe,
        ahead=command.ahead,
    )


def check_outcome(check: Check, end: ProcessEnd) -> e.CheckOutcome:
    """The result of a check. 126 and 127 are the shell's codes for a command it cannot run."""
    if end.kind is EndKind.LOST or end.cause == "stopped":
        return e.CheckOutcome.LOST
    if end.cause == "deadline":
        return e.CheckOutcome.TIMED_OUT
    if end.exit_code == 0:
        return e.CheckOutcome.PASSED
    if end.exit_code in {126, 127} or end.cause == "unstartable":
        return e.CheckOutcome.BROKEN
    if end.exit_code in _JUDGED_NOTHING and ("pytest" in check.run or "unittest" in check.run):
        return e.CheckOutcome.BROKEN
    return e.CheckOutcome.FAILED


# ---------------------------------------------------------------- streams


def _stream_read(state: RunState, reading: StreamRead) -> Sequence[e.Event]:
    ws = state.workstreams[reading.workstream]
    attempt = next(known for known in ws.attempts if known.id == reading.attempt)
    if reading.offset <= attempt.offset:
        return ()
    observed = e.AttemptObserved(
        workstream=ws.id,
        attempt=attempt.id,
        offset=reading.offset,
        waits=attempt.waits,
        idle=attempt.idle,
        failing=attempt.failing,
        failing_times=attempt.failing_times,
    )
    asked: list[e.Event] = []
    for sign in reading.signs:
        if isinstance(sign, s.PermissionAsked | s.QuestionAsked):
            asked.append(_asked(ws, attempt, sign))
        else:
            observed = _with_sign(observed, _masked(sign))
    return (observed, *asked)


def _asked(ws: WorkstreamState, attempt: Attempt, sign: s.PermissionAsked | s.QuestionAsked) -> e.Event:
    question = isinstance(sign, s.QuestionAsked)
    return e.AttemptAsked(
        workstream=ws.id,
        attempt=attempt.id,
        ask=sign.ask,
        question=question,
        tool="" if isinstance(sign, s.QuestionAsked) else sign.tool,
        text=without_secrets(sign.question) if isinstance(sign, s.QuestionAsked) else sign.target,
        payload=sign.payload,
        options=sign.options if isinstance(sign, s.QuestionAsked) else (),
    )


def _masked(sign: s.Sign) -> s.Sign:
    """The sign without what looks like a secret."""
    match sign:
        case s.Said(text=text) | s.TurnEnded(text=text):
            return replace(sign, text=without_secrets(text))
        case s.ToolUsed(target=target):
            return replace(sign, target=without_secrets(target))
        case s.ToolFailed(target=target, error=error):
            return replace(sign, target=without_secrets(target), error=without_secrets(error))
        case _:
            return sign


def _edited(seen: e.AttemptObserved, tool: str) -> e.AttemptObserved:
    """Whoever edits between two failures is not in a loop, unless the edit itself fails."""
    if tool not in _EDITS or seen.failing.startswith(f"{tool} "):
        return seen
    return replace(seen, failing="", failing_times=0)


def _with_sign(seen: e.AttemptObserved, sign: s.Sign) -> e.AttemptObserved:
    match sign:
        case s.Started(version=version, model=model):
            return replace(seen, answered=True, version=version, model=model, idle=False, waits="")
        case s.ToolUsed(tool=tool, target=target):
            return replace(_edited(seen, tool), tool=tool, target=target, idle=False, waits="")
        case s.ToolFailed(tool=tool, target=target, error=error):
            failing = f"{tool} {target}: {error}"
            times = seen.failing_times + 1 if failing == seen.failing else 1
            return replace(seen, failing=failing, failing_times=times)
        case s.Said(text=text):
            return replace(seen, said=text, idle=False, waits="")
        case s.MessageTaken(message=message):
            return replace(seen, taken=(*seen.taken, message), idle=False)
        case s.Spent():
            return replace(
                seen,
                cost_usd=seen.cost_usd + sign.cost_usd,
                input_tokens=seen.input_tokens + sign.input_tokens,
                output_tokens=seen.output_tokens + sign.output_tokens,
                cache_tokens=seen.cache_tokens + sign.cache_tokens,
                turns=seen.turns + sign.turns,
            )
        case s.Denied(tools=tools):
            return replace(seen, denied=(*seen.denied, *tools))
        case s.RetryWaited(reason=reason, delay_s=delay):
            return replace(seen, waits=f"{reason}, retry in {delay:.0f} s", waits_s=delay)
        case s.UsageLimited(resets_at=resets_at):
            return replace(seen, waits="usage limit", resets_at=resets_at)
        case s.TurnEnded(outcome=outcome, text=text):
            turn_s, lead_s = seen.turn_s + sign.seconds, seen.lead_s + sign.lead_s
            return replace(seen, outcome=outcome, text=text, waits="", turn_s=turn_s, lead_s=lead_s)
        case s.Idle():
            return replace(seen, idle=True)
        case s.PermissionAsked() | s.QuestionAsked() | s.Returned():
            return seen
