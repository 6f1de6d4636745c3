"""The seams to git: the user's repository and the vault, readable at one sitting.

As in `ports.py`, every method that changes something is safe to call twice with the same arguments, foreseen ends are return
values, and a port raises `WtError` for what its caller cannot go on from. Paths are absolute text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from wt_orchestrate.domain.agent.commit_scan import Exposed, Scan
from wt_orchestrate.domain.drafting.cochange import History
from wt_orchestrate.domain.ids import Branch, CommitId, TreeId
from wt_orchestrate.domain.plan.settings import Merging

# ---------------------------------------------------------------- git: the user's repository


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryFacts:
    """What a repository is. `main_worktree` is None for a bare one; `branch` None when HEAD is detached."""

    common_dir: str
    main_worktree: str | None
    branch: Branch | None
    head: CommitId | None
    """None when the branch is unborn."""
    git_version: tuple[int, int, int]
    submodules: bool
    shallow: bool
    name: str
    """The repository folder's name, for people and paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorktreeFacts:
    """One worktree as git lists it; `git_dir` is its own administrative folder."""

    path: str
    branch: Branch | None
    head: CommitId | None
    git_dir: str


class LandOutcome(StrEnum):
    MOVED = "moved"
    """The target points at the commit; a clean checkout of it was brought along."""
    ALREADY = "already"
    STALE = "stale"
    """The target no longer is what was expected; nothing was changed."""
    DIRTY = "dirty"
    """A checkout of the target has local changes in affected paths; nothing was changed."""
    REFUSED = "refused"
    """A hook or git itself said no; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    outcome: LandOutcome
    where: str = ""
    """The worktree that holds the target checked out, or empty."""
    detail: str = ""
    paths: tuple[str, ...] = ()


class RemoveOutcome(StrEnum):
    REMOVED = "removed"
    ABSENT = "absent"
    DIRTY = "dirty"
    """It holds uncommitted work; it stays."""
    UNSAFE = "unsafe"
    """The path is not the worktree we made (a link, another repository); it stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    outcome: RemoveOutcome
    trash: str = ""
    """Where it went."""
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What the hooks of a worktree must know. `folder` is theirs, `scopes` a file that says who owns what in the run; with
    `full` commits get trailers and other people's refs are guarded."""

    run: str
    name: str
    branch: Branch
    integration: Branch
    scope: tuple[str, ...]
    folder: str
    scopes: str
    full: bool = False


class Repository(Protocol):
    """The user's repository: fetched from, given worktrees and refs of ours, and moved forward when landing."""

    def facts(self) -> RepositoryFacts:
        """Look at it. Raises Refused when git is too old or it is no repository."""

    def resolve(self, branch: Branch) -> CommitId | None:
        """The commit a branch points at (full ref; a tag of that name never answers)."""

    def heads(self, prefix: str) -> Mapping[Branch, CommitId]:
        """All branches below a prefix such as `wto/r7/`, in one call."""

    def worktrees(self) -> Sequence[WorktreeFacts]:
        """All worktrees, the main one first."""

    def add_worktree(self, *, path: str, branch: Branch, base: CommitId) -> None:
        """Make the worktree with its branch at base. A half-made one of ours is completed or removed and made again;
        one that is there already is left as it is. Raises Refused when the path or branch belongs to something else."""

    def guard_worktree(self, *, path: str, guard: Guard, owned: Sequence[tuple[str, str]]) -> bool:
        """Put our hooks before the repository's own, in this worktree alone, or bring them up to date; `owned` are all
        workstreams' globs. False where the repository's configuration does not allow it."""

    def refresh_guard(self, *, path: str, guard: Guard, owned: Sequence[tuple[str, str]]) -> None:
        """Bring hooks that stand there up to date: other scopes, a hooks folder that the repository has got since."""

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
        """Bring a commit over from the vault and point a branch of ours at it, by compare-and-swap; True if it is there."""

    def restore_branch(self, *, vault: str, branch: Branch, head: CommitId) -> bool:
        """Make a branch of ours again that somebody deleted; False when it is there, wherever it points."""

    def unlock_worktree(self, *, path: str, branch: Branch) -> tuple[str, ...]:
        """Remove git's lock files that a killed git left in a worktree of ours and at its branch; the caller has made sure
        that nobody works there. Which ones; young ones stay, because a person may be at it by hand."""

    def has_worktree(self, path: str) -> bool:
        """Whether a worktree is there; cheap, for every poll."""

    def land(self, *, target: Branch, new: CommitId, expected: CommitId) -> Landed:
        """Move the target forward to a commit that is already in the repository, taking a clean checkout along."""


