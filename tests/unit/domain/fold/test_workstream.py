"""What of a workstream's life ends when a person says that it can go on."""

from __future__ import annotations

import pytest

from tests.support.handmade import Handmade, plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.retry_ladder import Cause
from wt_orchestrate.domain.state.run import Faults, Outcome, Tries, WorkstreamState

A = WorkstreamId("a")


def _failed() -> Handmade:
    """A workstream that used its ladder up: a claim that passed, a retry, a rejected claim; now a person is needed."""
    run = Handmade(plan(A))
    run.prepare(1, A)
    run.work(1, A, begins=1, ends=1, gone=1)
    run.claim(2, A)
    run.checked(3, 4, A, e.CheckOutcome.PASSED)
    run.note(
        5,
        e.RetryDecided(workstream=A, reason="evidence", message="", fresh=False, not_before=0.0, cause=Cause.EVIDENCE),
    )
    run.work(6, A, begins=6, ends=6, gone=6, reason="evidence")
    run.note(7, e.ClaimMade(workstream=A, by=e.Actor.AGENT), e.ClaimRejected(workstream=A, findings=("x",), head=None))
    run.note(8, e.WorkstreamEscalated(workstream=A, reason="x", commands=("wto status a",), tried=("evidence",)))
    return run


def _ws(run: Handmade) -> WorkstreamState:
    assert run.state is not None
    return run.state.workstreams[A]


@pytest.mark.parametrize(
    "word",
    [
        e.RetryRequested(workstream=A, fresh=False),
        e.RetryRequested(workstream=A, fresh=True),
        e.ContinueRequested(workstream=A),
    ],
)
def test_nothing_of_the_former_life_is_left_when_it_starts_again(word: e.Event) -> None:
    """What was tried, what was wrong and why it ended are as new; only how many attempts there were before is known."""
    run = _failed()
    before = _ws(run)
    assert before.tries == Tries(by_cause={Cause.EVIDENCE: 1}, passed_most=1)
    assert before.faults.findings and before.outcome.commands and before.outcome.tried
    run.note(9, word)
    after = _ws(run)
    assert (after.tries, after.faults, after.outcome) == (Tries(after=2), Faults(), Outcome())
    assert (after.conflict, after.setup_failure, after.stopping, after.cancelling) == ((), "", False, "")
    assert (after.attempts[:1], after.history, after.worktree) == (before.attempts[:1], before.history, before.worktree)


def test_a_new_claim_has_no_faults() -> None:
    """What was wrong with the claim before is not held against the next one; what was tried for it is still counted."""
    run = _failed()
    run.note(9, e.RetryRequested(workstream=A, fresh=False))
    run.work(10, A, begins=10, ends=10, gone=10, reason="retry")
    run.note(11, e.ClaimMade(workstream=A, by=e.Actor.AGENT), e.ClaimRejected(workstream=A, findings=("y",), head=None))
    assert _ws(run).faults == Faults(findings=("y",))
    run.note(
        12,
        e.RetryDecided(workstream=A, reason="evidence", message="", fresh=False, not_before=0.0, cause=Cause.EVIDENCE),
    )
    run.work(13, A, begins=13, ends=13, gone=13, reason="evidence")
    run.note(14, e.ClaimMade(workstream=A, by=e.Actor.AGENT))
    assert (_ws(run).faults, _ws(run).tries.by_cause) == (Faults(), {Cause.EVIDENCE: 1})
