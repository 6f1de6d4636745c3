"""What `wto status --json` says: its keys for good, and what of a run stands where."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.handmade import Handmade, plan
from tests.support.story import World, random_plan
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.status.view import SCHEMA, render_view, view

TOP = {"schema", "at", "number", "run", "forecast", "stages", "workstreams", "next"}
RUN_KEYS = {
    "id", "goal", "phase", "reason", "target", "base", "integration", "integration_head", "landed", "landing", "plan",
    "repository", "started_at", "ended_at", "landed_at", "on_hold", "admission", "accounts", "used", "cost_usd", "budget_usd",
    "agents", "wall", "train", "repository_changes",
}  # fmt: skip
STREAM_KEYS = {"id", "stage", "attempts", "reason"}


def _view(hand: Handmade) -> dict[str, Any]:
    assert hand.state is not None
    return view(hand.state)


def test_the_keys_that_scripts_read_are_there() -> None:
    """Later versions add to them and take none away."""
    shown = _view(Handmade(plan("a")))
    assert set(shown) >= TOP and set(shown["run"]) >= RUN_KEYS and set(shown["workstreams"][0]) >= STREAM_KEYS
    assert shown["schema"] == SCHEMA == "wto.status/1"


def test_a_run_that_has_only_started() -> None:
    """Nothing used, nothing landed, every workstream in the order of the plan."""
    hand = Handmade(plan("b", "a", needs={"a": ("b",)}))
    shown = _view(hand)
    run = shown["run"]
    assert (run["id"], run["goal"], run["phase"], run["target"]) == ("r1", "Fix it", "running", "main")
    assert (run["cost_usd"], run["landed"], run["train"], run["ended_at"]) == (0.0, None, None, None)
    assert [(each["id"], each["stage"]) for each in shown["workstreams"]] == [("b", "queued"), ("a", "queued")]


def test_an_agents_work_is_counted_and_followed_to_the_end() -> None:
    """What it cost is in the run's sum; once integrated it is shown so."""
    hand = Handmade(plan("a"))
    hand.prepare(1, "a")
    attempt = hand.start(2, "a")
    hand.sees(4, attempt, answered=True, cost_usd=0.25)
    working = _view(hand)
    assert (working["workstreams"][0]["stage"], working["run"]["cost_usd"]) == ("working", 0.25)
    hand.sees(5, attempt, idle=True, outcome=TurnOutcome.COMPLETED, cost_usd=0.5)
    hand.end(6, attempt)
    hand.claim(7, "a")
    hand.checked(8, 9, "a")
    hand.integrate(10, "a")
    done = _view(hand)
    (stream,) = done["workstreams"]
    assert (stream["stage"], stream["attempts"], done["run"]["cost_usd"]) == ("integrated", 1, 0.75)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_view_of_any_state_is_json_and_says_the_same_twice(seed: int) -> None:
    """Plain values only: what is read back is what was written, with a row for each workstream."""
    chance = random.Random(seed)
    world = World(chance=chance, plan=random_plan(chance))
    world.begin()
    for _ in range(chance.randint(0, 50)):
        world.step()
    assert world.state is not None
    shown = view(world.state)
    assert json.loads(render_view(world.state)) == json.loads(json.dumps(shown))
    assert [each["id"] for each in shown["workstreams"]] == list(world.state.workstreams)
