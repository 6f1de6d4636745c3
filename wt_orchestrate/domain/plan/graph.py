"""The dependency graph of a plan: what each workstream needs, waves, the longest chain, and cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan import stages
from wt_orchestrate.domain.plan.model import Plan

# ---------------------------------------------------------------- the graph


def needs_of(plan: Plan, name: str) -> tuple[WorkstreamId, ...]:
    """What a workstream waits for: its `needs` and everything of earlier stages, each once."""
    stream = plan.workstreams[name]
    before = stages.before(plan, stream.stage)
    if not before:
        return tuple(dict.fromkeys(map(WorkstreamId, stream.needs)))
    earlier = (other for other, spec in plan.workstreams.items() if spec.stage in before)
    return tuple(dict.fromkeys(map(WorkstreamId, (*stream.needs, *earlier))))


def _needs(plan: Plan) -> Mapping[str, tuple[WorkstreamId, ...]]:
    return {name: needs_of(plan, name) for name in plan.workstreams}


def dependents(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """For each workstream, those that directly need it."""
    waiting: dict[str, list[str]] = {name: [] for name in plan.workstreams}
    for name, needs in _needs(plan).items():
        for need in needs:
            waiting.get(need, []).append(name)
    return {name: tuple(after) for name, after in waiting.items()}


def waves(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Workstreams in the order they could start; those of one wave could start together. The graph must have no cycle."""
    left = dict(_needs(plan))
    done: set[str] = set()
    found: list[tuple[str, ...]] = []
    while left:
        wave = tuple(name for name, needs in left.items() if all(need in done for need in needs))
        if not wave:
            break
        found.append(wave)
        done.update(wave)
        left = {name: needs for name, needs in left.items() if name not in done}
    return tuple(found)


def longest_chain(plan: Plan, weights: Mapping[str, float] | None = None) -> tuple[str, ...]:
    """The chain of needs with the greatest sum of weights (1 each by default)."""
    best: dict[str, tuple[float, tuple[str, ...]]] = {}
    for wave in waves(plan):
        for name in wave:
            before = max((best[need] for need in needs_of(plan, name)), default=(0.0, ()))
            weight = 1.0 if weights is None else weights.get(name, 0.0)
            best[name] = (before[0] + weight, (*before[1], name))
    return max(best.values(), default=(0.0, ()), key=lambda chain: chain[0])[1]


def find_cycle(plan: Plan) -> tuple[str, ...]:
    """One cycle of needs, with its first workstream repeated at the end; empty if there is none."""
    needs = _needs(plan)
    colour: dict[str, int] = {}
    for root in needs:
        path: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = [(root, iter(needs[root]))] if root not in colour else []
        if stack:
            colour[root] = 1
            path.append(root)
        while stack:
            name, rest = stack[-1]
            need = next((each for each in rest if each in needs), None)
            if need is None:
                colour[name] = 2
                stack.pop()
                path.pop()
            elif colour.get(need) == 1:
                return (*path[path.index(need) :], need)
            elif need not in colour:
                colour[need] = 1
                path.append(need)
                stack.append((need, iter(needs[need])))
    return ()


def all_needs(plan: Plan) -> Mapping[str, frozenset[str]]:
    """For each workstream, everything it needs, directly or not."""
    reached: dict[str, frozenset[str]] = {}
    for wave in waves(plan):
        for name in wave:
            needs = needs_of(plan, name)
            reached[name] = frozenset(needs).union(*(reached[need] for need in needs))
    return reached
