"""Perform an effect: pick its handler; each handler looks first whether it already happened, does it, and returns the
events that are now true.

Nothing is decided here: the machine decided from the state, which is only read for values. An effect that the outside
world refuses raises `WtError` and leaves nothing half done that it would not complete when asked again.
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.commit_scan import Scan, exposure_findings
from wt_orchestrate.domain.agent.handoff import says_nothing
from wt_orchestrate.domain.agent.notes import BY_CALL, BY_MESSAGE, asked_by_tool
from wt_orchestrate.domain.ids import CommitId, ProcessId, WorkstreamId, branch_ref, integration_branch, receipt_of
from wt_orchestrate.domain.plan.model import AgentType, Kind
from wt_orchestrate.domain.plan.scope import scope_matches
from wt_orchestrate.domain.plan.settings import agent_spec, role_of
from wt_orchestrate.domain.schedule.expansion import SECTION, agents_misfits, placed, still_to_join
from wt_orchestrate.domain.state.run import (
    RunState,
    WorkstreamState,
    agent_name,
    is_reviewer,
    last_attempt,
    may_only_read,
    owes,
)
from wt_orchestrate.domain.verdict.claim import Evidence, findings
from wt_orchestrate.engine.effects.conflict import judged_resolution, remember_resolution, settle
from wt_orchestrate.engine.effects.forecast import forecast
from wt_orchestrate.engine.effects.guard_hooks import guard_worktree, refresh_guard
from wt_orchestrate.engine.effects.landing import land, prepare_landing
from wt_orchestrate.engine.effects.launch import equip, shell, telling_where, tools_of
from wt_orchestrate.engine.effects.recall import recall_for_brief
from wt_orchestrate.engine.effects.train import advance, assemble, make_trial, publish, run_check
from wt_orchestrate.engine.effects.worktree import clean_worktree, restore_worktree
from wt_orchestrate.engine.elsewhere import commits_elsewhere, take_over
from wt_orchestrate.engine.world import World, archive_name, head_ref, index_path, integration_ref
from wt_orchestrate.errors import AgentUnavailable, InvariantBroken
from wt_orchestrate.ports.engine import AgentStart, FurtherRead
from wt_orchestrate.ports.git.commits import Change

_GITLINK = "160000"
_LOOKED_AT = 200
"""How many uncommitted paths of a reviewer are looked at."""


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
            return _verify(effect, state, world)
        case f.Assemble():
            return assemble(effect, state, world)
        case f.Settle():
            return settle(effect, state, world)
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
    if not world.vault.objects.contains(effect.base):
        raise InvariantBroken(f"the vault does not have the base {effect.base} after fetching {state.target}")
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
        spec=spec,
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
    """The repository's own CLAUDE.md as it is at the base, out of the agent's reach."""
    blob = world.vault.objects.blob(ws.base, "CLAUDE.md") if ws.base is not None else None
    return blob.decode(errors="replace") if blob is not None else ""


def _answer_ask(effect: f.AnswerAsk, state: RunState, world: World) -> Sequence[e.Event]:
    attempt = next(a for a in state.workstreams[effect.workstream].attempts if a.id == effect.attempt)
    agent = world.agents[attempt.agent_type]
    by_tool = asked_by_tool(effect.ask)
    if by_tool:
        return _answer_tool(effect, by_tool, world)
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


# ---------------------------------------------------------------- verdict


def _verify(effect: f.Verify, state: RunState, world: World) -> Sequence[e.Event]:
    ws = state.workstreams[effect.workstream]
    assert state.integration is not None and ws.branch is not None
    ref = head_ref(state.id, ws.id)
    head = world.vault.refs.fetch({branch_ref(ws.branch): ref}).get(ref) or _put_back(ws, world)
    onto = (
        ws.base if is_reviewer(ws) and ws.base is not None else state.integration
    )  # it starts with another workstream's work
    changes = world.vault.commits.changes(base=onto, head=head) if head else ()
    paths = tuple(sorted({path for change in changes for path in (change.path, change.old) if path}))
    elsewhere = commits_elsewhere(state, ws, head, world) if head else None
    dirty = _dirty(state, ws, elsewhere.head if elsewhere is not None else head, world) if head else ()
    evidence = Evidence(
        base=ws.base,
        head=head,
        has_commits=head is not None and not world.vault.commits.is_ancestor(head, onto),
        paths=paths,
        dirty=dirty,
        handoff=ws.handoff,
        missing_branch=head is None,
        elsewhere=elsewhere,
        nested=_nested(changes, head, world) if head else (),
        dropped=_dropped(ws, head, world) if head else (),
    )
    attempt = last_attempt(ws)
    needs_handoff = attempt is not None and attempt.agent_type is AgentType.CLAUDE_CODE
    further = _further(state, ws, world)
    found = (
        *findings(ws, evidence, needs_handoff=needs_handoff, owed=_owed(state, ws, needs_handoff)),
        *further.problems,
    )
    if not found and head is not None:
        found = (*_exposed(state, ws, head, world), *judged_resolution(state, ws, head, world))
    if found or head is None:
        return (e.ClaimRejected(workstream=ws.id, head=head, findings=found, round=effect.round),)
    remember_resolution(state, ws, head, world)
    if head != ws.head:  # a head that was seen before was archived when it was seen
        world.vault.refs.archive(archive_name(state.id, ws.id), head)
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
            tree=world.vault.objects.tree(head),
        ),
    )


def _put_back(ws: WorkstreamState, world: World) -> CommitId | None:
    """The head of a branch of ours that went missing (renamed, or deleted) just before it was read, made again."""
    head = ws.head or ws.base
    if ws.spec.branch or head is None or ws.branch is None:
        return None
    world.repository.restore_branch(vault=world.vault.path, branch=ws.branch, head=head)
    return head


def _nested(changes: Sequence[Change], head: CommitId, world: World) -> tuple[str, ...]:
    """Repositories that were committed as a mere commit id, and that no `.gitmodules` explains."""
    found = [change.path for change in changes if change.mode == _GITLINK]
    declared = world.vault.objects.blob(head, ".gitmodules") if found else None
    named = {line.split("=", 1)[1].strip() for line in _path_lines(declared)}
    return tuple(path for path in found if path not in named)


def _path_lines(declared: bytes | None) -> Sequence[str]:
    lines = (declared or b"").decode("utf-8", "surrogateescape").splitlines()
    return [line for line in lines if line.split("=")[0].strip() == "path" and "=" in line]


def _owed(state: RunState, ws: WorkstreamState, needs_handoff: bool) -> Sequence[str]:
    """The sections that its role's handoff must have. A person's own claim needs none, nor does a command that
    arbitrates."""
    return () if ws.by_person or (ws.spec.serves and not needs_handoff) else owes(state, ws)


def _exposed(state: RunState, ws: WorkstreamState, head: CommitId, world: World) -> tuple[str, ...]:
    """What its commits must not land with. A person's own claim is a person's word; what lands is scanned once more."""
    if ws.by_person or state.integration is None or ws.spec.kind is Kind.RESEARCH:
        return ()
    found = _findings_of(state, ws, world.vault.commits.scan(base=state.integration, head=head))
    if not found:
        return ()
    # what it merged from the target belongs to those who put it there
    ref = f"refs/wto/target/{state.target}"
    target = tuple(world.vault.refs.fetch({branch_ref(state.target): ref}).values())
    return _findings_of(state, ws, world.vault.commits.scan(base=state.integration, head=head, without=target))


def _findings_of(state: RunState, ws: WorkstreamState, scan: Scan) -> tuple[str, ...]:
    return tuple(
        exposure_findings(
            scan,
            allowed=state.settings.allow_secrets,
            human=() if ws.spec.branch else state.settings.human_trailers,
            own=None if ws.spec.branch else _own_trailers(state, ws),
        )
    )


def _own_trailers(state: RunState, ws: WorkstreamState) -> frozenset[tuple[str, str]]:
    """The tool's trailers that its commits may have: its own, and those of the workstream it serves, whose work it
    builds on."""
    served = state.workstreams.get(WorkstreamId(ws.spec.serves))
    streams = [ws, *([served] if served is not None else [])]
    named = {("Wto-Workstream", str(each.id)) for each in streams}
    counted = {("Wto-Attempt", str(attempt.epoch)) for each in streams for attempt in each.attempts}
    return frozenset({("Wto-Run", str(state.id)), *named, *counted})


def _dirty(state: RunState, ws: WorkstreamState, head: CommitId, world: World) -> tuple[str, ...]:
    """Uncommitted paths; a queued branch has no worktree of ours. An agent that only reads runs the checks and must not
    remove the files they leave, so untracked files do not count for it; changes of the work do."""
    if ws.worktree is None:
        return ()
    found = world.vault.checkouts.dirty(worktree=ws.worktree, head=head, index=index_path(world.indexes, ws.worktree))
    if may_only_read(state, ws):
        return tuple(path for path in found[:_LOOKED_AT] if world.vault.objects.blob(head, path, limit=1) is not None)
    return found


def _further(state: RunState, ws: WorkstreamState, world: World) -> FurtherRead:
    """The workstreams that its handoff adds, if it may, or what is wrong with them."""
    text = ws.handoff.other.get(SECTION, "") if ws.handoff is not None and ws.spec.expands else ""
    if not text.strip() or says_nothing(text):
        return FurtherRead(workstreams={})
    read = world.plans.further(text)
    further = placed(state, ws, read.workstreams)
    problems = read.problems or tuple(agents_misfits(state, ws, still_to_join(state, ws, further)))
    told = tuple(f"the workstreams in HANDOFF.md cannot be added: {problem}" for problem in problems)
    return FurtherRead(workstreams={} if told else further, problems=told)


def _dropped(ws: WorkstreamState, head: CommitId, world: World) -> tuple[str, ...]:
    """After a conflict was resolved in the worktree: paths that the other side changed and that are now without its
    change."""
    onto, own = ws.conflict_onto, ws.conflict_head
    if onto is None or own is None or not world.vault.commits.is_ancestor(onto, head):
        return ()
    theirs = [change.path for change in world.vault.commits.changes(base=own, head=onto)]
    return tuple(path for path in theirs if _same(world, path, head, own) and not _same(world, path, head, onto))


def _same(world: World, path: str, one: CommitId, other: CommitId) -> bool:
    return world.vault.objects.blob(one, path) == world.vault.objects.blob(other, path)
