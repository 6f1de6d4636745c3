"""Draft a plan: an agent reads, returns a plan, and gets it back until it is valid, in the same session.

Each round is one kept process with its own deadline, which is ended before the round is over in every case: at the
round's end, on a request to cancel, on an exception. Progress is saved after each step, and a drafting resumes from any
progress. Nothing here runs what a plan says, and only what the agent returned counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from wt_orchestrate.domain.agent import stream as s
from wt_orchestrate.domain.drafting.progress import DraftPhase, DraftProgress, DraftWish
from wt_orchestrate.domain.drafting.vetting import sound
from wt_orchestrate.domain.ids import AttemptId, ProcessId, receipt_of
from wt_orchestrate.domain.plan.model import AgentSpec, AgentType
from wt_orchestrate.domain.plan.roles import Role
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import asked_with
from wt_orchestrate.ports.engine import Agent, AgentStart, Clock, Executor, ProcessReport, ProcessState

_LINE_LIMIT = 8 << 20
_TEXT_LIMIT = (1 << 20) + 1
_NO_ANSWER = "Nobody can answer while you plan: decide yourself, and list open points in notes."
_NO_LEAVE = "Not allowed: you are read-only. Use Read, Grep, Glob and git's read commands, and return the plan."
_LOST = "it stopped without a message"
_FATAL = {
    s.TurnOutcome.RATE_LIMITED: ("its account's limit is reached", "retry later with --resume"),
    s.TurnOutcome.OVERLOADED: ("the model's service does not answer", "retry later with --resume"),
    s.TurnOutcome.LOGIN_FAILED: ("it is not logged in", "log in with the client, then retry with --resume"),
    s.TurnOutcome.CONTEXT_EXHAUSTED: ("it read more than fits its context", "narrow the goal"),
    s.TurnOutcome.REFUSED: ("the model declined to plan this", "rephrase the goal"),
    s.TurnOutcome.LIMIT_REACHED: ("its budget is used up", "raise --budget, then retry with --resume"),
}


class Drafting(Struct, frozen=True, kw_only=True):
    """The outside world of one drafting. `check` judges what was returned, one sentence a problem; `words` is the
    message of a round; `returned` is what a command left; `noted` gets all progress; `cancelled` is asked all the time.
    """

    clock: Clock
    executor: Executor
    agent: Agent
    spec: AgentSpec
    account: str
    worktree: str
    schema: str
    instructions: str
    words: Callable[[DraftProgress], str]
    check: Callable[[str], Sequence[str]]
    plan_path: Callable[[ProcessId], str]
    returned: Callable[[ProcessId], str]
    new_session: Callable[[], str]
    noted: Callable[[DraftProgress], None]
    cancelled: Callable[[], bool]
    pause: Callable[[], None]
    role: Role | None = None


class _Turn(Struct, kw_only=True):
    """What is known of the current round."""

    progress: DraftProgress
    outcome: s.TurnOutcome | None = None
    value: str | None = None
    said: str = ""
    answered: bool = False


def draft(wish: DraftWish, progress: DraftProgress, world: Drafting) -> DraftProgress:
    """Continue a drafting until it is over; returns its final progress."""
    while progress.phase is DraftPhase.DRAFTING:
        if progress.round >= wish.rounds:
            progress = replace(progress, phase=DraftPhase.INVALID)
        elif progress.spent_s >= wish.timeout_s:
            progress = replace(progress, phase=DraftPhase.TIMED_OUT)
        else:
            progress = _round(wish, progress, world)
        progress = _note(progress, world)
    return progress


def _round(wish: DraftWish, progress: DraftProgress, world: Drafting) -> DraftProgress:
    resume = progress.begun and world.spec.type is AgentType.CLAUDE_CODE
    progress = replace(
        progress,
        tries=progress.tries + 1,
        session=progress.session if resume else world.new_session(),
        begun=resume,
    )
    _note(progress, world)
    process = ProcessId(f"round-{progress.tries}")
    launch = world.agent.launch(_start(wish, progress, world, process, resume=resume))
    left_s = wish.timeout_s - progress.spent_s
    began = world.clock.elapsed()
    turn = _Turn(progress=progress)
    try:
        world.executor.start(replace(launch, deadline_s=left_s))
        stopped = _watch(process, turn, world, until=began + left_s)
    finally:
        report = world.executor.end(process)
        world.executor.tidy(process)
    spent = progress.spent_s + (world.clock.elapsed() - began)
    progress = replace(turn.progress, spent_s=spent, begun=turn.progress.begun)
    if stopped is not None:
        return replace(progress, phase=stopped)
    return _judged(progress, turn, report, process, world)


def _start(
    wish: DraftWish, progress: DraftProgress, world: Drafting, process: ProcessId, *, resume: bool
) -> AgentStart:
    left_usd = None if wish.budget_usd is None else max(0.0001, wish.budget_usd - progress.cost_usd)
    return AgentStart(
        process=process,
        session=progress.session,
        resume=resume,
        spec=world.spec,
        prompt=world.words(progress),
        receipt=receipt_of(AttemptId(f"{wish.id}.{process}")),
        instructions=world.instructions,
        worktree=world.worktree,
        folder=world.executor.folder(process),
        checks=(),
        variables={
            "WTO_DRAFT": wish.id,
            "WTO_ATTEMPT": str(progress.round + 1),
            "WTO_PLAN": world.plan_path(process),
        },
        budget_usd=left_usd,
        account=world.account,
        read_only=True,
        schema=world.schema,
        role=world.role,
    )


# ---------------------------------------------------------------- watching


def _watch(process: ProcessId, turn: _Turn, world: Drafting, *, until: float) -> DraftPhase | None:
    """Read the agent's output until its turn is over; returns the phase that ended it from outside, if one did."""
    reader, offset = world.agent.reader(), 0
    while True:
        running = world.executor.poll(process).state is ProcessState.RUNNING
        lines = world.executor.read(process, offset=offset, limit=_LINE_LIMIT)
        offset = lines.offset
        before = turn.progress
        over = False
        for line in lines.lines:
            for sign in reader.read(line):
                over = _heard(sign, process, turn, world) or over
        if turn.progress != before:
            turn.progress = _note(turn.progress, world)
        if over or not (running or lines.lines):
            return None
        if world.cancelled():
            return DraftPhase.CANCELLED
        if world.clock.elapsed() >= until:
            return DraftPhase.TIMED_OUT
        if not lines.lines:
            world.pause()


