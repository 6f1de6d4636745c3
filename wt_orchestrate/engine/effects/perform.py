"""Perform an effect: pick its handler; each handler looks first whether it already happened, does it, and returns the
events that are now true.

Nothing is decided here: the machine decided from the state, which is only read for values. An effect that the outside
world refuses raises `WtError` and leaves nothing half done that it would not complete when asked again.
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.instructions import instructions
from wt_orchestrate.domain.agent.notes import BY_CALL, BY_MESSAGE, asked_by_tool
from wt_orchestrate.domain.ids import ProcessId, branch_ref, integration_branch, receipt_of
from wt_orchestrate.domain.plan.model import AgentType
from wt_orchestrate.domain.plan.settings import agent_spec, role_of
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import asked_with
from wt_orchestrate.domain.state.run import RunState, agent_name, may_only_read
from wt_orchestrate.domain.state.workstream import WorkstreamState, last_attempt
from wt_orchestrate.engine.effects.forecast import forecast
from wt_orchestrate.engine.effects.guard_hooks import guard_worktree, refresh_guard
from wt_orchestrate.engine.effects.landing import land, prepare_landing
from wt_orchestrate.engine.effects.launch import equip, shell, telling_where, tools_of
from wt_orchestrate.engine.effects.recall import recall_for_brief
from wt_orchestrate.engine.effects.train import advance, assemble, make_trial, publish, run_check
from wt_orchestrate.engine.effects.verify import verify
from wt_orchestrate.engine.effects.worktree import clean_worktree, restore_worktree
from wt_orchestrate.engine.elsewhere import take_over
from wt_orchestrate.engine.world import World, index_path, integration_ref
from wt_orchestrate.errors import AgentUnavailable, InvariantBroken, Refused
from wt_orchestrate.ports.engine import AgentStart


def perform(effect: f.Effect, state: RunState, world: World) -> Sequence[e.Event]:
    """Do it, or find it done; returns the events that are now true."""
    match effect:
        case f.VaultBase():
            return _vault_base(effect, state, world)
        case f.CreateWorktree():
            return _create_worktree(effect, state, world)
        case f.RunSetup():
            return _run_setup(effect, state, world)
        case f.StartAttempt():
            return _start_attempt(effect, state, world)
        case f.StopAttempt():
            world.executor.stop(ProcessId(effect.attempt))
            return (e.AttemptStopping(workstream=effect.workstream, attempt=effect.attempt, reason=effect.reason),)
        case f.StopCommand():
            world.executor.stop(effect.process)
            return ()
        case f.AnswerAsk():
            return _answer_ask(effect, state, world)
        case f.SendMessage():
            return _send_message(effect, state, world)
        case f.Verify():
            return verify(effect, state, world)
        case f.Assemble():
            return assemble(effect, state, world)
        case f.MakeTrial():
            return make_trial(effect, state, world)
        case f.RunCheck():
            return run_check(effect, state, world)
        case f.Advance():
            return advance(effect, state, world)
        case f.Publish():
            return publish(effect, state, world)
        case f.PrepareLanding():
            return prepare_landing(effect, state, world)
        case f.Land():
            return land(effect, state, world)
        case f.CleanWorktree():
            return clean_worktree(effect, state, world)
        case f.RestoreWorktree():
            return restore_worktree(effect, state, world)
        case f.TakeOver():
            return take_over(effect, state, world)
        case f.Forecast():
            return forecast(effect, state, world)
        case f.Recall():
            return recall_for_brief(effect, state, world)


# ---------------------------------------------------------------- worktrees and commands


def _vault_base(effect: f.VaultBase, state: RunState, world: World) -> Sequence[e.Event]:
    world.vault.ensure()
    world.vault.refs.fetch({branch_ref(state.target): f"refs/wto/target/{state.target}"})
    if not world.vault.objects.contains(effect.base):  # the target was amended or reset since the run was written down
        world.vault.refs.keep(f"{state.id}/base", (effect.base,))
    if not world.vault.objects.contains(effect.base):
        raise Refused(
            f"{state.target} was rewritten just now, and {effect.base[:12]}, which the run starts from, is gone",
            hint="wto run again, with the plan as it is",
        )
    world.vault.refs.fetch_tags(effect.base)
    if not world.vault.refs.advance(integration_ref(state.id), new=effect.base, old=None):
        raise InvariantBroken(f"the vault already has another integration branch of {state.id}")
    branch = integration_branch(state.id)
    world.repository.publish(
        vault=world.vault.path, branch=branch, new=effect.base, expected=world.repository.resolve(branch)
    )
    return (e.BaseVaulted(base=effect.base, tree=world.vault.objects.tree(effect.base)),)


def _create_worktree(effect: f.CreateWorktree, state: RunState, world: World) -> Sequence[e.Event]:
    world.repository.add_worktree(path=effect.path, branch=effect.branch, base=effect.base)
    world.vault.checkouts.seed_index(
        worktree=effect.path, head=effect.base, index=index_path(world.indexes, effect.path)
    )
    included = world.repository.copy_included(path=effect.path)
    guarded = guard_worktree(state, effect.workstream, effect.path, world)
    return (
        e.WorktreeCreated(
            workstream=effect.workstream,
            path=effect.path,
            branch=effect.branch,
            base=effect.base,
            included=included,
            guarded=guarded,
        ),
    )


def _run_setup(effect: f.RunSetup, state: RunState, world: World) -> Sequence[e.Event]:
    env = {**world.command_env, "WTO_RUN": state.id, "WTO_WORKSTREAM": effect.workstream}
    launch = shell(effect.process, effect.command, cwd=effect.worktree, env=env, timeout_s=3600.0)
    world.executor.start(launch)
    return (
        e.CommandStarted(workstream=effect.workstream, process=effect.process, purpose="setup", command=effect.command),
    )


# ---------------------------------------------------------------- attempts


def _start_attempt(effect: f.StartAttempt, state: RunState, world: World) -> Sequence[e.Event]:
    ws = state.workstreams[effect.workstream]
    name = agent_name(state, ws)
    spec = agent_spec(name, plan_agents=state.plan.agents, settings=state.settings)
    if spec is None or ws.worktree is None:
        raise AgentUnavailable(f"there is no agent named {name}", hint="wto doctor")
    before = last_attempt(ws)
    if before is not None:
        world.executor.end(ProcessId(before.id))
        if (
            ws.branch is not None
        ):  # no process of ours is there now: what a killed git left locked would only stop the next one
            world.repository.unlock_worktree(path=ws.worktree, branch=ws.branch)
    refresh_guard(state, ws.id, ws.worktree, world)
    process = ProcessId(effect.attempt)
    folder = world.executor.folder(process)
    needs, place = equip(effect, state, ws, folder, world)
    start = AgentStart(
        process=process,
        session=effect.session,
        resume=effect.resume,
        spec=replace(spec, allow=(*spec.allow, *ws.allowed)),
        prompt=telling_where(effect.prompt, needs),
        receipt=receipt_of(effect.attempt),
        instructions=_instructions(ws, world) if spec.type is AgentType.CLAUDE_CODE else "",
        worktree=ws.worktree,
        folder=folder,
        checks=tuple(dict.fromkeys(check.run for check in (*state.plan.checks, *ws.spec.checks))),
        variables={
            "WTO_RUN": state.id,
            "WTO_WORKSTREAM": ws.id,
            "WTO_ATTEMPT": str(effect.epoch),
            "WTO_NEEDS": needs,
            "WTO_NOTES": place,
        },
        needs=needs,
        tools=tools_of(spec, state, place, world),
        budget_usd=effect.budget_usd,
        turns=effect.turns,
        account=effect.account,
        read_only=may_only_read(state, ws),
        role=role_of(ws.spec.role, settings=state.settings),
    )
    report = world.executor.start(world.agents[spec.type].launch(start))
    return (
        e.AttemptStarted(
            workstream=ws.id,
            attempt=effect.attempt,
            epoch=effect.epoch,
            session=effect.session,
            resumed=effect.resume,
            agent=name,
            agent_type=spec.type,
            reason=effect.reason,
            started_at=report.started_at or world.clock.now(),
            account=effect.account,
            carries=effect.carries,
        ),
    )


def _instructions(ws: WorkstreamState, world: World) -> str:
    """The repository's own instructions as they are at the base, out of the agent's reach."""
    base = ws.base
    if base is None:
        return ""
    return instructions(lambda path: world.vault.objects.text(base, path))


def _answer_ask(effect: f.AnswerAsk, state: RunState, world: World) -> Sequence[e.Event]:
    attempt = next(a for a in state.workstreams[effect.workstream].attempts if a.id == effect.attempt)
    agent = world.agents[attempt.agent_type]
    by_tool = asked_by_tool(effect.ask)
    if by_tool:
        return _answer_tool(effect, by_tool, world)
    name, texts = asked_with(effect.ask), (effect.text, *effect.others)
    if effect.question:
        line = agent.answer(ask=name, payload=effect.payload, texts=texts)
    else:
        line = agent.permission(ask=name, payload=effect.payload, allow=effect.allow, reason=effect.text)
    world.executor.send(ProcessId(effect.attempt), message=f"answer-{name}", line=line)
    together = [each.id for each in attempt.asks if each.id != effect.ask and asked_with(each.id) == name]
    return tuple(
        e.AttemptAnswered(
            workstream=effect.workstream, attempt=effect.attempt, ask=ask, allowed=effect.allow, text=text
        )
        for ask, text in zip((effect.ask, *together), texts, strict=True)
    )


def _answer_tool(effect: f.AnswerAsk, ask: str, world: World) -> Sequence[e.Event]:
    """By the result of the call if that still waits, else as a message."""
    folder = world.executor.folder(ProcessId(effect.attempt))
    waits = world.notes.answer(folder, ask=ask, text=effect.text)
    return (
        e.AttemptAnswered(
            workstream=effect.workstream,
            attempt=effect.attempt,
            ask=effect.ask,
            allowed=True,
            text=effect.text,
            by=BY_CALL if waits else BY_MESSAGE,
        ),
    )


def _send_message(effect: f.SendMessage, state: RunState, world: World) -> Sequence[e.Event]:
    """Put it into the agent's inbox, after the interruption that it starts with; each line is written once."""
    attempt = next(a for a in state.workstreams[effect.workstream].attempts if a.id == effect.attempt)
    agent, process = world.agents[attempt.agent_type], ProcessId(effect.attempt)
    if effect.interrupts:
        interrupt = agent.interrupt(request=f"interrupt-{effect.message}")
        if interrupt is not None:
            world.executor.send(process, message=f"interrupt-{effect.message}", line=interrupt)
    if effect.text:
        line = agent.message(receipt=receipt_of(effect.attempt, effect.message), text=effect.text)
        if line is not None:
            world.executor.send(process, message=effect.message, line=line)
    return (e.MessageSent(workstream=effect.workstream, attempt=effect.attempt, message=effect.message),)
