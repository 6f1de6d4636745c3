"""Facts about the train: who waits for whom, who is suspected of a failed check, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wt_orchestrate.domain.ids import Branch, CommitId, ProcessId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderWaits:
    """A claim conflicts with work that rides ahead of it: it is merged once that is integrated or out of the way."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    partners: tuple[WorkstreamId, ...]
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderSuspected:
    """A check failed where this claim joined the train, and passed (or was not run) without it: it is put aside."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    commit: CommitId
    tree: TreeId
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMade:
    """A suspect's work merged onto an earlier integration commit; no commit where they conflict."""

    workstream: WorkstreamId
    onto: CommitId
    commit: CommitId | None
    tree: TreeId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectCleared:
    """Nothing is held against it any more: the check passed on the very same tree, or the target that failed it has moved."""

    workstream: WorkstreamId
    command: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderBlamed:
    """A failed check is confirmed, and it is known what it comes from."""

    workstream: WorkstreamId
    head: CommitId
    tree: TreeId
    command: str
    on_target: bool = False
    alone: bool | None = None
    partner: WorkstreamId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictSettled:
    """A conflict is resolved in a commit of both sides, which rides in place of the head. `by` says how for each path:
    rerere, union, mergiraf, driver:NAME, regenerated, arbiter; `dropped` how many lines of each side (its own, the other's)
    are in it no more."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    commit: CommitId
    by: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleFailed:
    """Nothing that was decided beforehand settles these paths."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArbiterCalled:
    """An agent in a worktree of its own is to resolve a conflict."""

    workstream: WorkstreamId
    arbiter: WorkstreamId
    spec: Workstream


class CheckOutcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    """It judged nothing: no such command, or no test was run."""
    TIMED_OUT = "timed out"
    LOST = "lost"
    """It never told: its keeper was killed or the machine went down."""


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
