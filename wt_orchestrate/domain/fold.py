"""Events folded into state: the only way state changes.

`fold` is total and pure: the same records give the same state, on any machine and in any year. A stage that the table of
legal moves does not allow raises `InvariantBroken` with the workstream's story, because it means a rule is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.handoff import parse_handoff
from wt_orchestrate.domain.ids import AttemptId, ProcessId, WorkstreamId, workstream_branch
from wt_orchestrate.domain.state import (
    MOVES,
    Ask,
    Attempt,
    Candidate,
    CheckResult,
    Command,
    CommitSeen,
    Failure,
    Landing,
    Phase,
    Retry,
    RunState,
    Stage,
    WorkstreamState,
)
from wt_orchestrate.errors import InvariantBroken

_HISTORY = 200
"""How many of a workstream's newest commits stay in the state; the log keeps all."""


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
    if name is not None and name in folded.workstreams:
        before = folded.workstreams[name]
        after = _fold_workstream(before, record)
        if after is not before:
            folded = _with(folded, _moved(before, after, record.at))
    return replace(folded, number=record.number, at=record.at)


def _run_started(record: e.Record, event: e.RunStarted) -> RunState:
    names = [WorkstreamId(name) for name in event.plan.workstreams]
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
        workstreams={
            name: WorkstreamState(
                id=name,
                spec=event.plan.workstreams[name],
                since=record.at,
                branch=workstream_branch(record.run, name),
            )
            for name in names
        },
    )


def _with(state: RunState, workstream: WorkstreamState) -> RunState:
    return replace(state, workstreams={**state.workstreams, workstream.id: workstream})


def _moved(before: WorkstreamState, after: WorkstreamState, at: float) -> WorkstreamState:
    if before.stage == after.stage:
        return after
    if after.stage not in MOVES[before.stage]:
        raise InvariantBroken(
            f"{after.id} cannot go from {before.stage} to {after.stage}",
            story=[f"{attempt.id}: {attempt.reason}, ended by {attempt.cause}" for attempt in after.attempts],
        )
    return replace(after, since=at)


def _fold_run(state: RunState, record: e.Record) -> RunState:
    match record.event:
        case e.BaseVaulted(base=base):
            return replace(state, integration=base)
        case e.EffectIntended(key=key, pins=pins):
            return _intended(state, key, pins, record.at)
        case e.EffectConcluded(key=key):
            return _concluded(state, key)
        case e.EffectFailed() as failed:
            return _effect_failed(state, failed, record.at)
        case e.CommandStarted() as started:
            command = Command(
                process=started.process,
                workstream=started.workstream,
                purpose=started.purpose,
                command=started.command,
                started_at=record.at,
            )
            return replace(state, commands={**state.commands, started.process: command})
        case e.SetupFinished(process=process) | e.CommandDropped(process=process):
            return replace(state, commands=_without(state.commands, process))
        case e.CheckFinished() as check:
            return _check_finished(state, check)
        case e.MergeMade() as made:
            return replace(
                state,
                candidate=Candidate(
                    workstream=made.workstream, head=made.head, onto=made.onto, commit=made.commit, tree=made.tree
                ),
            )
        case e.IntegrationMoved(found=found):
            return replace(state, candidate=None, integration=found or state.integration)
        case e.IntegrationAdvanced(commit=commit):
            return replace(state, integration=commit)
        case (
            e.WorkstreamFailed(workstream=name)
            | e.WorkstreamEscalated(workstream=name)
            | e.WorkstreamStopped(workstream=name)
            | e.RetryDecided(workstream=name)
        ) if state.candidate is not None and state.candidate.workstream == name:
            return replace(state, candidate=None)
        case e.Integrated(commit=commit):
            candidate = None if commit is not None else state.candidate
            return replace(state, candidate=candidate, integration=commit or state.integration)
        case e.RunStopped() | e.RunFinished() | e.StopRequested() | e.ResumeRequested() | e.ContinueRequested():
            return _phase(state, record)
        case e.AnswerRequested() | e.LandRequested():
            return _woken(state, record)
        case _:
            return _fold_landing(state, record)


