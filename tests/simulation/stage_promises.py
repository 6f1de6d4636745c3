"""What must hold of stages after every step, worked out from the log alone and not by the rules under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Gate, Kind, Plan, StageSpec
from wt_orchestrate.domain.state.lifecycle import DONE, Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState

if TYPE_CHECKING:
    from tests.simulation.invariants import Watch

_OVER = DONE | {Stage.CANCELLED}


def _stages(plan: Plan) -> list[StageSpec]:
    return [StageSpec(name=each) if isinstance(each, str) else each for each in plan.stages]


def _synthesis(state: RunState, stage: str) -> WorkstreamState | None:
    return next((ws for ws in state.workstreams.values() if ws.spec.synthesises == stage), None)


def _approved(watch: Watch, stage: str, before: int) -> bool:
    """Whether the last word at this gate was yes, and the synthesis has not gone on since."""
    yes = False
    for record in watch.world.log.records[: before - 1]:
        match record.event:
            case e.ApproveRequested(stage=name, no=no) if name == stage:
                yes = not no
            case e.AttemptStarted(workstream=name) if yes and watch.state is not None:
                ws = watch.state.workstreams.get(name)
                yes = not (ws is not None and ws.spec.synthesises == stage)
            case _:
                pass
    return yes


def g1_in_order(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """Nothing of a stage begins before all of the earlier ones is integrated or given up, drawn together and approved."""
    event = record.event
    if before is None or not isinstance(event, e.EffectIntended) or not event.key.startswith("worktree:"):
        return
    ws = before.workstreams[WorkstreamId(event.key.removeprefix("worktree:"))]
    names = [spec.name for spec in _stages(before.plan)]
    if ws.stage is not Stage.QUEUED or ws.spec.stage not in names:
        return
    for spec in _stages(before.plan)[: names.index(ws.spec.stage)]:
        own = [other for other in before.workstreams.values() if other.spec.stage == spec.name]
        late = [other.id for other in own if other.stage not in _OVER]
        if late:
            yield f"{ws.id} of {ws.spec.stage} begins before {', '.join(late)} of {spec.name}"
        found = any(other.stage in DONE and not other.spec.synthesises for other in own)
        if spec.synthesis and found and _synthesis(before, spec.name) is None:
            yield f"{ws.id} begins, and {spec.name} was not drawn together"
        if spec.gate is Gate.APPROVAL and not _approved(watch, spec.name, record.number):
            yield f"{ws.id} begins behind the gate of {spec.name}, which nobody approved"


def g2_by_the_tool(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """A stage is drawn together once, when it is over, by an agent that may only read; agents call nobody and approve nothing."""
    event = record.event
    if isinstance(event, e.ApproveRequested) and record.actor is not e.Actor.PERSON:
        yield f"{record.actor} approved {event.stage}"
    if isinstance(event, e.WorkstreamsAdded) and before is not None:
        names = [spec.name for spec in _stages(before.plan)]
        by = before.workstreams[event.by].spec
        for name, spec in event.workstreams.items():
            if spec.serves or spec.synthesises or spec.branch or spec.continues:
                yield f"{event.by} added {name}, which is the tool's own"
            if by.synthesises and names.index(spec.stage) <= names.index(by.synthesises):
                yield f"{event.by} added {name} to {spec.stage}"
    if not isinstance(event, e.SynthesisCalled) or before is None:
        return
    if _synthesis(before, event.stage) is not None or event.spec.kind is not Kind.RESEARCH:
        yield f"{event.synthesis} is called to draw {event.stage} together, and must not be"
    for ws in before.workstreams.values():
        if ws.spec.stage == event.stage and ws.stage not in _OVER:
            yield f"{event.stage} is drawn together before {ws.id} is over"


def g3_as_approved(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """A synthesis with a gate is integrated only when the person's last word was yes."""
    event = record.event
    if before is None or not isinstance(event, e.Integrated):
        return
    ws = before.workstreams[event.workstream]
    spec = next((spec for spec in _stages(before.plan) if spec.name == ws.spec.synthesises), None)
    if spec is not None and spec.gate is Gate.APPROVAL and not _approved(watch, spec.name, record.number):
        yield f"{ws.id} was integrated and nobody approved it"


def g4_nothing_begun_is_taken(watch: Watch, record: e.Record, before: RunState | None) -> Iterator[str]:
    """Only what nobody has begun leaves a run."""
    event = record.event
    if before is not None and isinstance(event, e.ProposalWithdrawn):
        for name in event.workstreams:
            ws = before.workstreams[name]
            if ws.attempts or ws.worktree is not None or ws.added_by != event.by:
                yield f"{name} was taken out of the run, and had begun"


STAGE_EVENTS: Mapping[str, Callable[[Watch, e.Record, RunState | None], Iterator[str]]] = {
    "G1": g1_in_order,
    "G2": g2_by_the_tool,
    "G3": g3_as_approved,
    "G4": g4_nothing_begun_is_taken,
}


def known_needs(state: RunState | None) -> Iterator[str]:
    """Nobody needs a workstream that the run does not have; the plan and the state hold the same ones."""
    if state is None:
        return
    if list(state.plan.workstreams) != list(state.workstreams):
        yield "the plan and the state hold other workstreams"
    for ws in state.workstreams.values():
        yield from (f"{ws.id} needs {need}, which is gone" for need in ws.spec.needs if need not in state.workstreams)
