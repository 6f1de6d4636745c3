"""Facts about the train: who waits for whom, who is suspected of a failed check, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wt_orchestrate.domain.ids import CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan import Workstream


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
