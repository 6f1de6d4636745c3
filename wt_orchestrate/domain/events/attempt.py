"""Events of one agent process: started, observed, nudged, messages, questions, its end, and the handoffs it wrote."""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.ids import AttemptId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType
from wt_orchestrate.domain.plan.retry_ladder import Cause

# ---------------------------------------------------------------- attempts


class AttemptStarted(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    attempt: AttemptId
    epoch: int
    session: str
    resumed: bool
    agent: str
    agent_type: AgentType
    reason: str
    """Why this attempt: first, a cause of the retry ladder, unclaimed, answer, told, redirect, retry, resume."""
    started_at: float
    account: str = ""
    carries: tuple[str, ...] = ()
    """Messages that are part of its prompt."""


class AttemptObserved(Struct, frozen=True, kw_only=True):
    """What new output of the agent says, up to a byte offset. Counts are of this part alone."""

    workstream: WorkstreamId
    attempt: AttemptId
    offset: int
    answered: bool = False
    """The agent's program produced its first output."""
    version: str = ""
    model: str = ""
    tool: str = ""
    target: str = ""
    said: str = ""
    taken: tuple[str, ...] = ()
    outcome: TurnOutcome | None = None
    text: str = ""
    idle: bool = False
    waits: str = ""
    """What the agent's program waits for (a retry, a limit)."""
    waits_s: float = 0.0
    """How long, if it says so."""
    resets_at: float | None = None
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_tokens: int = 0
    turns: int = 0
    denied: tuple[str, ...] = ()
    failing: str = ""
    """The tool call that failed last, with its error."""
    failing_times: int = 0
    """How often in a row, with nothing edited between."""
    turn_s: float = 0.0
    """How long the turns took that ended here, by the clock of the agent's program."""
    lead_s: float = 0.0
    """How much of that passed before the model was asked, if it says so."""


class AttemptNudged(Struct, frozen=True, kw_only=True):
    """A running attempt is interrupted and told why: no progress, or a loop."""

    workstream: WorkstreamId
    attempt: AttemptId
    cause: Cause
    evidence: str
    text: str


class MessageSent(Struct, frozen=True, kw_only=True):
    """A message is in a running agent's inbox; its stream says when it has arrived."""

    workstream: WorkstreamId
    attempt: AttemptId
    message: str


class AttemptAsked(Struct, frozen=True, kw_only=True):
    """The agent waits for an answer: `question` from a person, else for permission to use a tool."""

    workstream: WorkstreamId
    attempt: AttemptId
    ask: str
    question: bool
    tool: str
    text: str
    payload: str
    options: tuple[str, ...] = ()


class AttemptAnswered(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    attempt: AttemptId
    ask: str
    allowed: bool
    text: str
    by: str = ""
    """How a question of a tool is answered: `call` by its own result, `message` if the call does not wait any more."""


class AttemptStopping(Struct, frozen=True, kw_only=True):
    """Its keeper was asked to end it."""

    workstream: WorkstreamId
    attempt: AttemptId
    reason: str


class AttemptEnded(Struct, frozen=True, kw_only=True):
    """No process of the attempt is left."""

    workstream: WorkstreamId
    attempt: AttemptId
    exit_code: int | None
    cause: str
    """exit, stopped, deadline, flood, unstartable or lost."""
    ended_at: float
    survivors: int = 0
    detail: str = ""


class HandoffSeen(Struct, frozen=True, kw_only=True):
    """A version of HANDOFF.md, or why it cannot be read."""

    workstream: WorkstreamId
    text: str
    problem: str = ""