def _intended(state: RunState, key: str, pins: Mapping[str, str], at: float) -> RunState:
    state = replace(state, open=state.open | {key}, pins={**state.pins, key: pins} if pins else state.pins)
    kind, _, rest = key.partition(":")
    workstream = state.workstreams.get(WorkstreamId(rest))
    if kind == "worktree" and workstream is not None and workstream.stage is Stage.QUEUED:
        after = replace(workstream, stage=Stage.PREPARING, started_at=workstream.started_at or at)
        state = _with(state, _moved(workstream, after, at))
    return state


def _concluded(state: RunState, key: str) -> RunState:
    return replace(
        state,
        open=state.open - {key},
        pins={name: pins for name, pins in state.pins.items() if name != key},
        failures={name: failure for name, failure in state.failures.items() if name != key},
    )


def _effect_failed(state: RunState, event: e.EffectFailed, at: float) -> RunState:
    before = state.failures.get(event.key)
    failure = Failure(
        count=(before.count if before else 0) + 1,
        at=at,
        reason=event.reason,
        hint=event.hint,
        final=event.final,
    )
    return replace(state, open=state.open - {event.key}, failures={**state.failures, event.key: failure})


def _check_finished(state: RunState, check: e.CheckFinished) -> RunState:
    state = replace(state, commands=_without(state.commands, check.process))
    candidate = state.candidate
    if candidate is None or candidate.commit != check.commit:
        return state
    if check.outcome is e.CheckOutcome.LOST:
        return replace(state, candidate=replace(candidate, tries=candidate.tries + 1))
    if check.outcome is not e.CheckOutcome.PASSED:
        landing = state.landing
        if landing is not None and candidate.workstream is None:
            landing = replace(landing, failed_check=f"`{check.command}` {check.outcome}; its output is in {check.log}")
        return replace(state, candidate=None, landing=landing)
    return replace(state, candidate=replace(candidate, passed=candidate.passed + 1))


def _without(commands: Mapping[ProcessId, Command], process: ProcessId) -> Mapping[ProcessId, Command]:
    return {name: command for name, command in commands.items() if name != process}


def _phase(state: RunState, record: e.Record) -> RunState:
    match record.event:
        case e.RunStopped(reason=reason):
            return replace(state, phase=Phase.STOPPED, reason=reason, ended_at=record.at)
        case e.RunFinished():
            return replace(state, phase=Phase.FINISHED, ended_at=record.at)
        case e.StopRequested(workstream=None, reason=reason) if state.phase is Phase.RUNNING:
            return replace(state, phase=Phase.STOPPING, reason=reason, candidate=None, landing=None)
        case e.ResumeRequested():
            return _resumed(state, record.at)
        case e.ContinueRequested():
            return _woken(state, record)
        case _:
            return state


def _woken(state: RunState, record: e.Record) -> RunState:
    """A request that gives a run at rest something to do again."""
    if isinstance(record.event, e.LandRequested):
        landing = Landing(request=record.cause, at=record.at, allow_protected=record.event.allow_protected)
        return replace(state, landing=landing, land_refusal="")
    phase = Phase.RUNNING if state.phase in {Phase.FINISHED, Phase.STOPPED} else state.phase
    return replace(state, phase=phase, reason="", failures={})


def _resumed(state: RunState, at: float) -> RunState:
    state = replace(state, phase=Phase.RUNNING, reason="", failures={}, ended_at=None)
    for workstream in state.workstreams.values():
        if workstream.stage is Stage.STOPPED:
            state = _with(state, _moved(workstream, _taken_up(workstream), at))
    return state


