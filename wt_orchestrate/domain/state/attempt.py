"""One agent process, and what passes between it and us: questions, messages, notes. Times are wall seconds."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.ids import AttemptId
from wt_orchestrate.domain.plan.model import AgentType


class Ask(Struct, frozen=True, kw_only=True):
    """A question or permission request that a running agent waits for."""

    id: str
    question: bool
    tool: str
    text: str
    payload: str
    options: tuple[str, ...]
    at: float
    answer: str | None = None
    """What a person answered; it is passed on once every question that was asked with it has an answer."""


def asked_with(ask: str) -> str:
    """The name that questions asked at once have in common: `u1` for `u1#2`; otherwise the question's own."""
    name, _, number = ask.rpartition("#")
    return name if name and number.isdigit() else ask


def open_questions(asks: Sequence[Ask]) -> tuple[Ask, ...]:
    """The questions to a person; their order gives their numbers."""
    return tuple(ask for ask in asks if ask.question)


class MessageKind(StrEnum):
    """Who a message to an agent is from. Messages of our own are void once their attempt has ended."""

    PERSON = "person"
    NUDGE = "nudge"
    WRAP_UP = "wrap up"
    RADAR = "radar"
    SHARED = "shared"
    """A finding of another agent; it waits for the next attempt, but causes none."""


class Message(Struct, frozen=True, kw_only=True):
    """A message to an agent, or (without a text) a request to interrupt it. Times are wall seconds."""

    id: str
    order: int
    """The number of the event that made it."""
    kind: MessageKind
    text: str
    interrupts: bool
    at: float
    sent_to: AttemptId | None = None
    delivered_at: float | None = None
    """When the agent's stream proved that it arrived."""


class Account(Struct, frozen=True, kw_only=True):
    """The state of one account. Times are wall seconds."""

    name: str
    cap: int = 0
    """Agents at a time; 0 for no limit."""
    limited_until: float = 0.0
    """When the usage limit resets."""
    strikes: int = 0
    """Overloads in a row; several within one pause count once."""
    paused_until: float = 0.0
    refusal: str = ""
    """Why nobody can log in."""


class NotesHeard(Struct, frozen=True, kw_only=True):
    """How far an attempt's note file is read, and how many notes of each kind counted."""

    offset: int = 0
    lines: int = 0
    dropped: int = 0
    findings: int = 0
    questions: int = 0
    progress: int = 0
    percent: int | None = None
    note: str = ""
    told_at: float | None = None
    """When it last reported progress."""


class Attempt(Struct, frozen=True, kw_only=True):
    """One agent process. Times are wall seconds; `ended_at` is None while it lives."""

    id: AttemptId
    epoch: int
    session: str
    resumed: bool
    agent: str
    agent_type: AgentType
    reason: str
    started_at: float
    offset: int = 0
    seen_at: float | None = None
    """When its stream last had output."""
    answered: bool = False
    version: str = ""
    model: str = ""
    tool: str = ""
    target: str = ""
    said: str = ""
    outcome: TurnOutcome | None = None
    text: str = ""
    idle: bool = False
    waits: str = ""
    waits_until: float = 0.0
    resets_at: float | None = None
    asks: tuple[Ask, ...] = ()
    stopping: str = ""
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_tokens: int = 0
    turns: int = 0
    denied: tuple[str, ...] = ()
    account: str = ""
    carries: tuple[str, ...] = ()
    failing: str = ""
    failing_times: int = 0
    nudged_at: float | None = None
    paused: bool = False
    """Interrupted by a person; it waits for the next message."""
    ended_at: float | None = None
    exit_code: int | None = None
    cause: str = ""
    detail: str = ""
    judged: bool = False
    """A conclusion was drawn from its end."""
    notes: NotesHeard = NotesHeard()
    """What it reported through its tools."""
    answers: tuple[tuple[str, str], ...] = ()
    """Answers (question, answer) given as the result of a call that is not known to have returned; at its end also
    questions without an answer, with an empty text."""


def rests_until(account: Account) -> float:
    """When the account may be used again, in wall seconds; in the past if it may be used now."""
    return max(account.limited_until, account.paused_until)


def usable(account: Account, now: float) -> bool:
    return not account.refusal and rests_until(account) <= now
