"""Facts about a worktree: created, lost, removed, kept, restored; its setup commands; the commits seen on its branch."""

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
    """The worktree or its branch was taken away by somebody else; it is made again from the vault."""

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