def _taken_up(workstream: WorkstreamState) -> WorkstreamState:
    """A stopped workstream on its way again."""
    if workstream.worktree is None:
        return replace(workstream, stage=Stage.QUEUED, stopping=False)
    retry = workstream.retry
    if retry is None and workstream.attempts:
        retry = Retry(
            reason="resume",
            message="You were stopped and now go on. Look at `git status` and HANDOFF.md first, then finish the work.",
            fresh=False,
            not_before=0.0,
        )
    return replace(workstream, stage=Stage.PREPARING, stopping=False, retry=retry)


def _fold_landing(state: RunState, record: e.Record) -> RunState:
    landing = state.landing
    match record.event:
        case e.LandingPrepared() as prepared if landing is not None:
            candidate = Candidate(
                workstream=None,
                head=None,
                onto=prepared.expected,
                commit=prepared.commit,
                tree=prepared.tree,
                checked=prepared.checked,
            )
            landing = replace(landing, expected=prepared.expected, commit=prepared.commit, tries=landing.tries + 1)
            return replace(state, landing=landing, candidate=candidate)
        case e.Landed(commit=commit, workstreams=names):
            state = replace(state, landing=None, candidate=None, landed=commit, landed_at=record.at, integration=commit)
            for name in names:
                before = state.workstreams[name]
                state = _with(state, _moved(before, replace(before, stage=Stage.LANDED), record.at))
            return state
        case e.TargetMoved():
            return replace(state, candidate=None)
        case e.LandRefused(reason=reason):
            candidate_left = state.candidate if state.candidate and state.candidate.workstream else None
            return replace(state, landing=None, candidate=candidate_left, land_refusal=reason)
        case e.CleanRequested(workstreams=names, force=force):
            return replace(state, cleaning={**state.cleaning, **dict.fromkeys(names, force)})
        case e.WorktreeRemoved(workstream=name) | e.WorktreeKept(workstream=name):
            return replace(state, cleaning={key: by for key, by in state.cleaning.items() if key != name})
        case e.RestoreRequested(workstream=name):
            return replace(state, restoring=state.restoring | {name})
        case e.WorktreeRestored(workstream=name) | e.RestoreRefused(workstream=name):
            return replace(state, restoring=state.restoring - {name})
        case _:
            return state


# ---------------------------------------------------------------- one workstream


