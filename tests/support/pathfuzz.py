"""Random branches, every two of one beginning, judged by their paths and by git itself.

Whatever the index calls independent has to merge without a conflict, into the beginning with both changes laid on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from tests.support.branches import Scribe, beginning, changed
from tests.support.repos import TestRepository
from wt_orchestrate.adapters.gitrepo.forecast.overlap import PathIndex, Touched, touched
from wt_orchestrate.adapters.gitrepo.merge.pairwise import merges
from wt_orchestrate.adapters.gitrepo.objects import fast_import
from wt_orchestrate.adapters.gitrepo.objects.fast_import import NewCommit
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.ids import CommitId

ROUGH = (0.1, 0.3, 0.6)
HEADS = 8
"""Branches of one beginning: 28 pairs."""
_AT_ONCE = 10
Rule = Callable[[Sequence[tuple[str, Touched]]], set[tuple[str, str]]]
"""Which of some sides could meet, as ordered pairs."""


@dataclass(slots=True)
class Judged:
    """What some stretch of pairs came to; `missed` and `other` tell seed and numbers of the two heads."""

    pairs: int = 0
    conflicts: int = 0
    candidates: int = 0
    missed: tuple[tuple[int, int, int], ...] = ()
    """Called independent, in conflict."""
    other: tuple[tuple[int, int, int], ...] = ()
    """Called independent, and merged into something else than both changes."""


def by_index(sides: Sequence[tuple[str, Touched]]) -> set[tuple[str, str]]:
    """The rule of the package."""
    index = PathIndex()
    for name, side in sides:
        index.add(name, side)
    return set(index.pairs())


def judge(repository: TestRepository, seeds: Sequence[int], rule: Rule = by_index) -> Judged:
    """Every two branches of each seed's beginning."""
    found = Judged()
    for start in range(0, len(seeds), _AT_ONCE):
        _judge(repository, seeds[start : start + _AT_ONCE], rule, found)
    return found


def _judge(repository: TestRepository, seeds: Sequence[int], rule: Rule, found: Judged) -> None:
    git = Git(repository.common_dir)
    sets = _written(repository, seeds)
    known = touched(git, [(base, head) for base, heads in sets for head in heads])
    asked: list[tuple[int, int, int, bool]] = []
    both: list[tuple[CommitId, CommitId]] = []
    layers: list[NewCommit] = []
    for seed, (base, heads) in zip(seeds, sets, strict=True):
        sides = [(str(number), known[base, head]) for number, head in enumerate(heads) if (base, head) in known]
        near = rule(sides)
        for (one, left), (other, right) in combinations(sides, 2):
            asked.append((seed, int(one), int(other), (one, other) in near))
            both.append((heads[int(one)], heads[int(other)]))
            deltas = [] if (one, other) in near else [left.delta, right.delta]
            layers.append(NewCommit(deltas, onto=base))
    commits = fast_import.write(git, layers, at=0.0, ref="refs/heads/laid", keep=False)
    trees = repository.git("rev-parse", *(f"{commit}^{{tree}}" for commit in commits)).split()
    for (*case, near_), outcome, tree in zip(asked, merges(git, both), trees, strict=True):
        found.pairs += 1
        found.conflicts += not outcome.clean
        found.candidates += near_
        if not near_ and not outcome.clean:
            found.missed += ((case[0], case[1], case[2]),)
        elif not near_ and outcome.tree != tree:
            found.other += ((case[0], case[1], case[2]),)


def _written(repository: TestRepository, seeds: Sequence[int]) -> list[tuple[CommitId, list[CommitId]]]:
    """Each seed's beginning and heads, by one writer."""
    scribe = Scribe()
    numbers: list[tuple[int, list[int]]] = []
    for seed in seeds:
        random = Random(seed)
        old, rough = beginning(random), random.choice(ROUGH)
        first = scribe.commit(old)
        trees = [changed(random, old, steps=random.randint(1, 5), rough=rough) for _ in range(HEADS)]
        numbers.append((first, [scribe.commit(tree, first) for tree in trees]))
    commits = scribe.write(repository)
    return [(commits[first - 1], [commits[head - 1] for head in heads]) for first, heads in numbers]
