"""Every fact: what happened, in the past tense, and what was asked for (`...Requested`).

Events are the only memory. The name of a class is its stored type and never changes; a new field gets a default, so that
logs written before it can still be read. An event says what is known, not what to do: that is the machine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wt_orchestrate.domain.forecast_events import (
    ForecastMade as ForecastMade,
)
from wt_orchestrate.domain.ids import AttemptId, Branch, CommitId, ProcessId, RunId, TreeId, WorkstreamId
from wt_orchestrate.domain.memory_events import (
    MemoryRecalled as MemoryRecalled,
)
from wt_orchestrate.domain.plan import AgentType, Plan, Workstream
from wt_orchestrate.domain.recovery import Cause
from wt_orchestrate.domain.requests import (
    AddRequested as AddRequested,
)
from wt_orchestrate.domain.requests import (
    AnswerRequested as AnswerRequested,
)
from wt_orchestrate.domain.requests import (
    CancelRequested as CancelRequested,
)
from wt_orchestrate.domain.requests import (
    CleanRequested as CleanRequested,
)
from wt_orchestrate.domain.requests import (
    CommentReopenRequested as CommentReopenRequested,
)
from wt_orchestrate.domain.requests import (
    CommentRequested as CommentRequested,
)
from wt_orchestrate.domain.requests import (
    CommentResolveRequested as CommentResolveRequested,
)
from wt_orchestrate.domain.requests import (
    CommentsSendRequested as CommentsSendRequested,
)
from wt_orchestrate.domain.requests import (
    ContinueRequested as ContinueRequested,
)
from wt_orchestrate.domain.requests import (
    EditRequested as EditRequested,
)
from wt_orchestrate.domain.requests import (
    FollowUpRequested as FollowUpRequested,
)
from wt_orchestrate.domain.requests import (
    HoldRequested as HoldRequested,
)
from wt_orchestrate.domain.requests import (
    InterruptRequested as InterruptRequested,
)
from wt_orchestrate.domain.requests import (
    LandRequested as LandRequested,
)
from wt_orchestrate.domain.requests import (
    LimitRequested as LimitRequested,
)
from wt_orchestrate.domain.requests import (
    MergedElsewhere as MergedElsewhere,
)
from wt_orchestrate.domain.requests import (
    PullRequestNoted as PullRequestNoted,
)
from wt_orchestrate.domain.requests import (
    RedirectRequested as RedirectRequested,
)
from wt_orchestrate.domain.requests import (
    ReleaseRequested as ReleaseRequested,
)
from wt_orchestrate.domain.requests import (
    Request as Request,
)
from wt_orchestrate.domain.requests import (
    RestoreRequested as RestoreRequested,
)
from wt_orchestrate.domain.requests import (
    ResumeRequested as ResumeRequested,
)
from wt_orchestrate.domain.requests import (
    RetryRequested as RetryRequested,
)
from wt_orchestrate.domain.requests import (
    StopRequested as StopRequested,
)
from wt_orchestrate.domain.requests import (
    TellRequested as TellRequested,
)
from wt_orchestrate.domain.review_events import (
    ReviewerCalled as ReviewerCalled,
)
from wt_orchestrate.domain.review_events import (
    ReviewGiven as ReviewGiven,
)
from wt_orchestrate.domain.settings import Settings
from wt_orchestrate.domain.signs import TurnOutcome
from wt_orchestrate.domain.train_events import (
    ArbiterCalled as ArbiterCalled,
)
from wt_orchestrate.domain.train_events import (
    ConflictSettled as ConflictSettled,
)
from wt_orchestrate.domain.train_events import (
    RiderBlamed as RiderBlamed,
)
from wt_orchestrate.domain.train_events import (
    RiderSuspected as RiderSuspected,
)
from wt_orchestrate.domain.train_events import (
    RiderWaits as RiderWaits,
)
from wt_orchestrate.domain.train_events import (
    SettleFailed as SettleFailed,
)
from wt_orchestrate.domain.train_events import (
    SuspectCleared as SuspectCleared,
)
from wt_orchestrate.domain.train_events import (
    TrialMade as TrialMade,
)


class Actor(StrEnum):
    """Who caused an event."""

    PERSON = "person"
    SUPERVISOR = "supervisor"
    AGENT = "agent"


class CheckOutcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    """It judged nothing: no such command, or no test was run."""
    TIMED_OUT = "timed out"
    LOST = "lost"
    """It never told: its keeper was killed or the machine went down."""


# ---------------------------------------------------------------- the run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    plan: Plan
    settings: Settings
    plan_path: str
    target: Branch
    base: CommitId
    seed: str
    """Random text that makes session ids of this run unlike any other's."""
    repository: str
    """The main worktree, or the common folder of a bare repository."""
    land: bool = False
    boot: str = ""
    accounts: Mapping[str, int] = field(default_factory=dict)
    """The names of the accounts for clients, each with its cap on agents at a time (0 is none)."""
    remotes: Mapping[str, str] = field(default_factory=dict)
    """Where the repository's remotes were when the run began, without credentials: agents can write its configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseVaulted:
    """The vault holds the base and the integration branch starts there."""

    base: CommitId
    tree: TreeId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStopped:
    """Nothing of the run is at work any more because somebody wished so, or the wall limit did."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """Nothing more can be done without a person or another request."""

    integrated: int
    unfinished: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorStarted:
    pid: int
    boot: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSkipped:
    """The machine slept or its clock was set: this stretch, in seconds, says nothing about anybody's progress."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectIntended:
    """An effect is about to be performed; `pins` are the choices a restart must make the same way."""

    key: str
    effect: str
    pins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectConcluded:
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFailed:
    """The outside world refused an effect; nothing of it is half done."""

    key: str
    reason: str
    hint: str = ""
    final: bool = False
    """Trying again would meet the same refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionChanged:
    """The machine has room for another agent (no reason), or why not."""

    reason: str
    full: bool = False
    """Not even for a first one."""


# ---------------------------------------------------------------- requests


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused:
    """A request that was not possible any more when it was taken; nothing was changed."""

    workstream: WorkstreamId | None
    reason: str
    hint: str = ""


# ---------------------------------------------------------------- worktree and setup


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeCreated:
    workstream: WorkstreamId
    path: str
    branch: Branch
    base: CommitId
    included: int = 0
    """How many ignored files came along."""
    guarded: bool = False
    """Whether hooks of ours stand in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStarted:
    """A setup command or a check runs as a kept process."""

    workstream: WorkstreamId | None
    process: ProcessId
    purpose: str
    command: str
    commit: CommitId | None = None
    """What a check judges."""
    tree: TreeId | None = None
    slot: int = 0
    probe: str = ""
    """What a check is run for: train, confirm, target, alone, trial, landing; empty in logs of the serial train."""
    ahead: tuple[WorkstreamId, ...] = ()
    """The workstreams whose work is in the tree beside the one that is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDropped:
    """A check ended that nobody waits for any more, without having judged anything."""

    process: ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupFinished:
    workstream: WorkstreamId
    process: ProcessId
    command: str
    exit_code: int | None
    log: str
    tail: str


# ---------------------------------------------------------------- attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    workstream: WorkstreamId
    attempt: AttemptId
    epoch: int
    session: str
    resumed: bool
    agent: str
    agent_type: AgentType
    reason: str
    """Why this attempt: first, a cause of recovery, unclaimed, answer, told, redirect, retry, resume."""
    started_at: float
    account: str = ""
    carries: tuple[str, ...] = ()
    """Messages that are part of its prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptObserved:
    """What a stretch of the agent's stream told, up to a byte offset. Counts are of this stretch alone."""

    workstream: WorkstreamId
    attempt: AttemptId
    offset: int
    answered: bool = False
    """The agent's program answered for the first time."""
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
    """How long, as far as it tells."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptNudged:
    """A running attempt is to be interrupted and told why: no progress, or a loop."""

    workstream: WorkstreamId
    attempt: AttemptId
    cause: Cause
    evidence: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent:
    """A message lies in a running agent's inbox; that it arrived is told by its stream."""

    workstream: WorkstreamId
    attempt: AttemptId
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptAsked:
    """The agent waits: `question` for a person, else for leave to use a tool."""

    workstream: WorkstreamId
    attempt: AttemptId
    ask: str
    question: bool
    tool: str
    text: str
    payload: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptAnswered:
    workstream: WorkstreamId
    attempt: AttemptId
    ask: str
    allowed: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStopping:
    """Its keeper was asked to end it."""

    workstream: WorkstreamId
    attempt: AttemptId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """No process of the attempt is left."""

    workstream: WorkstreamId
    attempt: AttemptId
    exit_code: int | None
    cause: str
    """exit, stopped, deadline, flood, unstartable or lost."""
    ended_at: float
    survivors: int = 0
    detail: str = ""


