"""What the end of an attempt means: a claim, another try, a failure, or a question to a person; and every ladder ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.handmade import BASE, Handmade, plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.ids import AttemptId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType, Workstream
from wt_orchestrate.domain.plan.retry_ladder import Cause
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.train import Blame, CheckResult
from wt_orchestrate.domain.state.workstream import Faults
from wt_orchestrate.domain.verdict.verdict import how_it_ended, verdict, what_was_tried

A = WorkstreamId("a")
DONE = "---\nstatus: done\n---\n## Summary\nIt is done.\n"


def _hand(kind: AgentType = AgentType.CLAUDE_CODE) -> tuple[Handmade, AttemptId]:
    """A workstream whose first attempt is at work."""
    hand = Handmade(plan(further={"a": Workstream(brief="x")}))
    hand.prepare(1, "a")
    return hand, hand.start(2, "a", kind=kind)


def _ended(hand: Handmade, attempt: AttemptId, *, code: int | None = 0, cause: str = "exit", detail: str = "") -> None:
    end = e.AttemptEnded(
        workstream=A, attempt=attempt, exit_code=code, cause=cause, ended_at=hand.wall(9), detail=detail
    )
    hand.note(9, end)


def _verdict(hand: Handmade) -> e.Event | None:
    """The one conclusion there is."""
    assert hand.state is not None
    found = verdict(hand.state, hand.wall(10))
    assert len(found) <= 1
    return found[0] if found else None


def _says(hand: Handmade, status: str) -> None:
    hand.note(8, e.HandoffSeen(workstream=A, text=DONE.replace("done\n---", f"{status}\n---")))


def test_a_handoff_that_says_done_is_a_claim_and_exit_code_0_alone_is_none() -> None:
    """Of a client; a command has no better word than its exit code."""
    hand, attempt = _hand()
    hand.sees(8, attempt, outcome=TurnOutcome.COMPLETED)
    _ended(hand, attempt)
    silent = _verdict(hand)
    assert isinstance(silent, e.RetryDecided)
    assert (silent.reason, silent.cause) == ("unclaimed", Cause.EVIDENCE)
    assert "there is no HANDOFF.md" in silent.message

    hand, attempt = _hand()
    _says(hand, "done")
    hand.sees(8, attempt, outcome=TurnOutcome.COMPLETED)
    _ended(hand, attempt)
    assert _verdict(hand) == e.ClaimMade(workstream=A, by=e.Actor.AGENT)

    hand, attempt = _hand(AgentType.COMMAND)
    _ended(hand, attempt)
    assert _verdict(hand) == e.ClaimMade(workstream=A, by=e.Actor.AGENT)


def test_who_is_blocked_needs_a_person_and_who_works_is_left_alone() -> None:
    """A blocked agent's question goes to a person; while an attempt lives and moves there is nothing to decide."""
    hand, attempt = _hand()
    hand.sees(8, attempt, answered=True)
    assert _verdict(hand) is None
    _says(hand, "blocked")
    hand.sees(8, attempt, outcome=TurnOutcome.COMPLETED)
    _ended(hand, attempt)
    asked = _verdict(hand)
    assert isinstance(asked, e.WorkstreamEscalated) and "blocked" in asked.reason
    assert 'wto answer a "..."' in asked.commands


@pytest.mark.parametrize(
    ("told", "cause", "fresh"),
    [
        ({}, Cause.CRASH, False),
        ({"outcome": TurnOutcome.OVERLOADED}, Cause.OVERLOAD, False),
        ({"outcome": TurnOutcome.RATE_LIMITED, "resets_at": 2e9}, Cause.LIMIT, False),
        ({"outcome": TurnOutcome.CONTEXT_EXHAUSTED}, Cause.CONTEXT, True),
        ({"outcome": TurnOutcome.REFUSED}, Cause.REFUSED, True),
    ],
)
def test_each_trouble_has_its_cause_and_its_way_on(told: dict[str, Any], cause: Cause, fresh: bool) -> None:
    """What can be waited out or tried again is; a session that is used up is not gone on with."""
    hand, attempt = _hand()
    if told:
        hand.sees(8, attempt, **told)
    _ended(hand, attempt, code=1)
    found = _verdict(hand)
    assert isinstance(found, e.RetryDecided)
    assert (found.cause, found.fresh) == (cause, fresh)


