"""Requests to a run: each is checked against the state, then put into the log for the supervisor to take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold.run import fold, fold_all
from wt_orchestrate.domain.ids import RunId, WorkstreamId, parse_run_id, request_cause
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import open_questions
from wt_orchestrate.domain.state.lifecycle import DONE, ENDED, Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.steering import refusal
from wt_orchestrate.domain.text.clean import clean, some_of
from wt_orchestrate.errors import NotFound, Refused
from wt_orchestrate.ports.engine import Clock, Log, RunLine, UsedKey


def find_run(log: Log, name: str | None) -> RunId:
    """The run of that name, or the newest. Raises NotFound."""
    runs: Sequence[RunLine] = log.runs()
    if not runs:
        raise NotFound("there is no run in this repository yet", hint="wto run plan.yaml")
    if name is None:
        return runs[-1].id
    try:
        run = parse_run_id(name)
    except ValueError as error:
        raise NotFound(str(error), hint="wto status") from error
    if all(line.id != run for line in runs):
        raise NotFound(f"there is no run {run}; the newest is {runs[-1].id}", hint="wto status")
    return run


def load_state(log: Log, run: RunId) -> RunState:
    """The state of a run, folded from its events, or from those after the saved state."""
    kept = log.kept(run)
    state = fold_all(log.read(run, after=kept.number if kept is not None else 0), kept)
    if state is None:
        raise NotFound(f"there is no run {run}", hint="wto status")
    return state


def newest_state(log: Log) -> RunState | None:
    """The state of the newest run; None if there is none yet."""
    runs = log.runs()
    return load_state(log, runs[-1].id) if runs else None


_COMMENTING = (
    e.CommentRequested,
    e.CommentResolveRequested,
    e.CommentReopenRequested,
    e.PullRequestNoted,
    e.FollowUpRequested,
    e.MergedElsewhere,
)


def with_comments(log: Log, state: RunState) -> RunState:
    """The state with comments and pull requests folded in that no supervisor has taken yet."""
    waiting = [asked for asked in log.asked(state.id) if isinstance(asked.request, _COMMENTING)]
    taken = {record.cause for record in log.read(state.id, after=state.number)} if waiting else set()
    shown = state
    for asked in waiting:
        cause = request_cause(asked.number)
        if cause not in taken and refusal(shown, asked.request, asked.at) is None:
            record = e.Record(
                number=shown.number + 1,
                at=asked.at,
                actor=e.Actor.PERSON,
                run=state.id,
                cause=cause,
                event=asked.request,
            )
            shown = fold(shown, record)
    return replace(shown, number=state.number, at=state.at)


_CHANGES_NOTHING = (
    e.CommentRequested,
    e.CommentResolveRequested,
    e.CommentReopenRequested,
    e.PullRequestNoted,
)


def untaken(log: Log, run: RunId) -> str:
    """Requests that nobody has taken yet and that may change what the run's gates show, in words; empty if there are
    none."""
    waiting = [asked.request for asked in log.asked(run) if not isinstance(asked.request, _CHANGES_NOTHING)]
    if not waiting:
        return ""
    wait = "request waits" if len(waiting) == 1 else "requests wait"
    return f"{len(waiting)} {wait} to be handled, such as {_named(waiting[0])}"


def _named(request: e.Request) -> str:
    """A request in short, such as `edit of pool`."""
    verb = re.sub(r"(?<!^)(?=[A-Z])", " ", type(request).__name__.removesuffix("Requested")).lower()
    names = list(request.workstreams) if isinstance(request, e.AddRequested) else [getattr(request, "workstream", None)]
    told = some_of([clean(name) for name in names if name], 3)
    return f"{verb} of {told}" if told else verb


def find_workstream(names: Iterable[str], wanted: str) -> WorkstreamId:
    """The workstream of that name. Raises NotFound with the nearest known one."""
    known = list(names)
    if wanted in known:
        return WorkstreamId(wanted)
    near = get_close_matches(wanted, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {some_of(known, 20)}"
    raise NotFound(f"unknown workstream {wanted!r} in this run", hint=hint)


def ask(log: Log, clock: Clock, state: RunState, request: e.Request, *, key: str = "") -> int:
    """Put a request; returns its number. Raises Refused if it is not possible now. With a `key` it is put once: used
    again, the first number is returned, even if the request would not be possible any more; another request under it is
    refused."""
    said = log.known(key)
    if said is not None:
        return said.again(state.id, request)
    now = clock.now()
    waiting = untaken(log, state.id) if isinstance(request, e.ApproveRequested) and request.round else ""
    if waiting:  # what they change was not shown with this round
        raise Refused(waiting, hint="run wto resume, then look again")
    why_not = refusal(state, request, now)
    if why_not is not None:
        raise Refused(why_not.reason, hint=why_not.hint)
    return log.ask(state.id, request, now=now, key=key)


def answered(state: RunState, workstream: str, text: str, *, question: int = 0) -> e.AnswerRequested:
    """The answer to a question of an agent; a number picks one of its options. `question`: its number, needed only where
    several wait for an answer."""
    name = find_workstream(state.workstreams, workstream)
    asks = [ask for attempt in state.workstreams[name].attempts[-1:] for ask in open_questions(attempt.asks)]
    waiting = [ask for ask in asks if ask.answer is None] or asks
    if question:
        if not 1 <= question <= len(asks):
            raise NotFound(f"{name} has no question {question}", hint=f"wto status {name}")
        waiting = [asks[question - 1]]
    if len(waiting) > 1:
        shown = "; ".join(f"{asks.index(ask) + 1}: {clean(ask.text)}" for ask in waiting)
        raise Refused(f"{name} has {len(waiting)} open questions: {shown}", hint=f"wto answer {name} TEXT --question N")
    ask = waiting[0] if waiting else None
    options = ask.options if ask is not None else ()
    several = ask is not None and len(asks) > 1
    return e.AnswerRequested(
        workstream=name, text=_picked(options, text) or text, ask=ask.id if several and ask is not None else ""
    )


def answered_again(log: Log, said: UsedKey, workstream: str, text: str) -> e.AnswerRequested | None:
    """The answer that was given under a key before, if this is the same one: a number then means an option of the
    question that waited at that time. None if it is another request."""
    wish = said.wish
    if not isinstance(wish, e.AnswerRequested) or wish.workstream != workstream:
        return None
    asked = (each.event for each in log.read(said.run, workstream=wish.workstream))
    meant = {text, *(_picked(each.options, text) for each in asked if isinstance(each, e.AttemptAsked))}
    return wish if wish.text in meant else None


def _picked(options: Sequence[str], text: str) -> str:
    """The option with this number; empty if there is none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    return options[number - 1] if 1 <= number <= len(options) else ""


def outcome_of(log: Log, run: RunId, request: int, *, after: int) -> e.Event | None:
    """The outcome of a request: itself if it was taken, `RequestRefused` if not; None while it waits."""
    cause = request_cause(request)
    return next((record.event for record in log.read(run, after=after) if record.cause == cause), None)


def cleaned_by(state: RunState, workstreams: Sequence[str], *, force: bool) -> tuple[WorkstreamId, ...]:
    """The worktrees that a request to clean is about: those named, else all that are integrated, with force also
    failed, cancelled and stopped ones. One that needs a person must be named."""
    if workstreams:
        return tuple(find_workstream(state.workstreams, name) for name in workstreams)
    over = ENDED - {Stage.ESCALATED} if force else DONE
    return tuple(
        ws.id for ws in state.workstreams.values() if ws.worktree and not ws.checkout.removed and ws.stage in over
    )
