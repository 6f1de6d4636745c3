"""Whether it pays to work at the same time: the numbers, and the plain word."""

from __future__ import annotations

from typing import Any

import pytest

from wt_orchestrate.domain.drafting.cochange import History, plan_forecast
from wt_orchestrate.domain.drafting.estimate import EarlierRuns, Recommendation, advice_lines, advise, length, measured
from wt_orchestrate.domain.plan.model import Limits, Plan, Workstream


def plan_of(agents: int = 4, **streams: tuple[str | None, tuple[str, ...]]) -> Plan:
    """Workstreams of these estimates and needs, each in a folder of its own."""
    made = {
        name: Workstream(brief="x", estimate=estimate, needs=needs, scope=(f"{name}/**",))
        for name, (estimate, needs) in streams.items()
    }
    return Plan(goal="g", workstreams=made, limits=Limits(agents=agents))


NOTHING = EarlierRuns()
DEAR = EarlierRuns(setup_s=600.0, train_s=900.0, check_s=60.0, streams=4)


def test_independent_work_pays() -> None:
    """Two of half an hour each: half the time, said with both numbers and what they rest on."""
    advice = advise(plan_of(a=("30m", ()), b=("30m", ())), None, NOTHING)
    assert (advice.word, advice.serial_s, advice.parallel_s, advice.speedup) == (
        Recommendation.PARALLEL,
        3600.0,
        1800.0,
        2.0,
    )
    assert advice_lines(advice) == (
        "parallel work pays off: about 30 min with 2 agents, 60 min with one alone, 2.0 times as fast (estimated)",
        "critical path: a, 30 min of agent work (estimated)",
        "estimates: agent time (2 of the plan)",
        "unknown and not included: setup, checks and train (no earlier run in this repository)",
    )


def test_a_chain_is_as_fast_with_one_agent() -> None:
    """Nothing can run at the same time: said plainly, with the chain."""
    advice = advise(plan_of(a=("30m", ()), b=("30m", ("a",)), c=("5m", ("a",))), None, NOTHING)
    assert advice.word is Recommendation.ONE_AGENT
    assert advice_lines(advice)[0] == (
        "one agent would be as fast: about 60 min with 2 agents, 65 min with one alone; nearly all work is in one chain (a > b)"
    )


def test_set_up_and_train_that_were_measured_can_eat_the_gain() -> None:
    """Work of minutes behind a set-up and a train of a quarter of an hour does not pay; the same work pays without them."""
    plan = plan_of(a=("5m", ()), b=("5m", ()))
    assert advise(plan, None, NOTHING).word is Recommendation.PARALLEL
    advice = advise(plan, None, DEAR)
    assert (advice.word, advice.serial_s, advice.parallel_s) == (
        Recommendation.ONE_AGENT,
        600.0 + 600.0 + 60.0,
        600.0 + 300.0 + 900.0,
    )
    assert advice.overhead_s == 3000.0
    assert advice_lines(advice)[0].endswith("setup and train take about as long as the work itself")
    assert advice_lines(advice)[-1] == (
        "measured in earlier runs (4 workstreams, medians): set-up 10 min, from claimed to integrated 15 min, "
        "one pass of the checks 60 s"
    )


def test_the_bound_on_agents_counts() -> None:
    """Four equal ones by two agents take twice as long; by one agent nothing is gained."""
    streams: dict[str, tuple[str | None, tuple[str, ...]]] = dict.fromkeys("abcd", ("10m", ()))
    assert advise(plan_of(2, **streams), None, NOTHING).parallel_s == 1200.0
    alone = advise(plan_of(1, **streams), None, NOTHING)
    assert (alone.word, alone.why) == (Recommendation.ONE_AGENT, "the plan allows one agent at a time")


def test_the_longest_chain_is_begun_first() -> None:
    """With one place too few, what most work waits behind goes first."""
    plan = plan_of(2, a=("10m", ()), b=("10m", ()), c=("10m", ()), d=("20m", ("c",)))
    assert advise(plan, None, NOTHING).parallel_s == 1800.0


def test_those_that_will_meet_are_counted_one_after_another() -> None:
    """A pair that history says will most likely meet is played as one after the other."""
    plan = plan_of(a=("30m", ()), b=("30m", ()))
    commits = tuple(("a/x", "b/x") for _ in range(9))
    advice = advise(plan, plan_forecast(plan, History(files=("a/x", "b/x"), commits=commits)), NOTHING)
    assert (advice.word, advice.parallel_s, advice.meeting) == (Recommendation.ONE_AGENT, 3600.0, 1)
    assert advice.why == "workstreams that could run in parallel will likely change the same files"
    assert advice_lines(advice)[-1] == "overlap: 1 parallel pair will likely change the same files"


def test_without_estimates_only_the_shape_is_told() -> None:
    """No estimate: at best so many times as fast, and how to know more; a chain is one agent's all the same."""
    advice = advise(plan_of(a=(None, ()), b=(None, ())), None, DEAR)
    assert advice.word is Recommendation.UNKNOWN
    assert advice_lines(advice)[0] == (
        "at best 2.0 times as fast as one agent, if all workstreams take equally long; add estimate: to the plan "
        "for better numbers"
    )
    assert advise(plan_of(a=(None, ()), b=(None, ("a",))), None, NOTHING).word is Recommendation.ONE_AGENT
    assert advise(plan_of(a=(None, ())), None, NOTHING).why == "there is only one workstream"


def test_what_has_no_estimate_counts_as_the_median_and_is_named() -> None:
    """Guessed lengths are told apart from estimated ones."""
    advice = advise(plan_of(a=("10m", ()), b=("20m", ()), c=("40m", ()), d=(None, ())), None, NOTHING)
    assert (advice.serial_s, advice.guessed) == (90 * 60.0, ("d",))
    assert "estimates: agent time (3 of the plan; d counted as the median of the others)" in advice_lines(advice)


def _stream(
    stage: str, preparation: float, checks: float, *passes: tuple[str, float], attempts: int = 1
) -> dict[str, Any]:
    return {
        "stage": stage,
        "attempts": [{}] * attempts,
        "waiting_s": {"preparation": preparation, "checks": checks},
        "evidence": [{"check": name, "duration_s": seconds} for name, seconds in passes],
    }


def test_measurements_are_medians_of_what_was_integrated() -> None:
    """Failed workstreams and branches without an agent do not count for what they did not do."""
    reports = [
        {"workstreams": [_stream("landed", 10.0, 30.0, ("t", 5.0), ("u", 1.0)), _stream("failed", 99.0, 99.0)]},
        {"workstreams": [_stream("integrated", 20.0, 50.0, ("t", 7.0)), _stream("landed", 0.0, 40.0, attempts=0)]},
    ]
    assert measured(reports) == EarlierRuns(setup_s=15.0, train_s=40.0, check_s=6.5, streams=3)
    assert measured([]) == EarlierRuns()


@pytest.mark.parametrize(("value", "told"), [(0.4, "0.4 s"), (45.0, "45 s"), (720.0, "12 min"), (7500.0, "2 h 5 min")])
def test_lengths_are_told_for_people(value: float, told: str) -> None:
    """Seconds, minutes, hours."""
    assert length(value) == told
