"""Events of a worktree: created, lost, removed, kept, restored; its setup commands; the commits on its branch."""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain.ids import Branch, CommitId, ProcessId, TreeId, WorkstreamId

# ---------------------------------------------------------------- worktree and setup


class WorktreeCreated(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    path: str
    branch: Branch
    base: CommitId
    included: int = 0
    """How many ignored files were copied."""
    guarded: bool = False
    """Whether our hooks are installed in it."""


class CommandStarted(Struct, frozen=True, kw_only=True):
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


class CommandDropped(Struct, frozen=True, kw_only=True):
    """A check ended without a result, and nobody waits for it."""

    process: ProcessId


class SetupFinished(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    process: ProcessId
    command: str
    exit_code: int | None
    log: str
    tail: str


# ---------------------------------------------------------------- what agents leave


class CommitLine(Struct, frozen=True, kw_only=True):
    """One commit as the log tells it; `paths` are those it changed, a merge against its first parent."""

    id: CommitId
    author: str
    at: float
    subject: str
    paths: tuple[str, ...] = ()


class CommitsSeen(Struct, frozen=True, kw_only=True):
    """The branch's head moved; `commits` are the new ones, `count` all since the base. The vault holds the head."""

    workstream: WorkstreamId
    head: CommitId
    count: int
    commits: tuple[CommitLine, ...]
    rewritten: bool = False


class CommitsElsewhere(Struct, frozen=True, kw_only=True):
    """The worktree's HEAD left the workstream's branch for `where` (a branch, or empty for a detached HEAD) and holds commits
    that the branch does not. `head` None: it is back; `left`: where it was, if the branch still does not hold that, with its
    `count` of commits. The vault holds all of them."""

    workstream: WorkstreamId
    where: str = ""
    head: CommitId | None = None
    count: int = 0
    left: CommitId | None = None


class WorkTakenOver(Struct, frozen=True, kw_only=True):
    """Commits that were made elsewhere are on the workstream's branch now."""

    workstream: WorkstreamId
    where: str
    head: CommitId
    before: CommitId | None


class TakeOverRefused(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    reason: str
    hint: str = ""


class WorktreeLost(Struct, frozen=True, kw_only=True):
    """Someone deleted the worktree or its branch; it is created again from the vault."""

    workstream: WorkstreamId
    what: str


# ---------------------------------------------------------------- after


class WorktreeRemoved(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    trash: str
    archive: str
    uncommitted: CommitId | None = None
    """The uncommitted work that was in it, as a commit in the vault; None if there was none, or not by force."""


class WorktreeKept(Struct, frozen=True, kw_only=True):
    """`clean` left it: removing it could have lost work."""

    workstream: WorkstreamId
    reason: str


class WorktreeRestored(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    path: str
    head: CommitId
    uncommitted: int = 0
    """How many uncommitted files came back."""


class RestoreRefused(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    reason: str
