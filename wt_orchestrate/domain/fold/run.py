"""Fold events into the state of a run: the only way the state changes.

`fold` is total and pure: the same records give the same state, on any machine and in any year. A stage that the table
of legal moves does not allow raises `InvariantBroken` with the workstream's story, because it means that a rule is
wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import EffectKey, EffectKind, advance_key, parse_key, restore_key, take_over_key
from wt_orchestrate.domain.fold.accounts import first_accounts, fold_account, forgiven
from wt_orchestrate.domain.fold.comments import remarked
from wt_orchestrate.domain.fold.findings import fold_shared
from wt_orchestrate.domain.fold.forecast import fold_forecast
from wt_orchestrate.domain.fold.messages import fold_messages
from wt_orchestrate.domain.fold.stages import behind_changed, called_back, fold_stages, tells
from wt_orchestrate.domain.fold.train import fold_train, left_the_train
from wt_orchestrate.domain.fold.workstream import fold_workstream, nearly, taken_up, used_up
from wt_orchestrate.domain.ids import Branch, ProcessId, WorkstreamId, workstream_branch
from wt_orchestrate.domain.plan.model import Workstream
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.checks import held_by_base, only_passed
from wt_orchestrate.domain.state.lifecycle import MOVES, Phase, Stage
from wt_orchestrate.domain.state.run import (
    BaseChecks,
    BranchHead,
    Command,
    Failure,
    MachineRoom,
    RunState,
    advancing,
    intended,
)
from wt_orchestrate.domain.state.train import Landing, Train
from wt_orchestrate.domain.state.workstream import Usage, WorkstreamState, live_attempt
from wt_orchestrate.errors import InvariantBroken

_MINOR = (
    e.CancelRequested,
    e.ReleaseRequested,
    e.LimitRequested,
    e.AddRequested,
    e.EditRequested,
    e.ApproveRequested,
)
"""Requests that give a finished run something to do, but do not resume one that a person stopped."""


def fold_all(records: Iterable[e.Record], state: RunState | None = None) -> RunState | None:
    """The state after all of these; None while the run has not started."""
    for record in records:
        state = fold(state, record)
    return state


def fold(state: RunState | None, record: e.Record) -> RunState:
    """The state after one more record."""
    if isinstance(record.event, e.RunStarted):
        state = _run_started(record, record.event)
    if state is None:
        raise InvariantBroken(f"event {record.number} comes before the start of run {record.run}")
    folded = _fold_run(state, record)
    name = e.workstream_of(record.event)
    if name is not None and name in folded.workstreams and not _void(state, record.event):
        before = folded.workstreams[name]
        after = fold_workstream(before, record)
        if after is not before:
            folded = called_back(left_the_train(_with(folded, _moved(before, after, record)), name), after)
    if folded.train is not state.train:
        folded = _verified_no_more(state, folded, record)
    return replace(folded, number=record.number, at=record.at)


def _void(state: RunState, event: e.Event) -> bool:
    """Whether a verdict is void because a conclusion of the same decision removed the car that it is about."""
    return isinstance(event, e.Verified) and all(car.commit != event.commit for car in state.train.cars)


def _verified_no_more(before: RunState, state: RunState, record: e.Record) -> RunState:
    """Work that was verified on top of a car that is gone must be merged and checked again."""
    aboard = {car.workstream for car in state.train.cars}
    for car in before.train.cars:
        ws = state.workstreams[car.workstream]
        if ws.stage is Stage.VERIFIED and ws.id not in aboard:
            state = _with(state, _moved(ws, replace(ws, stage=Stage.VERIFYING), record))
    return state


def _run_started(record: e.Record, event: e.RunStarted) -> RunState:
    return RunState(
        id=record.run,
        plan=event.plan,
        settings=event.settings,
        plan_path=event.plan_path,
        repository=event.repository,
        target=event.target,
        base=event.base,
        seed=event.seed,
        land_when_done=event.land,
        started_at=record.at,
        accounts=first_accounts(event.accounts),
        remotes=event.remotes,
        author=event.author,
        base_checks=BaseChecks(wanted=event.base_checks, known=event.base_passed),
        workstreams=_begun(record, event.plan.workstreams),
    )


def _begun(
    record: e.Record, specs: Mapping[str, Workstream], by: WorkstreamId | None = None
) -> dict[WorkstreamId, WorkstreamState]:
    return {
        name: WorkstreamState(
            id=name, spec=specs[name], since=record.at, branch=_branch(record, name, specs[name]), added_by=by
        )
        for name in map(WorkstreamId, specs)
    }


def _branch(record: e.Record, name: WorkstreamId, spec: Workstream) -> Branch:
    return Branch(spec.branch) if spec.branch else workstream_branch(record.run, name)


def _added(
    state: RunState, record: e.Record, specs: Mapping[str, Workstream], by: WorkstreamId | None = None
) -> RunState:
    """More workstreams, after the existing ones; they were checked before they were accepted."""
    plan = replace(state.plan, workstreams={**state.plan.workstreams, **specs})
    return replace(state, plan=plan, workstreams={**state.workstreams, **_begun(record, specs, by)})


def _answered(state: RunState, word: e.ApproveRequested, record: e.Record) -> RunState:
    """The state after a gate's decision: a synthesis that is sent back gets the reason; the time a person took does not
    count as the run's."""
    told = tells(state, word, record)
    state = state if told is None else _with(state, told)
    if state.phase is not Phase.FINISHED or state.ended_at is None:
        return state
    return _clock(state, skipped_s=state.clock.skipped_s + max(0.0, record.at - state.ended_at))


