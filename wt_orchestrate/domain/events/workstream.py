"""Events of a workstream's outcome: claims made, accepted and rejected, retries, failure, escalation, cancellation."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from wt_orchestrate.domain.events.run import Actor
from wt_orchestrate.domain.ids import CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream
from wt_orchestrate.domain.plan.retry_ladder import Cause

# ---------------------------------------------------------------- verdict


class ClaimMade(Struct, frozen=True, kw_only=True):
    """The agent (or a person who continued it) says that the work is done."""

    workstream: WorkstreamId
    by: Actor


class ClaimAccepted(Struct, frozen=True, kw_only=True):
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


class ClaimRejected(Struct, frozen=True, kw_only=True):
    """What does not hold, one sentence each."""

    workstream: WorkstreamId
    head: CommitId | None
    findings: tuple[str, ...]
    round: int = 0
    held: tuple[str, ...] = ()
    """If it only waits for a person's word: the paths that it is about; `.` for all of them."""


class RetryDecided(Struct, frozen=True, kw_only=True):
    """There will be another attempt, not before `not_before`, with `message` in its prompt."""

    workstream: WorkstreamId
    reason: str
    message: str
    fresh: bool = False
    not_before: float = 0.0
    cause: Cause | None = None
    """The cause in the retry ladder."""


class WorkstreamFailed(Struct, frozen=True, kw_only=True):
    """It cannot be finished; `tried` are its attempts, one sentence each."""

    workstream: WorkstreamId
    reason: str
    hint: str = ""
    tried: tuple[str, ...] = ()


class WorkstreamEscalated(Struct, frozen=True, kw_only=True):
    """It needs a person; `commands` say what to do, `tried` what was tried, one sentence each."""

    workstream: WorkstreamId
    reason: str
    commands: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()


class WorkstreamStopped(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId


class WorkstreamCancelled(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
