"""Every event of a run: what happened, in the past tense, and what was requested (`...Requested`).

Events are the only memory. The name of a class is its stored type and never changes; a new field gets a default, so
that logs written before it can be read. An event says what is known, not what to do: that is `domain/machine`.
"""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain.events.attempt import (
    AttemptAnswered,
    AttemptAsked,
    AttemptEnded,
    AttemptNudged,
    AttemptObserved,
    AttemptStarted,
    AttemptStopping,
    HandoffSeen,
    MessageSent,
)
from wt_orchestrate.domain.events.forecast import ForecastMade
from wt_orchestrate.domain.events.memory import MemoryRecalled
from wt_orchestrate.domain.events.notes import AnswerRead, FindingShared, NotesRead, ProgressTold
from wt_orchestrate.domain.events.requests import (
    Request,
)
from wt_orchestrate.domain.events.review import ReviewerCalled, ReviewGiven
from wt_orchestrate.domain.events.run import (
    Actor,
    AdmissionChanged,
    BaseVaulted,
    BudgetReached,
    BudgetWarned,
    EffectConcluded,
    EffectFailed,
    EffectIntended,
    ExpansionRefused,
    RepositoryChanged,
    RequestRefused,
    RunFinished,
    RunStarted,
    RunStopped,
    SupervisorStarted,
    TimeSkipped,
    WorkstreamsAdded,
)
from wt_orchestrate.domain.events.stages import GateReached, ProposalWithdrawn, SynthesisCalled
from wt_orchestrate.domain.events.train import (
    ArbiterCalled,
    BaseJudged,
    CheckFinished,
    ConflictSettled,
    Integrated,
    IntegrationAdvanced,
    IntegrationMoved,
    IntegrationPublished,
    Landed,
    LandingPrepared,
    LandRefused,
    MergeConflicted,
    MergeMade,
    ProofFailed,
    RiderBlamed,
    RiderSuspected,
    RiderWaits,
    SettleFailed,
    SuspectCleared,
    TargetMoved,
    TrialMade,
    UnionRejected,
    Verified,
)
from wt_orchestrate.domain.events.workstream import (
    ClaimAccepted,
    ClaimMade,
    ClaimRejected,
    RetryDecided,
    WorkstreamCancelled,
    WorkstreamEscalated,
    WorkstreamFailed,
    WorkstreamStopped,
)
from wt_orchestrate.domain.events.worktree import (
    CommandDropped,
    CommandStarted,
    CommitsElsewhere,
    CommitsSeen,
    RestoreRefused,
    SetupFinished,
    TakeOverRefused,
    WorkTakenOver,
    WorktreeCreated,
    WorktreeKept,
    WorktreeLost,
    WorktreeRemoved,
    WorktreeRestored,
)
from wt_orchestrate.domain.ids import RunId, WorkstreamId

Event = (
    RunStarted
    | BaseVaulted
    | RepositoryChanged
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
    | NotesRead
    | ProgressTold
    | FindingShared
    | AnswerRead
    | AttemptEnded
    | CommitsSeen
    | CommitsElsewhere
    | WorkTakenOver
    | TakeOverRefused
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
    | BaseJudged
    | RiderSuspected
    | TrialMade
    | SuspectCleared
    | RiderBlamed
    | ConflictSettled
    | SettleFailed
    | UnionRejected
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
    | SynthesisCalled
    | GateReached
    | ProposalWithdrawn
    | MemoryRecalled
)


class Record(Struct, frozen=True, kw_only=True):
    """An event as the log holds it. `cause` is the number of the request or the key of the effect it came from."""

    number: int
    at: float
    actor: Actor
    run: RunId
    cause: str
    event: Event


def workstream_of(event: Event) -> WorkstreamId | None:
    """The workstream an event is about; None for the run as a whole."""
    return getattr(event, "workstream", None)
