"""Fold messages to a workstream's agent: put, sent, arrived, carried by the next attempt.

A message is delivered only when a stream proves it: by the receipt of the message itself, or of the prompt that carried
it.
"""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.notes import BY_MESSAGE
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.ids import AttemptId, receipt_of
from wt_orchestrate.domain.plan.model import AgentType
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import Attempt, Message, MessageKind
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt

_LASTING = frozenset({MessageKind.PERSON, MessageKind.SHARED})
"""Kinds of messages that wait for the next attempt when one ends."""
_UNANSWERED = "Your question had no answer when your last attempt ended. Ask again if it still matters."
_KEPT = 50
"""How many delivered messages stay in the state; the log keeps all."""


def fold_messages(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    """The workstream with its messages after one more record; attempts are folded already."""
    match record.event:
        case e.TellRequested(text=text):
            return put(ws, record, MessageKind.PERSON, text, interrupts=False)
        case e.InterruptRequested() if live_attempt(ws) is not None:
            return put(ws, record, MessageKind.PERSON, "", interrupts=True)
        case e.RedirectRequested(brief=brief) if ws.redirected:
            return put(ws, record, MessageKind.PERSON, redirection(brief), interrupts=True)
        case e.AttemptNudged(text=text):
            return put(ws, record, MessageKind.NUDGE, text, interrupts=True)
        case e.BudgetReached(what=what) if live_attempt(ws) is not None:
            return put(ws, record, MessageKind.WRAP_UP, wrap_up(what), interrupts=False)
        case e.MessageSent() as sent:
            return _changed(ws, (sent.message,), sent_to=sent.attempt)
        case e.AttemptStarted() as started:
            at = None if started.agent_type is AgentType.CLAUDE_CODE else record.at
            return _changed(ws, started.carries, sent_to=started.attempt, delivered_at=at)
        case e.AttemptObserved() as seen:
            return _observed(ws, seen, record.at)
        case e.AttemptAnswered(by=by, text=text) if by == BY_MESSAGE:
            return put(ws, record, MessageKind.PERSON, answer_message(text), interrupts=False)
        case e.AttemptEnded(attempt=name):
            return _unread(_ended(ws, name), name, record)
        case _:
            return ws


def redirection(brief: str) -> str:
    """A new brief for a running session."""
    return (
        "Your brief has changed. The text below replaces your task. Your work so far is in this worktree, and the "
        f"rules of your first brief still apply.\n\n{brief.strip()}"
    )


def wrap_up(what: str) -> str:
    """The message when a limit is used up."""
    return (
        f"The budget for this work is used up ({what}). Finish now: commit what works, write HANDOFF.md (`status: "
        "done` only "
        "if it is finished, else `status: working` with the rest under ## Next), and end your turn."
    )


def answer_message(text: str) -> str:
    """The answer to a question whose call no longer waits for it."""
    return f"The answer to your question:\n\n{text.strip()}"


def _unread(ws: WorkstreamState, name: AttemptId, record: e.Record) -> WorkstreamState:
    """An answer given to a call that is not known to have returned is sent to the next attempt. So is the fact that
    there was no answer, which causes no attempt by itself."""
    attempt = next(each for each in ws.attempts if each.id == name)
    given = [text for _, text in attempt.answers if text]
    if given:
        return put(ws, record, MessageKind.PERSON, answer_message("\n\n".join(given)), interrupts=False)
    if attempt.answers:
        return put(ws, record, MessageKind.SHARED, _UNANSWERED, interrupts=False)
    return ws


def put(ws: WorkstreamState, record: e.Record, kind: MessageKind, text: str, *, interrupts: bool) -> WorkstreamState:
    """The workstream with one more message."""
    number = record.number
    message = Message(id=f"m{number}", order=number, kind=kind, text=text, interrupts=interrupts, at=record.at)
    delivered = [each for each in ws.messages if each.delivered_at is not None][-_KEPT:]
    waiting = [each for each in ws.messages if each.delivered_at is None]
    return replace(ws, messages=(*delivered, *waiting, message))


def _changed(
    ws: WorkstreamState,
    names: tuple[str, ...],
    *,
    sent_to: AttemptId,
    delivered_at: float | None = None,
) -> WorkstreamState:
    if not names:
        return ws
    changed = (
        replace(each, sent_to=sent_to, delivered_at=each.delivered_at or delivered_at) if each.id in names else each
        for each in ws.messages
    )
    return replace(ws, messages=tuple(changed))


def _observed(ws: WorkstreamState, seen: e.AttemptObserved, at: float) -> WorkstreamState:
    if not ws.messages:
        return ws
    attempt = next(each for each in ws.attempts if each.id == seen.attempt)
    interrupted = seen.outcome is TurnOutcome.INTERRUPTED
    after = tuple(
        replace(each, delivered_at=at) if _arrived(each, attempt, seen, interrupted=interrupted) else each
        for each in ws.messages
    )
    new = [each for each, before in zip(after, ws.messages, strict=True) if each is not before]
    if not new:
        return ws
    paused = not any(each.text for each in new) and not any(
        each.text and each.sent_to == attempt.id and each.delivered_at is None for each in after
    )
    attempts = tuple(replace(each, paused=paused) if each.id == attempt.id else each for each in ws.attempts)
    told_anew = any(each.text and each.interrupts and each.kind is MessageKind.PERSON for each in new)
    return replace(ws, messages=after, attempts=attempts, redirected=ws.redirected and not told_anew)


def _arrived(message: Message, attempt: Attempt, seen: e.AttemptObserved, *, interrupted: bool) -> bool:
    """Messages that arrived: by their own receipt (a crash may have prevented logging that they were sent), or by that
    of the prompt that carried them."""
    if message.delivered_at is not None:
        return False
    if not message.text:
        return interrupted and message.sent_to == attempt.id
    if message.id in attempt.carries:
        return receipt_of(attempt.id) in seen.taken
    return receipt_of(attempt.id, message.id) in seen.taken


def _ended(ws: WorkstreamState, name: AttemptId) -> WorkstreamState:
    """What did not arrive waits for the next attempt if it is a person's; our own messages are void."""
    if not ws.messages:
        return ws
    return replace(
        ws,
        messages=tuple(
            replace(each, sent_to=None) if each.delivered_at is None else each
            for each in ws.messages
            if each.delivered_at is not None or (each.kind in _LASTING and each.text)
        ),
    )
