"""Effects to port calls: each looks first whether it already happened, then does it, and returns what is now a fact.

Nothing here decides: what to do was decided by the machine, from state; `state` is only read for values. An effect that
the outside world refuses raises `WtError` and has left nothing half done that it would not complete when asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.expansion import SECTION, agents_misfits
from wt_orchestrate.domain.graph import scope_matches
from wt_orchestrate.domain.ids import CommitId, ProcessId, branch_ref, integration_branch, receipt_of
from wt_orchestrate.domain.plan import AgentType, Check, seconds
from wt_orchestrate.domain.settings import agent_spec
from wt_orchestrate.domain.state import RunState, WorkstreamState, agent_name, last_attempt
from wt_orchestrate.domain.verdict import Evidence, findings
from wt_orchestrate.engine.landing import land, prepare_landing
from wt_orchestrate.engine.tidying import clean_worktree, restore_worktree
from wt_orchestrate.engine.world import World, archive_name, head_ref, index_path, integration_ref, pin_ref
from wt_orchestrate.errors import AgentUnavailable, InvariantBroken, WtError
from wt_orchestrate.ports import AgentStart, FurtherRead, Launch, Merge


def perform(effect: f.Effect, state: RunState, world: World) -> Sequence[e.Event]:
    """Do it, or find it done; the facts that are true now."""
    match effect:
        case f.VaultBase():
            return _vault_base(effect, state, world)
        case f.CreateWorktree():
            return _create_worktree(effect, world)
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
            return _verify(effect, state, world)
        case f.Merge():
            return _merge(effect, state, world)
        case f.RunCheck():
            return _run_check(effect, state, world)
        case f.Advance():
            return _advance(effect, state, world)
        case f.Publish():
            return _publish(effect, state, world)
        case f.PrepareLanding():
            return prepare_landing(effect, state, world)
        case f.Land():
            return land(effect, state, world)
        case f.CleanWorktree():
            return clean_worktree(effect, state, world)
        case f.RestoreWorktree():
            return restore_worktree(effect, state, world)


# ---------------------------------------------------------------- worktrees and commands


def _vault_base(effect: f.VaultBase, state: RunState, world: World) -> Sequence[e.Event]:
    world.vault.ensure()
    world.vault.fetch({branch_ref(state.target): f"refs/wto/target/{state.target}"})
    if not world.vault.contains(effect.base):
        raise InvariantBroken(f"the vault does not hold the base {effect.base} after fetching {state.target}")
    if not world.vault.advance(integration_ref(state.id), new=effect.base, old=None):
        raise InvariantBroken(f"the vault holds another integration branch of {state.id} already")
    branch = integration_branch(state.id)
    world.repository.publish(
        vault=world.vault.path(), branch=branch, new=effect.base, expected=world.repository.resolve(branch)
    )
    return (e.BaseVaulted(base=effect.base),)


def _create_worktree(effect: f.CreateWorktree, world: World) -> Sequence[e.Event]:
    world.repository.add_worktree(path=effect.path, branch=effect.branch, base=effect.base)
    world.vault.seed_index(worktree=effect.path, head=effect.base, index=index_path(world.indexes, effect.path))
    included = world.repository.copy_included(path=effect.path)
    return (
        e.WorktreeCreated(
            workstream=effect.workstream,
            path=effect.path,
            branch=effect.branch,
            base=effect.base,
            included=included,
        ),
    )


def _run_setup(effect: f.RunSetup, state: RunState, world: World) -> Sequence[e.Event]:
    env = {**world.command_env, "WTO_RUN": state.id, "WTO_WORKSTREAM": effect.workstream}
    launch = _shell(effect.process, effect.command, cwd=effect.worktree, env=env, timeout_s=3600.0)
    world.executor.start(launch)
    return (
        e.CommandStarted(workstream=effect.workstream, process=effect.process, purpose="setup", command=effect.command),
    )


def _shell(process: ProcessId, script: str, *, cwd: str, env: dict[str, str], timeout_s: float) -> Launch:
    return Launch(
        id=process,
        argv=("/bin/sh", "-c", f"exec 2>&1\n{script}"),
        cwd=cwd,
        env=env,
        deadline_s=timeout_s,
        grace_s=2.0,
    )


def _run_check(effect: f.RunCheck, state: RunState, world: World) -> Sequence[e.Event]:
    slot = f"{state.id}-{effect.workstream or 'landing'}"
    path = world.vault.checkout(commit=effect.commit, slot=slot, keep=not effect.fresh)
    if effect.fresh:
        world.repository.copy_included(path=path)
    env = {**world.command_env, "WTO_RUN": state.id, "WTO_CHECK": effect.check.run}
    script = _with_setup(state, effect.check) if effect.fresh else effect.check.run
    timeout_s = seconds(effect.check.timeout) or 600.0
    world.executor.start(_shell(effect.process, script, cwd=path, env=env, timeout_s=timeout_s))
    return (
        e.CommandStarted(
            workstream=effect.workstream,
            process=effect.process,
            purpose="check",
            command=effect.check.run,
            commit=effect.commit,
        ),
    )


def _with_setup(state: RunState, check: Check) -> str:
    """The first check in a fresh tree, behind the setup commands; a failing one judges nothing (126)."""
    setup = (*state.settings.setup, *state.plan.setup)
    lines = [f"(\n{command}\n) || {{ echo 'the setup command failed'; exit 126; }}" for command in setup]
    return "\n".join((*lines, check.run))


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
        ):  # nobody of ours is there now: what a killed git left locked would only stop the next one
            world.repository.unlock_worktree(path=ws.worktree, branch=ws.branch)
    process = ProcessId(effect.attempt)
    start = AgentStart(
        process=process,
        session=effect.session,
        resume=effect.resume,
        spec=spec,
        prompt=effect.prompt,
        receipt=receipt_of(effect.attempt),
        instructions=_instructions(ws, world) if spec.type is AgentType.CLAUDE_CODE else "",
        worktree=ws.worktree,
        folder=world.executor.folder(process),
        checks=tuple(dict.fromkeys(check.run for check in (*state.plan.checks, *ws.spec.checks))),
        variables={"WTO_RUN": state.id, "WTO_WORKSTREAM": ws.id, "WTO_ATTEMPT": str(effect.epoch)},
        budget_usd=effect.budget_usd,
        turns=effect.turns,
        account=effect.account,
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
    """The repository's own CLAUDE.md as it is at the base, out of the agent's reach."""
    blob = world.vault.blob(ws.base, "CLAUDE.md") if ws.base is not None else None
    return blob.decode(errors="replace") if blob is not None else ""


def _answer_ask(effect: f.AnswerAsk, state: RunState, world: World) -> Sequence[e.Event]:
    attempt = next(a for a in state.workstreams[effect.workstream].attempts if a.id == effect.attempt)
    agent = world.agents[attempt.agent_type]
    if effect.question:
        line = agent.answer(ask=effect.ask, payload=effect.payload, text=effect.text)
    else:
        line = agent.permission(ask=effect.ask, payload=effect.payload, allow=effect.allow, reason=effect.text)
    world.executor.send(ProcessId(effect.attempt), message=f"answer-{effect.ask}", line=line)
    return (
        e.AttemptAnswered(
            workstream=effect.workstream,
            attempt=effect.attempt,
            ask=effect.ask,
            allowed=effect.allow,
            text=effect.text,
        ),
    )


def _send_message(effect: f.SendMessage, state: RunState, world: World) -> Sequence[e.Event]:
    """Lay it into the agent's inbox, behind the interruption that it begins with; each line is written once."""
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


