"""The machine under chance: random plans, random outcomes, crashes at any step."""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.story import World, random_plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.schedule.schedule import held_by
from wt_orchestrate.domain.state.lifecycle import DONE, ENDED, Phase
from wt_orchestrate.domain.state.workstream import live_attempt


@settings(max_examples=150, deadline=None)
@example(seed=88438, crashes=False)
@example(seed=956, crashes=True)
@example(seed=7042, crashes=True)
@example(seed=341043, crashes=False)
@given(seed=st.integers(0, 10**9), crashes=st.booleans())
def test_every_history_keeps_the_promises_and_comes_to_rest(seed: int, crashes: bool) -> None:
    """P1, L1, L2, P4: at most `limits.agents` agents and one a workstream, no attempt started twice, each head integrated
    once and only on a tree whose checks passed, needs before what needs them, bounded retries; and every run ends."""
    chance = random.Random(seed)
    world = World(chance=chance, plan=random_plan(chance))
    world.begin()
    for _ in range(3000):
        going = world.step()
        _check(world)
        if crashes and chance.random() < 0.05:
            world.crash()
        if not going:
            break
    else:
        raise AssertionError("the run does not come to rest")
    state = world.state
    assert state is not None
    if state.phase is Phase.STOPPED:
        # the vault cannot be had, or nothing be shown: what was under way comes to its end, and nothing new begins
        stopped = max(n for n, record in enumerate(world.records) if isinstance(record.event, e.RunStopped))
        after = [record.event for record in world.records[stopped:]]
        assert not any(isinstance(event, e.EffectIntended) and event.effect == "StartAttempt" for event in after)
        return
    assert all(ws.stage in ENDED or held_by(state, ws) for ws in state.workstreams.values())
    assert isinstance(world.records[-1].event, e.RunFinished | e.EffectConcluded)


def _check(world: World) -> None:
    state = world.state
    assert state is not None
    live = [ws for ws in state.workstreams.values() if live_attempt(ws) is not None]
    assert len(live) <= state.plan.limits.agents
    assert len(world.starts) == len(set(world.starts))
    integrated = [record.event for record in world.records if isinstance(record.event, e.Integrated)]
    heads = [event.head for event in integrated]
    assert len(heads) == len(set(heads))
    if state.plan.checks:
        assert all(commit in world.passed for commit in world.moved_to)
    for ws in state.workstreams.values():
        assert len(ws.attempts) <= 2 + state.plan.defaults.retries * 2 + 2
        if ws.attempts:
            assert all(state.workstreams[WorkstreamId(need)].stage in DONE for need in ws.spec.needs)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_R5_a_restart_at_any_step_changes_nothing_by_itself(seed: int) -> None:
    """Folding the log again gives the same state at every prefix, and deciding twice asks for the same effects."""
    chance = random.Random(seed)
    world = World(chance=chance, plan=random_plan(chance))
    world.begin()
    for _ in range(60):
        if not world.step():
            break
        world.crash()
