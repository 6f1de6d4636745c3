"""Estimate whether it pays to run a plan's workstreams at the same time: plain numbers and a plain sentence.

The plan is simulated twice: by one agent alone, one workstream after another in one worktree; and by agents in their
own worktrees under the plan's limit, each workstream with its set-up before and its checks and train after it, and one
after another where they will most likely conflict. How long an agent works is an estimate (`estimate:` of the plan),
and is called one. Set-up, checks and train are measured in earlier runs of the repository, or unknown and then left
out, which is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from heapq import heappop, heappush
from statistics import median
from typing import Any

from msgspec import Struct

from wt_orchestrate.domain.drafting.cochange import Level, PlanForecast, with_needs
from wt_orchestrate.domain.plan.graph import dependents, longest_chain, needs_of, waves
from wt_orchestrate.domain.plan.model import Plan, seconds
from wt_orchestrate.domain.text.clean import counted

PAYS = 1.25
"""Below this speed-up it is called no gain: estimates are not better than that."""


class Recommendation(StrEnum):
    """The advice."""

    PARALLEL = "parallel"
    ONE_AGENT = "one agent"
    UNKNOWN = "unknown"
    """Nobody has said how long anything takes."""


class EarlierRuns(Struct, frozen=True, kw_only=True):
    """What earlier runs of the repository took for one workstream, as medians; None if unknown. `train_s`: from the
    claim to the integration, checks included. `check_s`: one pass of all checks. `streams`: how many it is from."""

    setup_s: float | None = None
    train_s: float | None = None
    check_s: float | None = None
    streams: int = 0


class Advice(Struct, frozen=True, kw_only=True):
    """The numbers, all in seconds, and what follows from them. `path`: the longest chain by the estimates with
    `path_s`, the agents' work alone. `apart`: pairs that may run at the same time and will likely conflict."""

    word: Recommendation
    estimated: tuple[str, ...]
    guessed: tuple[str, ...]
    """Workstreams without an estimate; counted as the median of the others."""
    serial_s: float
    parallel_s: float
    path: tuple[str, ...]
    path_s: float
    speedup: float
    agents: int
    meeting: int
    overhead_s: float
    """The part of set-up and train in the time with several agents."""
    measured: EarlierRuns
    why: str


def advise(plan: Plan, forecast: PlanForecast | None, measured: EarlierRuns) -> Advice:
    """What to expect of a plan whose needs have no cycle."""
    estimated = {name: length for name, spec in plan.workstreams.items() if (length := seconds(spec.estimate or ""))}
    usual = median(estimated.values()) if estimated else 1.0
    work = {name: 0.0 if spec.branch else estimated.get(name, usual) for name, spec in plan.workstreams.items()}
    agents = [name for name, spec in plan.workstreams.items() if not spec.branch]
    serialise = forecast.serialise if forecast is not None else {}
    before = measured.setup_s or 0.0 if estimated else 0.0
    after = measured.train_s or 0.0 if estimated else 0.0
    once = (measured.check_s or 0.0) if estimated else 0.0
    real = with_needs(plan, serialise)
    parallel = _simulated(real, work, before=before, after=after)
    serial = before + sum(work.values()) + once
    path = longest_chain(plan, work)
    speedup = serial / parallel if parallel > 0 else 1.0
    word = (
        Recommendation.UNKNOWN
        if not estimated
        else Recommendation.PARALLEL
        if speedup >= PAYS
        else Recommendation.ONE_AGENT
    )
    if word is Recommendation.UNKNOWN and speedup < PAYS:
        word = Recommendation.ONE_AGENT  # nothing can run in parallel, however long it takes
    meeting = sum(pair.level in {Level.HIGH, Level.MEDIUM} for pair in forecast.pairs) if forecast is not None else 0
    return Advice(
        word=word,
        estimated=tuple(estimated),
        guessed=tuple(name for name in agents if name not in estimated),
        serial_s=round(serial, 1),
        parallel_s=round(parallel, 1),
        path=path,
        path_s=round(sum(work[name] for name in path), 1),
        speedup=round(speedup, 2),
        agents=min(plan.limits.agents, max(map(len, waves(real)), default=0)),
        meeting=meeting,
        overhead_s=round((before + after) * len(agents), 1),
        measured=measured,
        why=_why(plan, serialise, work, overhead=before + after, speedup=speedup),
    )


def _simulated(plan: Plan, work: Mapping[str, float], *, before: float, after: float) -> float:
    """When the last workstream is integrated, if each free agent takes a ready one at once, those with the most work
    waiting for them first."""
    behind = _behind(plan, work)
    waiting = {name: len(needs_of(plan, name)) for name in plan.workstreams}
    then = dependents(plan)
    ready = [(-behind[name], name) for name, count in waiting.items() if not count]
    ready.sort()
    going: list[tuple[float, int, str]] = []  # time, kind (0: an agent is free, 1: an integration), workstream
    free, now, end = plan.limits.agents, 0.0, 0.0
    while ready or going:
        while ready and free:
            _, name = heappop(ready)
            free -= 1
            heappush(going, (now + before + work[name], 0, name))
        now, what, name = heappop(going)
        if what == 0:
            free += 1
            heappush(going, (now + after, 1, name))
            continue
        end = now
        for other in then[name]:
            waiting[other] -= 1
            if not waiting[other]:
                heappush(ready, (-behind[other], other))
    return end


