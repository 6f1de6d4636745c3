"""Events of a workstream's outcome: claims made, accepted and rejected, retries, failure, escalation, cancellation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wt_orchestrate.domain.events.run import Actor
from wt_orchestrate.domain.ids import CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream
from wt_orchestrate.domain.plan.retry_ladder import Cause

# ---------------------------------------------------------------- verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimMade:
    """The agent (or a person who continued it) says that the work is done."""

    workstream: WorkstreamId
    by: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAccepted:
    """All evidence except the checks holds for this head."""

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
    """Which claim it is about; 0 in logs that did not say."""
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
    """There will be another attempt, not before `not_before`, with `message` in its prompt."""

    workstream: WorkstreamId
    reason: str
    message: str
    fresh: bool = False
    not_before: float = 0.0
    cause: Cause | None = None
    """The cause in the retry ladder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamFailed:
    """It cannot be finished; `tried` are its attempts, one sentence each."""

    workstream: WorkstreamId
    reason: str
    hint: str = ""
    tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamEscalated:
    """It needs a person; `commands` say what to do, `tried` what was tried, one sentence each."""

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
