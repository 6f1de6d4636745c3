"""Sleep and clock jumps of a laptop do not look like stuck agents."""

from __future__ import annotations

import random

from tests.support.story import World
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import StopAttempt
from wt_orchestrate.domain.machine import decide
from wt_orchestrate.domain.plan.model import AgentSpec, AgentType, Defaults, Limits, Plan, Workstream
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import live_attempt


def _working() -> World:
    """A run whose only agent has just begun."""
    plan = Plan(
        goal="g",
        workstreams={"w": Workstream(brief="x")},
        limits=Limits(wall="1h"),
        agents={"a": AgentSpec(type=AgentType.COMMAND, run="x")},
        defaults=Defaults(agent="a", idle="10m"),
    )
    world = World(chance=random.Random(7), plan=plan)
    world.begin()
    while not any(live_attempt(ws) for ws in (world.state.workstreams.values() if world.state else ())):
        world.step()
    return world


def _stops(state: RunState | None, now: float) -> list[str]:
    assert state is not None
    decision = decide(state, now)
    reasons = [effect.reason for effect in decision.effects if isinstance(effect, StopAttempt)]
    return [*reasons, *(event.what for event in decision.conclusions if isinstance(event, e.BudgetReached))]


def test_silence_is_idleness_only_while_the_machine_is_awake() -> None:
    """P6: eleven silent minutes end an agent; three hours of sleep do not, nor does a clock that was set ahead by years."""
    world = _working()
    began = world.now
    assert _stops(world.state, began + 9 * 60) == []
    assert _stops(world.state, began + 11 * 60) == ["stuck"]
    world.now = began + 3 * 3600
    world.note(e.TimeSkipped(seconds=3 * 3600))
    assert _stops(world.state, world.now + 9 * 60) == []
    assert _stops(world.state, world.now + 11 * 60) == ["stuck"]
    world.now += 5 * 365 * 86400.0
    world.note(e.TimeSkipped(seconds=5 * 365 * 86400.0))
    assert _stops(world.state, world.now + 60) == []


def test_the_wall_limit_counts_waking_hours() -> None:
    """P6: a run of one hour is not over after a night's sleep, but after an hour awake."""
    world = _working()
    world.now += 8 * 3600
    world.note(e.TimeSkipped(seconds=8 * 3600))
    assert _stops(world.state, world.now + 60) == []
    assert _stops(world.state, world.now + 3700) == ["time"]