# ---------------------------------------------------------------- verdict and train


def _verify(effect: f.Verify, state: RunState, world: World) -> Sequence[e.Event]:
    ws = state.workstreams[effect.workstream]
    assert state.integration is not None and ws.branch is not None and ws.worktree is not None
    ref = head_ref(state.id, ws.id)
    head = world.vault.fetch({branch_ref(ws.branch): ref}).get(ref)
    changes = world.vault.changes(base=state.integration, head=head) if head else ()
    paths = tuple(sorted({path for change in changes for path in (change.path, change.old) if path}))
    dirty = (
        world.vault.dirty(worktree=ws.worktree, head=head, index=index_path(world.indexes, ws.worktree)) if head else ()
    )
    evidence = Evidence(
        base=ws.base,
        head=head,
        has_commits=head is not None and not world.vault.is_ancestor(head, state.integration),
        paths=paths,
        dirty=dirty,
        handoff=ws.handoff,
        missing_branch=head is None,
        dropped=_dropped(ws, head, world) if head else (),
    )
    attempt = last_attempt(ws)
    needs_handoff = attempt is not None and attempt.agent_type is AgentType.CLAUDE_CODE
    further = _further(state, ws, world)
    found = (*findings(ws, evidence, needs_handoff=needs_handoff), *further.problems)
    if found or head is None:
        return (e.ClaimRejected(workstream=ws.id, head=head, findings=found, round=effect.round),)
    if head != ws.head:  # a head that was seen before was archived when it was seen
        world.vault.archive(archive_name(state.id, ws.id), head)
    return (
        e.ClaimAccepted(
            workstream=ws.id,
            head=head,
            files=len(changes),
            added=sum(change.added for change in changes),
            deleted=sum(change.deleted for change in changes),
            paths=paths,
            protected=tuple(path for path in paths if scope_matches(state.settings.protected, path)),
            further=further.workstreams,
            round=effect.round,
        ),
    )


