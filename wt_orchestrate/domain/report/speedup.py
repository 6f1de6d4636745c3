"""What parallel work saved, and what more agents could have saved, computed from measured times.

The serial equivalent is what one agent would have needed for the same turns, one workstream after another: all time at
work (without waiting), and one start of its program. What only parallel work needs is left out: the other starts and
endings, worktrees, attempts because of a conflict, arbiters, syntheses. Checks are left out too, because serial work
needs them as well. So the speed-up never claims too much.

The best possible is computed, not measured: the shortest time for the same work without any waiting, if that many
agents had always taken what was ready, the longest chain first (list scheduling).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.retry_ladder import Cause
from wt_orchestrate.domain.report.timeline import STARTING, AttemptTime, MeasuredRun
from wt_orchestrate.domain.state.attempt import Attempt
from wt_orchestrate.domain.state.lifecycle import DONE
from wt_orchestrate.domain.state.stages import needs
from wt_orchestrate.domain.state.workstream import WorkstreamState, is_arbiter

MOST_AGENTS = 64
"""The largest number of agents for which the best possible is computed."""
_AGAIN = frozenset(cause.value for cause in Cause) | {"unclaimed", "idle", "retry", "redirect"}
"""Reasons of attempts that repeat work; the others go on with it (an answer, a message, a resumed run)."""


def serial_work(found: MeasuredRun, name: WorkstreamId) -> float:
    """The time at work of a workstream that one agent alone would also have needed."""
    if _only_parallel(found.state.workstreams[name]):
        return 0.0
    return sum(each.work_s for each in found.streams[name].attempts if each.reason != Cause.CONFLICT)


class Gain(Struct, frozen=True, kw_only=True):
    """Seconds. `least_s`: the certain part of the serial equivalent, if nobody saw some of the work."""

    work_s: float
    start_s: float
    unsure_s: float
    critical_s: float
    critical: tuple[str, ...]
    best: tuple[tuple[int, float], ...]
    """The shortest wall time for each number of agents."""

    @property
    def serial_s(self) -> float:
        return self.work_s + self.start_s

    @property
    def least_s(self) -> float:
        return max(0.0, self.serial_s - self.unsure_s)


def _only_parallel(ws: WorkstreamState) -> bool:
    """Whether one agent alone would not have needed it: it resolves a conflict of others, or summarises."""
    return is_arbiter(ws) or bool(ws.spec.synthesises)


def gain(found: MeasuredRun) -> Gain:
    work = {name: serial_work(found, name) for name in found.streams}
    counted = [
        each
        for name, times in found.streams.items()
        for each in times.attempts
        if each.reason != Cause.CONFLICT and not _only_parallel(found.state.workstreams[name])
    ]
    starts = [each.at[STARTING] for each in counted if each.at.get(STARTING) and each.work_s]
    waited = {
        str(name): tuple(str(need.id) for need in needs(found.state, found.state.workstreams[name])) for name in work
    }
    lengths = {str(name): length for name, length in work.items()}
    critical = longest(lengths, waited)
    return Gain(
        work_s=sum(work.values()),
        start_s=min(starts, default=0.0),
        unsure_s=sum(each.unsure_s for each in counted),
        critical_s=critical[0],
        critical=critical[1],
        best=best(lengths, waited),
    )


def longest(lengths: Mapping[str, float], needs: Mapping[str, Sequence[str]]) -> tuple[float, tuple[str, ...]]:
    """The longest chain of needs, and its members in order."""
    chains: dict[str, tuple[float, tuple[str, ...]]] = {}
    for name in _in_order(needs):
        before = max((chains[need] for need in needs[name] if need in chains), default=(0.0, ()))
        chains[name] = (before[0] + lengths[name], (*before[1], name))
    return max(chains.values(), default=(0.0, ()))


def best(lengths: Mapping[str, float], needs: Mapping[str, Sequence[str]]) -> tuple[tuple[int, float], ...]:
    """The times of list scheduling for one agent and more, until more agents gain nothing."""
    least = longest(lengths, needs)[0]
    found: list[tuple[int, float]] = []
    for agents in range(1, min(MOST_AGENTS, max(1, len(lengths))) + 1):
        took = scheduled(lengths, needs, agents)
        found.append((agents, min(took, found[-1][1]) if found else took))
        if found[-1][1] <= least * (1 + 1e-9):
            break
    return tuple(found)


def scheduled(lengths: Mapping[str, float], needs: Mapping[str, Sequence[str]], agents: int) -> float:
    """How long it takes if each free agent takes the ready one with the longest chain."""
    behind = _behind(lengths, needs)
    waiting = {name: {need for need in wanted if need in lengths} for name, wanted in needs.items()}
    after: dict[str, list[str]] = {name: [] for name in lengths}
    for name, wanted in waiting.items():
        for need in wanted:
            after[need].append(name)
    ready = [(-behind[name], name) for name in lengths if not waiting[name]]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < agents:
            name = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + lengths[name], name))
        now, done = heapq.heappop(running)
        for name in after[done]:
            waiting[name].discard(done)
            if not waiting[name]:
                heapq.heappush(ready, (-behind[name], name))
    return now


def _behind(lengths: Mapping[str, float], needs: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """For each, the longest chain that starts with it."""
    found = dict(lengths)
    for name in reversed(_in_order(needs)):
        for need in needs[name]:
            if need in found:
                found[need] = max(found[need], lengths[need] + found[name])
    return found


def _in_order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Each after all that it needs. Members of a cycle are left out."""
    left = {name: {need for need in wanted if need in needs} for name, wanted in needs.items()}
    found: list[str] = []
    while True:
        free = [name for name, wanted in left.items() if not wanted]
        if not free:
            return found
        found += free
        for name in free:
            del left[name]
        for wanted in left.values():
            wanted.difference_update(free)


