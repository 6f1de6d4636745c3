"""Short histories, exhaustively: a crash in front of and behind every change of the outside world, and a second one after it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulation.walk import Walk
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import (
    AgentSpec,
    AgentType,
    Check,
    Defaults,
    Gate,
    Kind,
    Limits,
    Plan,
    StageSpec,
    SynthesisSpec,
    Workstream,
)
from wt_orchestrate.domain.plan.settings import LandingStyle
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.lifecycle import Stage


def _plan(*, review: str = "") -> Plan:
    both = {"a": Workstream(brief="x", agent="client"), "b": Workstream(brief="x", needs=("a",))}
    return Plan(
        goal="g",
        workstreams={"a": Workstream(brief="x", agent="client")} if review else both,
        checks=(Check(run="check 0"),),
        limits=Limits(agents=2),
        agents={"client": AgentSpec(), "command": AgentSpec(type=AgentType.COMMAND, run="x")},
        defaults=Defaults(agent="command", idle="40s", review=review),
    )


def _pipeline() -> Plan:
    """One stage of research, drawn together, with a gate; what comes next is planned by the synthesis alone."""
    stages = (StageSpec(name="look", gate=Gate.APPROVAL, synthesis=SynthesisSpec(agent="client")), "do")
    return replace(_plan(), workstreams={"a": Workstream(brief="x", stage="look", kind=Kind.RESEARCH)}, stages=stages)


def _land(walk: Walk) -> None:
    walk._ask(e.LandRequested(allow_protected=True))
    walk._calm(last=False)
    walk._ask(e.CleanRequested(workstreams=tuple(WorkstreamId(name) for name in walk.world.plan.workstreams)))


def _moved_target(walk: Walk) -> None:
    walk.human_push()
    _land(walk)


def _tell(walk: Walk) -> None:
    walk._ask(e.TellRequested(workstream=WorkstreamId("b"), text=walk.fresh_word()))
    _land(walk)


STORIES: dict[str, Callable[[Walk], None]] = {
    "land": _land,
    "moved target": _moved_target,
    "tell": _tell,
    "review": _land,
    "stages": _land,
    "notes": _land,
    "squash": _moved_target,
}


def _told(story: str, crashes: tuple[int, ...]) -> Walk:
    """One honest history with its crashes, to its rest."""
    plan = _pipeline() if story == "stages" else _plan(review="client" if story == "review" else "")
    style = LandingStyle.SQUASH if story == "squash" else LandingStyle.MERGE
    walk = Walk(1, wild=False, plan=plan, landing=style)
    walk.chance.seed(1)
    world = walk.world
    world.talkative = story == "notes"
    world.begin()
    world.faults.armed = frozenset(crashes)
    walk._guarded("open", world.open)
    world.faults.armed = frozenset(crashes)
    walk._calm(armed=crashes, last=False)
    STORIES[story](walk)
    walk._calm(armed=crashes)
    return walk


def _require_landed(walk: Walk, crashes: tuple[int, ...]) -> None:
    stages = {name: ws.stage for name, ws in walk.world.state.workstreams.items()}
    assert not walk.outcome.breaches, f"crashes at steps {crashes}: {walk.outcome.breaches[0]}"
    assert set(stages.values()) == {Stage.LANDED}, f"crashes at steps {crashes}: {stages}"
    found = sorted(each.text for each in walk.world.state.shared)
    said = sorted(f"{name} found it" for name in stages) if walk.world.talkative else []
    assert found == said, f"crashes at steps {crashes}: {found}"


@pytest.mark.parametrize("story", sorted(STORIES))
def test_L5_a_crash_at_every_step_ends_as_if_there_had_been_none(story: str) -> None:
    """Every step of the history is crashed once, before and after it; each time all lands once, and nothing is left."""
    whole = _told(story, ())
    _require_landed(whole, ())
    steps = whole.world.faults.step
    assert steps > 60
    for step in range(1, steps + 1):
        _require_landed(_told(story, (step,)), (step,))


def test_L5_two_crashes_in_a_row_end_as_if_there_had_been_none() -> None:
    """A second crash at each of the next steps, also inside the restart after the first."""
    steps = _told("land", ()).world.faults.step
    for first in range(1, steps + 1, 2):
        for second in range(first + 1, first + 8):
            _require_landed(_told("land", (first, second)), (first, second))