def _fold_workstream(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    at = record.at
    match record.event:
        case e.WorktreeCreated() as created:
            return replace(
                ws, worktree=created.path, branch=created.branch, base=created.base, head=created.base, removed=False
            )
        case e.SetupFinished() as setup:
            return _set_up(ws, setup)
        case e.CommitsSeen() as seen:
            lines = tuple(
                CommitSeen(id=line.id, author=line.author, at=line.at, subject=line.subject, paths=line.paths)
                for line in seen.commits
            )
            kept = lines if seen.rewritten else (*ws.history, *lines)
            return replace(ws, head=seen.head, head_at=at, commits=seen.count, history=kept[-_HISTORY:])
        case e.HandoffSeen(text=text, problem=problem):
            if problem:
                return replace(ws, handoff_problem=problem)
            return replace(
                ws,
                handoff=parse_handoff(text),
                handoff_at=at,
                handoff_versions=ws.handoff_versions + 1,
                handoff_problem="",
            )
        case e.StopRequested():
            return replace(ws, stopping=True)
        case e.AnswerRequested(text=text):
            return replace(ws, answer=text)
        case e.ContinueRequested():
            return _continued(ws)
        case e.WorktreeRemoved():
            return replace(ws, removed=True)
        case e.WorktreeRestored(path=path):
            return replace(ws, removed=False, worktree=path)
        case _:
            return _fold_verdict(_fold_attempt(ws, record), record)


def _set_up(ws: WorkstreamState, setup: e.SetupFinished) -> WorkstreamState:
    passed = setup.exit_code == 0
    failure = "" if passed else f"the setup command `{setup.command}` ended with exit code {setup.exit_code}"
    return replace(
        ws,
        setup_done=ws.setup_done + passed,
        setup_tries=ws.setup_tries + 1,
        setup_failure=failure,
        setup_log="" if passed else setup.log,
    )


def _continued(ws: WorkstreamState) -> WorkstreamState:
    """A person says this can go on: counters start anew, and what is there is looked at again."""
    ws = replace(
        ws,
        rejections=0,
        conflicts=0,
        crashes=0,
        patience=0,
        setup_failure="",
        conflict=(),
        failed_check=None,
        reason="",
        hint="",
        commands=(),
        stopping=False,
    )
    if ws.worktree is None:
        return replace(ws, stage=Stage.QUEUED)
    if not ws.attempts:
        return replace(ws, stage=Stage.PREPARING)
    return replace(ws, stage=Stage.CLAIMED, claims=ws.claims + 1, accepted=None, findings=(), retry=None)


def _fold_attempt(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    match record.event:
        case e.AttemptStarted() as started:
            attempt = Attempt(
                id=started.attempt,
                epoch=started.epoch,
                session=started.session,
                resumed=started.resumed,
                agent=started.agent,
                agent_type=started.agent_type,
                reason=started.reason,
                started_at=started.started_at,
            )
            return replace(ws, stage=Stage.WORKING, attempts=(*ws.attempts, attempt), retry=None, answer=None)
        case e.AttemptObserved(attempt=name) as seen:
            return _change(ws, name, _observed(_attempt(ws, name), seen, record.at))
        case e.AttemptAsked(attempt=name) as asked:
            ask = Ask(
                id=asked.ask,
                question=asked.question,
                tool=asked.tool,
                text=asked.text,
                payload=asked.payload,
                options=asked.options,
                at=record.at,
            )
            attempt = _attempt(ws, name)
            if any(known.id == ask.id for known in attempt.asks):
                return ws
            return _change(ws, name, replace(attempt, asks=(*attempt.asks, ask)))
        case e.AttemptAnswered(attempt=name, ask=answered):
            attempt = _attempt(ws, name)
            left = tuple(ask for ask in attempt.asks if ask.id != answered)
            question = any(ask.id == answered and ask.question for ask in attempt.asks)
            after = _change(ws, name, replace(attempt, asks=left, seen_at=record.at))
            return replace(after, answer=None) if question else after
        case e.AttemptStopping(attempt=name, reason=reason):
            return _change(ws, name, replace(_attempt(ws, name), stopping=reason))
        case e.AttemptEnded(attempt=name) as ended:
            attempt = replace(
                _attempt(ws, name),
                ended_at=ended.ended_at,
                exit_code=ended.exit_code,
                cause=ended.cause,
                detail=ended.detail,
                asks=(),
            )
            return _change(ws, name, attempt)
        case _:
            return ws


def _attempt(ws: WorkstreamState, name: AttemptId) -> Attempt:
    return next(attempt for attempt in reversed(ws.attempts) if attempt.id == name)


def _change(ws: WorkstreamState, name: AttemptId, changed: Attempt) -> WorkstreamState:
    return replace(ws, attempts=tuple(changed if attempt.id == name else attempt for attempt in ws.attempts))


def _observed(attempt: Attempt, seen: e.AttemptObserved, at: float) -> Attempt:
    return replace(
        attempt,
        offset=seen.offset,
        seen_at=at,
        answered=attempt.answered or seen.answered,
        version=seen.version or attempt.version,
        model=seen.model or attempt.model,
        tool=seen.tool or attempt.tool,
        target=seen.target if seen.tool else attempt.target,
        said=seen.said or attempt.said,
        outcome=seen.outcome or attempt.outcome,
        text=seen.text if seen.outcome else attempt.text,
        idle=seen.idle,
        waits=seen.waits,
        resets_at=seen.resets_at or attempt.resets_at,
        cost_usd=attempt.cost_usd + seen.cost_usd,
        input_tokens=attempt.input_tokens + seen.input_tokens,
        output_tokens=attempt.output_tokens + seen.output_tokens,
        cache_tokens=attempt.cache_tokens + seen.cache_tokens,
        turns=attempt.turns + seen.turns,
        denied=(*attempt.denied, *seen.denied),
    )


def _judged(ws: WorkstreamState) -> WorkstreamState:
    """The last attempt's end has been drawn a conclusion from."""
    return replace(ws, attempts=tuple(replace(a, judged=a.judged or a.ended_at is not None) for a in ws.attempts))


def _fold_verdict(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    at = record.at
    match record.event:
        case e.ClaimMade():
            return _judged(
                replace(ws, stage=Stage.CLAIMED, claims=ws.claims + 1, accepted=None, findings=(), failed_check=None)
            )
        case e.ClaimAccepted() as accepted:
            return replace(
                ws,
                stage=Stage.VERIFYING,
                accepted=accepted.head,
                accepted_at=at,
                accepted_order=record.number,
                files=accepted.files,
                added=accepted.added,
                deleted=accepted.deleted,
                paths=accepted.paths,
                protected=accepted.protected,
                conflict=(),
                checks=(),
            )
        case e.ClaimRejected(findings=findings):
            return replace(ws, findings=findings, rejections=ws.rejections + 1)
        case e.MergeConflicted(paths=paths, onto=onto):
            return replace(ws, conflict=paths, conflict_onto=onto, conflicts=ws.conflicts + 1)
        case e.ProofFailed(lost=lost):
            return replace(ws, findings=tuple(f"the merge lost {path}" for path in lost))
        case e.CheckFinished() as check:
            return _checked(ws, check, at)
        case e.Verified():
            return replace(ws, stage=Stage.VERIFIED)
        case e.Integrated(commit=commit):
            return replace(ws, stage=Stage.INTEGRATED, integrated_as=commit, integrated_at=at, reason="", hint="")
        case e.IntegrationMoved():
            return replace(ws, stage=Stage.VERIFYING, checks=())
        case e.RetryDecided() as retry:
            return _judged(
                replace(
                    ws,
                    stage=Stage.PREPARING,
                    retry=Retry(
                        reason=retry.reason, message=retry.message, fresh=retry.fresh, not_before=retry.not_before
                    ),
                    crashes=ws.crashes + (retry.reason in {"crash", "idle"}),
                    patience=ws.patience + (retry.reason == "limit"),
                    rejections=ws.rejections + (retry.reason == "unclaimed"),
                    conflict=(),
                    failed_check=None,
                    accepted=None,
                    answer=None,
                )
            )
        case e.WorkstreamFailed(reason=reason, hint=hint):
            return _judged(replace(ws, stage=Stage.FAILED, reason=reason, hint=hint, retry=None))
        case e.WorkstreamEscalated(reason=reason, commands=commands):
            return _judged(replace(ws, stage=Stage.ESCALATED, reason=reason, commands=commands, retry=None))
        case e.WorkstreamStopped():
            return _judged(replace(ws, stage=Stage.STOPPED, stopping=False))
        case _:
            return ws


def _checked(ws: WorkstreamState, check: e.CheckFinished, at: float) -> WorkstreamState:
    if check.outcome is e.CheckOutcome.LOST:
        return ws
    result = CheckResult(
        command=check.command,
        outcome=check.outcome,
        exit_code=check.exit_code,
        duration_s=check.duration_s,
        log=check.log,
        tail=check.tail,
        commit=check.commit,
        tree=check.tree,
        at=at,
    )
    failed = check.outcome is not e.CheckOutcome.PASSED
    return replace(
        ws,
        checks=(*(old for old in ws.checks if old.commit == check.commit), result),
        failed_check=result if failed else None,
        rejections=ws.rejections + failed,
    )
