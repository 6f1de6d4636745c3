"""The state of each stage of a run: what is under way, whether its synthesis is done, whether its gate waits for a
person.

A stage is over when each of its workstreams is integrated or cancelled, and its synthesis (if any) is finished; then
its gate passes by itself or waits. A failed workstream holds the stage until somebody fixes or cancels it. All of it is
computed from the workstreams and the gates' states, so a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan import stages
from wt_orchestrate.domain.plan.graph import needs_of
from wt_orchestrate.domain.plan.model import StageSpec
from wt_orchestrate.domain.state.lifecycle import DONE, Stage
from wt_orchestrate.domain.state.run import GateState, RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState


class Standing(StrEnum):
    """The state of a stage of the plan."""

    AHEAD = "ahead"
    """A stage before it is not over."""
    UNDER_WAY = "under way"
    SYNTHESIS = "being drawn together"
    GATE = "waiting for approval"
    PASSED = "passed"


# ---------------------------------------------------------------- stages


def members(state: RunState, stage: str) -> tuple[WorkstreamState, ...]:
    """The stage's workstreams, without its synthesis."""
    return tuple(ws for ws in state.workstreams.values() if ws.spec.stage == stage and not ws.spec.synthesises)


def synthesis_of(state: RunState, stage: str) -> WorkstreamState | None:
    """The workstream that summarises the stage, at whatever point it is; None without one."""
    return next((ws for ws in state.workstreams.values() if ws.spec.synthesises == stage), None)


def joined_late(state: RunState, ws: WorkstreamState) -> tuple[WorkstreamState, ...]:
    """What was integrated in a stage after its synthesis was called."""
    if not ws.spec.synthesises:
        return ()
    own = members(state, ws.spec.synthesises)
    return tuple(each for each in own if each.stage in DONE and each.id not in ws.spec.needs)


def delivered(ws: WorkstreamState) -> bool:
    """Whether a synthesis is finished as far as its agent is concerned, and what it planned has joined the run."""
    held = ws.stage is Stage.VERIFYING and not (ws.faults.findings or ws.stopping or ws.cancelling)
    return (held or ws.stage in DONE) and not ws.further


def standings(state: RunState) -> Mapping[str, Standing]:
    """The state of every stage, in order."""
    found: dict[str, Standing] = {}
    passed = True
    for spec in stages.stage_specs(state.plan):
        found[spec.name] = _standing(state, spec) if passed else Standing.AHEAD
        passed = found[spec.name] is Standing.PASSED
    return found


def _standing(state: RunState, spec: StageSpec) -> Standing:
    own = members(state, spec.name)
    if any(ws.further or ws.stage not in DONE | {Stage.CANCELLED} for ws in own):
        return Standing.UNDER_WAY
    ws = synthesis_of(state, spec.name)
    wanted = stages.has_synthesis(spec) and any(each.stage in DONE for each in own)
    if wanted if ws is None else ws.stage is not Stage.CANCELLED and not delivered(ws):
        return Standing.SYNTHESIS
    if stages.has_gate(spec) and not gate(state, spec.name).approved:
        return Standing.GATE
    if ws is not None and ws.stage not in DONE | {Stage.CANCELLED}:
        return Standing.SYNTHESIS  # it is being integrated right now
    return Standing.PASSED


def first_open(state: RunState) -> tuple[StageSpec, Standing] | None:
    """The first stage that is not over; None if all are, or if the plan's stages are only an order."""
    if not stages.is_pipeline(state.plan):
        return None
    found = ((spec, _standing(state, spec)) for spec in stages.stage_specs(state.plan))
    return next((each for each in found if each[1] is not Standing.PASSED), None)


# ---------------------------------------------------------------- gates


def gate(state: RunState, stage: str) -> GateState:
    return state.gates.get(stage) or GateState()


def gate_round(state: RunState, stage: str) -> int:
    """The round that a person looks at: the ending of the stage, and the changes people made after it."""
    return gate_ending(state, stage) + gate(state, stage).changes


def gate_ending(state: RunState, stage: str) -> int:
    """The number of this ending of the stage. Another claim or workstream in it makes a new one. So does what an agent
    other than its synthesis adds after it, because the same approval would start that too."""
    synthesis = synthesis_of(state, stage)
    streams = [*members(state, stage), synthesis]
    known = {None, synthesis.id if synthesis is not None else None}
    later = stages.behind(state.plan, stage)
    foreign = sum(ws.spec.stage in later and ws.added_by not in known for ws in state.workstreams.values())
    return foreign + sum(1 + ws.claims for ws in streams if ws is not None)


def waiting_gate(state: RunState) -> StageSpec | None:
    """The stage whose gate a person has to decide now; at most one."""
    found = first_open(state)
    return found[0] if found is not None and found[1] is Standing.GATE else None


def awaits_word(state: RunState, ws: WorkstreamState) -> bool:
    """Whether a synthesis is finished and not integrated: its plan has not joined, or its gate has not been passed."""
    spec = stages.find_stage(state.plan, ws.spec.synthesises) if ws.spec.synthesises else None
    if spec is None or ws.stage is not Stage.VERIFYING:
        return False
    return bool(ws.further) or (stages.has_gate(spec) and not gate(state, spec.name).approved)


def at_gate(state: RunState, ws: WorkstreamState) -> str:
    """The stage whose gate holds a workstream, directly or through what it needs; empty if none does."""
    if ws.stage not in {Stage.QUEUED, Stage.VERIFYING}:
        return ""
    found = waiting_gate(state)
    return found.name if found is not None and _is_at(state, ws, found.name, set()) else ""


def _is_at(state: RunState, ws: WorkstreamState, stage: str, seen: set[WorkstreamId]) -> bool:
    if ws.id in seen:
        return False
    seen.add(ws.id)
    if ws.spec.synthesises == stage:
        return ws.stage is Stage.VERIFYING
    if ws.stage is not Stage.QUEUED:
        return False
    if ws.spec.stage in stages.behind(state.plan, stage):
        return True
    return any(_is_at(state, need, stage, seen) for need in needs(state, ws))


# ---------------------------------------------------------------- what a workstream waits for


def needs(state: RunState, ws: WorkstreamState) -> tuple[WorkstreamState, ...]:
    """What it waits for: its own needs, and everything of earlier stages that was not cancelled."""
    found = (state.workstreams[name] for name in needs_of(state.plan, ws.id))
    return tuple(need for need in found if need.stage is not Stage.CANCELLED or need.id in ws.spec.needs)


def waits_for_stage(state: RunState, ws: WorkstreamState) -> str:
    """The stage that must be over before a queued workstream may start; empty if it waits for none."""
    if ws.stage is not Stage.QUEUED or not ws.spec.stage:
        return ""
    found = first_open(state)
    ahead = found is not None and found[0].name in stages.before(state.plan, ws.spec.stage)
    return found[0].name if found is not None and ahead else ""


def proposed_by(state: RunState, name: WorkstreamId) -> Iterator[WorkstreamState]:
    """The workstreams that a workstream added to the run."""
    yield from (ws for ws in state.workstreams.values() if ws.added_by == name)
