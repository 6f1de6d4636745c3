"""Limits: what is used of each, what is warned of once, and when an agent has had its time to end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.handmade import Handmade, plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Budget, Defaults, Limits, Workstream
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.schedule.budget import (
    Use,
    budget_conclusions,
    money_left,
    overdue,
    run_use,
    time_is_up,
    turns_left,
    used_up_by,
    workstream_use,
)
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState

A = WorkstreamId("a")


def _run(limits: Limits, own: Budget, default: Budget, **told: float) -> Handmade:
    """One agent that started after 10 s and reported this after 20 s."""
    made = plan(further={"a": Workstream(brief="x", limits=own)})
    hand = Handmade(replace(made, limits=limits, defaults=Defaults(limits=default)))
    hand.prepare(5, "a")
    hand.sees(20, hand.start(10, "a"), **told)
    return hand


def _of(hand: Handmade) -> tuple[RunState, WorkstreamState]:
    assert hand.state is not None
    return hand.state, hand.state.workstreams[A]


def _conclude(hand: Handmade, at: float) -> list[e.Event]:
    """What follows now; it is noted."""
    events = list(budget_conclusions(_of(hand)[0], hand.wall(at)))
    hand.note(at, *events)
    return events


def test_each_limit_is_counted_and_an_own_one_goes_before_the_default() -> None:
    """Tokens of input, output and cache count together; time is that of living agents for a workstream, and since the start
    for the run."""
    hand = _run(
        Limits(budget_usd=5.0, wall="1h"),
        Budget(turns=3),
        Budget(tokens=100, turns=9, wall="2m"),
        cost_usd=1.2, input_tokens=10, output_tokens=20, cache_tokens=30, turns=2,
    )  # fmt: skip
    state, ws = _of(hand)
    assert workstream_use(state, ws, hand.wall(40)) == (
        Use("tokens", 60.0, 100.0),
        Use("turns", 2.0, 3.0),
        Use("time", 30.0, 120.0),
    )
    assert run_use(state, hand.wall(40)) == (Use("money", 1.2, 5.0), Use("time", 40.0, 3600.0))
    assert [use.words() for use in run_use(state, hand.wall(40))] == ["$1.20 of $5.00", "40 s of 3600 s"]
    assert money_left(state, ws, hand.wall(40)) == 3.8
    assert turns_left(state, ws, hand.wall(40)) == 1


def test_without_limits_nothing_is_counted() -> None:
    """No limit, no use, and an attempt may take what it wants."""
    state, ws = _of(_run(Limits(), Budget(), Budget(), cost_usd=99.0))
    assert (workstream_use(state, ws, 0.0), run_use(state, 0.0)) == ((), ())
    assert (money_left(state, ws, 0.0), turns_left(state, ws, 0.0)) == (None, None)


@given(cost=st.floats(0, 10), cap=st.floats(0.5, 5))
def test_a_limit_is_warned_of_once_and_reached_once(cost: float, cap: float) -> None:
    """From four fifths on a warning, at the limit the end; asked again, nothing more follows."""
    hand = _run(Limits(budget_usd=cap), Budget(), Budget(), cost_usd=cost)
    events = _conclude(hand, 30)
    if cost >= cap:
        assert events == [e.BudgetReached(workstream=None, what="money", used=cost, cap=cap)]
    elif cost >= 0.8 * cap:
        assert events == [e.BudgetWarned(workstream=None, what="money", used=cost, cap=cap)]
    else:
        assert events == []
    assert _conclude(hand, 31) == []
    left = money_left(*_of(hand), hand.wall(31))
    assert left is not None and left >= 0.01


def test_a_limit_of_a_workstream_concerns_it_alone() -> None:
    """It is said which limit is used up, and only after `wrap_up` is its agent overdue."""
    hand = _run(Limits(), Budget(turns=2), Budget(), turns=2)
    assert _conclude(hand, 30) == [e.BudgetReached(workstream=A, what="turns", used=2.0, cap=2.0)]
    state, ws = _of(hand)
    assert (used_up_by(state, ws), time_is_up(state)) == ("its budget is used up (turns)", False)
    assert [overdue(state, ws, hand.wall(at)) for at in (31, 149, 151)] == [False, False, True]


def test_the_time_of_the_run_ends_all_of_it() -> None:
    """Time that is up is no budget of a workstream: the whole run is stopped."""
    hand = _run(Limits(wall="30s"), Budget(), Budget())
    assert _conclude(hand, 30) == [e.BudgetReached(workstream=None, what="time", used=30.0, cap=30.0)]
    state, ws = _of(hand)
    assert (used_up_by(state, ws), time_is_up(state)) == ("", True)
    assert overdue(state, ws, hand.wall(151))