def _followed(state: RunState, record: e.Record, wanted: e.FollowUpRequested) -> RunState:
    state = _added(state, record, {wanted.follower: wanted.spec})
    return _with(state, remarked(state.workstreams[wanted.follower], wanted.remarks, record))


def _edited(state: RunState, name: WorkstreamId, spec: Workstream) -> RunState:
    return replace(state, plan=replace(state.plan, workstreams={**state.plan.workstreams, name: spec}))


def _with(state: RunState, workstream: WorkstreamState) -> RunState:
    return replace(state, workstreams={**state.workstreams, workstream.id: workstream})


def _moved(before: WorkstreamState, after: WorkstreamState, record: e.Record) -> WorkstreamState:
    if before.stage == after.stage:
        return after
    if after.stage not in MOVES[before.stage]:
        raise InvariantBroken(
            f"{after.id} cannot go from {before.stage} to {after.stage}",
            story=[f"{attempt.id}: {attempt.reason}, ended by {attempt.cause}" for attempt in after.attempts],
        )
    return replace(after, since=record.at, since_order=record.number)


def _fold_run(state: RunState, record: e.Record) -> RunState:
    match record.event:
        case e.BaseVaulted(base=base, tree=tree):
            head = BranchHead(commit=base, tree=tree, order=record.number)
            checks = replace(state.base_checks, tree=tree)
            return replace(state, integration=head, published=head, base_checks=checks)
        case e.BaseJudged(command=command, log=log):
            checks = replace(state.base_checks, judged=True, red=command, log=log)
            return replace(state, base_checks=checks, on_hold=state.on_hold or bool(command))
        case e.EffectIntended(key=key, pins=pins):
            return fold_forecast(_intended(state, parse_key(key), pins, record), record)
        case e.EffectConcluded(key=key):
            return fold_forecast(_concluded(state, parse_key(key)), record)
        case e.RepositoryChanged(changes=changes):
            return replace(state, changed={each.name: each for each in changes})
        case e.SupervisorStarted(sandbox=sandbox):
            return _clock(replace(state, sandbox=sandbox), woke_at=record.at)
        case e.TimeSkipped(seconds=seconds):
            return _set_back(_clock(state, skipped_s=state.clock.skipped_s + seconds, woke_at=record.at), seconds)
        case e.EffectFailed() as failed:
            return fold_forecast(_effect_failed(state, failed, record.at), record)
        case e.ForecastMade():
            return fold_forecast(state, record)
        case e.CommandStarted() as started:
            return _command_started(state, started, record)
        case e.SetupFinished(process=process):
            return replace(state, commands=_without(state.commands, process))
        case e.CommandDropped(process=process) | e.CheckFinished(process=process):
            return fold_train(replace(state, commands=_without(state.commands, process)), record)
        case e.IntegrationPublished(commit=commit, order=order):
            return replace(state, published=BranchHead(commit=commit, order=order))
        case e.RunStopped() | e.RunFinished() | e.StopRequested() | e.ResumeRequested() | e.ContinueRequested():
            return _phase(state, record)
        case e.FindingShared() as shared:
            return fold_shared(state, record, shared)
        case e.AttemptObserved(workstream=name, attempt=attempt_id) as seen:
            attempt = next(each for each in state.workstreams[name].attempts if each.id == attempt_id)
            return fold_account(state, record, attempt, seen)
        case _:
            return _fold_after(fold_train(_fold_steering(state, record), record), record)


