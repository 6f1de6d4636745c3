"""Which of many sides could meet if any two of them were merged, by the paths they touch, without merging.

Two sides meet if they touch the same path, if one touches something below a path of the other (a file that became a
folder), or if one adds anything below a folder, at any depth, that the other emptied: git may take such a folder for
renamed, and the added files would have to move along. A folder with files left is never taken for renamed, so deletions
alone do not count. Two that do not meet merge without a conflict, by applying one change to the other; that is fuzzed
against git (`make fuzz`).

This holds for sides that started at the same commit, which is their only merge base. A side of which this is not known
meets all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.merge.path_index import ChangeIndex
from wt_orchestrate.adapters.gitrepo.merge.survey import (
    deleted_below,
    missing_folders,
    new_commits,
    only_base,
    own_commits,
)
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import Delta, deltas, turned
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.ids import CommitId

Pair = tuple[CommitId, CommitId]
"""A base and a head."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What a side changes: raw lines by path (modes and ids before and after, git's letter), and the folders it
    emptied."""

    delta: Delta
    gone: Set[str] = frozenset()


def touched(git: Git, pairs: Sequence[Pair]) -> Mapping[Pair, Touched]:
    """What each head changes since its base: one git for all of them, and one that looks for emptied folders if
    anything was deleted. (One more if two pairs cannot be told apart by one of their ends.)"""
    found: dict[Pair, Delta] = {}
    for round_ in _rounds(pairs):
        known = deltas(git, [f"{named} {other}" for named, other in round_], "--format=%H")
        for (named, other), pair in round_.items():
            delta = known.get(named, {})
            found[pair] = delta if other == pair[0] else {path: turned(line) for path, line in delta.items()}
    below = {pair: deleted_below(delta) for pair, delta in found.items()}
    asked = {(head, folder) for (_, head), names in below.items() for folder in names}
    gone = missing_folders(git, sorted(asked))
    return {
        (base, head): Touched(delta, {folder for folder in below[base, head] if (head, folder) in gone})
        for (base, head), delta in found.items()
    }


def _rounds(pairs: Sequence[Pair]) -> Iterator[Mapping[Pair, Pair]]:
    """The pairs that differ, each under the commit that names the difference and the one it is from. None names two in
    a round."""
    waiting = [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]
    while waiting:
        asked: dict[Pair, Pair] = {}
        names: set[CommitId] = set()
        for base, head in waiting:
            named = head if head not in names else base
            if named not in names:
                names.add(named)
                asked[(head, base) if named == head else (base, head)] = (base, head)
        yield asked
        done = set(asked.values())
        waiting = [pair for pair in waiting if pair not in done]


def merge_bases(git: Git, *, against: CommitId, heads: Sequence[CommitId]) -> Mapping[CommitId, CommitId | None]:
    """The one merge base that each head has with `against`; None if there is none or more than one. One git for all of
    them, and one more for each head that merged `against` on its way."""
    graph = new_commits(git, against, heads)
    return {head: only_base(git, against, head, own_commits(graph, head)[1]) for head in dict.fromkeys(heads)}


@dataclass(slots=True)
class PathIndex:
    """Sides by name, in the order they were added."""

    _names: list[str] = field(default_factory=list)
    _sides: dict[str, Touched | None] = field(default_factory=dict)
    _index: ChangeIndex = field(default_factory=ChangeIndex)

    def add(self, name: str, side: Touched | None) -> None:
        """Add a side; None if it is unknown what it touches."""
        self._sides[name] = side
        self._names.append(name)
        if side is not None:
            self._index.add(len(self._names) - 1, side.delta, side.gone)

    def partners(self, name: str) -> Sequence[str]:
        """The other sides that this one could meet."""
        return [other for other in self.meeting(self._sides[name]) if other != name]

    def meeting(self, side: Touched | None) -> Sequence[str]:
        """The sides that a side (not necessarily in the index) could meet."""
        if side is None:
            return self._names
        found = self._index.touching(side.delta) | self._index.moving(side.delta, side.gone)
        return [other for number, other in enumerate(self._names) if number in found or self._sides[other] is None]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every two sides that could meet, once each."""
        seen: set[str] = set()
        for name in self._names:
            seen.add(name)
            yield from ((name, other) for other in self.partners(name) if other not in seen)
