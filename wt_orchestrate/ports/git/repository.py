"""The port of the user's repository: fetched from, given our worktrees and refs, and moved forward when landing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from wt_orchestrate.domain.agent.commit_scan import Exposed
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.ports.git.merges import Person


class RepositoryFacts(Struct, frozen=True, kw_only=True):
    """What a repository is. `main_worktree` is None for a bare one.

    `branch` and `head` are those of the worktree that was started in: the main one, or one that the user linked. Worktrees
    of ours do not count: in them the main one's are told.
    """

    common_dir: str
    main_worktree: str | None
    branch: Branch | None
    """None if HEAD is detached."""
    head: CommitId | None
    """None if the branch is unborn."""
    linked: str = ""
    """The user's linked worktree that was started in."""
    main_head: CommitId | None = None
    """What the main worktree has checked out."""
    git_version: tuple[int, int, int]
    shallow: bool
    name: str
    """The repository folder's name, for people and paths."""


class WorktreeFacts(Struct, frozen=True, kw_only=True):
    """One worktree as git lists it; `git_dir` is its own administrative folder."""

    path: str
    branch: Branch | None
    head: CommitId | None
    git_dir: str


class Reached(Struct, frozen=True, kw_only=True):
    """Where the work of a worktree may be. `head` is the full ref that its HEAD names, or a commit id; `at` the commit it is
    at, as far as that is written down; `commits` all that HEAD and its branch ever pointed at."""

    head: str
    at: CommitId | None
    commits: tuple[CommitId, ...]


class LandOutcome(StrEnum):
    MOVED = "moved"
    """The target points at the commit; a clean checkout of it was updated."""
    ALREADY = "already"
    STALE = "stale"
    """The target is not what was expected; nothing was changed."""
    DIRTY = "dirty"
    """A checkout of the target has local changes in affected paths; nothing was changed."""
    REFUSED = "refused"
    """A hook or git itself refused; nothing was changed."""


class LandResult(Struct, frozen=True, kw_only=True):
    outcome: LandOutcome
    where: str = ""
    """The worktree in which the target is checked out, or empty."""
    detail: str = ""
    paths: tuple[str, ...] = ()


class RemoveOutcome(StrEnum):
    REMOVED = "removed"
    ABSENT = "absent"
    DIRTY = "dirty"
    """It has uncommitted work; it stays."""
    UNSAFE = "unsafe"
    """The path is not the worktree we made (a link, another repository); it stays."""


class Removed(Struct, frozen=True, kw_only=True):
    outcome: RemoveOutcome
    trash: str = ""
    """Where it went."""
    paths: tuple[str, ...] = ()


class Guard(Struct, frozen=True, kw_only=True):
    """What the hooks of a worktree need to know. `folder`: the folder of the hooks. `scopes`: a file with every
    workstream's scope. With `full`, commits get trailers and other people's refs are guarded."""

    run: str
    name: str
    branch: Branch
    integration: Branch
    scope: tuple[str, ...]
    folder: str
    scopes: str
    full: bool = False


class OwnHook(Struct, frozen=True, kw_only=True):
    """A hook of the main worktree: whether ours is installed, and whether another one runs too."""

    name: str
    ours: bool
    others: bool
    path: str


class Staged(Struct, frozen=True, kw_only=True):
    """What is about to be committed: its paths, what looks like a secret in added lines, and conflict markers in them."""

    paths: tuple[str, ...]
    exposed: tuple[Exposed, ...] = ()
    markers: tuple[tuple[str, int], ...] = ()


