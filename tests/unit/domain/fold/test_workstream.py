"""What of a workstream's life ends when a person says that it can go on."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.any_value import leaves, values
from tests.support.handmade import RUN, Handmade, plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold.workstream import fold_workstream
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream
from wt_orchestrate.domain.plan.retry_ladder import Cause
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.workstream import (
    Accepted,
    Approval,
    Change,
    Checkout,
    Claim,
    Conflict,
    Elsewhere,
    Faults,
    Handoffs,
    Outcome,
    Setup,
    Tries,
    Usage,
    WorkstreamState,
    conflict_paths,
)

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
    assert (conflict_paths(after), after.setup.failure, after.stopping, after.cancelling) == ((), "", False, "")
    assert (after.attempts[:1], after.history, after.worktree) == (before.attempts[:1], before.history, before.worktree)


def test_L8_only_a_persons_continue_lets_through_what_is_held() -> None:
    """A new claim (also the one made for a queued branch that moved) does not, nor does the `continue` of work that failed
    for another reason later; what was let through once stays so."""
    run = _failed()
    odd = e.ClaimRejected(workstream=A, findings=("aux: ...",), head=None, held=("aux",))
    run.note(9, e.RetryRequested(workstream=A, fresh=False))
    run.work(10, A, begins=10, ends=10, gone=10, reason="retry")
    run.note(11, e.ClaimMade(workstream=A, by=e.Actor.AGENT), odd)
    assert (_ws(run).faults.held, _ws(run).approval) == (True, Approval(asked=("aux",)))
    run.note(12, e.ClaimMade(workstream=A, by=e.Actor.PERSON))
    assert not _ws(run).approval.given
    run.note(13, e.ClaimRejected(workstream=A, findings=("x",), head=None))
    run.note(14, e.WorkstreamEscalated(workstream=A, reason="x", commands=(), tried=()))
    run.note(15, e.ContinueRequested(workstream=A))
    assert not _ws(run).approval.given
    run.note(16, odd, e.WorkstreamEscalated(workstream=A, reason="x", commands=(), tried=()))
    run.note(17, e.ContinueRequested(workstream=A))
    assert _ws(run).approval == Approval(given=("aux",))
    run.note(18, e.ClaimRejected(workstream=A, findings=("y",), head=None, held=("b:",)))
    run.note(19, e.ContinueRequested(workstream=A))
    assert _ws(run).approval == Approval(given=("aux", "b:"))


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


# ---------------------------------------------------------------- any former life

_STAYS = {
    "since", "since_order", "base", "worktree", "branch", "checkout", "setup.done", "setup.tries", "started_at",
    "added_by", "recalled", "head", "head_at", "commits", "history", "handoff", "handoffs", "looked_at", "change",
    "checks", "messages", "comments", "reviewer", "review", "pull_request", "on_hold", "stopped_in", "redirected",
    "usage", "conflict", "claims", "claim.order",
}  # fmt: skip
"""What a workstream keeps when a person says that it can go on: its work, its story, and the wishes of people. The
conflict stays closed, because its resolution is judged and shown. Everything else is as in a new workstream."""


_NESTED = (Accepted, Change, Checkout, Claim, Conflict, Elsewhere, Faults, Handoffs, Outcome, Setup, Tries, Usage)
_PLAIN = ("claims", "commits", "looked_at", "cancelling", "stopping", "answer", "redirected", "on_hold", "retry")
_PARTS = ("checkout", "setup", "handoffs", "claim", "change", "faults", "conflict", "tries", "usage", "outcome")


def _lives() -> st.SearchStrategy[WorkstreamState]:
    """A workstream that ended, with anything in each part of its state."""
    kinds = get_type_hints(WorkstreamState)
    base, ended = _ws(_failed()), st.sampled_from([Stage.FAILED, Stage.ESCALATED, Stage.STOPPED])
    further = st.sampled_from([{}, {"b": Workstream(brief="b")}])
    parts = {name: values(kinds[name]) for name in (*_PARTS, *_PLAIN)} | {"stage": ended, "further": further}
    return st.fixed_dictionaries(parts).map(lambda drawn: replace(base, **drawn))


@given(
    _lives(),
    st.sampled_from(
        [
            e.RetryRequested(workstream=A, fresh=False),
            e.RetryRequested(workstream=A, fresh=True),
            e.ContinueRequested(workstream=A),
        ]
    ),
)
def test_whatever_its_former_life_was_only_what_is_kept_on_purpose_is_left(
    former: WorkstreamState, word: e.Event
) -> None:
    """Each field is kept by the list above, or is what any other workstream with the same attempts would have."""
    other = WorkstreamState(
        id=A, spec=former.spec, stage=former.stage, worktree=former.worktree, attempts=former.attempts
    )
    record = e.Record(number=99, run=RUN, at=99.0, actor=e.Actor.PERSON, cause="", event=word)
    after, new, before = (
        leaves(each, _NESTED) for each in (fold_workstream(former, record), fold_workstream(other, record), former)
    )
    assert after["claims"] == former.claims + new["claims"]  # type: ignore[operator]  # both are counts
    assert after.get("claim.order") in {None, 99, former.claim.order if former.claim is not None else 99}
    assert not after.get("conflict.open")
    kept = {path for path in after if _is_kept(path)}
    assert {path: after[path] for path in after.keys() - kept} == {path: new[path] for path in after.keys() - kept}
    changed = {path for path in kept if path in before and after[path] != before[path]}
    assert changed <= {"claims", "claim.order", "conflict.open"}


def _is_kept(path: str) -> bool:
    return path in _STAYS or path.split(".")[0] in _STAYS
