"""Fold events into the state of one workstream; the run as a whole is in `fold/run.py`."""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.handoff import parse_handoff
from wt_orchestrate.domain.fold.attempt import counted, fold_attempt
from wt_orchestrate.domain.fold.comments import fold_comments
from wt_orchestrate.domain.fold.messages import fold_messages
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.plan.model import Budget
from wt_orchestrate.domain.plan.retry_ladder import BY_COMMITS, Cause
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import open_questions
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.train import check_result
from wt_orchestrate.domain.state.workstream import (
    Accepted,
    Approval,
    Change,
    Claim,
    Conflict,
    Elsewhere,
    Faults,
    Handoffs,
    Merged,
    Outcome,
    Retry,
    Setup,
    Tries,
    Usage,
    WorkstreamState,
    accepted,
    live_attempt,
    open_conflict,
)

_HISTORY = 200
"""How many of a workstream's newest commits stay in the state; the log keeps all."""
_OLD_CAUSES = {
    "evidence": Cause.EVIDENCE,
    "unclaimed": Cause.EVIDENCE,
    "conflict": Cause.CONFLICT,
    "crash": Cause.CRASH,
    "idle": Cause.CRASH,
    "limit": Cause.OVERLOAD,
}
"""The causes of retries in logs that did not name them."""