@pytest.mark.parametrize("outcome", [TurnOutcome.LOGIN_FAILED, TurnOutcome.LIMIT_REACHED])
def test_what_no_try_can_change_goes_to_a_person_at_once(outcome: TurnOutcome) -> None:
    """A refused login, a used-up bound of one attempt."""
    hand, attempt = _hand()
    hand.sees(8, attempt, outcome=outcome)
    _ended(hand, attempt, code=1)
    assert isinstance(_verdict(hand), e.WorkstreamEscalated)


def test_an_agent_that_cannot_be_started_fails_at_once() -> None:
    """There is nothing to try again, and the reason names the agent."""
    hand, attempt = _hand()
    _ended(hand, attempt, code=None, cause="unstartable", detail="no such file")
    found = _verdict(hand)
    assert isinstance(found, e.WorkstreamFailed)
    assert "claude-code" in found.reason and "no such file" in found.reason and found.hint == "wto doctor"


def test_crashes_are_tried_again_and_not_for_ever() -> None:
    """Once in the same session, once in a new one; then the workstream fails and says what was tried."""
    hand, attempt = _hand()
    tried = []
    for _ in range(10):
        _ended(hand, attempt, code=-9)
        found = _verdict(hand)
        assert found is not None
        hand.note(10, found)
        if not isinstance(found, e.RetryDecided):
            break
        tried.append((found.cause, found.fresh))
        attempt = hand.start(11, "a", reason=found.reason)
    assert tried == [(Cause.CRASH, False), (Cause.CRASH, True)]
    assert isinstance(found, e.WorkstreamFailed)
    assert found.tried == (
        "attempt 1 (first) was killed by signal 9",
        "attempt 2 (crash) was killed by signal 9",
        "attempt 3 (crash) was killed by signal 9",
    )
    assert hand.state is not None
    ws = hand.state.workstreams[A]
    assert what_was_tried(ws) == found.tried
    assert [how_it_ended(each) for each in ws.attempts] == ["was killed by signal 9"] * 3


def test_a_conclusion_is_drawn_once() -> None:
    """After it is noted, the same state asks for nothing again."""
    hand, attempt = _hand()
    _ended(hand, attempt, code=1)
    found = _verdict(hand)
    assert found is not None
    hand.note(10, found)
    assert _verdict(hand) is None


def test_no_agent_is_paid_again_for_a_check_that_fails_on_the_target_too() -> None:
    """Whatever retries are left, a person decides; what to do is a command each."""
    hand, attempt = _hand(AgentType.COMMAND)
    _ended(hand, attempt)
    hand.note(9, e.ClaimMade(workstream=A, by=e.Actor.AGENT))
    assert hand.state is not None
    failed = CheckResult(
        command="check",
        outcome=e.CheckOutcome.FAILED,
        exit_code=1,
        duration_s=1.0,
        log="/log",
        tail="",
        commit=BASE,
        tree=TreeId(BASE),
        at=hand.wall(9),
    )
    ws = replace(
        hand.state.workstreams[A],
        stage=Stage.VERIFYING,
        faults=Faults(failed_check=failed, blame=Blame(on_target=True)),
    )
    hand.state = replace(hand.state, workstreams={A: ws})
    asked = _verdict(hand)
    assert isinstance(asked, e.WorkstreamEscalated)
    assert asked.reason.endswith("; the check failed on the target too, without this work")
    assert asked.commands[0].startswith("wto tell a ")
