"""Events folded into the state of one workstream; the run as a whole is `fold.py`'s."""

from __future__ import annotations

from dataclasses import replace

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.handoff import parse_handoff
from wt_orchestrate.domain.ids import AttemptId
from wt_orchestrate.domain.state import Ask, Attempt, CheckResult, CommitSeen, Retry, Stage, WorkstreamState

_HISTORY = 200
"""How many of a workstream's newest commits stay in the state; the log keeps all."""


def fold_workstream(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    """A workstream after one more record that is about it."""
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
        by_person=True,
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
                replace(
                    ws,
                    stage=Stage.CLAIMED,
                    claims=ws.claims + 1,
                    accepted=None,
                    findings=(),
                    failed_check=None,
                    by_person=False,
                )
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
        case e.MergeConflicted(paths=paths, onto=onto, head=head):
            return replace(ws, conflict=paths, conflict_onto=onto, conflict_head=head, conflicts=ws.conflicts + 1)
        case e.ProofFailed(lost=lost):
            return replace(ws, findings=tuple(f"the merge lost {path}" for path in lost))
        case e.CheckFinished() as check:
            return _checked(ws, check, at)
        case e.Verified():
            return replace(ws, stage=Stage.VERIFIED)
        case e.Integrated(commit=commit):
            return replace(
                ws,
                stage=Stage.INTEGRATED,
                integrated_as=commit,
                integrated_order=record.number if commit is not None else 0,
                integrated_at=at,
                reason="",
                hint="",
            )
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


def taken_up(workstream: WorkstreamState) -> WorkstreamState:
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