def _behind(plan: Plan, work: Mapping[str, float]) -> Mapping[str, float]:
    """For each workstream, the longest work from its own start to the end of a chain."""
    found: dict[str, float] = {}
    then = dependents(plan)
    for wave in reversed(waves(plan)):
        for name in wave:
            found[name] = work[name] + max((found[other] for other in then[name]), default=0.0)
    return found


def _why(
    plan: Plan, serialise: Mapping[str, Sequence[str]], work: Mapping[str, float], *, overhead: float, speedup: float
) -> str:
    """The main reason why it is not faster, in words; empty if it is fast enough."""
    total, streams = sum(work.values()), len(plan.workstreams)
    if speedup >= PAYS or not streams:
        return ""
    if streams == 1:
        return "there is only one workstream"
    chain = longest_chain(plan, work)
    if sum(work[name] for name in chain) > total / PAYS:
        return f"nearly all work is in one chain ({' > '.join(chain)})"
    if serialise:
        return "workstreams that could run in parallel will likely change the same files"
    if plan.limits.agents == 1:
        return "the plan allows one agent at a time"
    if overhead * PAYS > total / streams:
        return "setup and train take about as long as the work itself"
    return "setup, train and waiting cost what parallel work gains"


# ---------------------------------------------------------------- what was measured


def measured(reports: Sequence[Mapping[str, Any]]) -> EarlierRuns:
    """What earlier runs took, from their reports (`wto.report/1`), by integrated workstreams."""
    streams = [
        stream for report in reports for stream in report["workstreams"] if stream["stage"] in {"integrated", "landed"}
    ]
    with_agent = [stream for stream in streams if stream["attempts"]]
    setups = [stream["waiting_s"].get("preparation", 0.0) for stream in with_agent]
    trains = [stream["waiting_s"].get("checks", 0.0) for stream in streams]
    passes = [
        sum({check["check"]: check["duration_s"] for check in stream["evidence"]}.values())
        for stream in streams
        if stream["evidence"]
    ]
    return EarlierRuns(
        setup_s=round(median(setups), 1) if setups else None,
        train_s=round(median(trains), 1) if trains else None,
        check_s=round(median(passes), 1) if passes else None,
        streams=len(streams),
    )


# ---------------------------------------------------------------- words


def advice_lines(advice: Advice) -> tuple[str, ...]:
    """The advice in sentences, the plain one first; estimates and measurements are told apart."""
    return tuple(_lines(advice))


def _lines(advice: Advice) -> Iterator[str]:
    yield _verdict(advice)
    if advice.estimated:
        yield f"critical path: {' > '.join(advice.path)}, {length(advice.path_s)} of agent work (estimated)"
        basis = f"estimates: agent time ({len(advice.estimated)} of the plan"
        basis += f"; {', '.join(advice.guessed[:5])} counted as the median of the others)" if advice.guessed else ")"
        yield basis
    if advice.estimated or advice.measured.streams:
        yield measured_words(advice.measured)
    if advice.meeting:
        noun = "parallel pair will" if advice.meeting == 1 else "parallel pairs will"
        yield f"overlap: {advice.meeting} {noun} likely change the same files"


def _verdict(advice: Advice) -> str:
    if not advice.estimated:
        if advice.word is Recommendation.ONE_AGENT:
            return f"one agent would be as fast: {advice.why or 'nothing can run in parallel'}"
        return (
            f"at best {advice.speedup:.1f} times as fast as one agent, if all workstreams take equally long; add "
            "estimate: to the plan for better numbers"
        )
    both = f"about {length(advice.parallel_s)} with {counted(advice.agents, 'agent')}, {length(advice.serial_s)} with one alone"
    if advice.word is Recommendation.ONE_AGENT:
        return f"one agent would be as fast: {both}; {advice.why}"
    return f"parallel work pays off: {both}, {advice.speedup:.1f} times as fast (estimated)"


def measured_words(measured: EarlierRuns) -> str:
    """What was measured, or that nothing was."""
    if not measured.streams:
        return "unknown and not included: setup, checks and train (no earlier run in this repository)"
    parts = [
        f"{what} {length(value)}"
        for what, value in (
            ("set-up", measured.setup_s),
            ("from claimed to integrated", measured.train_s),
            ("one pass of the checks", measured.check_s),
        )
        if value is not None
    ]
    return f"measured in earlier runs ({counted(measured.streams, 'workstream')}, medians): {', '.join(parts)}"


def length(value: float) -> str:
    """A duration for people, such as 45 s, 12 min or 2 h 5 min."""
    if value < 120:
        return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