def _command_started(state: RunState, started: e.CommandStarted, record: e.Record) -> RunState:
    command = Command(
        process=started.process,
        workstream=started.workstream,
        purpose=started.purpose,
        command=started.command,
        started_at=record.at,
        commit=started.commit,
        tree=started.tree,
        slot=started.slot,
        probe=started.probe,
        ahead=started.ahead,
    )
    state = replace(state, commands={**state.commands, started.process: command})
    if not started.slot or started.commit is None:
        return state
    slots = {**state.checks.slots, started.slot: started.commit}
    return replace(state, checks=replace(state.checks, slots=slots))


def _fold_steering(state: RunState, record: e.Record) -> RunState:
    match record.event:
        case e.AnswerRequested() | e.LandRequested() | e.TellRequested() | e.RedirectRequested() | e.CancelRequested():
            return _woken(state, record)
        case e.CommentsSendRequested():
            return _woken(state, record)
        case e.RetryRequested():
            return only_passed(forgiven(_woken(state, record)))
        case e.AdmissionChanged(reason=reason, full=full):
            return replace(state, room=MachineRoom(reason=reason, full=full))
        case e.HoldRequested(workstream=None):
            return replace(state, on_hold=True)
        case e.ReleaseRequested(workstream=name):
            released = _released(state) if name is None else state
            return _woken(released, record)
        case e.FollowUpRequested() as wanted:
            return _woken(_followed(state, record, wanted), record)
        case e.AddRequested(workstreams=specs):
            return _woken(_added(state, record, specs), record)
        case e.ArbiterCalled(arbiter=name, spec=spec) | e.ReviewerCalled(reviewer=name, spec=spec):
            return _added(state, record, {name: spec})
        case e.SynthesisCalled(synthesis=name, spec=spec):
            return _added(state, record, {name: spec})
        case e.GateReached() | e.ProposalWithdrawn():
            return fold_stages(state, record)
        case e.ApproveRequested() as word:
            return _woken(_answered(fold_stages(state, record), word, record), record)
        case e.WorkstreamsAdded(by=name, workstreams=specs):
            joined = _with(state, replace(state.workstreams[name], further={}))
            return _added(joined, record, specs, by=name)
        case e.EditRequested(workstream=name, spec=spec):
            return _woken(_edited(state, name, spec), record)
        case e.LimitRequested() as wanted:
            return _limited(_woken(state, record), wanted)
        case e.BudgetWarned(workstream=None, what=what):
            return replace(state, usage=nearly(state.usage, what))
        case e.BudgetReached(workstream=None, what=what):
            return _used_up(replace(state, usage=used_up(state.usage, what, record.at)), record)
        case _:
            return state


def _released(state: RunState) -> RunState:
    """No longer on hold; if a check on the base was the reason, a person takes the base as it is."""
    checks = replace(state.base_checks, red="", log="") if held_by_base(state) else state.base_checks
    return replace(state, on_hold=False, base_checks=checks)


def _effects(state: RunState, **changes: object) -> RunState:
    return replace(state, effects=replace(state.effects, **changes))


