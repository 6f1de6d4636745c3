"""Events of the train: merges, checks, suspects and blame, conflicts, integration, landing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from wt_orchestrate.domain.ids import Branch, CommitId, ProcessId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


class RiderWaits(Struct, frozen=True, kw_only=True):
    """A claim conflicts with work ahead of it in the train: it is merged once that work is integrated or gone."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    partners: tuple[WorkstreamId, ...]
    paths: tuple[str, ...] = ()


class RiderSuspected(Struct, frozen=True, kw_only=True):
    """A check failed where this claim joined the train, and passed (or did not run) without it: it is set aside."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    commit: CommitId
    tree: TreeId
    command: str


class TrialMade(Struct, frozen=True, kw_only=True):
    """A suspect's work merged onto an earlier integration commit; no commit if they conflict."""

    workstream: WorkstreamId
    onto: CommitId
    commit: CommitId | None
    tree: TreeId | None


class SuspectCleared(Struct, frozen=True, kw_only=True):
    """A suspect is cleared: the check passed on the same tree, or the target on which it failed has moved."""

    workstream: WorkstreamId
    command: str
    reason: str


class RiderBlamed(Struct, frozen=True, kw_only=True):
    """A failed check is confirmed, and its cause is known."""

    workstream: WorkstreamId
    head: CommitId
    tree: TreeId
    command: str
    on_target: bool = False
    alone: bool | None = None
    partner: WorkstreamId | None = None


class ConflictSettled(Struct, frozen=True, kw_only=True):
    """A conflict is resolved in a merge commit that stands for the head in the train. `onto`: the train's tip, or for an
    arbiter the integration head. `by`: how each path was resolved (rerere, union, try_union, mergiraf, driver:NAME,
    regenerated, arbiter). `dropped`: how many lines of each side (its own, the other's) are gone."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    commit: CommitId
    by: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class SettleFailed(Struct, frozen=True, kw_only=True):
    """No automatic rule resolves these paths. `why`: the reason for each for which one was tried."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    paths: tuple[str, ...]
    why: Mapping[str, str] = field(default_factory=dict)


class UnionRejected(Struct, frozen=True, kw_only=True):
    """A check fails, for certain, where union was tried on these paths, and passes on the work alone: the conflict is
    open again."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    paths: tuple[str, ...]
    command: str


class ArbiterCalled(Struct, frozen=True, kw_only=True):
    """An agent in a worktree of its own is to resolve a conflict."""

    workstream: WorkstreamId
    arbiter: WorkstreamId
    spec: Workstream


class CheckOutcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    """It checked nothing: no such command, or no test was run."""
    TIMED_OUT = "timed out"
    LOST = "lost"
    """No result: its keeper was killed or the machine went down."""


class BaseJudged(Struct, frozen=True, kw_only=True):
    """The run's checks ran on its base, before any agent started. `command`: the one that fails there, for certain, with its
    outcome and its output; empty if all pass."""

    target: Branch
    command: str = ""
    outcome: CheckOutcome = CheckOutcome.PASSED
    log: str = ""


# ---------------------------------------------------------------- train and landing


class MergeMade(Struct, frozen=True, kw_only=True):
    """A car of the train: the head merged in memory onto the integration head or the car ahead, and proven complete."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    commit: CommitId
    tree: TreeId
    proven_paths: int


class MergeConflicted(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    paths: tuple[str, ...]


class ProofFailed(Struct, frozen=True, kw_only=True):
    """A merge lost something; it is never published."""

    workstream: WorkstreamId | None
    commit: CommitId
    lost: tuple[str, ...]
    head: CommitId | None = None


class CheckFinished(Struct, frozen=True, kw_only=True):
    """The result of a check on one exact tree."""

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


class Verified(Struct, frozen=True, kw_only=True):
    """Every check passed on exactly this tree, which holds the integration head and the workstream's work."""

    workstream: WorkstreamId
    commit: CommitId
    tree: TreeId
    checks: int


class Integrated(Struct, frozen=True, kw_only=True):
    """The integration branch holds the workstream's work; `commit` is None if it had no commits."""

    workstream: WorkstreamId
    head: CommitId | None
    onto: CommitId
    commit: CommitId | None


class IntegrationAdvanced(Struct, frozen=True, kw_only=True):
    """On the way to landing, the integration branch was merged with the target, which had moved."""

    commit: CommitId


class IntegrationPublished(Struct, frozen=True, kw_only=True):
    """The user's repository has this integration head on its branch of that name; `order` is the event that made it."""

    commit: CommitId
    order: int


class IntegrationMoved(Struct, frozen=True, kw_only=True):
    """Someone else moved the integration branch: the train is void."""

    workstream: WorkstreamId | None
    found: CommitId | None
    tree: TreeId | None = None


class LandingPrepared(Struct, frozen=True, kw_only=True):
    """The commit that would land and the target it is based on; `checked`: its tree was checked already."""

    expected: CommitId
    commit: CommitId
    tree: TreeId
    checked: bool


class Landed(Struct, frozen=True, kw_only=True):
    target: Branch
    commit: CommitId
    before: CommitId
    where: str = ""
    workstreams: tuple[WorkstreamId, ...] = ()
    integration: CommitId | None = None
    """The integration head after a squashed or rebased landing: a merge of `commit` and what it was made from."""


class TargetMoved(Struct, frozen=True, kw_only=True):
    """Someone else moved the target during the landing."""

    target: Branch
    expected: CommitId


class LandRefused(Struct, frozen=True, kw_only=True):
    """The landing was refused and nothing changed; `commands` say what to do. `code` is the exit code for the caller."""

    reason: str
    code: int
    commands: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
