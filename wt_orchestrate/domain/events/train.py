"""Events of the train: merges, checks, suspects and blame, conflicts, integration, landing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wt_orchestrate.domain.ids import Branch, CommitId, ProcessId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderWaits:
    """A claim conflicts with work ahead of it in the train: it is merged once that work is integrated or gone."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    partners: tuple[WorkstreamId, ...]
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderSuspected:
    """A check failed where this claim joined the train, and passed (or did not run) without it: it is set aside."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    commit: CommitId
    tree: TreeId
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMade:
    """A suspect's work merged onto an earlier integration commit; no commit if they conflict."""

    workstream: WorkstreamId
    onto: CommitId
    commit: CommitId | None
    tree: TreeId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectCleared:
    """A suspect is cleared: the check passed on the same tree, or the target on which it failed has moved."""

    workstream: WorkstreamId
    command: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderBlamed:
    """A failed check is confirmed, and its cause is known."""

    workstream: WorkstreamId
    head: CommitId
    tree: TreeId
    command: str
    on_target: bool = False
    alone: bool | None = None
    partner: WorkstreamId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictSettled:
    """A conflict is resolved in a merge commit that replaces the head in the train. `by`: how each path was resolved
    (rerere, union, mergiraf, driver:NAME, regenerated, arbiter). `dropped`: how many lines of each side (its own, the
    other's) are gone."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    commit: CommitId
    by: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleFailed:
    """No automatic rule resolves these paths."""

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
    """It checked nothing: no such command, or no test was run."""
    TIMED_OUT = "timed out"
    LOST = "lost"
    """No result: its keeper was killed or the machine went down."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Every check passed on exactly this tree, which holds the integration head and the workstream's work."""

    workstream: WorkstreamId
    commit: CommitId
    tree: TreeId
    checks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrated:
    """The integration branch holds the workstream's work; `commit` is None if it had no commits."""

    workstream: WorkstreamId
    head: CommitId | None
    onto: CommitId
    commit: CommitId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationAdvanced:
    """On the way to landing, the integration branch was merged with the target, which had moved."""

    commit: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationPublished:
    """The user's repository has this integration head on its branch of that name; `order` is the event that made it."""

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
    """The commit that would land and the target it is based on; `checked`: its tree was checked already."""

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
    """Somebody else moved the target during the landing."""

    target: Branch
    expected: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class LandRefused:
    """The landing was refused and nothing changed; `commands` say what to do. `code` is the exit code for the caller."""

    reason: str
    code: int
    commands: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
