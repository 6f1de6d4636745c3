"""Fold events into gates and into what a synthesis proposed."""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold.messages import put
from wt_orchestrate.domain.plan import stages as pipeline
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import MessageKind
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import GateState, RunState
from wt_orchestrate.domain.state.stages import gate, joined_late, synthesis_of
from wt_orchestrate.domain.state.workstream import WorkstreamState


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
    """The synthesis that is sent back, with the person's message for it; None if it is approved."""
    found = synthesis_of(state, word.stage) if word.no else None
    if found is None:
        return None
    return put(found, record, MessageKind.PERSON, _sent_back(word.no, joined_late(state, found)), interrupts=False)


def _sent_back(why: str, late: Sequence[WorkstreamState]) -> str:
    """The message to a synthesis whose plan a person did not approve."""
    names = ", ".join(f"`{ws.id}`" for ws in late)
    further = f"\n\nSince you started, {names} joined the stage. Its handoff is in the folder $WTO_NEEDS, as data."
    return (
        "A person read your synthesis and did not approve it. The workstreams you planned were removed from the "
        "run. Read the reason, continue, and write the complete synthesis again in HANDOFF.md with `status: done`. "
        f"The reason:\n\n{why.strip()}" + (further if late else "")
    )


def behind_changed(state: RunState, event: e.Event) -> RunState:
    """A new round of each gate that is not passed, if a person changed what waits for it, because an earlier look did
    not show that. An edit may have moved its workstream to another stage, so it counts for all of them."""
    match event:
        case e.EditRequested():
            stages = set(pipeline.stage_names(state.plan))
        case e.AddRequested(workstreams=further):
            stages = {spec.stage for spec in further.values()}
        case e.CancelRequested(workstream=name) | e.RetryRequested(workstream=name):
            stages = {state.workstreams[name].spec.stage}
        case _:
            return state
    for spec in pipeline.stage_specs(state.plan):
        known, held = gate(state, spec.name), stages & set(pipeline.behind(state.plan, spec.name))
        if pipeline.has_gate(spec) and held and not known.approved:
            state = _with(state, spec.name, replace(known, changes=known.changes + 1))
    return state


def called_back(state: RunState, ws: WorkstreamState) -> RunState:
    """A synthesis that goes on after its gate was passed must pass it again."""
    stage = ws.spec.synthesises
    if not stage or ws.stage is not Stage.PREPARING or not gate(state, stage).approved:
        return state
    return _with(state, stage, replace(gate(state, stage), approved=False))


def _with(state: RunState, stage: str, found: GateState) -> RunState:
    return replace(state, gates={**state.gates, stage: found})


def _without(state: RunState, names: frozenset[str]) -> RunState:
    """The state without workstreams that have not started."""
    plan = {name: spec for name, spec in state.plan.workstreams.items() if name not in names}
    left = {name: ws for name, ws in state.workstreams.items() if name not in names}
    cleaning = {name: force for name, force in state.wishes.cleaning.items() if name not in names}
    restoring = frozenset(name for name in state.wishes.restoring if name not in names)
    wishes = replace(state.wishes, cleaning=cleaning, restoring=restoring)
    return replace(state, plan=replace(state.plan, workstreams=plan), workstreams=left, wishes=wishes)
