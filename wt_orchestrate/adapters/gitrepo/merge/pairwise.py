"""Merges beside a chain: each rider that meets others is merged with those alone, all of a round by one git.

The result is the change to apply to the chain. Nothing is pinned and no ref is left: the vault never collects garbage.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.merge.plan import RiderPlace
from wt_orchestrate.adapters.gitrepo.merge.survey import Survey
from wt_orchestrate.adapters.gitrepo.objects import fast_import
from wt_orchestrate.adapters.gitrepo.objects.blobs import trees_of
from wt_orchestrate.adapters.gitrepo.objects.fast_import import NewCommit
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import Delta, between
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, fields, input_lines, text
from wt_orchestrate.domain.ids import CommitId, TreeId

_NO_SUCH_OPTION = 129
CRASHED = (-signal.SIGABRT, -signal.SIGSEGV)
"""git's exit code for its own defect: 2.39 has one for a link renamed on one side that is a file on the other. A branch
must not hold up the others by that."""


@dataclass(frozen=True, slots=True)
class PairMerge:
    """A tree, or the paths in conflict (then the tree has their markers); no tree if git could not do it at all."""

    clean: bool
    tree: TreeId | None
    conflicts: tuple[str, ...] = ()


@dataclass(slots=True)
class Apart:
    """The separate merges so far of one chain, by rider and company; None for a conflict."""

    git: Git
    survey: Survey
    ref: str
    """A ref name that fast-import needs; it is gone when it ends."""
    _changes: dict[RiderPlace, Delta | None] = field(default_factory=dict)
    _grounds: dict[tuple[int, ...], tuple[CommitId, TreeId]] = field(default_factory=dict)

    def change(self, place: RiderPlace) -> Delta | None:
        """The change that a rider brings to the chain, once its round was merged."""
        return self._changes[place] if place.round else self.survey.loads[place.number].delta

    def merge(self, places: Sequence[RiderPlace], seats: Mapping[int, RiderPlace]) -> None:
        """Merge a round; all rounds before it are done. `seats` has all riders in company."""
        new = [place for place in places if place not in self._changes]
        if not new:
            return
        grounds = self._found_grounds(new, seats)
        heads = [self.survey.loads[place.number].rider.head for place in new]
        outcomes = merges(self.git, [(ground[0], head) for ground, head in zip(grounds, heads, strict=True)])
        ends = zip(new, grounds, outcomes, strict=True)
        clean = [(place, ground[1], outcome.tree) for place, ground, outcome in ends if outcome.clean and outcome.tree]
        self._changes |= dict.fromkeys(new)
        found = between(self.git, [(ground, tree) for _, ground, tree in clean])
        self._changes |= {place: delta for (place, _, _), delta in zip(clean, found, strict=True)}

    def _found_grounds(
        self, places: Sequence[RiderPlace], seats: Mapping[int, RiderPlace]
    ) -> Sequence[tuple[CommitId, TreeId]]:
        """For each rider, a commit and its tree that hold its company and nothing else that is new to the chain."""
        simple = [_simple_ground(self.survey, place, seats) for place in places]
        missing = [place.company for place, ground in zip(places, simple, strict=True) if ground is None]
        self._make_grounds([each for each in dict.fromkeys(missing) if each not in self._grounds], seats)
        return [ground or self._grounds[place.company] for place, ground in zip(places, simple, strict=True)]

    def _make_grounds(self, companies: Sequence[tuple[int, ...]], seats: Mapping[int, RiderPlace]) -> None:
        if not companies:
            return
        layers = [self._layer(company, seats) for company in companies]
        commits = fast_import.write(self.git, layers, at=0.0, ref=self.ref, keep=False)
        trees = trees_of(self.git, commits)
        for company, commit in zip(companies, commits, strict=True):
            self._grounds[company] = (commit, TreeId(trees[commit]))

    def _layer(self, company: tuple[int, ...], seats: Mapping[int, RiderPlace]) -> NewCommit:
        """What is new in a company, on the largest part of it that a ground exists for."""
        parts = [known for known in self._grounds if known and set(known) <= set(company)]
        part = max(parts, key=len, default=())
        onto = self._grounds[part][0] if part else self.survey.onto
        return NewCommit([self.change(seats[number]) or {} for number in company if number not in part], onto=onto)


def _simple_ground(
    survey: Survey, place: RiderPlace, seats: Mapping[int, RiderPlace]
) -> tuple[CommitId, TreeId] | None:
    """The head of the only rider in company, if that one started at the same commit and needed no merge itself."""
    if len(place.company) != 1 or place.meets_onto or seats[place.company[0]].round:
        return None
    load, other = (survey.loads[number] for number in (place.number, place.company[0]))
    return (other.rider.head, other.tree) if load.base == other.base and other.tree is not None else None


def merges(git: Git, pairs: Sequence[tuple[CommitId, CommitId]]) -> Sequence[PairMerge]:
    """Merge many pairs of commits, in order, by one git if it can (2.39)."""
    if not pairs:
        return []
    asked = input_lines([f"{ours} {theirs}" for ours, theirs in pairs])
    code, output = git.outcome(
        "merge-tree", "--stdin", *_FIXED, stdin=asked, ok=(0, _NO_SUCH_OPTION, *CRASHED), timeout_s=LONG_S
    )
    if code != 0:
        return [_merge(git, *pair) for pair in pairs]
    parts = iter(text(output).split("\0"))
    found: list[PairMerge] = []
    for clean in parts:
        if clean:
            tree, names = TreeId(next(parts)), list(iter(lambda: next(parts), ""))
            found.append(PairMerge(clean == "1", tree, tuple(sorted(set(names)))))
    return found


_FIXED = ("--write-tree", "-z", "--name-only", "--no-messages", "--allow-unrelated-histories")


def _merge(git: Git, ours: CommitId, theirs: CommitId) -> PairMerge:
    code, output = git.outcome("merge-tree", *_FIXED, ours, theirs, ok=(0, 1, *CRASHED), timeout_s=LONG_S)
    if code in CRASHED:
        return PairMerge(False, None)
    tree, *names = fields(output)
    return PairMerge(code == 0, TreeId(tree), tuple(sorted(set(names))))
