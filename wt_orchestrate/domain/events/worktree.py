"""Events of a worktree: created, lost, removed, kept, restored; its setup commands; the commits on its branch."""

from __future__ import annotations

from dataclasses import dataclass

from wt_orchestrate.domain.ids import Branch, CommitId, ProcessId, TreeId, WorkstreamId

# ---------------------------------------------------------------- worktree and setup


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeCreated:
    workstream: WorkstreamId
    path: str
    branch: Branch
    base: CommitId
    included: int = 0
    """How many ignored files were copied."""
    guarded: bool = False
    """Whether our hooks are installed in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStarted:
    """A setup command or a check runs as a kept process."""

    workstream: WorkstreamId | None
    process: ProcessId
    purpose: str
    command: str
    commit: CommitId | None = None
    """The commit that a check judges."""
    tree: TreeId | None = None
    slot: int = 0
    probe: str = ""
    """Why a check runs: train, confirm, target, alone, trial, landing; empty in logs of the serial train."""
    ahead: tuple[WorkstreamId, ...] = ()
    """The other workstreams whose work is in the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDropped:
    """A check ended without a result, and nobody waits for it."""

    process: ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupFinished:
    workstream: WorkstreamId
    process: ProcessId
    command: str
    exit_code: int | None
    log: str
    tail: str


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
class CommitsElsewhere:
    """The worktree's HEAD left the workstream's branch for `where` (a branch, or empty for a detached HEAD) and holds commits
    that the branch does not. `head` None: it is back. The vault holds these commits."""

    workstream: WorkstreamId
    where: str = ""
    head: CommitId | None = None
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTakenOver:
    """Commits that were made elsewhere are on the workstream's branch now."""

    workstream: WorkstreamId
    where: str
    head: CommitId
    before: CommitId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOverRefused:
    workstream: WorkstreamId
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeLost:
    """Somebody deleted the worktree or its branch; it is made again from the vault."""

    workstream: WorkstreamId
    what: str


# ---------------------------------------------------------------- after


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeRemoved:
    workstream: WorkstreamId
    trash: str
    archive: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeKept:
    """`clean` left it: removing it could have lost work."""

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