class Repository(Protocol):
    """The user's repository: fetched from, given our worktrees and refs, and moved forward when landing."""

    def facts(self) -> RepositoryFacts:
        """What the repository is. Raises Refused if git is too old or it is not a repository."""

    def rest(self, idle_s: float) -> None:
        """Stop what it keeps running for the next question, where nobody has asked for so long."""

    def resolve(self, branch: Branch) -> CommitId | None:
        """The commit a branch points at (full ref; a tag of that name never answers)."""

    def heads(self, prefix: str) -> Mapping[Branch, CommitId]:
        """All branches below a prefix such as `wto/r7/`, in one call."""

    def worktrees(self) -> Sequence[WorktreeFacts]:
        """All worktrees, the main one first."""

    def add_worktree(self, *, path: str, branch: Branch, base: CommitId) -> None:
        """Make the worktree with its branch at base. A half-made one of ours is completed or made again; an existing
        one is left as it is. Raises Refused if the path or branch belongs to something else."""

    def guard_worktree(self, *, path: str, guard: Guard, owned: Sequence[tuple[str, str]]) -> bool:
        """Install our hooks before the repository's own, in this worktree alone, or update them; `owned`: all
        workstreams' globs. False if the repository's configuration does not allow it."""

    def refresh_guard(self, *, path: str, guard: Guard, owned: Sequence[tuple[str, str]]) -> None:
        """Update installed hooks: other scopes, a hooks folder that the repository has got since."""

    def remove_guard(self, folder: str) -> None:
        """Remove the folder of a worktree's hooks; safe when there is none."""

    def exclude(self, patterns: Sequence[str]) -> bool:
        """Keep these names out of everybody's `git status` here (info/exclude); whether anything was added."""

    def copy_included(self, *, path: str) -> int:
        """Copy the ignored files that `.worktreeinclude` names from the main worktree; returns how many."""

    def remove_worktree(self, *, path: str, trash: str, force: bool = False) -> Removed:
        """Move a clean worktree of ours into `trash` (same file system) and forget it in git; its branch stays."""

    def delete_branch(self, branch: Branch, *, expected: CommitId) -> bool:
        """Delete a branch of ours if it still points there."""

    def publish(self, *, vault: str, branch: Branch, new: CommitId, expected: CommitId | None) -> bool:
        """Fetch a commit from the vault and point a branch of ours at it, by compare-and-swap; True if it is there."""

    def restore_branch(self, *, vault: str, branch: Branch, head: CommitId) -> bool:
        """Make a deleted branch of ours again; False if it exists, wherever it points."""

    def unlock_worktree(self, *, path: str, branch: Branch) -> tuple[str, ...]:
        """Remove git's lock files that a killed git left in a worktree of ours and at its branch; the caller has made
        sure that nobody works there. Returns which ones; recent ones stay, because a person may be working by hand."""

    def has_worktree(self, path: str) -> bool:
        """Whether a worktree is there; cheap, for every poll."""

    def marks(self) -> Mapping[str, str]:
        """What git would act on here: configuration, hooks, info/, replace refs and the like, each with its value or a digest.
        The same object as before while nothing changed; cheap, for every look."""

    def reached(self, worktrees: Mapping[str, Branch]) -> Mapping[str, Reached]:
        """For each worktree of ours, given with its branch, where its work may be; cheap, for every poll."""

    def branch_with(self, commit: CommitId, *, besides: Branch) -> Branch | None:
        """Another branch that contains a commit; None if there is none."""

    def take_over(self, *, path: str, vault: str, branch: Branch, new: CommitId, expected: CommitId | None) -> bool:
        """Point a worktree of ours and its branch at commits that were made elsewhere: the branch moves forward by
        compare-and-swap, HEAD names it again. The caller has made sure that nothing uncommitted would be overwritten; False
        when the branch is not where it is expected."""

    def land(
        self, *, target: Branch, new: CommitId, expected: CommitId, dry: bool = False, hooks: bool = True
    ) -> LandResult:
        """Move the target forward to a commit that is already in the repository, taking a clean checkout along. With `dry`
        nothing is changed: only what stands against it is told, and the commit need only be in the vault. `hooks`: whether
        the user's hooks see it."""

    def person(self) -> Person:
        """Who the user is to git here, and how they sign, as it was when the run started."""

    def finish_landing(self, *, target: Branch) -> None:
        """Finish or undo a landing that was cut off while it wrote a checkout of the target; nothing where none was."""
