"""The simulated vault, one class for each of its ports, over the objects of the simulated git."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from tests.simulation.git import Objects, Site
from wt_orchestrate.adapters.gitrepo.proof.merge import PARENTS
from wt_orchestrate.domain.agent.commit_scan import Scan
from wt_orchestrate.domain.agent.instructions import TextAt
from wt_orchestrate.domain.drafting.cochange import History
from wt_orchestrate.domain.effects import Side
from wt_orchestrate.domain.events.forecast import Clash
from wt_orchestrate.domain.events.train import MergeMade
from wt_orchestrate.domain.events.worktree import CommitLine
from wt_orchestrate.domain.ids import CommitId, TreeId, WorkstreamId
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.git.checkouts import NOTHING_AROUND, Around
from wt_orchestrate.ports.git.commits import ChangedPath
from wt_orchestrate.ports.git.conflicts import Resolution, ResolvedFile, Settled, SettleSpec
from wt_orchestrate.ports.git.forecast import MergeForecast
from wt_orchestrate.ports.git.merges import (
    Chain,
    ChainSpec,
    Explained,
    LandingLine,
    LandingLineSpec,
    LeftOut,
    Merge,
    Proof,
    Rider,
)


class SimRefs:
    """The refs of the vault."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._objects = site.objects

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, CommitId]:
        found: dict[str, CommitId] = {}
        with self._site.faults.around("fetch"):
            for source, ours in refs.items():
                at = self._site.refs.get(source.removeprefix("refs/heads/"))
                if at is not None:
                    found[ours] = self._site.vault[ours] = at
                    self._site.held |= self._objects.history(at)
        return found

    def fetch_tags(self, commit: CommitId) -> None:
        pass

    def resolve(self, ref: str) -> CommitId | None:
        return self._site.vault.get(ref)

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

    def keep(self, name: str, commits: Sequence[CommitId]) -> tuple[CommitId, ...]:
        for commit in commits:
            self._site.held |= self._site.objects.history(commit)
            self.archive(name, commit)
        return ()

    def archived(self, prefix: str = "") -> Mapping[str, CommitId]:
        return {ref: at for ref, at in self._site.vault.items() if ref.startswith(f"refs/wto/archive/{prefix}")}

    def find(self, name: str) -> CommitId:
        return CommitId(name)


class SimObjects:
    """Commits, trees and files of the vault."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._objects = site.objects

    def contains(self, commit: CommitId) -> bool:
        return commit in self._site.held

    def tree(self, commit: CommitId) -> TreeId:
        return self._objects.tree_id(commit)

    def blob(self, commit: CommitId, path: str, *, limit: int = 1 << 18) -> bytes | None:
        content = self._objects.tree(commit).get(path)
        return None if content is None else content.encode()

    def text(self, commit: CommitId, path: str) -> TextAt | None:
        found = self.blob(commit, path)
        return None if found is None else TextAt(found.decode())

    def paths(self, commit: CommitId) -> frozenset[str]:
        return frozenset(self._objects.tree(commit))

    def at(self, places: Sequence[tuple[CommitId, str]]) -> Sequence[str]:
        return [self._object_at(commit, path) for commit, path in places]

    def _object_at(self, commit: CommitId, path: str) -> str:
        if commit not in self._site.held:
            return ""
        tree = self._objects.tree(commit)
        below = {name: content for name, content in tree.items() if f"{name}/".startswith(f"{path}/") or not path}
        return repr(sorted(below.items())) if below or not path else ""


class SimCommits:
    """What the commits of the vault say, change and hold."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._objects = site.objects

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool:
        return old in self._objects.history(new)

    def merge_base(self, one: CommitId, other: CommitId) -> CommitId | None:
        return self._objects.base(one, other)

    def between(self, *, base: CommitId, head: CommitId, limit: int = 500) -> Sequence[CommitLine]:
        new = sorted(self._objects.history(head) - self._objects.history(base), key=self._age)
        return [CommitLine(id=each, author="a", at=0.0, subject="s", paths=()) for each in new]

    def _age(self, commit: CommitId) -> tuple[int, str]:
        return len(self._objects.history(commit)), commit

    def changes(self, *, base: CommitId, head: CommitId) -> Sequence[ChangedPath]:
        paths = self._objects.changed(self._objects.base(base, head), head)
        return [ChangedPath(path=path, status="M", added=1) for path in paths]

    def diff(self, *, base: CommitId, head: CommitId, paths: Sequence[str] = ()) -> bytes:
        return b""

    def trailers(self, *, base: CommitId, head: CommitId, key: str) -> Mapping[str, CommitId]:
        found: dict[str, CommitId] = {}
        for commit in self._objects.first_parents(head, base):
            for line in commit.message.splitlines():
                if line.startswith(f"{key}: "):
                    found[line.removeprefix(f"{key}: ")] = commit.id
        return found

    def holds(self, head: CommitId, *, beyond: CommitId, others: Iterable[CommitId]) -> frozenset[CommitId]:
        return frozenset(others) & (frozenset(self._objects.history(head)) - frozenset(self._objects.history(beyond)))

    def absorbed(self, *, head: CommitId, into: CommitId, hints: Sequence[CommitId] = ()) -> CommitId | None:
        return into if head in self._objects.history(into) else None

    def past(self, *, head: CommitId, commits: int) -> History:
        return History(files=tuple(self._objects.tree(head)), commits=())

    def scan(self, *, base: CommitId, head: CommitId, without: Sequence[CommitId] = (), messages: bool = True) -> Scan:
        return Scan()


