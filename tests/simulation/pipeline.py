"""Random plans with stages, syntheses and gates, and what simulated synthesisers hand over."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

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
from wt_orchestrate.domain.plan.stages import behind

if TYPE_CHECKING:
    from tests.simulation.world import SimWorld

_NOTES = "## Decisions\nOne.\n## Contradictions\nnone\n## Risks\nnone\n## Follow-ups\nnone\n## Learned\nMuch.\n"


def staged_plan(chance: random.Random) -> Plan:
    """Two or three stages, most of them with a gate or a synthesis; the first has workstreams, the last ones may have none."""
    names = ("look", "do", "ship")[: chance.randint(2, 3)]
    stages = [_stage(name, chance) for name in names]
    streams: dict[str, Workstream] = {}
    for number in range(chance.randint(1, 3)):
        kind = Kind.RESEARCH if chance.random() < 0.6 else Kind.CHANGE
        streams[f"w{number}"] = Workstream(brief="x", stage="look", kind=kind, agent=_agent(chance))
    for number in range(chance.randint(0, 3)):
        streams[f"x{number}"] = Workstream(brief="x", stage=chance.choice(names[1:]), agent=_agent(chance))
    if chance.random() < 0.4:
        needs = (chance.choice(list(streams)),) if chance.random() < 0.5 else ()
        streams["aside"] = Workstream(brief="x", needs=needs, agent=_agent(chance))
    return Plan(
        goal="g",
        workstreams=streams,
        stages=tuple(stages),
        checks=(Check(run="check 0"),),
        limits=Limits(agents=chance.randint(1, 3), checks=chance.randint(1, 2)),
        agents={"client": AgentSpec(), "command": AgentSpec(type=AgentType.COMMAND, run="x")},
        defaults=Defaults(agent="client", retries=chance.randint(1, 2), idle="40s"),
    )


def _agent(chance: random.Random) -> str:
    return chance.choice(("client", "command"))


def _stage(name: str, chance: random.Random) -> StageSpec | str:
    gate = Gate.APPROVAL if chance.random() < 0.6 else Gate.AUTO
    synthesis = chance.choice((False, False, True, SynthesisSpec(agent="command")))
    return name if gate is Gate.AUTO and synthesis is False else StageSpec(name=name, gate=gate, synthesis=synthesis)


def synthesised(world: SimWorld, name: str) -> str:
    """A synthesiser's sections: mostly right; now and then incomplete, or planning what it may not."""
    if world.mischief > 0 and world.aside.random() < 0.3:
        world.mischief -= 1
        return world.aside.choice(
            (
                "",
                _NOTES,
                _planned({"more": {"brief": "x", "stage": "look"}}),
                _planned({"a-review": {"brief": "x", "serves": "w0", "role": "reviewer"}}),
                _planned({"a-synthesis": {"brief": "x", "synthesises": "do", "role": "synthesiser"}}),
                _planned({"w0": {"brief": "x"}}),
                _NOTES + "## Workstreams\n: {[\n",
            )
        )
    state = world.known
    stage = state.workstreams[WorkstreamId(name)].spec.synthesises if state is not None else ""
    if not behind(world.plan, stage):
        return _NOTES
    world.number += 1
    count = world.aside.randint(0, 2)
    planned: dict[str, Any] = {
        f"p{world.number}-{number}": {
            "brief": "x",
            "agent": world.aside.choice(("client", "command")),
            "needs": [f"p{world.number}-{number - 1}"] if number else [],
            **({"stage": world.aside.choice(behind(world.plan, stage))} if not number and count == 1 else {}),
        }
        for number in range(count)
    }
    return _planned(planned) if planned else _NOTES + "## Workstreams\nnone\n"


def _planned(streams: dict[str, Any]) -> str:
    return f"{_NOTES}## Workstreams\n{json.dumps(streams)}\n"