# ---------------------------------------------------------------- rework


def rework(found: MeasuredRun) -> dict[str, Any]:
    """Attempts that repeat work, by cause: how many, how long, their cost; and work that was not integrated."""
    by_cause: dict[str, dict[str, float]] = {}
    for ws in found.state.workstreams.values():
        known = {attempt.id: attempt for attempt in ws.attempts}
        for number, each in enumerate(found.streams[ws.id].attempts):
            cause = again(ws, each, first=number == 0)
            if cause and each.id in known:
                _add(
                    by_cause.setdefault(cause, {"attempts": 0, "active_s": 0.0, "cost_usd": 0.0}), each, known[each.id]
                )
    left = [ws for ws in found.state.workstreams.values() if ws.stage not in DONE]
    return {
        "attempts": int(sum(each["attempts"] for each in by_cause.values())),
        "active_s": round(sum(each["active_s"] for each in by_cause.values()), 3),
        "cost_usd": round(sum(each["cost_usd"] for each in by_cause.values()), 6),
        "by_cause": {
            cause: {
                "attempts": int(each["attempts"]),
                "active_s": round(each["active_s"], 3),
                "cost_usd": round(each["cost_usd"], 6),
            }
            for cause, each in sorted(by_cause.items())
        },
        "not_integrated_s": round(sum(found.streams[ws.id].active_s for ws in left), 3),
        "not_integrated_usd": round(sum(attempt.cost_usd for ws in left for attempt in ws.attempts), 6),
    }


def again(ws: WorkstreamState, each: AttemptTime, *, first: bool) -> str:
    """The cause of an attempt that repeats work; empty for one that does not."""
    if is_arbiter(ws):
        return Cause.CONFLICT.value
    return each.reason if not first and each.reason in _AGAIN else ""


def _add(total: dict[str, float], each: AttemptTime, attempt: Attempt) -> None:
    total["attempts"] += 1
    total["active_s"] += each.active_s
    total["cost_usd"] += attempt.cost_usd