# ---------------------------------------------------------------- git: the vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit as the log tells it; `paths` are those it changed."""

    id: CommitId
    author: str
    at: float
    subject: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One changed path between two trees; status is git's letter (A, M, D, R, C, T), `old` the path before a rename."""

    path: str
    status: str
    old: str = ""
    mode: str = ""
    size: int = 0
    """Bytes of the new content."""
    added: int = 0
    deleted: int = 0
    binary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A merge made in memory: a pinned commit, or the paths in conflict."""

    commit: CommitId | None
    tree: TreeId | None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was compared after a merge. `lost` names what is missing; a proof with any is a failed one."""

    merge: CommitId
    ours: CommitId
    theirs: CommitId
    base: CommitId
    checked_paths: int
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rider:
    """What wants to be merged: a workstream's head, and the whole message of its merge commit, trailers included."""

    name: str
    head: CommitId
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """One merge commit of a chain: `head` merged onto what is below it, and how many changed paths its proof compared."""

    name: str
    head: CommitId
    onto: CommitId
    commit: CommitId
    tree: TreeId
    proven_paths: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A rider that is not in a chain; `onto` is the commit it could not be merged onto."""

    name: str
    head: CommitId
    onto: CommitId
    conflicts: tuple[str, ...] = ()
    """Paths in conflict."""
    partners: tuple[str, ...] = ()
    """Riders of the same chain, ahead of it, that it conflicts with; empty when it conflicts with what the chain begins on."""
    lost: tuple[str, ...] = ()
    """Paths for which the proof failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Merge commits one upon another, lowest first, and the riders that could not be among them."""

    cars: tuple[Car, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A merge whose conflicts were settled without anybody deciding anew: a pinned commit, or what is still in conflict.

    `by` tells for each path how: rerere, union, mergiraf, driver:NAME, regenerated.
    """

    commit: CommitId | None
    tree: TreeId | None
    by: Mapping[str, str]
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One conflict of a file: the lines that were there, those of each side, and what the result has in their place (the
    first ones). `line` is where that begins; `took` is `ours` or `theirs` where the other side's part was let go whole."""

    line: int
    base: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    result: tuple[str, ...]
    dropped_ours: tuple[str, ...] = ()
    dropped_theirs: tuple[str, ...] = ()
    took: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedFile:
    """One file of a resolved conflict. Lines count as gone when the whole file has them nowhere."""

    path: str
    text: bool
    """Whether its lines can be compared."""
    took: str = ""
    """`ours` or `theirs` where nothing of the other side is left."""
    markers: tuple[int, ...] = ()
    """Lines that are conflict markers still."""
    dropped_ours: tuple[str, ...] = ()
    dropped_theirs: tuple[str, ...] = ()
    """Lines that a side added or changed and that are gone; the first ones."""
    dropped: tuple[int, int] = (0, 0)
    """How many there are of each side in all."""
    hunks: tuple[Hunk, ...] = ()
    """Its conflicts, one by one."""
    mode: str = ""
    """The result's mode where merging both sides' modes does not give it."""

    @property
    def one_sided(self) -> bool:
        """Whether the file, or one of its conflicts, was settled by letting one side go."""
        return bool(self.took) or any(hunk.took for hunk in self.hunks)

    @property
    def whole(self) -> bool:
        """Whether nothing of either side is gone, and nothing is left that does not belong there."""
        return self.text and not (self.one_sided or self.markers or self.mode or sum(self.dropped))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A resolved merge compared with both sides. `beyond` are paths outside the conflict that are not as the plain merge
    has them: a resolution with any is refused."""

    commit: CommitId
    ours: CommitId
    theirs: CommitId
    beyond: tuple[str, ...]
    files: tuple[ResolvedFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One commit that was merged in. `identity` is git's stable patch id (empty for a merge); `whole`: every path that it
    touched is explained in the result."""

    commit: CommitId
    subject: str
    identity: str
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A merge and how it comes about. `paths` says for each path a side changed: as ours, as theirs, both merged, the same
    in both, resolved (git itself does not merge it), or not explained. `resolved` tells of the conflicts one by one, `gone`
    of everything that is not there any more."""

    merge: CommitId
    ours: CommitId
    theirs: CommitId
    base: CommitId
    tree: str
    trailers: Mapping[str, str]
    paths: Mapping[str, str]
    gone: tuple[ResolvedFile, ...]
    patches: tuple[Patch, ...]
    resolved: tuple[ResolvedFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHook:
    """A hook of the main worktree: whether ours stands there, and whether one that is not ours runs there, too."""

    name: str
    ours: bool
    others: bool
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What is about to be committed: its paths, what looks like a secret in added lines, and conflict markers in them."""

    paths: tuple[str, ...]
    exposed: tuple[Exposed, ...] = ()
    markers: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Work whose merges are foreseen. With a worktree and the index that `dirty` keeps for it, what is not committed there
    counts as well."""

    name: str
    head: CommitId
    worktree: str = ""
    index: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Two sides and paths; `other` is empty for what they are all merged onto."""

    one: str
    other: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A side whose uncommitted work is not in a forecast, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Who would conflict with whom, and who touches the same paths without a conflict. `merged` is how many merges that took."""

    conflicts: tuple[Foreseen, ...]
    touching: tuple[Foreseen, ...] = ()
    merged: int = 0
    untold: tuple[Untold, ...] = ()


class Vault(Protocol):
    """Our own bare repository, out of agents' reach: where commits are read, diffed, merged, checked out and kept."""

    def path(self) -> str: ...

    def ensure(self) -> None:
        """Make it if it is missing."""

    def seed_index(self, *, worktree: str, head: CommitId, index: str) -> None:
        """Make the index that `dirty` uses warm, right after a worktree was made and before anybody works in it."""

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, CommitId]:
        """Fetch refs (source ref in the user's repository -> ref here), re-hashing everything; what each points at now.
        A source ref that does not exist is left out of the answer. The ref here before is archived if it would be lost."""

    def resolve(self, ref: str) -> CommitId | None: ...

    def contains(self, commit: CommitId) -> bool: ...

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool: ...

    def tree(self, commit: CommitId) -> TreeId: ...

    def commits(self, *, base: CommitId, head: CommitId, limit: int = 500) -> Sequence[Commit]:
        """Commits in `base..head`, oldest first."""

    def changes(self, *, base: CommitId, head: CommitId) -> Sequence[Change]:
        """Changed paths from the merge base to head."""

    def diff(self, *, base: CommitId, head: CommitId, paths: Sequence[str] = ()) -> bytes:
        """A unified diff from the merge base to head, in fixed options."""

    def blob(self, commit: CommitId, path: str, *, limit: int = 1 << 18) -> bytes | None:
        """The start of a regular file at a commit; None when it is not there or is no regular file."""

    def objects_at(self, places: Sequence[tuple[CommitId, str]]) -> Sequence[str]:
        """The object (file or folder) at each path of a commit, all in one go; empty where there is none. The path "" is the
        commit's whole tree, so that it tells whether the commit is there."""

    def dirty(self, *, worktree: str, head: CommitId, index: str) -> tuple[str, ...]:
        """Paths in a worktree that differ from a commit: changed, deleted, or neither known nor ignored.
        Uses only the vault's configuration and the index file `index` of ours; runs nothing of the worktree."""

    def merge(self, *, ours: CommitId, theirs: CommitId, message: str, at: float, pin: str) -> Merge:
        """Merge in memory into a commit with both parents, pinned at the ref `pin`. The same arguments give the same commit."""

    def prove(self, *, merge: CommitId, ours: CommitId, theirs: CommitId) -> Proof:
        """Compare a merge with both sides: every patch of theirs is in it, nothing that ours had is gone."""

    def chain(self, *, onto: CommitId, riders: Sequence[Rider], at: float, pin: str) -> Chain:
        """Merge the riders one upon another in memory, in order, each into a commit with two parents (what is below, its
        head) that is proven; the tip is pinned at the ref `pin`. A rider that conflicts, or whose proof fails, is left out
        and the others ride on. The same arguments give the same commits, those that `merge` makes of the same two."""

    def checkout(self, *, commit: CommitId, slot: str, keep: bool = False) -> str:
        """A throwaway worktree of the vault with exactly that commit's tree; a slot's earlier tree is replaced.
        With `keep` a slot that was made for that commit is left as it is."""

    def advance(self, ref: str, *, new: CommitId, old: CommitId | None) -> bool:
        """Compare-and-swap a ref; True if it points at `new` afterwards. `old` None: it must not exist."""

    def archive(self, name: str, commit: CommitId) -> str:
        """Keep a commit for good under `refs/wto/archive/<name>/<n>`; returns the ref (an existing one if it is kept already)."""

    def archived(self, prefix: str = "") -> Mapping[str, CommitId]:
        """Refs below `refs/wto/archive/`."""

    def merge_base(self, one: CommitId, other: CommitId) -> CommitId | None:
        """The best common ancestor of two commits."""

    def holds(self, head: CommitId, *, beyond: CommitId, others: Iterable[CommitId]) -> frozenset[CommitId]:
        """Which of the other commits a head holds that are not held by `beyond` already."""

    def absorbed(self, *, head: CommitId, into: CommitId, hints: Sequence[CommitId] = ()) -> CommitId | None:
        """The commit of a branch that holds all of a head's work, by its content; None where none does. `hints` are likely."""

    def past(self, *, head: CommitId, commits: int) -> History:
        """The files of a head, and what each of its newest commits touched."""

    def scan(self, *, base: CommitId, head: CommitId, without: Sequence[CommitId] = ()) -> Scan:
        """What the commits of `base..head` expose: each of them, not only what is left in the end. Those that `without` holds
        are not looked at."""

    def trailers(self, *, base: CommitId, head: CommitId, key: str) -> Mapping[str, CommitId]:
        """Values of a trailer on the first-parent line of `base..head`, each with the commit that carries it."""

    def settle(
        self,
        *,
        ours: CommitId,
        theirs: CommitId,
        message: str,
        at: float,
        pin: str,
        slot: str,
        merging: Merging,
        env: Mapping[str, str],
    ) -> Settled:
        """Merge two commits that conflict, in a throwaway tree, by what was approved beforehand; `env` is for its commands.
        The same arguments and memory give the same commit."""

    def remember(self, *, ours: CommitId, theirs: CommitId, resolved: CommitId, slot: str) -> int:
        """Keep how a conflict was resolved, for `settle`; how many files it was in."""

    def prove_resolution(
        self, *, resolved: CommitId, ours: CommitId, theirs: CommitId, paths: Sequence[str] | None = None
    ) -> Resolution:
        """Compare a commit that resolves the conflict of two with both of them; `paths` were in conflict, without
        them those that git itself does not merge."""

    def find(self, name: str) -> CommitId:
        """The commit of that name (an id, also shortened, or a branch) in the vault, else brought from the user's
        repository. Raises NotFound."""

    def explain(self, merge: CommitId) -> Explained:
        """How a merge comes about, from its parents alone. Raises Refused when it is no merge of two."""

    def forecast(self, sides: Sequence[Side], *, against: CommitId) -> Forecast:
        """Foresee what merging each side with `against`, and any two with each other, would come to. Leaves nothing behind;
        a worktree that is gone or too large is told, never an error. The same sides of the same name are one."""
