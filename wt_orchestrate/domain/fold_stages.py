"""Events folded into gates and into what a synthesis proposed."""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold_messages import fold_messages
from wt_orchestrate.domain.gate import GateState
from wt_orchestrate.domain.stages import gate, synthesis_of
from wt_orchestrate.domain.state import RunState, Stage, WorkstreamState
from wt_orchestrate.domain.values import replace


def fold_stages(state: RunState, record: e.Record) -> RunState:
    """The run after one more record about a stage."""
    match record.event:
        case e.GateReached(stage=stage, round=number):
            return _with(state, stage, replace(gate(state, stage), round=number, reached_at=record.at))
        case e.ApproveRequested(stage=stage, no=""):
            return _with(state, stage, replace(gate(state, stage), approved=True, approved_at=record.at))
        case e.ApproveRequested(stage=stage):
            return _with(state, stage, replace(gate(state, stage), sent_back=gate(state, stage).sent_back + 1))
        case e.ProposalWithdrawn(workstreams=names):
            return _without(state, frozenset(names))
        case _:
            return state


def tells(state: RunState, word: e.ApproveRequested, record: e.Record) -> WorkstreamState | None:
    """The synthesis that is sent back, with the person's word among what it is told; None where it is let pass."""
    found = synthesis_of(state, word.stage) if word.no else None
    return None if found is None else fold_messages(found, record)


def called_back(state: RunState, ws: WorkstreamState) -> RunState:
    """A synthesis that goes on after its gate was passed has to pass it again: what was approved is not what will be."""
    stage = ws.spec.synthesises
    if not stage or ws.stage is not Stage.PREPARING or not gate(state, stage).approved:
        return state
    return _with(state, stage, replace(gate(state, stage), approved=False))


def _with(state: RunState, stage: str, found: GateState) -> RunState:
    return replace(state, gates={**state.gates, stage: found})


def _without(state: RunState, names: frozenset[str]) -> RunState:
    """Without workstreams that nobody has begun."""
    plan = {name: spec for name, spec in state.plan.workstreams.items() if name not in names}
    left = {name: ws for name, ws in state.workstreams.items() if name not in names}
    cleaning = {name: force for name, force in state.cleaning.items() if name not in names}
    return replace(
        state,
        plan=replace(state.plan, workstreams=plan),
        workstreams=left,
        cleaning=cleaning,
        restoring=frozenset(name for name in state.restoring if name not in names),
    )
