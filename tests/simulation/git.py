"""A simulated git: objects in memory, the user's repository and the vault over them, both as their ports promise.

A tree is a mapping of paths to contents; a merge works by whole paths. Ids are hashes of content, so the same history has the
same ids in every run. Everything that moves a ref is noted with who did it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.simulation.faults import Faults
from wt_orchestrate.domain.ids import Branch, CommitId, TreeId
from wt_orchestrate.ports.git.merges import Person
from wt_orchestrate.ports.git.repository import (
    Guard,
    LandOutcome,
    LandResult,
    Reached,
    Removed,
    RemoveOutcome,
    RepositoryFacts,
    WorktreeFacts,
)

Tree = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """One commit."""

    id: CommitId
    parents: tuple[CommitId, ...]
    tree: Tree
    message: str


class Objects:
    """Every commit there is."""

    def __init__(self) -> None:
        self.commits: dict[CommitId, Stored] = {}
        self._above: dict[CommitId, frozenset[CommitId]] = {}

    def add(self, tree: Tree, parents: Sequence[CommitId], message: str) -> CommitId:
        text = repr((sorted(tree.items()), tuple(parents), message))
        name = CommitId(hashlib.sha1(text.encode()).hexdigest())
        if name not in self.commits:
            self.commits[name] = Stored(name, tuple(parents), dict(tree), message)
            above = [self._above[parent] for parent in parents]
            self._above[name] = frozenset({name}).union(*above)
        return name

    def tree(self, commit: CommitId) -> Tree:
        return self.commits[commit].tree

    def tree_id(self, commit: CommitId) -> TreeId:
        return TreeId(hashlib.sha1(repr(sorted(self.tree(commit).items())).encode()).hexdigest())

    def history(self, commit: CommitId) -> frozenset[CommitId]:
        """The commit and all that it is made from."""
        return self._above[commit]

    def base(self, one: CommitId, other: CommitId) -> CommitId:
        """The newest common commit: the one with the longest history."""
        return max(self.history(one) & self.history(other), key=lambda each: (len(self.history(each)), each))

    def first_parents(self, head: CommitId, base: CommitId) -> list[Stored]:
        found: list[Stored] = []
        below = self.history(base)
        while head not in below:
            found.append(self.commits[head])
            head = self.commits[head].parents[0]
        return found

    def changed(self, base: CommitId, head: CommitId) -> list[str]:
        old, new = self.tree(base), self.tree(head)
        return sorted(path for path in {*old, *new} if old.get(path) != new.get(path))


@dataclass(slots=True)
class Worktree:
    """A folder with files; `files` None when somebody took it away."""

    path: str
    branch: Branch
    files: dict[str, str] | None
    handoff: str | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """One move of a ref in the user's repository."""

    by: str
    branch: str
    old: CommitId | None
    new: CommitId | None


@dataclass(slots=True)
class Site:
    """What lies on the disk of the simulated machine."""

    objects: Objects
    faults: Faults
    refs: dict[str, CommitId] = field(default_factory=dict)
    vault: dict[str, CommitId] = field(default_factory=dict)
    held: set[CommitId] = field(default_factory=set)
    """Commits that the vault has."""
    worktrees: dict[str, Worktree] = field(default_factory=dict)
    trash: dict[str, dict[str, str]] = field(default_factory=dict)
    slots: dict[str, CommitId] = field(default_factory=dict)
    moves: list[Moved] = field(default_factory=list)

    def move(self, by: str, branch: str, new: CommitId | None) -> None:
        """Move a branch of the user's repository."""
        old = self.refs.get(branch)
        self.moves.append(Moved(by, branch, old, new))
        if new is None:
            self.refs.pop(branch, None)
        else:
            self.refs[branch] = new


