"""Recover after a crash: look for what was under way, never guess.

Most effects need nothing here: the machine asks again for what should be true, and each effect first looks whether it
already happened. A process may have been started that is no longer wanted (the run was stopped meanwhile). So for each
such intention the executor is asked, and a process that exists is logged before anything is decided. And commits may have
been taken over: once that is read, nothing tells them from work that needs no takeover.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import EffectKey, EffectKind
from wt_orchestrate.domain.ids import AttemptId, CommitId, ProcessId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.settings import agent_spec
from wt_orchestrate.domain.state.run import RunState, agent_name
from wt_orchestrate.engine.elsewhere import taken_over
from wt_orchestrate.engine.world import World
from wt_orchestrate.ports.engine import ProcessReport, ProcessState


def recovered(state: RunState, world: World) -> Iterator[tuple[EffectKey, e.Event]]:
    """The events that were not logged before the crash, each with the key of its effect."""
    for key in sorted(state.effects.open):
        if key.kind == EffectKind.TAKE_OVER:
            taken = taken_over(state, state.workstreams[key.workstream], world)
            if taken is not None:
                yield key, taken
        if key.kind not in {EffectKind.START, EffectKind.COMMAND}:
            continue
        report = world.executor.poll(key.process)
        if report.state is ProcessState.ABSENT:
            continue
        pinned = state.effects.pins.get(key, {})
        if key.kind == EffectKind.START:
            yield key, _attempt(state, key.process, pinned, report)
        else:
            yield key, _command(key.process, pinned)


def _attempt(state: RunState, name: str, pinned: Mapping[str, str], report: ProcessReport) -> e.Event:
    _, workstream, epoch = name.split(".")
    ws = state.workstreams[WorkstreamId(workstream)]
    agent = agent_name(state, ws)
    spec = agent_spec(agent, plan_agents=state.plan.agents, settings=state.settings)
    assert spec is not None
    return e.AttemptStarted(
        workstream=ws.id,
        attempt=AttemptId(name),
        epoch=int(epoch),
        session=pinned.get("session", ""),
        resumed=bool(pinned.get("resume")),
        agent=agent,
        agent_type=spec.type,
        reason=pinned.get("reason", ""),
        started_at=report.started_at or state.at,
        account=pinned.get("account", ""),
        carries=tuple(pinned.get("carries", "").split()),
    )


def _command(name: str, pinned: Mapping[str, str]) -> e.Event:
    workstream = pinned.get("workstream")
    return e.CommandStarted(
        workstream=WorkstreamId(workstream) if workstream else None,
        process=ProcessId(name),
        purpose=pinned.get("purpose", "check"),
        command=pinned.get("command", ""),
        commit=CommitId(pinned["commit"]) if pinned.get("commit") else None,
        tree=TreeId(pinned["tree"]) if pinned.get("tree") else None,
        slot=int(pinned.get("slot") or 0),
        probe=pinned.get("probe", ""),
        ahead=tuple(WorkstreamId(name) for name in pinned.get("ahead", "").split()),
    )
