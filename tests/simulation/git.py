"""A simulated git: objects in memory, the user's repository and the vault over them, both as their ports promise.

A tree is a mapping of paths to contents; a merge works by whole paths. Ids are hashes of content, so the same history has the
same ids in every run. Everything that moves a ref is noted with who did it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from tests.simulation.faults import Faults
from wt_orchestrate.domain.agent.commit_scan import Scan
from wt_orchestrate.domain.drafting.cochange import History
from wt_orchestrate.domain.ids import Branch, CommitId, TreeId
from wt_orchestrate.domain.plan.settings import Merging
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.engine import (
    Car,
    Chain,
    Change,
    Commit,
    Explained,
    Forecast,
    Foreseen,
    Guard,
    Landed,
    LandOutcome,
    LeftOut,
    Merge,
    Proof,
    Removed,
    RemoveOutcome,
    RepositoryFacts,
    Resolution,
    ResolvedFile,
    Rider,
    Settled,
    Side,
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

    def facts(self) -> RepositoryFacts:
        return RepositoryFacts(
            common_dir="/r/.git",
            main_worktree="/r",
            branch=Branch("main"),
            head=self._site.refs["main"],
            git_version=(2, 40, 0),
            submodules=False,
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

    def land(self, *, target: Branch, new: CommitId, expected: CommitId) -> Landed:
        at = self._site.refs[target]
        if at == new:
            return Landed(outcome=LandOutcome.ALREADY)
        if at != expected:
            return Landed(outcome=LandOutcome.STALE)
        with self._site.faults.around(f"land {target}"):
            self._site.move("tool", target, new)
        return Landed(outcome=LandOutcome.MOVED)


class SimVault:
    """The vault."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._objects = site.objects

    def path(self) -> str:
        return "/state/vault.git"

    def ensure(self) -> None:
        with self._site.faults.around("ensure"):
            pass

    def seed_index(self, *, worktree: str, head: CommitId, index: str) -> None:
        pass

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, CommitId]:
        found: dict[str, CommitId] = {}
        with self._site.faults.around("fetch"):
            for source, ours in refs.items():
                at = self._site.refs.get(source.removeprefix("refs/heads/"))
                if at is not None:
                    found[ours] = self._site.vault[ours] = at
                    self._site.held |= self._objects.history(at)
        return found

    def resolve(self, ref: str) -> CommitId | None:
        return self._site.vault.get(ref)

    def contains(self, commit: CommitId) -> bool:
        return commit in self._site.held

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool:
        return old in self._objects.history(new)

    def tree(self, commit: CommitId) -> TreeId:
        return self._objects.tree_id(commit)

    def commits(self, *, base: CommitId, head: CommitId, limit: int = 500) -> Sequence[Commit]:
        new = sorted(self._objects.history(head) - self._objects.history(base), key=self._age)
        return [Commit(id=each, author="a", at=0.0, subject="s", paths=()) for each in new]

    def _age(self, commit: CommitId) -> tuple[int, str]:
        return len(self._objects.history(commit)), commit

    def changes(self, *, base: CommitId, head: CommitId) -> Sequence[Change]:
        paths = self._objects.changed(self._objects.base(base, head), head)
        return [Change(path=path, status="M", added=1) for path in paths]

    def diff(self, *, base: CommitId, head: CommitId, paths: Sequence[str] = ()) -> bytes:
        return b""

    def blob(self, commit: CommitId, path: str, *, limit: int = 1 << 18) -> bytes | None:
        content = self._objects.tree(commit).get(path)
        return None if content is None else content.encode()

    def objects_at(self, places: Sequence[tuple[CommitId, str]]) -> Sequence[str]:
        return [self._object_at(commit, path) for commit, path in places]

    def _object_at(self, commit: CommitId, path: str) -> str:
        if commit not in self._site.held:
            return ""
        tree = self._objects.tree(commit)
        below = {name: content for name, content in tree.items() if f"{name}/".startswith(f"{path}/") or not path}
        return repr(sorted(below.items())) if below or not path else ""

    def dirty(self, *, worktree: str, head: CommitId, index: str) -> tuple[str, ...]:
        found = self._site.worktrees.get(worktree)
        if found is None or found.files is None:
            raise Refused(f"{worktree} is gone")
        tree = self._objects.tree(head)
        return tuple(sorted(p for p in {*tree, *found.files} if tree.get(p) != found.files.get(p)))

    def merge(self, *, ours: CommitId, theirs: CommitId, message: str, at: float, pin: str) -> Merge:
        base = self._objects.tree(self._objects.base(ours, theirs))
        mine, other = self._objects.tree(ours), self._objects.tree(theirs)
        merged: dict[str, str] = {}
        conflicts: list[str] = []
        for path in sorted({*base, *mine, *other}):
            old, one, two = base.get(path), mine.get(path), other.get(path)
            if one != two and one != old and two != old:
                conflicts.append(path)
                continue
            content = two if one == old else one
            if content is not None:
                merged[path] = content
        if conflicts:
            return Merge(commit=None, tree=None, conflicts=tuple(conflicts))
        with self._site.faults.around("merge"):
            commit = self._objects.add(merged, (ours, theirs), message)
            self._site.held.add(commit)
            self._site.vault[pin] = commit
        return Merge(commit=commit, tree=self._objects.tree_id(commit))

    def prove(self, *, merge: CommitId, ours: CommitId, theirs: CommitId) -> Proof:
        base = self._objects.base(ours, theirs)
        lost = lost_paths(self._objects, merge, ours, theirs)
        return Proof(merge=merge, ours=ours, theirs=theirs, base=base, checked_paths=1, lost=tuple(lost))

    def chain(self, *, onto: CommitId, riders: Sequence[Rider], at: float, pin: str) -> Chain:
        cars: list[Car] = []
        left_out: list[LeftOut] = []
        with self._site.faults.around("chain"):
            for rider in riders:
                found = self._ride(rider, onto=onto, ahead=cars, at=at, pin=pin)
                if isinstance(found, Car):
                    cars.append(found)
                else:
                    left_out.append(found)
            self._site.vault[pin] = cars[-1].commit if cars else onto
        return Chain(cars=tuple(cars), left_out=tuple(left_out))

    def _ride(self, rider: Rider, *, onto: CommitId, ahead: Sequence[Car], at: float, pin: str) -> Car | LeftOut:
        below = ahead[-1].commit if ahead else onto
        made = self.merge(ours=below, theirs=rider.head, message=rider.message, at=at, pin=pin)
        if made.commit is None or made.tree is None:
            partners = self._partners(rider, onto, ahead)
            return LeftOut(name=rider.name, head=rider.head, onto=below, conflicts=made.conflicts, partners=partners)
        proof = self.prove(merge=made.commit, ours=below, theirs=rider.head)
        if proof.lost:
            return LeftOut(name=rider.name, head=rider.head, onto=below, lost=proof.lost)
        return Car(
            name=rider.name,
            head=rider.head,
            onto=below,
            commit=made.commit,
            tree=made.tree,
            proven_paths=proof.checked_paths,
        )

    def _partners(self, rider: Rider, onto: CommitId, ahead: Sequence[Car]) -> tuple[str, ...]:
        if self._clash(onto, rider.head):
            return ()
        alone = tuple(car.name for car in ahead if self._clash(car.head, rider.head))
        return alone or tuple(car.name for car in ahead)

    def forecast(self, sides: Sequence[Side], *, against: CommitId) -> Forecast:
        """Every two sides, and each with the target; a path that both changed otherwise is a conflict."""
        trees = {side.name: (side.head, self._files(side)) for side in sides}
        target = (against, self._objects.tree(against))
        pairs = [
            *((name, "", mine, target) for name, mine in trees.items()),
            *((one, other, trees[one], trees[other]) for one, other in combinations(trees, 2)),
        ]
        found = [
            Foreseen(one=one, other=other, paths=paths)
            for one, other, mine, theirs in pairs
            if (paths := self._clashing(self._objects.base(mine[0], theirs[0]), mine[1], theirs[1]))
        ]
        return Forecast(conflicts=tuple(found))

    def _files(self, side: Side) -> Mapping[str, str]:
        at = self._site.worktrees.get(side.worktree)
        return self._objects.tree(side.head) if at is None or at.files is None else at.files

    def _clashing(self, base: CommitId, mine: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
        old = self._objects.tree(base)
        return tuple(
            path
            for path in sorted({*old, *mine, *theirs})
            if old.get(path) not in (mine.get(path), theirs.get(path)) and mine.get(path) != theirs.get(path)
        )

    def _clash(self, one: CommitId, other: CommitId) -> bool:
        """Whether two commits changed a path to different things."""
        base = self._objects.tree(self._objects.base(one, other))
        mine, theirs = self._objects.tree(one), self._objects.tree(other)
        return any(
            base.get(path) not in (mine.get(path), theirs.get(path)) and mine.get(path) != theirs.get(path)
            for path in {*base, *mine, *theirs}
        )

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
        """Contents that say so are merged by union; everything else stays in conflict."""
        made = self.merge(ours=ours, theirs=theirs, message=message, at=at, pin=pin)
        mine, other = self._objects.tree(ours), self._objects.tree(theirs)
        left = tuple(path for path in made.conflicts if not mine.get(path, "").startswith("UNION"))
        if left or made.commit is not None:
            return Settled(commit=None, tree=None, by={}, conflicts=left or ("none",))
        base = self._objects.tree(self._objects.base(ours, theirs))
        tree = {path: text for path, text in {**base, **other, **mine}.items() if path in mine or path in other}
        for path in {*mine, *other}:
            if mine.get(path) == base.get(path):
                tree[path] = other.get(path, "")
        tree |= {path: f"{mine[path]}+{other.get(path, '')}" for path in made.conflicts}
        tree = {path: text for path, text in tree.items() if text}
        with self._site.faults.around("settle"):
            commit = self._objects.add(tree, (ours, theirs), message)
            self._site.held.add(commit)
            self._site.vault[pin] = commit
        by = dict.fromkeys(made.conflicts, "union")
        return Settled(commit=commit, tree=self._objects.tree_id(commit), by=by)

    def find(self, name: str) -> CommitId:
        return CommitId(name)

    def explain(self, merge: CommitId) -> Explained:
        raise Refused("the simulated vault explains nothing")

    def remember(self, *, ours: CommitId, theirs: CommitId, resolved: CommitId, slot: str) -> int:
        with self._site.faults.around("remember"):
            return 0

    def prove_resolution(
        self, *, resolved: CommitId, ours: CommitId, theirs: CommitId, paths: Sequence[str] | None = None
    ) -> Resolution:
        result, mine, other = (self._objects.tree(each) for each in (resolved, ours, theirs))
        assert paths is not None
        beyond = tuple(path for path in lost_paths(self._objects, resolved, ours, theirs) if path not in paths)
        files = tuple(
            ResolvedFile(path=path, text=True, took="ours" if result.get(path) == mine.get(path) else "theirs")
            if result.get(path) in {mine.get(path), other.get(path)}
            else ResolvedFile(path=path, text=True)
            for path in paths
        )
        return Resolution(commit=resolved, ours=ours, theirs=theirs, beyond=beyond, files=files)

    def checkout(self, *, commit: CommitId, slot: str, keep: bool = False) -> str:
        with self._site.faults.around(f"checkout {slot}"):
            self._site.slots[f"/checks/{slot}"] = commit
        return f"/checks/{slot}"

    def advance(self, ref: str, *, new: CommitId, old: CommitId | None) -> bool:
        if self._site.vault.get(ref) == new:
            return True
        if self._site.vault.get(ref) != old:
            return False
        with self._site.faults.around(f"advance {ref}"):
            self._site.vault[ref] = new
        return True

    def archive(self, name: str, commit: CommitId) -> str:
        prefix = f"refs/wto/archive/{name}/"
        kept = {ref: at for ref, at in self._site.vault.items() if ref.startswith(prefix)}
        known = next((ref for ref, at in kept.items() if at == commit), None)
        if known is not None:
            return known
        with self._site.faults.around(f"archive {name}"):
            ref = f"{prefix}{len(kept) + 1}"
            self._site.vault[ref] = commit
        return ref

    def archived(self, prefix: str = "") -> Mapping[str, CommitId]:
        return {ref: at for ref, at in self._site.vault.items() if ref.startswith(f"refs/wto/archive/{prefix}")}

    def merge_base(self, one: CommitId, other: CommitId) -> CommitId | None:
        return self._objects.base(one, other)

    def holds(self, head: CommitId, *, beyond: CommitId, others: Iterable[CommitId]) -> frozenset[CommitId]:
        return frozenset(others) & (frozenset(self._objects.history(head)) - frozenset(self._objects.history(beyond)))

    def absorbed(self, *, head: CommitId, into: CommitId, hints: Sequence[CommitId] = ()) -> CommitId | None:
        return into if head in self._objects.history(into) else None

    def past(self, *, head: CommitId, commits: int) -> History:
        return History(files=tuple(self._objects.tree(head)), commits=())

    def scan(self, *, base: CommitId, head: CommitId, without: Sequence[CommitId] = ()) -> Scan:
        return Scan()

    def trailers(self, *, base: CommitId, head: CommitId, key: str) -> Mapping[str, CommitId]:
        found: dict[str, CommitId] = {}
        for commit in self._objects.first_parents(head, base):
            for line in commit.message.splitlines():
                if line.startswith(f"{key}: "):
                    found[line.removeprefix(f"{key}: ")] = commit.id
        return found


def lost_paths(objects: Objects, merge: CommitId, ours: CommitId, theirs: CommitId) -> list[str]:
    """Paths that only one side changed and that a merge has otherwise."""
    base = objects.tree(objects.base(ours, theirs))
    mine, other, result = objects.tree(ours), objects.tree(theirs), objects.tree(merge)
    lost: list[str] = []
    for path in {*base, *mine, *other}:
        old, one, two, got = base.get(path), mine.get(path), other.get(path), result.get(path)
        if one == two:
            lost += [path] if got != one else []
        elif one == old:
            lost += [path] if got != two else []
        elif two == old:
            lost += [path] if got != one else []
        elif got in {one, two}:
            lost.append(path)
    return sorted(lost)