class SimMerges:
    """Merges by whole paths."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._objects = site.objects

    def merge(self, *, ours: CommitId, theirs: CommitId, message: str, at: float, pin: str, author: str = "") -> Merge:
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
        if self._objects.commits[merge].parents != (ours, theirs):
            lost.append(PARENTS)
        return Proof(merge=merge, ours=ours, theirs=theirs, base=base, checked_paths=1, lost=tuple(lost))

    def chain(self, spec: ChainSpec) -> Chain:
        cars: list[MergeMade] = []
        left_out: list[LeftOut] = []
        with self._site.faults.around("chain"):
            for rider in spec.riders:
                found = self._ride(rider, spec, cars)
                if isinstance(found, MergeMade):
                    cars.append(found)
                else:
                    left_out.append(found)
            self._site.vault[spec.pin] = cars[-1].commit if cars else spec.onto
        return Chain(cars=tuple(cars), left_out=tuple(left_out))

    def _ride(self, rider: Rider, spec: ChainSpec, ahead: Sequence[MergeMade]) -> MergeMade | LeftOut:
        below = ahead[-1].commit if ahead else spec.onto
        made = self.merge(ours=below, theirs=rider.head, message=rider.message, at=spec.at, pin=spec.pin)
        if made.commit is None or made.tree is None:
            partners = self._partners(rider, spec.onto, ahead)
            return LeftOut(name=rider.name, head=rider.head, onto=below, conflicts=made.conflicts, partners=partners)
        proof = self.prove(merge=made.commit, ours=below, theirs=rider.head)
        if proof.lost:
            return LeftOut(name=rider.name, head=rider.head, onto=below, lost=proof.lost)
        return MergeMade(
            workstream=WorkstreamId(rider.name),
            head=rider.head,
            onto=below,
            commit=made.commit,
            tree=made.tree,
            proven_paths=proof.checked_paths,
        )

    def _partners(self, rider: Rider, onto: CommitId, ahead: Sequence[MergeMade]) -> tuple[str, ...]:
        if clashing_commits(self._objects, onto, rider.head):
            return ()
        alone = tuple(car.workstream for car in ahead if clashing_commits(self._objects, car.head, rider.head))
        return alone or tuple(car.workstream for car in ahead)

    def lay_out(self, spec: LandingLineSpec) -> LandingLine:
        tree = self._objects.tree(spec.head)
        with self._site.faults.around("line"):
            tip = self._objects.add(tree, (spec.onto,), "".join(step.message for step in spec.steps))
            joined = self._objects.add(tree, (tip, spec.head), spec.joined)
            self._site.held |= {tip, joined}
            self._site.vault[spec.pin] = joined
        return LandingLine(commit=tip, joined=joined)

    def explain(self, merge: CommitId) -> Explained:
        raise Refused("the simulated vault explains nothing")


class SimConflicts:
    """Conflicts, settled by union where contents say so."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._objects = site.objects
        self._merges = SimMerges(site)

    def settle(self, spec: SettleSpec) -> Settled:
        """Contents that say so are merged by union; everything else stays in conflict."""
        made = self._merges.merge(ours=spec.ours, theirs=spec.theirs, message=spec.message, at=spec.at, pin=spec.pin)
        mine, other = self._objects.tree(spec.ours), self._objects.tree(spec.theirs)
        left = tuple(path for path in made.conflicts if not mine.get(path, "").startswith("UNION"))
        if left or made.commit is not None:
            return Settled(commit=None, tree=None, by={}, conflicts=left or ("none",))
        base = self._objects.tree(self._objects.base(spec.ours, spec.theirs))
        tree = {path: text for path, text in {**base, **other, **mine}.items() if path in mine or path in other}
        for path in {*mine, *other}:
            if mine.get(path) == base.get(path):
                tree[path] = other.get(path, "")
        tree |= {path: f"{mine[path]}+{other.get(path, '')}" for path in made.conflicts}
        tree = {path: text for path, text in tree.items() if text}
        with self._site.faults.around("settle"):
            commit = self._objects.add(tree, (spec.ours, spec.theirs), spec.message)
            self._site.held.add(commit)
            self._site.vault[spec.pin] = commit
        by = dict.fromkeys(made.conflicts, "union")
        return Settled(commit=commit, tree=self._objects.tree_id(commit), by=by)

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