# ---------------------------------------------------------------- what agents leave


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitLine:
    id: CommitId
    author: str
    at: float
    subject: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitsSeen:
    """The branch's head moved; `commits` are the new ones, `count` all since the base. The vault holds the head."""

    workstream: WorkstreamId
    head: CommitId
    count: int
    commits: tuple[CommitLine, ...]
    rewritten: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffSeen:
    """A version of HANDOFF.md, or why it cannot be read."""

    workstream: WorkstreamId
    text: str
    problem: str = ""


# ---------------------------------------------------------------- verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimMade:
    """The agent (or a person who continued it) says the work is done."""

    workstream: WorkstreamId
    by: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAccepted:
    """Everything but the checks holds for this head."""

    workstream: WorkstreamId
    head: CommitId
    files: int
    added: int
    deleted: int
    paths: tuple[str, ...]
    protected: tuple[str, ...] = ()
    further: Mapping[str, Workstream] = field(default_factory=dict)
    """Workstreams that its handoff adds."""
    round: int = 0
    """Which claim it is about; 0 in logs that did not tell."""
    tree: TreeId | None = None
    """The tree of the head by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRejected:
    """What does not hold, one sentence each."""

    workstream: WorkstreamId
    head: CommitId | None
    findings: tuple[str, ...]
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDecided:
    """There will be another attempt, not before `not_before`, told `message`."""

    workstream: WorkstreamId
    reason: str
    message: str
    fresh: bool = False
    not_before: float = 0.0
    cause: Cause | None = None
    """Whose rung of the recovery ladder this is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamFailed:
    """It cannot be finished; `tried` are its attempts, one sentence each."""

    workstream: WorkstreamId
    reason: str
    hint: str = ""
    tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamEscalated:
    """Only a person can go on with it; `commands` say how, `tried` what was tried, one sentence each."""

    workstream: WorkstreamId
    reason: str
    commands: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamStopped:
    workstream: WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamCancelled:
    workstream: WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeLost:
    """The worktree or its branch was taken away by somebody else; it is made again from the vault."""

    workstream: WorkstreamId
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWarned:
    """Four fifths of a bound are used; `workstream` None is the run's."""

    workstream: WorkstreamId | None
    what: str
    used: float
    cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReached:
    """A bound is used up: agents are asked to end with a handoff."""

    workstream: WorkstreamId | None
    what: str
    used: float
    cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamsAdded:
    """The handoff of a workstream added further ones."""

    by: WorkstreamId
    workstreams: Mapping[str, Workstream]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpansionRefused:
    """What a handoff wanted to add does not fit the plan any more."""

    workstream: WorkstreamId
    problems: tuple[str, ...]