def _wishes(state: RunState, **changes: object) -> RunState:
    return replace(state, wishes=replace(state.wishes, **changes))


def _clock(state: RunState, **changes: float) -> RunState:
    return replace(state, clock=replace(state.clock, **changes))


def _wanted_again(state: RunState, key: EffectKey) -> RunState:
    """An effect that is wanted for another reason than the one for which it was refused."""
    return _effects(state, failures={name: each for name, each in state.effects.failures.items() if name != key})


def _limited(state: RunState, wanted: e.LimitRequested) -> RunState:
    if wanted.workstream is not None:
        return state
    old = state.plan.limits
    limits = replace(
        old,
        agents=old.agents if wanted.agents is None else wanted.agents,
        checks=old.checks if wanted.checks is None else wanted.checks,
        budget_usd=old.budget_usd if wanted.budget_usd is None else wanted.budget_usd,
        tokens=old.tokens if wanted.tokens is None else wanted.tokens,
        turns=old.turns if wanted.turns is None else wanted.turns,
        wall=old.wall if wanted.wall is None else wanted.wall,
    )
    return replace(state, plan=replace(state.plan, limits=limits), usage=Usage())


def _used_up(state: RunState, record: e.Record) -> RunState:
    """Every running agent is told that a limit of the run is used up."""
    for workstream in state.workstreams.values():
        if live_attempt(workstream) is not None:
            told = fold_messages(workstream, record)
            state = _with(state, replace(told, usage=replace(told.usage, wrapping_since=record.at)))
    return state


def _set_back(state: RunState, seconds: float) -> RunState:
    """After the clock was set back, our own pauses are shortened by as much; a limit's reset is the service's own time."""
    if seconds >= 0:
        return state
    failures = {key: replace(failure, at=failure.at + seconds) for key, failure in state.effects.failures.items()}
    accounts = {n: replace(each, paused_until=each.paused_until + seconds) for n, each in state.accounts.items()}
    streams = {
        name: replace(
            ws,
            retry=replace(ws.retry, not_before=ws.retry.not_before + seconds) if ws.retry is not None else None,
            usage=replace(ws.usage, wrapping_since=ws.usage.wrapping_since + seconds)
            if ws.usage.wrapping_since is not None
            else ws.usage,
        )
        for name, ws in state.workstreams.items()
    }
    return _effects(replace(state, accounts=accounts, workstreams=streams), failures=failures)


def _intended(state: RunState, key: EffectKey, pins: Mapping[str, str], record: e.Record) -> RunState:
    state = replace(state, effects=intended(state.effects, key, pins))
    if pins.get("purpose") == "check":
        state = replace(state, checks=replace(state.checks, begun=state.checks.begun + 1))
    workstream = state.workstreams.get(key.workstream) if key.kind == EffectKind.WORKTREE else None
    if workstream is not None and workstream.stage is Stage.QUEUED:
        after = replace(workstream, stage=Stage.PREPARING, started_at=workstream.started_at or record.at)
        state = _with(state, _moved(workstream, after, record))
    return state


def _concluded(state: RunState, key: EffectKey) -> RunState:
    effects = state.effects
    return _effects(
        state,
        open=effects.open - {key},
        pins={name: pins for name, pins in effects.pins.items() if name != key},
        failures={name: failure for name, failure in effects.failures.items() if name != key},
    )


def _effect_failed(state: RunState, event: e.EffectFailed, at: float) -> RunState:
    key = parse_key(event.key)
    before = state.effects.failures.get(key)
    failure = Failure(
        count=(before.count if before else 0) + 1,
        at=at,
        reason=event.reason,
        hint=event.hint,
        final=event.final,
    )
    return _effects(state, open=state.effects.open - {key}, failures={**state.effects.failures, key: failure})


def _without(commands: Mapping[ProcessId, Command], process: ProcessId) -> Mapping[ProcessId, Command]:
    return {name: command for name, command in commands.items() if name != process}


