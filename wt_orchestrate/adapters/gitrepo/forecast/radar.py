"""The conflict forecast: what merging each of many sides with the target and with each other would give.

Everything is seen from the target as it is now. A side that meets nothing the target did since the side started counts
by its own change; any other is merged with the target first and counts by the result (with conflict markers if it
conflicts), so that a conflict with the target is never counted between two sides. Then the path index says which could
meet, and only those pairs are really merged, all of them by one `git merge-tree`.

Costs a handful of git processes for any number of sides. No object, ref or checkout is left or touched: all is merged
in a quarantine. The result of a pair is remembered by the two commits, for as long as the process lives.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.forecast.overlap import PathIndex, Touched, merge_bases, touched
from wt_orchestrate.adapters.gitrepo.merge.pairwise import PairMerge, merges
from wt_orchestrate.adapters.gitrepo.merge.path_index import folders
from wt_orchestrate.adapters.gitrepo.objects.quarantine import merge_commits, quarantined
from wt_orchestrate.adapters.gitrepo.runner import NOTHING, Git
from wt_orchestrate.adapters.gitrepo.worktree import uncommitted
from wt_orchestrate.domain.effects import Side
from wt_orchestrate.domain.events.forecast import BlindSpot, Clash
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.ports.git.forecast import MergeForecast

_REMEMBERED = 50_000
"""Pairs of commits."""
_UNCHANGED = Touched({})


@dataclass(frozen=True, slots=True)
class _SideChanges:
    """A side as seen from the target: the commit that stands for it, what it touches, and its paths in conflict with
    the target (None: no conflict) or shared with it."""

    commit: CommitId
    touched: Touched
    conflict: tuple[str, ...] | None = None
    shared: tuple[str, ...] = ()


@dataclass(slots=True)
class Radar:
    """The radar of one vault. `folder` is the quarantine's place, `settings` tells the user's configuration for reading
    worktrees."""

    git: Git
    folder: str
    settings: Callable[[], Mapping[str, str]] = lambda: NOTHING
    _known: OrderedDict[tuple[CommitId, CommitId], tuple[str, ...] | None] = field(default_factory=OrderedDict)
    """Paths in conflict by pair; None for a clean merge."""

    def forecast(self, sides: Sequence[Side], *, against: CommitId) -> MergeForecast:
        """What would conflict."""
        settings = self.settings() if any(side.worktree for side in sides) else NOTHING
        with quarantined(self.git, self.folder) as git:
            snapshots = [_snapshot(self.git, side, settings) for side in sides]
            heads = uncommitted.written(git, snapshots)
            seen, merged = _seen(git, against, {side.name: head for side, head in zip(sides, heads, strict=True)})
            pairs = [pair for pair in _pairs(seen) if seen[pair[0]].commit != seen[pair[1]].commit]
            merged += self._merge(git, [(seen[one].commit, seen[other].commit) for one, other in pairs])
        found = [*_with_target(seen), *self._with_each_other(seen, pairs)]
        problems = ((side.name, each.problem) for side, each in zip(sides, snapshots, strict=True) if each.problem)
        return MergeForecast(
            conflicts=tuple(each for clashes, each in found if clashes),
            touching=tuple(each for clashes, each in found if not clashes and each.paths),
            merged=merged,
            blind=tuple(BlindSpot(workstream=name, reason=reason) for name, reason in problems),
        )

    def _merge(self, git: Git, pairs: Sequence[tuple[CommitId, CommitId]]) -> int:
        """Make sure that the results of these pairs are known; how many had to be merged."""
        for pair in pairs:
            if pair in self._known:
                self._known.move_to_end(pair)
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
        for pair, outcome in zip(new, merges(git, new), strict=True):
            self._known[pair] = _conflict(outcome, pair)
        while len(self._known) > max(_REMEMBERED, len(pairs)):
            self._known.popitem(last=False)
        return len(new)

    def _with_each_other(
        self, seen: Mapping[str, _SideChanges], pairs: Sequence[tuple[str, str]]
    ) -> Iterator[tuple[bool, Clash]]:
        for one, other in pairs:
            conflict = self._known[seen[one].commit, seen[other].commit]
            paths = shared(seen[one].touched, seen[other].touched) if conflict is None else conflict
            yield conflict is not None, Clash(one=one, other=other, paths=paths)


def _snapshot(git: Git, side: Side, settings: Mapping[str, str]) -> uncommitted.Snapshot:
    if not side.worktree or not side.index:
        return uncommitted.Snapshot(side.head)
    return uncommitted.taken(git, worktree=side.worktree, head=side.head, index=side.index, settings=settings)


def _seen(git: Git, against: CommitId, heads: Mapping[str, CommitId]) -> tuple[dict[str, _SideChanges], int]:
    """Each side as seen from the target, and how many had to be merged with it for that."""
    bases = merge_bases(git, against=against, heads=list(heads.values()))
    known = {base for base in bases.values() if base is not None}
    asked = [(base, head) for head, base in bases.items() if base is not None]
    found = touched(git, [*asked, *((base, against) for base in known)])
    since = {base: _index(found.get((base, against), _UNCHANGED)) for base in known}
    plain: dict[CommitId, _SideChanges] = {}
    for base, head in asked:
        own = found.get((base, head), _UNCHANGED)
        if not since[base].meeting(own):
            plain[head] = _SideChanges(head, own)
    crossing = [head for head in bases if head not in plain]
    drift = {head: found.get((base, against), _UNCHANGED) if base else _UNCHANGED for head, base in bases.items()}
    brought = _merged_with(git, against, crossing, drift)
    return {name: (plain | brought)[head] for name, head in heads.items()}, len(crossing)


def _index(side: Touched) -> PathIndex:
    index = PathIndex()
    index.add("", side)
    return index


def _merged_with(
    git: Git, against: CommitId, heads: Sequence[CommitId], drift: Mapping[CommitId, Touched]
) -> dict[CommitId, _SideChanges]:
    """Heads merged with the target."""
    outcomes = dict(zip(heads, merges(git, [(against, head) for head in heads]), strict=True))
    trees = [(head, outcome.tree) for head, outcome in outcomes.items() if outcome.tree is not None]
    commits = dict(zip([head for head, _ in trees], merge_commits(git, against, trees), strict=True))
    found = touched(git, [(against, commit) for commit in commits.values()])
    seen: dict[CommitId, _SideChanges] = {}
    for head, outcome in outcomes.items():
        commit = commits.get(head, head)
        new = found.get((against, commit), _UNCHANGED)
        seen[head] = _SideChanges(commit, new, _conflict(outcome, (against, head)), shared(new, drift[head]))
    return seen


def _conflict(outcome: PairMerge, pair: tuple[CommitId, CommitId]) -> tuple[str, ...] | None:
    """The paths in conflict; None for a clean merge. A file in the way of a folder is reported by its own name, without
    the commit that git appends."""
    if outcome.clean:
        return None
    endings = tuple(f"~{commit}" for commit in pair)
    return tuple(sorted({path[: path.rindex("~")] if path.endswith(endings) else path for path in outcome.conflicts}))


def _pairs(seen: Mapping[str, _SideChanges]) -> Iterator[tuple[str, str]]:
    index = PathIndex()
    for name, side in seen.items():
        index.add(name, side.touched)
    return index.pairs()


def _with_target(seen: Mapping[str, _SideChanges]) -> Iterator[tuple[bool, Clash]]:
    for name, side in seen.items():
        clashes = side.conflict is not None
        yield clashes, Clash(one=name, other="", paths=side.shared if side.conflict is None else side.conflict)


def shared(one: Touched, other: Touched) -> tuple[str, ...]:
    """Paths that both touch, and those below or above a path of the other."""
    return tuple(sorted({*_within(one, other), *_within(other, one)}))


def _within(one: Touched, other: Touched) -> Iterator[str]:
    for path in one.delta:
        if path in other.delta or any(folder in other.delta for folder in folders(path)):
            yield path