def _further(state: RunState, ws: WorkstreamState, world: World) -> FurtherRead:
    """The workstreams that its handoff adds, where it may, or what is wrong with them."""
    text = ws.handoff.other.get(SECTION, "") if ws.handoff is not None and ws.spec.expands else ""
    if not text.strip():
        return FurtherRead(workstreams={})
    read = world.plans.further(text)
    problems = read.problems or tuple(agents_misfits(state, read.workstreams))
    told = tuple(f"the workstreams in HANDOFF.md cannot be added: {problem}" for problem in problems)
    return FurtherRead(workstreams={} if told else read.workstreams, problems=told)


def _dropped(ws: WorkstreamState, head: CommitId, world: World) -> tuple[str, ...]:
    """After a conflict was resolved in the worktree: paths the other side changed that are now as if it had not."""
    onto, own = ws.conflict_onto, ws.conflict_head
    if onto is None or own is None or not world.vault.is_ancestor(onto, head):
        return ()
    theirs = [change.path for change in world.vault.changes(base=own, head=onto)]
    return tuple(path for path in theirs if _same(world, path, head, own) and not _same(world, path, head, onto))


def _same(world: World, path: str, one: CommitId, other: CommitId) -> bool:
    return world.vault.blob(one, path) == world.vault.blob(other, path)


def _merge(effect: f.Merge, state: RunState, world: World) -> Sequence[e.Event]:
    ws = state.workstreams[effect.workstream]
    merge = world.vault.merge(
        ours=effect.onto,
        theirs=effect.head,
        message=merge_message(state, ws),
        at=effect.at,
        pin=pin_ref(state.id, ws.id),
    )
    if merge.commit is None or merge.tree is None:
        return (e.MergeConflicted(workstream=ws.id, head=effect.head, onto=effect.onto, paths=merge.conflicts),)
    return _proven(merge, effect, world)


def _proven(merge: Merge, effect: f.Merge, world: World) -> Sequence[e.Event]:
    assert merge.commit is not None and merge.tree is not None
    proof = world.vault.prove(merge=merge.commit, ours=effect.onto, theirs=effect.head)
    if proof.lost:
        failed = e.ProofFailed(workstream=effect.workstream, commit=merge.commit, lost=proof.lost, head=effect.head)
        return (failed,)
    return (
        e.MergeMade(
            workstream=effect.workstream,
            head=effect.head,
            onto=effect.onto,
            commit=merge.commit,
            tree=merge.tree,
            proven_paths=proof.checked_paths,
        ),
    )


def merge_message(state: RunState, ws: WorkstreamState) -> str:
    """The integration commit's message; its trailers are ours and say exactly what was taken in."""
    title = " ".join((ws.spec.title or f"workstream {ws.id}").split())[:100]
    attempt = last_attempt(ws)
    trailers = {
        "Wto-Run": state.id,
        "Wto-Workstream": ws.id,
        "Wto-Attempt": attempt.id if attempt is not None else "none",
        "Wto-Head": ws.accepted or "none",
    }
    return f"Integrate {ws.id}: {title}\n\n" + "".join(f"{key}: {value}\n" for key, value in trailers.items())


def _advance(effect: f.Advance, state: RunState, world: World) -> Sequence[e.Event]:
    ref = integration_ref(state.id)
    if world.vault.resolve(ref) is None:  # the log says where it was; the vault's copy of it was lost
        world.vault.advance(ref, new=effect.onto, old=None)
    if not world.vault.advance(ref, new=effect.commit, old=effect.onto):
        found = world.vault.resolve(ref)
        taken_in = _taken_in(effect, state, world, found)
        if taken_in is None:
            return (e.IntegrationMoved(workstream=effect.workstream, found=found),)
        effect = replace(effect, commit=taken_in)
    if effect.workstream is None:
        return (e.IntegrationAdvanced(commit=effect.commit),)
    return (e.Integrated(workstream=effect.workstream, head=effect.head, onto=effect.onto, commit=effect.commit),)


def _publish(effect: f.Publish, state: RunState, world: World) -> Sequence[e.Event]:
    branch = integration_branch(state.id)
    shown = world.repository.resolve(branch)
    if not world.repository.publish(vault=world.vault.path(), branch=branch, new=effect.commit, expected=shown):
        raise WtError(f"the branch {branch} was moved by somebody else", hint=f"leave {branch} alone, then wto resume")
    return (e.IntegrationPublished(commit=effect.commit, order=effect.order),)


def _taken_in(effect: f.Advance, state: RunState, world: World, found: CommitId | None) -> CommitId | None:
    """The commit that already carries this very head of the workstream on the integration branch, if one does."""
    if found is None or effect.workstream is None or effect.head is None:
        return None
    heads = world.vault.trailers(base=state.base, head=found, key="Wto-Head")
    return heads.get(effect.head)