class SimCheckouts:
    """Slots, and worktrees compared with a commit."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._objects = site.objects

    def checkout(self, *, commit: CommitId, slot: str, keep: bool = False, around: Around = NOTHING_AROUND) -> str:
        with self._site.faults.around(f"checkout {slot}"):
            self._site.slots[f"/checks/{slot}"] = commit
        return f"/checks/{slot}"

    def seed_index(self, *, worktree: str, head: CommitId, index: str) -> None:
        pass

    def dirty(self, *, worktree: str, head: CommitId, index: str, hiding: bool = True) -> tuple[str, ...]:
        found = self._site.worktrees.get(worktree)
        if found is None or found.files is None:
            raise Refused(f"{worktree} is gone")
        tree = self._objects.tree(head)
        return tuple(sorted(p for p in {*tree, *found.files} if tree.get(p) != found.files.get(p)))

    def rescue(self, *, worktree: str, head: CommitId, index: str) -> CommitId | None:
        if not self.dirty(worktree=worktree, head=head, index=index):
            return None
        with self._site.faults.around("rescue"):
            return self._objects.add(self._site.worktrees[worktree].files or {}, (head,), "uncommitted")

    def lay_down(self, *, worktree: str, commit: CommitId) -> int:
        files = dict(self._objects.tree(commit))
        self._site.worktrees[worktree].files = files
        return len(files)


class SimForecasts:
    """Every two sides merged by whole paths."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._objects = site.objects

    def forecast(self, sides: Sequence[Side], *, against: CommitId) -> MergeForecast:
        """Every two sides, and each with the target; a path that both changed otherwise is a conflict."""
        trees = {side.name: (side.head, self._files(side)) for side in sides}
        target = (against, self._objects.tree(against))
        pairs = [
            *((name, "", mine, target) for name, mine in trees.items()),
            *((one, other, trees[one], trees[other]) for one, other in combinations(trees, 2)),
        ]
        found = [
            Clash(one=one, other=other, paths=paths)
            for one, other, mine, theirs in pairs
            if (paths := self._clashing(self._objects.base(mine[0], theirs[0]), mine[1], theirs[1]))
        ]
        return MergeForecast(conflicts=tuple(found))

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


class SimVault:
    """The vault."""

    path = "/state/vault.git"

    def __init__(self, site: Site) -> None:
        self._site = site
        self.refs = SimRefs(site)
        self.objects = SimObjects(site)
        self.commits = SimCommits(site)
        self.merges = SimMerges(site)
        self.conflicts = SimConflicts(site)
        self.checkouts = SimCheckouts(site)
        self.forecasts = SimForecasts(site)

    def rest(self, idle_s: float) -> None:
        """Nothing of it runs."""

    def ensure(self) -> None:
        with self._site.faults.around("ensure"):
            pass


def clashing_commits(objects: Objects, one: CommitId, other: CommitId) -> bool:
    """Whether two commits changed a path to different things."""
    base = objects.tree(objects.base(one, other))
    mine, theirs = objects.tree(one), objects.tree(other)
    return any(
        base.get(path) not in (mine.get(path), theirs.get(path)) and mine.get(path) != theirs.get(path)
        for path in {*base, *mine, *theirs}
    )


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