def _heard(sign: s.Sign, process: ProcessId, turn: _Turn, world: Drafting) -> bool:
    """Take a sign; whether the turn is over with it."""
    progress = turn.progress
    match sign:
        case s.Started():
            turn.answered = True
            turn.progress = replace(progress, begun=True)
        case s.ToolUsed(tool=tool, target=target):
            turn.progress = replace(progress, activity=_line(f"{tool} {target}"))
        case s.Said(text=text):
            turn.progress = replace(progress, activity=_line(text))
        case s.RetryWaited(reason=reason, delay_s=delay):
            turn.progress = replace(progress, activity=_line(f"waits: {reason}, retry in {delay:.0f} s"))
        case s.Denied(count=count):
            turn.progress = replace(progress, denied=progress.denied + count)
        case s.Spent():
            turn.progress = replace(
                progress,
                cost_usd=round(progress.cost_usd + sign.cost_usd, 6),
                tokens=progress.tokens + sign.input_tokens + sign.output_tokens + sign.cache_tokens,
            )
        case s.PermissionAsked(ask=ask, payload=payload):
            line = world.agent.permission(ask=ask, payload=payload, allow=False, reason=_NO_LEAVE)
            world.executor.send(process, message=f"answer-{ask}", line=line)
        case s.QuestionAsked(ask=asked, payload=payload, together=together):
            ask = asked_with(asked)  # questions asked at once get one line, which is sent once
            line = world.agent.answer(ask=ask, payload=payload, texts=(_NO_ANSWER,) * together)
            world.executor.send(process, message=f"answer-{ask}", line=line)
        case s.Returned(value=value):
            turn.value = value
        case s.TurnEnded(outcome=outcome, text=text):
            turn.outcome, turn.said = outcome, text
            return True
        case s.Idle():
            return turn.answered  # a turn whose last line could not be read
        case s.ToolFailed() | s.MessageTaken() | s.UsageLimited():
            pass
    return False


# ---------------------------------------------------------------- judging


def _judged(
    progress: DraftProgress, turn: _Turn, report: ProcessReport, process: ProcessId, world: Drafting
) -> DraftProgress:
    if report.cause == "unstartable":
        reason = f"it cannot be started: {report.detail}"
        return replace(progress, phase=DraftPhase.FAILED, reason=reason, hint="wto doctor")
    if report.cause == "deadline":
        return replace(progress, phase=DraftPhase.TIMED_OUT)
    if world.spec.type is AgentType.COMMAND:
        return _of_command(progress, report, process, world)
    if turn.outcome in _FATAL:
        reason, hint = _FATAL[turn.outcome]
        return replace(progress, phase=DraftPhase.FAILED, reason=_line(f"{reason}: {turn.said}"), hint=hint)
    if turn.value is not None:
        return _checked(progress, turn.value, world)
    if turn.outcome is None and not turn.answered:
        told = world.executor.tail(process, errors=True, limit=2_000).strip() or _LOST
        return replace(progress, phase=DraftPhase.FAILED, reason=_line(told), hint="wto doctor")
    if not turn.answered:  # its session is gone: a new one gets everything
        return _wrong(
            replace(progress, begun=False), progress.problems or (f"no plan was returned: {_line(turn.said)}",)
        )
    said = f" (it said, as data: {_line(turn.said)})" if turn.said.strip() else ""
    return _wrong(progress, (f"no plan was returned: call StructuredOutput with it{said}",))


def _of_command(progress: DraftProgress, report: ProcessReport, process: ProcessId, world: Drafting) -> DraftProgress:
    if report.exit_code == 0:
        return _checked(progress, world.returned(process), world)
    tail = world.executor.tail(process, errors=True, limit=1_000) or world.executor.tail(process, limit=1_000)
    ended = f"the planner ended with exit code {report.exit_code}: {_line(tail) or _LOST}"
    return _wrong(progress, (ended,))


def _checked(progress: DraftProgress, text: str, world: Drafting) -> DraftProgress:
    text = text[:_TEXT_LIMIT]
    problems = tuple(world.check(text)) if text.strip() else ("no plan was returned: write the plan into $WTO_PLAN",)
    progress = replace(progress, text=text or progress.text)
    if problems:
        return _wrong(progress, problems)
    return replace(progress, round=progress.round + 1, problems=(), phase=DraftPhase.READY)


def _wrong(progress: DraftProgress, problems: Sequence[str]) -> DraftProgress:
    found = tuple(problems)
    return replace(progress, round=progress.round + 1, problems=found, sent_back=(*progress.sent_back, found))


def _note(progress: DraftProgress, world: Drafting) -> DraftProgress:
    progress = replace(progress, at=world.clock.now())
    world.noted(progress)
    return progress


def _line(text: str) -> str:
    return " ".join(sound(text[:4_000]).split())[:300]
