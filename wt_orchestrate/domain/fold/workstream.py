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
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import Faults, Outcome, Retry, Tries, WorkstreamState
from wt_orchestrate.domain.state.train import CheckResult

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
            return replace(
                ws, worktree=created.path, branch=created.branch, base=created.base, head=created.base, removed=False
            )
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
        case e.RetryRequested(fresh=fresh):
            return _retried(ws, fresh=fresh)
        case e.PullRequestNoted(pull_request=noted):
            return replace(ws, pull_request=noted)
        case e.WorktreeRemoved(uncommitted=rescued):
            return replace(ws, removed=True, lost="", rescued=rescued)
        case e.CommitsElsewhere(head=head, where=where):
            return replace(ws, elsewhere=head, elsewhere_on=where)
        case e.WorkTakenOver():
            return replace(_continued(ws), by_person=False, elsewhere=None, elsewhere_on="")
        case e.WorktreeLost(what=what):
            return replace(ws, lost=what)
        case e.WorktreeRestored(path=path):
            return replace(ws, removed=False, worktree=path, lost="", rescued=None)
        case _:
            return _fold_verdict(fold_attempt(_fold_steering(ws, record), record), record)


def _fold_steering(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    match record.event:
        case e.RedirectRequested(brief=brief):
            return replace(ws, spec=replace(ws.spec, brief=brief), redirected=bool(ws.attempts))
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
            return replace(ws, spec=replace(ws.spec, limits=limits), budget={}, wrapping_since=None)
        case e.BudgetWarned(what=what):
            return replace(ws, budget={**ws.budget, what: False})
        case e.BudgetReached(what=what):
            return replace(ws, budget={**ws.budget, what: True}, wrapping_since=record.at)
        case e.ExpansionRefused():
            return replace(ws, further={})
        case _:
            return ws


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


def _reset(ws: WorkstreamState) -> WorkstreamState:
    """A person says that it can go on: counters are reset."""
    return replace(
        ws,
        tries=Tries(after=len(ws.attempts)),
        faults=Faults(),
        outcome=Outcome(),
        setup_failure="",
        conflict=(),
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
            accepted=None,
            retry=Retry(reason="retry", message=message, fresh=fresh, not_before=0.0),
        )
    )


def _continued(ws: WorkstreamState) -> WorkstreamState:
    """A person fixed it: verify what is there again."""
    ws = replace(_reset(ws), by_person=True)
    if ws.worktree is None:
        return replace(ws, stage=Stage.QUEUED)
    if not ws.attempts:
        return replace(ws, stage=Stage.PREPARING)
    return replace(ws, stage=Stage.CLAIMED, claims=ws.claims + 1, accepted=None, retry=None)


def _judged(ws: WorkstreamState) -> WorkstreamState:
    """A conclusion was drawn from the last attempt's end."""
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
                    claimed_order=record.number,
                    accepted=None,
                    faults=Faults(),
                    by_person=False,
                )
            )
        case e.ClaimAccepted(round=number) | e.ClaimRejected(round=number) if not _is_looked_at(ws, number):
            return ws  # the claim was withdrawn while the evidence was gathered
        case e.ClaimAccepted() as accepted:
            return replace(
                ws,
                stage=Stage.VERIFYING,
                head=accepted.head if ws.spec.branch else ws.head,
                looked_at=accepted.head,
                accepted=accepted.head,
                accepted_at=at,
                accepted_order=record.number,
                files=accepted.files,
                added=accepted.added,
                deleted=accepted.deleted,
                paths=accepted.paths,
                protected=accepted.protected,
                further=accepted.further,
                own_tree=accepted.tree,
                conflict=(),
                checks=(),
            )
        case e.ClaimRejected(findings=findings, head=head):
            faults = replace(ws.faults, findings=findings)
            return replace(ws, faults=faults, looked_at=head, head=head if ws.spec.branch else ws.head)
        case e.MergeConflicted(head=head) | e.ProofFailed(head=head) if ws.stage is not Stage.VERIFYING or _is_other(
            ws, head
        ):
            return ws
        case e.MergeConflicted(paths=paths, onto=onto, head=head):
            return replace(
                ws, conflict=paths, conflict_onto=onto, conflict_head=head, unsettled=False, arbiter=None, settled_by={}
            )
        case e.ConflictSettled(head=head, commit=commit, by=by) if _in_conflict(ws, head):
            return replace(ws, conflict=(), accepted=commit, settled_by=by)
        case e.SettleFailed(head=head) if _in_conflict(ws, head):
            return replace(ws, unsettled=True)
        case e.ArbiterCalled(arbiter=name):
            return replace(counted(ws, Cause.CONFLICT), arbiter=name)
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
                integrated_as=commit,
                integrated_order=record.number if commit is not None else 0,
                integrated_at=at,
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
        conflict=(),
        faults=Faults(findings=ws.faults.findings),
        accepted=None,
        answer=None,
    )


def _is_looked_at(ws: WorkstreamState, number: int) -> bool:
    return ws.stage is Stage.CLAIMED and number in {0, ws.claims}


def _in_conflict(ws: WorkstreamState, head: CommitId) -> bool:
    return ws.stage is Stage.VERIFYING and bool(ws.conflict) and ws.conflict_head == head


def _is_other(ws: WorkstreamState, head: CommitId | None) -> bool:
    return head is not None and head != ws.accepted


_OF_ITS_OWN = frozenset({"", "train", "confirm"})
"""Purposes of checks on the tree that holds its work; others look for the cause of a failure."""


def _checked(ws: WorkstreamState, check: e.CheckFinished, at: float) -> WorkstreamState:
    """A check's result on a tree to which only this workstream's work was added; a shared tree is judged by
    `RiderBlamed`."""
    if check.outcome is e.CheckOutcome.LOST or ws.stage is not Stage.VERIFYING:
        return ws
    if check.ahead or check.probe not in _OF_ITS_OWN:
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


def taken_up(workstream: WorkstreamState) -> WorkstreamState:
    """A stopped workstream, resumed. A claim that was being verified is verified again; no new agent works on it."""
    if workstream.worktree is None:
        return replace(workstream, stage=Stage.QUEUED, stopping=False)
    if workstream.stopped_in in {Stage.CLAIMED, Stage.VERIFYING, Stage.VERIFIED}:
        claims = workstream.claims + 1
        faults = replace(workstream.faults, findings=())
        return replace(workstream, stage=Stage.CLAIMED, stopping=False, claims=claims, accepted=None, faults=faults)
    retry = workstream.retry
    if retry is None and workstream.attempts:
        retry = Retry(
            reason="resume",
            message="You were stopped and now continue. Look at `git status` and HANDOFF.md first, then finish the work.",
            fresh=False,
            not_before=0.0,
        )
    return replace(workstream, stage=Stage.PREPARING, stopping=False, retry=retry)