# ---------------------------------------------------------------- train and landing


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeMade:
    """A car of the train: the head merged in memory onto the integration head or the car ahead, and proven complete."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    commit: CommitId
    tree: TreeId
    proven_paths: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConflicted:
    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFailed:
    """A merge lost something; it is never published."""

    workstream: WorkstreamId | None
    commit: CommitId
    lost: tuple[str, ...]
    head: CommitId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinished:
    """A check's word on one exact tree."""

    workstream: WorkstreamId | None
    commit: CommitId
    tree: TreeId
    command: str
    outcome: CheckOutcome
    exit_code: int | None
    duration_s: float
    log: str
    tail: str
    process: ProcessId
    probe: str = ""
    ahead: tuple[WorkstreamId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Every check passed on exactly this tree, which holds the integration head and the workstream's work."""

    workstream: WorkstreamId
    commit: CommitId
    tree: TreeId
    checks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrated:
    """The integration branch holds the workstream's work; `commit` is None where there was none to hold."""

    workstream: WorkstreamId
    head: CommitId | None
    onto: CommitId
    commit: CommitId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationAdvanced:
    """The integration branch took in the target, which had moved, on the way to landing."""

    commit: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationPublished:
    """The user's repository shows this integration head on its branch of that name; `order` is the event that made it."""

    commit: CommitId
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationMoved:
    """Somebody else moved the integration branch: the train is void."""

    workstream: WorkstreamId | None
    found: CommitId | None
    tree: TreeId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingPrepared:
    """What would land, over which target; `tree` was checked already when `checked`."""

    expected: CommitId
    commit: CommitId
    tree: TreeId
    checked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    target: Branch
    commit: CommitId
    before: CommitId
    where: str = ""
    workstreams: tuple[WorkstreamId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMoved:
    """The target was moved by somebody else while the landing was on its way."""

    target: Branch
    expected: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class LandRefused:
    """Nothing was changed; `commands` are the way out. `code` is the exit code for the face that asked."""

    reason: str
    code: int
    commands: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


# ---------------------------------------------------------------- after


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeRemoved:
    workstream: WorkstreamId
    trash: str
    archive: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeKept:
    """`clean` left it: removing it might have lost work."""

    workstream: WorkstreamId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeRestored:
    workstream: WorkstreamId
    path: str
    head: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRefused:
    workstream: WorkstreamId
    reason: str


Event = (
    RunStarted
    | BaseVaulted
    | RunStopped
    | RunFinished
    | SupervisorStarted
    | TimeSkipped
    | EffectIntended
    | EffectConcluded
    | EffectFailed
    | AdmissionChanged
    | Request
    | RequestRefused
    | WorktreeCreated
    | CommandStarted
    | SetupFinished
    | CommandDropped
    | AttemptStarted
    | AttemptObserved
    | AttemptNudged
    | MessageSent
    | AttemptAsked
    | AttemptAnswered
    | AttemptStopping
    | AttemptEnded
    | CommitsSeen
    | HandoffSeen
    | ClaimMade
    | ClaimAccepted
    | ClaimRejected
    | RetryDecided
    | WorkstreamFailed
    | WorkstreamEscalated
    | WorkstreamStopped
    | WorkstreamCancelled
    | WorktreeLost
    | BudgetWarned
    | BudgetReached
    | WorkstreamsAdded
    | ExpansionRefused
    | MergeMade
    | MergeConflicted
    | ProofFailed
    | CheckFinished
    | RiderWaits
    | RiderSuspected
    | TrialMade
    | SuspectCleared
    | RiderBlamed
    | ConflictSettled
    | SettleFailed
    | ArbiterCalled
    | ReviewerCalled
    | ReviewGiven
    | Verified
    | Integrated
    | IntegrationAdvanced
    | IntegrationPublished
    | IntegrationMoved
    | LandingPrepared
    | Landed
    | TargetMoved
    | LandRefused
    | WorktreeRemoved
    | WorktreeKept
    | WorktreeRestored
    | RestoreRefused
    | ForecastMade
    | MemoryRecalled
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An event as the log holds it. `cause` is the request number or effect key it came from."""

    number: int
    at: float
    actor: Actor
    run: RunId
    cause: str
    event: Event


def workstream_of(event: Event) -> WorkstreamId | None:
    """The workstream an event is about; None for the run as a whole."""
    return getattr(event, "workstream", None)
