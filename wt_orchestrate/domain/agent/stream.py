"""What an agent's output says, as values ("signs") that are the same for every type of agent.

An adapter parses each line of its agent's stream into signs; nothing above it knows the format of a line. A sign is
what the agent's program says, not proof: proof comes from git and from our own checks.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class TurnOutcome(StrEnum):
    """How a turn of the agent ended."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    LIMIT_REACHED = "limit reached"
    """One of our bounds (turns, money) was reached."""
    RATE_LIMITED = "rate limited"
    OVERLOADED = "overloaded"
    """Temporary trouble: overload, server or network."""
    LOGIN_FAILED = "login failed"
    """Credentials or billing: only a person can fix it."""
    CONTEXT_EXHAUSTED = "context exhausted"
    """The conversation is too long; only a new session can go on."""
    REFUSED = "refused"
    """The model declined to answer."""
    FAILED = "failed"


class Started(Struct, frozen=True, kw_only=True):
    """The agent's program answered for the first time."""

    session: str
    version: str = ""
    model: str = ""


class ToolUsed(Struct, frozen=True, kw_only=True):
    """The agent started a tool call; `target` is the path or command, cut to 200 characters."""

    tool: str
    target: str


class ToolFailed(Struct, frozen=True, kw_only=True):
    """A tool call failed; `target` is that of its start, `error` cut to 200 characters."""

    tool: str
    target: str
    error: str


class Said(Struct, frozen=True, kw_only=True):
    """A text of the agent, cut to 500 characters."""

    text: str


class PermissionAsked(Struct, frozen=True, kw_only=True):
    """The agent waits for permission to use a tool; `payload` is the tool's input as JSON text."""

    ask: str
    tool: str
    target: str
    payload: str


class QuestionAsked(Struct, frozen=True, kw_only=True):
    """The agent waits for an answer; `together`: how many questions it asked at once, each with a sign of its own."""

    ask: str
    question: str
    options: tuple[str, ...]
    payload: str
    together: int = 1


class MessageTaken(Struct, frozen=True, kw_only=True):
    """A message of ours reached the agent."""

    message: str


class Spent(Struct, frozen=True, kw_only=True):
    """What the agent used since the last sign of this kind."""

    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_tokens: int = 0
    turns: int = 0


class Denied(Struct, frozen=True, kw_only=True):
    """Tool calls that were denied."""

    count: int
    tools: tuple[str, ...]


class RetryWaited(Struct, frozen=True, kw_only=True):
    """The agent's program waits before it asks the model's service again."""

    reason: str
    delay_s: float


class UsageLimited(Struct, frozen=True, kw_only=True):
    """The account's usage limit; `resets_at` is in seconds since the epoch, None if unknown."""

    resets_at: float | None


class TurnEnded(Struct, frozen=True, kw_only=True):
    """One turn ended; `text` is the agent's last text, cut to 2,000 characters. By its program's clock the turn took
    `seconds`, of which `lead_s` passed before the first request to the model."""

    outcome: TurnOutcome
    text: str = ""
    seconds: float = 0.0
    lead_s: float = 0.0


class Returned(Struct, frozen=True, kw_only=True):
    """The agent returned a value of the requested shape, as JSON text."""

    value: str


class Idle(Struct, frozen=True, kw_only=True):
    """The agent has nothing left to do and waits for a message."""


Sign = (
    Started
    | ToolUsed
    | ToolFailed
    | Said
    | PermissionAsked
    | QuestionAsked
    | MessageTaken
    | Spent
    | Denied
    | RetryWaited
    | UsageLimited
    | TurnEnded
    | Returned
    | Idle
)
