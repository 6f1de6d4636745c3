"""Forecast from a plan's scopes and the repository's history which workstreams will change the same files.

A past commit that touched a scope stands for what a workstream of that scope will do. The share of such commits that
also touched a file is the probability that the workstream touches it, whether it is in the scope or not. Two
workstreams meet in a file with the product of both, and meet at all unless they meet in none. So files of both scopes
count, and files of different scopes that change together. Large commits say nothing about what belongs together and are
left out.

Co-change as a sign of coupling: Gall, Hajek, Jazayeri 1998 (logical coupling); shares as confidence, and leaving large
transactions out: Zimmermann, Weissgerber, Diehl, Zeller, "Mining version histories to guide software changes", ICSE
2004. It is an estimate, and is called one wherever it is shown: that both touch a file does not mean that git cannot
merge it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from heapq import nsmallest
from itertools import combinations
from math import prod

from msgspec import Struct

from wt_orchestrate.domain.plan.graph import all_needs, longest_chain, waves
from wt_orchestrate.domain.plan.model import Kind, Plan
from wt_orchestrate.domain.plan.scope import scope_matches
from wt_orchestrate.domain.replace import replace

LARGE = 30
"""A commit with more files is left out."""
ENOUGH = 3
"""Fewer commits in a scope say too little."""
_LISTED = 8


class Level(StrEnum):
    """How likely two workstreams change the same files."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"


_FROM = ((0.5, Level.HIGH), (0.2, Level.MEDIUM), (0.03, Level.LOW))


class History(Struct, frozen=True, kw_only=True):
    """What is known of a repository: its files now, and the paths of recent commits, newest first."""

    files: tuple[str, ...]
    commits: tuple[tuple[str, ...], ...]


class Meeting(Struct, frozen=True, kw_only=True):
    """A file that two workstreams may both change, with the share of commits in each one's scope that touched it."""

    path: str
    one: float
    other: float


class PairForecast(Struct, frozen=True, kw_only=True):
    """Two workstreams that may run at the same time. `chance` (0 to 1) is an estimate; `shared` counts the files that
    both may write, `meetings` are the likeliest places."""

    one: str
    other: str
    chance: float
    level: Level
    shared: int
    shared_files: tuple[str, ...]
    meetings: tuple[Meeting, ...]
    little_history: bool


class PlanForecast(Struct, frozen=True, kw_only=True):
    """The forecast of a plan. `serialise`: which workstream should also need which. `before` and `after`: the longest
    chains without and with that."""

    pairs: tuple[PairForecast, ...]
    serialise: Mapping[str, tuple[str, ...]]
    before: tuple[str, ...]
    after: tuple[str, ...]
    unscoped: tuple[str, ...]
    commits: int
    large: int


def plan_forecast(plan: Plan, history: History) -> PlanForecast:
    """Every pair that may run at the same time, the likeliest conflict first, and what should run one after another."""
    small = [commit for commit in history.commits if len(commit) <= LARGE]
    streams = [name for name, spec in plan.workstreams.items() if spec.kind is Kind.CHANGE and not spec.branch]
    touched = _touched(plan, streams, small)
    owned = {name: frozenset(path for path in history.files if _may_write(plan, name, path)) for name in streams}
    waits = all_needs(plan)
    pairs = [
        _pair(one, other, touched, owned[one] & owned[other])
        for one, other in combinations(streams, 2)
        if one not in waits[other] and other not in waits[one]
    ]
    pairs.sort(key=lambda pair: (-pair.chance, -pair.shared, pair.one, pair.other))
    serialise = _serialised(plan, pairs)
    return PlanForecast(
        pairs=tuple(pairs),
        serialise=serialise,
        before=longest_chain(plan),
        after=longest_chain(with_needs(plan, serialise)),
        unscoped=tuple(name for name in streams if not plan.workstreams[name].scope),
        commits=len(small),
        large=len(history.commits) - len(small),
    )


def with_needs(plan: Plan, further: Mapping[str, Sequence[str]]) -> Plan:
    """The plan with additional needs."""
    streams = {
        name: replace(spec, needs=tuple(dict.fromkeys((*spec.needs, *further.get(name, ())))))
        for name, spec in plan.workstreams.items()
    }
    return replace(plan, workstreams=streams)


# ---------------------------------------------------------------- what history says


class _Past(Struct, frozen=True):
    """The commits that touched a scope: how many, and how many of them touched each file."""

    commits: int
    files: Counter[str]

    def share(self, path: str) -> float:
        """Smoothed, so that a single commit is no certainty."""
        return self.files[path] / (self.commits + 1)


def _touched(plan: Plan, streams: Sequence[str], commits: Sequence[Sequence[str]]) -> Mapping[str, _Past]:
    paths = {path for commit in commits for path in commit}
    within = {path: [name for name in streams if _may_write(plan, name, path)] for path in paths}
    counts: Counter[str] = Counter()
    files: dict[str, Counter[str]] = {name: Counter() for name in streams}
    for commit in commits:
        for name in {name for path in commit for name in within[path]}:
            counts[name] += 1
            files[name].update(commit)
    return {name: _Past(counts[name], files[name]) for name in streams}


def _may_write(plan: Plan, name: str, path: str) -> bool:
    scope = plan.workstreams[name].scope
    return not scope or scope_matches(scope, path)


def _pair(one: str, other: str, touched: Mapping[str, _Past], shared: frozenset[str]) -> PairForecast:
    mine, yours = touched[one], touched[other]
    fewer, more = sorted((mine.files, yours.files), key=len)
    met = [Meeting(path=path, one=mine.share(path), other=yours.share(path)) for path in fewer if path in more]
    chance = 1.0 - prod(1.0 - each.one * each.other for each in met)
    met.sort(key=lambda each: (-each.one * each.other, each.path))
    little = min(mine.commits, yours.commits) < ENOUGH
    return PairForecast(
        one=one,
        other=other,
        chance=round(chance, 3),
        level=_level(chance, shared=bool(shared), little=little),
        shared=len(shared),
        shared_files=tuple(nsmallest(_LISTED, shared)),
        meetings=tuple(met[:_LISTED]),
        little_history=little,
    )


def _level(chance: float, *, shared: bool, little: bool) -> Level:
    """The level by the estimate. Two that may write the same files and of which little is known are never called safe;
    two that may not are never called certain: a few commits, perhaps an import, are no reason to run one after the
    other."""
    level = next((name for least, name in _FROM if chance >= least), Level.NONE)
    if little and not shared:
        return level if level is Level.NONE else Level.LOW
    if shared and little and level in {Level.LOW, Level.NONE}:
        return Level.MEDIUM
    return Level.LOW if shared and level is Level.NONE else level


# ---------------------------------------------------------------- what to do about it


def _serialised(plan: Plan, pairs: Sequence[PairForecast]) -> Mapping[str, tuple[str, ...]]:
    """For those that will most likely meet, the later one in the plan's order also needs the earlier one. Needs that
    follow from others are left out."""
    place = {name: number for number, name in enumerate(name for wave in waves(plan) for name in wave)}
    further: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        if pair.level is not Level.HIGH:
            continue
        first, then = sorted((pair.one, pair.other), key=place.__getitem__)
        further[then] = (*further.get(then, ()), first)
    return {name: needs for name in further if (needs := tuple(_direct(with_needs(plan, further), further, name)))}


def _direct(serial: Plan, further: Mapping[str, Sequence[str]], name: str) -> Iterator[str]:
    waits = all_needs(serial)
    spec = serial.workstreams[name]
    for need in further[name]:
        if not any(need in waits[between] for between in spec.needs if between != need):
            yield need
