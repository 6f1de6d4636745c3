"""What a workstream is at: its word, what it waits for, since when and until when, all from one question."""

from __future__ import annotations

from tests.support.handmade import Handmade, plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType
from wt_orchestrate.domain.plan.retry_ladder import Cause
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.status import activity as a
from wt_orchestrate.domain.status.activity import Activity, AgentPlaces, Condition, Waits, activity

A, B = WorkstreamId("a"), WorkstreamId("b")


def _doing(run: Handmade, name: WorkstreamId, at: float = 9.0) -> Activity:
    assert run.state is not None
    return activity(run.state, run.state.workstreams[name], run.wall(at), AgentPlaces.of(run.state))


def _said(run: Handmade, name: WorkstreamId, at: float = 9.0) -> tuple[Condition, str]:
    found = _doing(run, name, at)
    return found.word, found.waits.cause


def test_a_queued_workstream_waits_for_needs_a_person_a_place_or_its_worktree() -> None:
    """One cause at a time: what it needs, then whoever put it on hold, then a free place, then its preparation."""
    run = Handmade(plan(A, B, needs={B: (A,)}, agents=1))
    assert _said(run, A) == (Condition.QUEUED, a.PREPARATION)
    run.note(1, e.HoldRequested(workstream=A), e.HoldRequested(workstream=B))
    assert _said(run, A) == (Condition.ON_HOLD, a.PERSON)
    assert _said(run, B) == (Condition.QUEUED, a.NEEDS)
    run.note(2, e.ReleaseRequested(workstream=A), e.WorkstreamFailed(workstream=A, reason="x", hint="", tried=()))
    assert _said(run, A) == (Condition.FAILED, "")
    assert _said(run, B) == (Condition.HELD, "")
    full = Handmade(plan(A, B, agents=1))
    full.prepare(1, A)
    full.start(1, A)
    assert _said(full, B) == (Condition.QUEUED, a.PLACE)
    full.note(2, e.AdmissionChanged(reason="memory", full=False))
    assert _said(full, B) == (Condition.QUEUED, a.ROOM)


def test_a_pause_is_a_limit_for_a_client_and_a_recovery_for_a_command() -> None:
    """A client's pause has an end that people see; a command's is the pause before a retry; then both prepare."""
    for kind, word in ((AgentType.CLAUDE_CODE, Condition.LIMITED), (AgentType.COMMAND, Condition.PREPARING)):
        run = Handmade(plan(A))
        if kind is AgentType.COMMAND:
            spec = run.plan.workstreams[A]
            run.note(0, e.EditRequested(workstream=A, spec=replace(spec, agent="command")))
        run.prepare(1, A)
        run.end(2, run.start(1, A, kind=kind), cause="crash")
        run.note(
            3,
            e.RetryDecided(
                workstream=A, reason="crash", message="", fresh=False, not_before=run.wall(20), cause=Cause.CRASH
            ),
        )
        found = _doing(run, A)
        assert (found.word, found.waits) == (word, Waits(a.RECOVERY, until=run.wall(20), then=a.PREPARATION))
        assert found.until == (run.wall(20) if word is Condition.LIMITED else None)
        assert (found.since, _said(run, A, at=30)) == (run.wall(3), (Condition.PREPARING, a.PREPARATION))


def test_a_claim_waits_for_checks_a_conflict_or_a_person() -> None:
    """While its work is verified the word stays, and the cause says what holds it; nothing is waited for once it is done."""
    run = Handmade(plan(A))
    run.prepare(1, A)
    run.work(1, A, begins=1, ends=1, gone=1)
    assert _said(run, A) == (Condition.ENDING, a.SUPERVISOR)
    run.claim(2, A)
    assert _said(run, A) == (Condition.VERIFYING, a.CHECKS)
    run.note(3, e.HoldRequested(workstream=A))
    assert _said(run, A) == (Condition.VERIFYING, a.PERSON)
    run.integrate(4, A)
    assert _said(run, A) == (Condition.INTEGRATED, "")


def test_a_run_at_rest_waits_for_nothing() -> None:
    """The word stays; that nobody works on it is the run's own rest."""
    run = Handmade(plan(A))
    run.note(1, e.RunStopped(reason="x"))
    assert _said(run, A) == (Condition.QUEUED, "")