def _phase(state: RunState, record: e.Record) -> RunState:
    match record.event:
        case e.RunStopped(reason=reason):
            return replace(state, phase=Phase.STOPPED, reason=reason, ended_at=record.at)
        case e.RunFinished():
            return replace(state, phase=Phase.FINISHED, ended_at=record.at)
        case e.StopRequested(workstream=None, reason=reason) if state.phase is Phase.RUNNING:
            return _stopping(state, reason)
        case e.ResumeRequested():
            return only_passed(_resumed(state, record))
        case e.ContinueRequested():
            return only_passed(forgiven(_woken(state, record)))
        case _:
            return state


def _stopping(state: RunState, reason: str) -> RunState:
    """Nothing is merged or landed any more, except a move that is under way: its outcome is awaited."""
    made = state.candidate
    moves = made is not None and advance_key(made.commit) in state.effects.open
    train = state.train if advancing(state) else Train()
    return replace(
        state,
        phase=Phase.STOPPING,
        reason=reason,
        candidate=made if moves else None,
        landing=None,
        train=train,
        suspects=(),
    )


def _woken(state: RunState, record: e.Record) -> RunState:
    """The state after a request that gives a run at rest something to do."""
    state = behind_changed(state, record.event)
    if isinstance(record.event, e.LandRequested):
        wish = record.event
        landing = Landing(
            request=record.cause,
            at=record.at,
            allow_protected=wish.allow_protected,
            allow_secrets=wish.allow_secrets,
            allow_large=wish.allow_large,
            allow_changed=wish.allow_changed,
            allow_held=wish.allow_held,
            onto=wish.onto,
        )
        return only_passed(replace(state, landing=landing, land_refusal=""))
    if state.phase is Phase.STOPPED and isinstance(record.event, _MINOR):
        return state
    phase = Phase.RUNNING if state.phase in {Phase.FINISHED, Phase.STOPPED} else state.phase
    return _effects(replace(state, phase=phase, reason=""), failures={})


def _resumed(state: RunState, record: e.Record) -> RunState:
    state = forgiven(_effects(replace(state, phase=Phase.RUNNING, reason="", ended_at=None), failures={}))
    if held_by_base(state):
        checks = replace(state.base_checks, judged=False, red="", log="")
        state = replace(state, on_hold=False, base_checks=checks)
    for workstream in state.workstreams.values():
        if workstream.stage is Stage.STOPPED:
            state = _with(state, _moved(workstream, taken_up(workstream, record.number), record))
    return state


def _fold_after(state: RunState, record: e.Record) -> RunState:
    match record.event:
        case e.Landed(workstreams=names):
            for name in names:
                before = state.workstreams[name]
                state = _with(state, _moved(before, replace(before, stage=Stage.LANDED), record))
            return state
        case e.CleanRequested(workstreams=names, force=force):
            wanted = {name: force or state.wishes.cleaning.get(name, False) for name in names}
            return _wishes(state, cleaning={**state.wishes.cleaning, **wanted})
        case e.WorktreeRemoved(workstream=name) | e.WorktreeKept(workstream=name):
            return _wishes(state, cleaning={key: by for key, by in state.wishes.cleaning.items() if key != name})
        case e.RestoreRequested(workstream=name):
            return _wishes(_wanted_again(state, restore_key(name)), restoring=state.wishes.restoring | {name})
        case e.WorktreeLost(workstream=name):
            return _wanted_again(state, restore_key(name))
        case e.TakeOverRequested(workstream=name, branch=branch):
            return _wishes(
                _wanted_again(state, take_over_key(name)), taking_over={**state.wishes.taking_over, name: branch}
            )
        case e.WorkTakenOver(workstream=name) | e.TakeOverRefused(workstream=name):
            left = {key: branch for key, branch in state.wishes.taking_over.items() if key != name}
            state = _wishes(state, taking_over=left)
            return _woken(state, record) if isinstance(record.event, e.WorkTakenOver) else state
        case e.WorktreeRestored(workstream=name) | e.RestoreRefused(workstream=name):
            return _wishes(state, restoring=state.wishes.restoring - {name})
        case _:
            return state