class SimRepository:
    """The user's repository, as the tool sees it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def rest(self, idle_s: float) -> None:
        """Nothing of it runs."""

    def facts(self) -> RepositoryFacts:
        return RepositoryFacts(
            common_dir="/r/.git",
            main_worktree="/r",
            branch=Branch("main"),
            head=self._site.refs["main"],
            git_version=(2, 40, 0),
            shallow=False,
            name="r",
        )

    def resolve(self, branch: Branch) -> CommitId | None:
        return self._site.refs.get(branch)

    def heads(self, prefix: str) -> Mapping[Branch, CommitId]:
        return {Branch(name): at for name, at in self._site.refs.items() if name.startswith(prefix)}

    def worktrees(self) -> Sequence[WorktreeFacts]:
        return ()

    def has_worktree(self, path: str) -> bool:
        found = self._site.worktrees.get(path)
        return found is not None and found.files is not None

    def unlock_worktree(self, *, path: str, branch: Branch) -> tuple[str, ...]:
        return ()

    def add_worktree(self, *, path: str, branch: Branch, base: CommitId) -> None:
        with self._site.faults.around(f"add_worktree {path}"):
            if branch not in self._site.refs:
                self._site.move("tool", branch, base)
            if not self.has_worktree(path):
                tree = dict(self._site.objects.tree(self._site.refs[branch]))
                self._site.worktrees[path] = Worktree(path, branch, tree)

    def guard_worktree(self, *, path: str, guard: Guard, owned: Sequence[tuple[str, str]]) -> bool:
        with self._site.faults.around(f"guard_worktree {path}"):
            return True

    def refresh_guard(self, *, path: str, guard: Guard, owned: Sequence[tuple[str, str]]) -> None:
        pass

    def remove_guard(self, folder: str) -> None:
        pass

    def exclude(self, patterns: Sequence[str]) -> bool:
        return False

    def copy_included(self, *, path: str) -> int:
        return 0

    def remove_worktree(self, *, path: str, trash: str, force: bool = False) -> Removed:
        found = self._site.worktrees.get(path)
        if found is None or found.files is None:
            return Removed(outcome=RemoveOutcome.ABSENT)
        at = self._site.refs.get(found.branch)
        dirty = at is None or dict(self._site.objects.tree(at)) != found.files
        if dirty and not force:
            return Removed(outcome=RemoveOutcome.DIRTY, paths=("some",))
        with self._site.faults.around(f"remove_worktree {path}"):
            self._site.trash[trash] = found.files
            del self._site.worktrees[path]
        return Removed(outcome=RemoveOutcome.REMOVED, trash=trash)

    def delete_branch(self, branch: Branch, *, expected: CommitId) -> bool:
        if self._site.refs.get(branch) != expected:
            return False
        with self._site.faults.around(f"delete_branch {branch}"):
            self._site.move("tool", branch, None)
        return True

    def publish(self, *, vault: str, branch: Branch, new: CommitId, expected: CommitId | None) -> bool:
        if self._site.refs.get(branch) == new:
            return True
        if self._site.refs.get(branch) != expected:
            return False
        with self._site.faults.around(f"publish {branch}"):
            self._site.move("tool", branch, new)
        return True

    def restore_branch(self, *, vault: str, branch: Branch, head: CommitId) -> bool:
        if branch in self._site.refs:
            return False
        with self._site.faults.around(f"restore_branch {branch}"):
            self._site.move("tool", branch, head)
        return True

    def marks(self) -> Mapping[str, str]:
        return {}

    def reached(self, worktrees: Mapping[str, Branch]) -> Mapping[str, Reached]:
        found = {path: self._site.refs.get(branch) for path, branch in worktrees.items() if self.has_worktree(path)}
        return {
            path: Reached(head=f"refs/heads/{worktrees[path]}", at=at, commits=(at,) if at is not None else ())
            for path, at in found.items()
        }

    def branch_with(self, commit: CommitId, *, besides: Branch) -> Branch | None:
        return None

    def take_over(self, *, path: str, vault: str, branch: Branch, new: CommitId, expected: CommitId | None) -> bool:
        return False

    def finish_landing(self, *, target: Branch) -> None:
        pass

    def person(self) -> Person:
        return Person()

    def land(
        self, *, target: Branch, new: CommitId, expected: CommitId, dry: bool = False, hooks: bool = True
    ) -> LandResult:
        at = self._site.refs[target]
        if at == new:
            return LandResult(outcome=LandOutcome.ALREADY)
        if at != expected:
            return LandResult(outcome=LandOutcome.STALE)
        with self._site.faults.around(f"land {target}"):
            self._site.move("tool", target, new)
        return LandResult(outcome=LandOutcome.MOVED)