def fold_workstream(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    """A workstream after one more record about it."""
    return fold_comments(fold_messages(_fold(ws, record), record), record)


def _fold(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    at = record.at
    if isinstance(record.event, e.AttemptObserved):  # nine of ten events of a long run, and only the attempt folds it
        return fold_attempt(ws, record)
    match record.event:
        case e.WorktreeCreated() as created:
            made = replace(ws, worktree=created.path, branch=created.branch, base=created.base, head=created.base)
            return _condition(made, removed=False)
        case e.SetupFinished() as setup:
            return _set_up(ws, setup)
        case e.MemoryRecalled() as recalled:
            return replace(ws, recalled=recalled)
        case e.CommitsSeen() as seen:
            kept = seen.commits if seen.rewritten else (*ws.history, *seen.commits)
            tries = _without(ws.tries, BY_COMMITS) if seen.commits and not seen.rewritten else ws.tries
            return replace(ws, head=seen.head, head_at=at, commits=seen.count, history=kept[-_HISTORY:], tries=tries)
        case e.HandoffSeen(text=text, problem=problem):
            if problem:
                return replace(ws, handoffs=replace(ws.handoffs, problem=problem))
            return replace(ws, handoff=parse_handoff(text), handoffs=Handoffs(at=at, versions=ws.handoffs.versions + 1))
        case e.StopRequested():
            return replace(ws, stopping=True)
        case e.AnswerRequested() as given:
            return _given(ws, given)
        case e.ContinueRequested():
            return _continued(_let_through(ws), record, by_person=True)
        case e.RetryRequested(fresh=fresh):
            return _retried(ws, fresh=fresh)
        case e.PullRequestNoted(pull_request=noted):
            return replace(ws, pull_request=noted)
        case e.WorktreeRemoved(uncommitted=rescued):
            return _condition(ws, removed=True, lost="", rescued=rescued)
        case e.CommitsElsewhere(head=head, where=where):
            return _condition(ws, elsewhere=Elsewhere(head=head, branch=where) if head is not None else None)
        case e.WorkTakenOver():
            return _condition(_continued(ws, record, by_person=False), elsewhere=None)
        case e.WorktreeLost(what=what):
            return _condition(ws, lost=what)
        case e.WorktreeRestored(path=path):
            return _condition(replace(ws, worktree=path), removed=False, lost="", rescued=None)
        case _:
            return _fold_verdict(fold_attempt(_fold_steering(ws, record), record), record)


def _fold_steering(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    match record.event:
        case e.RedirectRequested(brief=brief):
            return replace(ws, spec=replace(ws.spec, brief=brief), redirected=bool(ws.attempts))
        case e.AllowRequested(rules=rules):
            return replace(ws, allowed=tuple(dict.fromkeys((*ws.allowed, *rules))))
        case e.EditRequested(spec=spec):
            return replace(ws, spec=spec)
        case e.CancelRequested(reason=reason):
            return replace(ws, cancelling=reason)
        case e.HoldRequested():
            return replace(ws, on_hold=True)
        case e.ReleaseRequested():
            return replace(ws, on_hold=False)
        case e.LimitRequested() as wanted:
            limits = raised(ws.spec.limits, wanted)
            return replace(ws, spec=replace(ws.spec, limits=limits), usage=Usage())
        case e.BudgetWarned(what=what):
            return replace(ws, usage=nearly(ws.usage, what))
        case e.BudgetReached(what=what):
            return replace(ws, usage=used_up(ws.usage, what, record.at))
        case e.ExpansionRefused():
            return replace(ws, further={})
        case _:
            return ws


def nearly(usage: Usage, what: str) -> Usage:
    """A limit is nearly used up."""
    return replace(usage, limits={**usage.limits, what: False})


def used_up(usage: Usage, what: str, at: float) -> Usage:
    """A limit is used up: agents are asked to end."""
    return Usage(limits={**usage.limits, what: True}, wrapping_since=at)


def raised(limits: Budget, wanted: e.LimitRequested) -> Budget:
    """The limits, with the requested ones replaced."""
    return Budget(
        budget_usd=limits.budget_usd if wanted.budget_usd is None else wanted.budget_usd,
        tokens=limits.tokens if wanted.tokens is None else wanted.tokens,
        turns=limits.turns if wanted.turns is None else wanted.turns,
        wall=limits.wall if wanted.wall is None else wanted.wall,
    )


def _without(tries: Tries, causes: frozenset[Cause]) -> Tries:
    """What was tried, with these causes counted from zero again."""
    return replace(tries, by_cause={cause: count for cause, count in tries.by_cause.items() if cause not in causes})


def _given(ws: WorkstreamState, given: e.AnswerRequested) -> WorkstreamState:
    """An answer waits at its question; the next attempt gets it if there is none any more."""
    ws = replace(ws, answer=given.text)
    live = live_attempt(ws)
    if live is None:
        return ws
    waiting = (each.id for each in open_questions(live.asks) if each.answer is None)
    name = given.ask or next(waiting, "")
    asks = tuple(replace(each, answer=given.text) if each.id == name else each for each in live.asks)
    return replace(ws, attempts=(*ws.attempts[:-1], replace(live, asks=asks)))


def _set_up(ws: WorkstreamState, setup: e.SetupFinished) -> WorkstreamState:
    passed = setup.exit_code == 0
    failure = "" if passed else f"the setup command `{setup.command}` ended with exit code {setup.exit_code}"
    done = Setup(
        done=ws.setup.done + passed, tries=ws.setup.tries + 1, failure=failure, log="" if passed else setup.log
    )
    return replace(ws, setup=done)


def _condition(ws: WorkstreamState, **changes: object) -> WorkstreamState:
    return replace(ws, checkout=replace(ws.checkout, **changes))


def _closed(ws: WorkstreamState) -> Conflict | None:
    """Its last conflict, which nobody has to resolve any more as it was."""
    return replace(ws.conflict, open=False) if ws.conflict is not None else None


def _reset(ws: WorkstreamState) -> WorkstreamState:
    """A person says that it can go on: what was tried, found and decided before counts no more. What stays is its work
    and its story: commits, attempts, messages, comments, and the conflict whose resolution will be judged."""
    return replace(
        ws,
        tries=Tries(after=len(ws.attempts)),
        faults=Faults(),
        outcome=Outcome(),
        setup=Setup(done=ws.setup.done, tries=ws.setup.tries),
        conflict=_closed(ws),
        claim=None,
        further={},
        retry=None,
        answer=None,
        stopping=False,
        cancelling="",
    )


def _retried(ws: WorkstreamState, *, fresh: bool) -> WorkstreamState:
    """Another attempt, requested by a person."""
    ws = _reset(ws)
    if ws.worktree is None:
        return replace(ws, stage=Stage.QUEUED)
    if not ws.attempts:
        return replace(ws, stage=Stage.PREPARING)
    message = "A person asked for another attempt. Look at `git status` and HANDOFF.md first, then finish the work."
    return _judged(
        replace(
            ws,
            stage=Stage.PREPARING,
            retry=Retry(reason="retry", message=message, fresh=fresh, not_before=0.0),
        )
    )


def _continued(ws: WorkstreamState, record: e.Record, *, by_person: bool) -> WorkstreamState:
    """A person fixed it, or took over what an agent left elsewhere: verify what is there again."""
    order = ws.claim.order if ws.claim is not None else record.number
    ws = _reset(ws)
    if ws.worktree is None:
        return replace(ws, stage=Stage.QUEUED)
    if not ws.attempts:
        return replace(ws, stage=Stage.PREPARING)
    return _claimed(ws, Claim(order=order, by_person=by_person))


def _let_through(ws: WorkstreamState) -> WorkstreamState:
    """A person lets through what it is held for, if it is."""
    if not ws.faults.held:
        return ws
    given = dict.fromkeys((*ws.approval.given, *ws.approval.asked))
    return replace(ws, approval=Approval(given=tuple(given)))


def _claimed(ws: WorkstreamState, claim: Claim) -> WorkstreamState:
    """One more claim that its work is finished, which nobody has looked at."""
    return replace(ws, stage=Stage.CLAIMED, claims=ws.claims + 1, claim=claim)


def _judged(ws: WorkstreamState) -> WorkstreamState:
    """A conclusion was drawn from the last attempt's end."""
    return replace(ws, attempts=tuple(replace(a, judged=a.judged or a.ended_at is not None) for a in ws.attempts))


def _fold_verdict(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    at = record.at
    match record.event:
        case e.ClaimMade():
            return _judged(_claimed(replace(ws, faults=Faults()), Claim(order=record.number)))
        case e.ClaimAccepted(round=number) | e.ClaimRejected(round=number) if not _is_looked_at(ws, number):
            return ws  # the claim was withdrawn while the evidence was gathered
        case e.ClaimAccepted() as claimed:
            return _accepted(ws, claimed, record)
        case e.ClaimRejected(findings=findings, head=head, held=held):
            faults = replace(ws.faults, findings=findings, held=bool(held))
            asked = replace(ws, approval=replace(ws.approval, asked=held or ws.approval.asked))
            return replace(asked, faults=faults, looked_at=head, head=head if ws.spec.branch else ws.head)
        case e.MergeConflicted(head=head) | e.ProofFailed(head=head) if ws.stage is not Stage.VERIFYING or _is_other(
            ws, head
        ):
            return ws
        case e.MergeConflicted(paths=paths, onto=onto, head=head):
            return replace(ws, conflict=Conflict(paths=paths, onto=onto, head=head))
        case e.ConflictSettled() as settled:
            return _settled(ws, settled)
        case e.SettleFailed(head=head, why=why) if (found := _in_conflict(ws, head)) is not None:
            return replace(ws, conflict=replace(found, unsettled=True, why=why))
        case e.MergeMade(head=head):
            return _merged(ws, head)
        case e.UnionRejected() as rejected:
            return _guessed_wrong(ws, rejected)
        case e.ArbiterCalled(arbiter=name) if ws.conflict is not None:
            return replace(counted(ws, Cause.CONFLICT), conflict=replace(ws.conflict, arbiter=name))
        case e.ProofFailed(lost=lost):
            findings = tuple(f"the merge lost {path}" for path in lost)
            return replace(ws, faults=replace(ws.faults, findings=findings))
        case e.CheckFinished() as check:
            return _checked(ws, check, at)
        case e.Verified():
            return replace(ws, stage=Stage.VERIFIED)
        case e.Integrated(commit=commit):
            return replace(
                ws,
                stage=Stage.INTEGRATED,
                merged=Merged(at=at, commit=commit, order=record.number if commit is not None else 0),
                outcome=replace(ws.outcome, reason="", hint=""),
            )
        case e.MergedElsewhere() if ws.stage is Stage.INTEGRATED:
            return replace(ws, stage=Stage.LANDED)
        case e.IntegrationMoved():
            return replace(ws, stage=Stage.VERIFYING, checks=())
        case e.RetryDecided() as retry:
            return _judged(_retry_decided(ws, retry))
        case e.WorkstreamFailed(reason=reason, hint=hint, tried=tried):
            outcome = replace(ws.outcome, reason=reason, hint=hint, tried=tried)
            after = replace(ws, stage=Stage.FAILED, outcome=outcome)
            return _judged(replace(after, retry=None))
        case e.WorkstreamEscalated(reason=reason, commands=commands, tried=tried):
            outcome = replace(ws.outcome, reason=reason, commands=commands, tried=tried)
            after = replace(ws, stage=Stage.ESCALATED, outcome=outcome)
            return _judged(replace(after, retry=None))
        case e.WorkstreamStopped():
            return _judged(replace(ws, stage=Stage.STOPPED, stopping=False, stopped_in=ws.stage))
        case e.WorkstreamCancelled():
            return _judged(
                replace(
                    ws,
                    stage=Stage.CANCELLED,
                    outcome=replace(ws.outcome, reason=ws.cancelling),
                    cancelling="",
                    stopping=False,
                    retry=None,
                )
            )
        case _:
            return ws


def _retry_decided(ws: WorkstreamState, retry: e.RetryDecided) -> WorkstreamState:
    return replace(
        counted(ws, retry.cause or _OLD_CAUSES.get(retry.reason)),
        stage=Stage.PREPARING,
        retry=Retry(reason=retry.reason, message=retry.message, fresh=retry.fresh, not_before=retry.not_before),
        conflict=_closed(ws),
        faults=Faults(findings=ws.faults.findings),
        claim=None,
        answer=None,
    )


def _is_looked_at(ws: WorkstreamState, number: int) -> bool:
    return ws.stage is Stage.CLAIMED and number in {0, ws.claims}


def _in_conflict(ws: WorkstreamState, head: CommitId) -> Conflict | None:
    """The conflict of this head that waits to be resolved."""
    found = open_conflict(ws) if ws.stage is Stage.VERIFYING else None
    return found if found is not None and found.head == head else None


def _accepted(ws: WorkstreamState, found: e.ClaimAccepted, record: e.Record) -> WorkstreamState:
    claim = ws.claim or Claim(order=record.number)
    of_head = Accepted(commit=found.head, at=record.at, order=record.number, tree=found.tree)
    return replace(
        ws,
        stage=Stage.VERIFYING,
        head=found.head if ws.spec.branch else ws.head,
        looked_at=found.head,
        claim=replace(claim, accepted=of_head),
        change=Change(
            files=found.files,
            added=found.added,
            deleted=found.deleted,
            paths=found.paths,
            protected=found.protected,
        ),
        further=found.further,
        conflict=_closed(ws),
        checks=(),
    )


def _settled(ws: WorkstreamState, settled: e.ConflictSettled) -> WorkstreamState:
    """A proven resolution. An arbiter's stands for the head that was accepted; one made on the train's tip holds only
    there, so the head stays what is merged again if the train is made again."""
    found = _in_conflict(ws, settled.head)
    if found is None and not _is_other(ws, settled.head) and ws.stage is Stage.VERIFYING:
        made = Conflict(paths=tuple(settled.by), head=settled.head, onto=settled.onto, open=False)
        return replace(ws, conflict=replace(made, settled_by=settled.by, resolved=settled.commit))
    if found is None or ws.claim is None or ws.claim.accepted is None:
        return ws
    return replace(
        ws,
        conflict=replace(found, open=False, settled_by=settled.by, resolved=settled.commit),
        claim=replace(ws.claim, accepted=replace(ws.claim.accepted, commit=settled.commit)),
    )


def _merged(ws: WorkstreamState, head: CommitId) -> WorkstreamState:
    """The head is in the train: a conflict that it had at an earlier tip is no more; how it is settled this time follows."""
    found = ws.conflict
    if found is None or found.head != head or found.unsettled:
        return ws
    return replace(ws, conflict=None)


def _guessed_wrong(ws: WorkstreamState, rejected: e.UnionRejected) -> WorkstreamState:
    """A conflict that was resolved by a guess is open again, and will not be guessed again."""
    found = ws.conflict
    if ws.stage is not Stage.VERIFYING or found is None or found.open or found.head != rejected.head:
        return ws
    why = dict.fromkeys(rejected.paths, f"union was tried, and `{rejected.command}` failed")
    again = replace(found, open=True, unsettled=True, onto=rejected.onto, why=why, settled_by={}, resolved=None)
    return replace(ws, conflict=again)


def _is_other(ws: WorkstreamState, head: CommitId | None) -> bool:
    return head is not None and head != accepted(ws)


_OF_ITS_OWN = frozenset({"", "train", "confirm"})
"""Purposes of checks on the tree that holds its work; others look for the cause of a failure."""


def _checked(ws: WorkstreamState, check: e.CheckFinished, at: float) -> WorkstreamState:
    """A check's result on a tree to which only this workstream's work was added; a shared tree is judged by
    `RiderBlamed`."""
    if check.outcome is e.CheckOutcome.LOST or ws.stage is not Stage.VERIFYING:
        return ws
    if check.ahead or check.probe not in _OF_ITS_OWN:
        return ws
    result = check_result(check, at)
    failed = check.outcome is not e.CheckOutcome.PASSED
    others = (old for old in ws.checks if old.commit == check.commit and old.command != check.command)
    checks = (*others, result)
    passed = sum(each.outcome is e.CheckOutcome.PASSED for each in checks)
    failed_check = result if failed and not check.probe else ws.faults.failed_check if check.probe else None
    tries = _without(ws.tries, frozenset({Cause.EVIDENCE})) if passed > ws.tries.passed_most else ws.tries
    return replace(
        ws,
        checks=checks,
        faults=replace(ws.faults, failed_check=failed_check),
        tries=replace(tries, passed_most=max(passed, tries.passed_most)),
    )


def taken_up(workstream: WorkstreamState, number: int) -> WorkstreamState:
    """A stopped workstream, resumed. A claim that was being verified is verified again; no new agent works on it."""
    if workstream.worktree is None:
        return replace(workstream, stage=Stage.QUEUED, stopping=False)
    if workstream.stopped_in in {Stage.CLAIMED, Stage.VERIFYING, Stage.VERIFIED}:
        faults = replace(workstream.faults, findings=())
        claim = replace(workstream.claim, accepted=None) if workstream.claim is not None else Claim(order=number)
        return _claimed(replace(workstream, stopping=False, faults=faults), claim)
    retry = workstream.retry
    if retry is None and workstream.attempts:
        retry = Retry(
            reason="resume",
            message="You were stopped and now continue. Look at `git status` and HANDOFF.md first, then finish the work.",
            fresh=False,
            not_before=0.0,
        )
    return replace(workstream, stage=Stage.PREPARING, stopping=False, retry=retry)
