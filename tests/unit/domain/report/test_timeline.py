"""Where a run's time went, from logs made by hand: every cause of waiting, sleep, set clocks, absent supervisors."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.handmade import BEGAN, Handmade, plan
from tests.support.story import World, random_plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.ids import AttemptId, CommitId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType, Workstream
from wt_orchestrate.domain.plan.retry_ladder import Cause
from wt_orchestrate.domain.report.report import Ledger, report
from wt_orchestrate.domain.report.speedup import best, gain, longest, scheduled
from wt_orchestrate.domain.report.timeline import MeasuredRun, measured
from wt_orchestrate.domain.state.workstream import accepted

A, B = WorkstreamId("a"), WorkstreamId("b")


def _at(log: Handmade, name: str, now: float, **more: Any) -> dict[str, float]:
    """What a workstream's time was spent on, agents' and waiting together."""
    found = measured(log.records, now=log.wall(now), **more)
    totals: dict[str, float] = {}
    for each in found.streams[WorkstreamId(name)].stretches:
        totals[each.what] = round(totals.get(each.what, 0.0) + each.length, 6)
    return {what: length for what, length in totals.items() if length}


def _measured(log: Handmade, now: float, **more: Any) -> MeasuredRun:
    return measured(log.records, now=log.wall(now), **more)


def _whole(log: Handmade, name: str, *, start: float = 2.0) -> None:
    """From its worktree to its integration: 2 s of start, 10 of work, 1 of ending, 4 of checks."""
    log.prepare(start, name)
    log.work(start + 1, name, begins=start + 3, ends=start + 13, gone=start + 14)
    log.claim(start + 14, name)
    log.checked(start + 15, start + 18, name)
    log.integrate(start + 18, name)


def test_the_plain_course_is_split_into_what_it_was() -> None:
    """Preparation, start, work, ending and checks are each as long as they were, and the rest of the run is nobody's wait."""
    log = Handmade(plan("a"))
    _whole(log, "a")
    log.finish(25.0)
    assert _at(log, "a", 99) == {"preparation": 3.0, "starting": 2.0, "work": 10.0, "ending": 1.0, "checks": 4.0}
    found = _measured(log, 99)
    assert (found.wall_s, found.agents_s, found.rest_s, found.unwatched_s) == (25.0, 13.0, 0.0, 0.0)


def test_what_goes_by_before_the_model_is_asked_is_the_start() -> None:
    """A client that tells when it asked its model first: until then it was starting, also where it had answered before."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(3, attempt, answered=True)
    log.sees(24, attempt, outcome=TurnOutcome.COMPLETED, turn_s=22.0, lead_s=2.0)
    log.sees(24.5, attempt, idle=True)
    log.end(25, attempt)
    assert _at(log, "a", 25) == {"starting": 4.0, "work": 20.0, "ending": 1.0}


def test_a_turn_that_is_read_at_once_counts_as_long_as_it_took() -> None:
    """Short turns, each read in one stretch: their length is what the client told."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(5, attempt, answered=True, outcome=TurnOutcome.COMPLETED, turn_s=3.0, idle=True)
    log.sees(9, attempt, outcome=TurnOutcome.COMPLETED, turn_s=2.0, idle=True)
    log.end(10, attempt)
    assert _at(log, "a", 10) == {"starting": 2.0, "work": 5.0, "ending": 3.0}


def test_waiting_for_an_answer_is_a_persons() -> None:
    """The stretch from a question to its answer is no agent's work."""
    log = Handmade(plan("a"))
    log.prepare(1, "a")
    attempt = log.start(2, "a")
    log.sees(3, attempt, answered=True)
    log.note(
        5, e.AttemptAsked(workstream=A, attempt=attempt, ask="q", question=True, tool="", text="Which?", payload="{}")
    )
    log.note(65, e.AttemptAnswered(workstream=A, attempt=attempt, ask="q", allowed=True, text="1"))
    log.sees(66, attempt, tool="Bash")
    assert _at(log, "a", 70) == {"preparation": 2.0, "starting": 1.0, "work": 7.0, "person": 60.0}


def test_an_interrupted_agent_waits_for_a_person() -> None:
    """From the interruption until it is told something, nobody works."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(0, attempt, answered=True)
    log.note(10, e.InterruptRequested(workstream=A))
    message = log.state.workstreams[A].messages[-1].id if log.state is not None else ""
    log.note(10, e.MessageSent(workstream=A, attempt=attempt, message=message))
    log.sees(10, attempt, outcome=TurnOutcome.INTERRUPTED, idle=True)
    assert _at(log, "a", 40) == {"work": 10.0, "person": 30.0}


@pytest.mark.parametrize(
    ("told", "limit"),
    [
        ({"waits": "overloaded, again in 20 s", "waits_s": 20.0}, 20.0),
        ({"waits": "usage limit", "resets_at": BEGAN + 35.0}, 25.0),
        ({"waits": "usage limit"}, 50.0),
    ],
    ids=("a pause that is told", "a reset that is told", "an end that is not told"),
)
def test_waiting_for_the_service_is_a_limit(told: dict[str, Any], limit: float) -> None:
    """While the client waits for a retry or a reset it does not work; where no end is told, its next sign ends it."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(0, attempt, answered=True)
    log.sees(10, attempt, **told)
    log.sees(60, attempt, tool="Bash")
    assert _at(log, "a", 70) == {"work": 70.0 - limit, "limit": limit}


def test_a_pause_that_ends_early_ends_with_the_next_sign() -> None:
    """A retry that is answered sooner than it was told waits no longer."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(0, attempt, answered=True)
    log.sees(10, attempt, waits="overloaded, again in 90 s", waits_s=90.0)
    log.sees(15, attempt, tool="Bash")
    assert _at(log, "a", 30) == {"work": 25.0, "limit": 5.0}


def test_a_pause_before_another_attempt_is_its_causes() -> None:
    """A limit's pause counts as limit until it is over, then as preparation; another cause's pause is recovery."""
    for cause, told in ((Cause.OVERLOAD, "limit"), (Cause.CRASH, "recovery")):
        log = Handmade(plan("a"))
        log.prepare(0, "a")
        attempt = log.start(0, "a")
        log.sees(0, attempt, answered=True)
        log.end(10, attempt, cause="exit")
        retry = e.RetryDecided(workstream=A, reason=cause.value, message="", not_before=log.wall(40), cause=cause)
        log.note(10, retry)
        log.start(43, "a", reason=cause.value)
        assert _at(log, "a", 43) == {"work": 10.0, told: 30.0, "preparation": 3.0}


def test_waiting_for_a_place_and_for_needs() -> None:
    """With one agent at a time the second waits for a place; who needs another waits for that, and then for preparation."""
    log = Handmade(plan("a", "b", "c", needs={"c": ("a",)}, agents=1))
    _whole(log, "a")
    found = _at(log, "c", 25)
    assert found == {"needs": 20.0, "preparation": 5.0}
    assert _at(log, "b", 25) == {"preparation": 11.0, "place": 14.0}


def test_waiting_for_room_on_the_machine() -> None:
    """Where the machine has no room for another agent, that is the cause."""
    log = Handmade(plan("a", "b"))
    log.prepare(1, "a")
    log.start(2, "a")
    log.note(3, e.AdmissionChanged(reason="memory is short"))
    log.note(13, e.AdmissionChanged(reason=""))
    assert _at(log, "b", 15) == {"preparation": 5.0, "room": 10.0}


def test_holds_and_escalations_wait_for_a_person() -> None:
    """What a person put on hold, and what only a person can go on with, waits for one."""
    log = Handmade(plan("a", "b"))
    log.note(1, e.HoldRequested(workstream=A))
    log.note(11, e.ReleaseRequested(workstream=A))
    assert _at(log, "a", 12) == {"preparation": 2.0, "person": 10.0}
    log.note(12, e.WorkstreamEscalated(workstream=B, reason="no login"))
    assert _at(log, "b", 20) == {"preparation": 12.0, "person": 8.0}


def test_a_conflict_is_waited_for_as_such() -> None:
    """From a conflict to what settles it, and while work that conflicts rides ahead."""
    log = Handmade(plan("a", "b"))
    _whole(log, "a")
    log.prepare(0, "b")
    log.work(20, "b", begins=20, ends=30, gone=30)
    log.claim(30, "b")
    head = accepted(log.state.workstreams[B]) if log.state is not None else None
    assert head is not None
    log.note(31, e.MergeConflicted(workstream=B, head=head, onto=head, paths=("x.py",)))
    log.note(41, e.ConflictSettled(workstream=B, head=head, onto=head, commit=head))
    assert _at(log, "b", 43)["conflict"] == 10.0
    assert _at(log, "b", 43)["checks"] == 3.0


def test_sleep_counts_for_nobody() -> None:
    """Eight hours of sleep are in no workstream's time and not in the run's; they are told apart."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(0, attempt, answered=True)
    log.sees(10, attempt, tool="Bash")
    log.ahead = 8 * 3600.0
    log.note(10, e.TimeSkipped(seconds=8 * 3600.0))
    log.sees(20, attempt, idle=True, outcome=TurnOutcome.COMPLETED)
    log.end(21, attempt)
    found = _measured(log, 21)
    assert (round(found.wall_s, 6), found.skipped_s) == (21.0, 8 * 3600.0)
    assert _at(log, "a", 21) == {"work": 20.0, "ending": 1.0}


def test_a_clock_that_was_set_back_makes_no_time_negative() -> None:
    """After the clock was set back by an hour every stretch is as long as it was."""
    log = Handmade(plan("a"))
    log.prepare(1, "a")
    attempt = log.start(2, "a")
    log.sees(3, attempt, answered=True)
    log.ahead = -3600.0
    log.note(3, e.TimeSkipped(seconds=-3600.0))
    log.sees(13, attempt, idle=True, outcome=TurnOutcome.COMPLETED)
    log.end(14, attempt)
    log.claim(14, "a")
    assert _at(log, "a", 20) == {"preparation": 2.0, "starting": 1.0, "work": 10.0, "ending": 1.0, "checks": 6.0}
    assert round(_measured(log, 20).wall_s, 6) == 20.0


def test_agents_work_on_while_no_supervisor_does() -> None:
    """A supervisor that was killed for an hour: its agent's turn counts as long as its program told, and what then waited,
    waited for a supervisor."""
    log = Handmade(plan("a", "b", agents=1))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(0, attempt, answered=True)
    log.sees(10, attempt, tool="Bash")
    log.note(3610, e.SupervisorStarted(pid=2, boot="b", version="1"))
    log.sees(3610, attempt, idle=True, outcome=TurnOutcome.COMPLETED, turn_s=600.0)
    log.end(3611, attempt)
    found = _measured(log, 3611)
    assert (found.unwatched_s, found.streams[A].attempts[0].unsure_s) == (3600.0, 0.0)
    assert _at(log, "a", 3611) == {"work": 600.0, "ending": 3011.0}
    assert _at(log, "b", 3611) == {"place": 11.0, "supervisor": 3600.0}


def test_what_nobody_saw_is_told_as_bounds() -> None:
    """A question that was put while nobody looked, at a time that nothing tells: work is given as at least and at most."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(0, attempt, answered=True)
    log.note(110, e.SupervisorStarted(pid=2, boot="b", version="1"))
    log.note(
        110, e.AttemptAsked(workstream=A, attempt=attempt, ask="q", question=True, tool="", text="Which?", payload="{}")
    )
    found = _measured(log, 120)
    (only,) = found.streams[A].attempts
    assert (only.work_s, only.unsure_s) == (110.0, 110.0)
    speedup = report(log.records, now=log.wall(120))["gain"]["speedup"]
    assert speedup == {"value": round(110 / 120, 3), "least": 0.0, "how": "between"}


def test_an_agent_that_was_lost_worked_until_its_last_sign_for_certain() -> None:
    """Its keeper died too: when it ended is not known, only that it lived at its last sign."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(0, attempt, answered=True)
    log.sees(30, attempt, tool="Bash")
    log.end(50, attempt, cause="lost")
    (only,) = _measured(log, 50).streams[A].attempts
    assert (only.work_s, only.unsure_s) == (50.0, 20.0)


def test_a_keepers_word_on_the_end_counts_not_when_it_was_noticed() -> None:
    """An agent that ended long before anybody noticed worked until its end."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a", kind=AgentType.COMMAND)
    log.note(1, e.CommitsSeen(workstream=A, head=CommitId("1" * 40), count=1, commits=()))
    log.note(500, e.SupervisorStarted(pid=2, boot="b", version="1"))
    log.end(500, attempt, ended=40)
    assert _at(log, "a", 500) == {"work": 40.0, "supervisor": 460.0}


def test_a_run_that_was_taken_up_the_next_day_rests_in_between() -> None:
    """The night between a stop and a resume is no wall time of the run."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(0, attempt, answered=True)
    log.note(10, e.StopRequested(workstream=None, reason="evening"))
    log.end(11, attempt, cause="stopped")
    log.note(11, e.WorkstreamStopped(workstream=A), e.RunStopped(reason="evening"))
    log.note(50_000, e.SupervisorStarted(pid=2, boot="c", version="1"))
    log.note(50_000, e.ResumeRequested())
    log.start(50_002, "a", reason="resume")
    found = _measured(log, 50_010)
    assert (found.wall_s, found.rest_s, found.unwatched_s) == (21.0, 49_989.0, 0.0)
    assert _at(log, "a", 50_010) == {"work": 11.0, "preparation": 2.0, "starting": 8.0}


def test_the_time_at_a_gate_is_rest_and_no_sleep() -> None:
    """What a person takes to decide is told once, as rest."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    log.note(10, e.RunFinished(integrated=0, unfinished=1, gate="research"))
    log.note(70, e.SupervisorStarted(pid=2, boot="b", version="1"))
    log.note(70, e.ApproveRequested(stage="research"))
    log.note(70, e.ResumeRequested())
    found = _measured(log, 80)
    assert (found.wall_s, found.rest_s, found.skipped_s) == (20.0, 60.0, 0.0)


def test_a_run_that_nobody_watches_any_more_is_told_so() -> None:
    """Still running by its log, but no supervisor is at work: since its last word nothing is certain."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    attempt = log.start(0, "a")
    log.sees(0, attempt, answered=True)
    log.sees(10, attempt, tool="Bash")
    assert _measured(log, 100, watched=True).unwatched_s == 0.0
    found = _measured(log, 100, watched=False)
    assert (found.unwatched_s, found.streams[A].attempts[0].unsure_s) == (90.0, 90.0)


# ---------------------------------------------------------------- the gain


def _two(*, conflict: bool = False) -> Handmade:
    log = Handmade(plan("a", "b"))
    for name in ("a", "b"):
        log.prepare(0, name)
    attempts: list[AttemptId] = [log.start(0, "a"), log.start(0, "b")]
    for number, attempt in enumerate(attempts):
        log.sees(2 + number, attempt, answered=True)
    for attempt in attempts:
        log.sees(22, attempt, idle=True, outcome=TurnOutcome.COMPLETED)
    for name, attempt in zip(("a", "b"), attempts, strict=True):
        log.end(23, attempt)
        log.claim(23, name)
    log.integrate(24, "a")
    if conflict:
        log.note(24, e.RetryDecided(workstream=B, reason="conflict", message="", cause=Cause.CONFLICT))
        log.work(24, "b", begins=25, ends=35, gone=36, reason="conflict")
        log.claim(36, "b")
    log.integrate(37, "b")
    log.finish(40, integrated=2)
    return log


def test_the_serial_equivalent_counts_work_and_one_start() -> None:
    """20 and 19 seconds of work and the shorter of two starts: what one agent would have needed; no endings, no checks."""
    found = gain(_measured(_two(), 99))
    assert (found.work_s, found.start_s, found.serial_s) == (39.0, 2.0, 41.0)
    assert (found.critical_s, found.critical) == (20.0, ("a",))
    assert found.best == ((1, 39.0), (2, 20.0))


def test_what_only_parallel_work_needs_is_not_saved() -> None:
    """An attempt because of a conflict is rework, and no part of what one agent alone would have needed."""
    values = report(_two(conflict=True).records, now=BEGAN + 99)
    assert values["gain"]["serial_s"] == 41.0
    assert values["gain"]["overhead_s"] == {"starting": 6.0, "ending": 3.0, "conflict": 10.0, "synthesis": 0.0}
    assert values["rework"]["by_cause"] == {"conflict": {"attempts": 1, "active_s": 12.0, "cost_usd": 0.0}}
    assert values["speedup"] == round(41 / 40, 3)


def test_a_synthesis_is_no_conflict() -> None:
    """What an agent drew together is no part of the serial equivalent, and told apart from what conflicts cost."""
    log = Handmade(plan("a", further={"a-synthesis": Workstream(brief="x", synthesises="a", role="synthesiser")}))
    _whole(log, "a-synthesis")
    found = report(log.records, now=log.wall(30))
    assert found["gain"]["overhead_s"] == {"starting": 2.0, "ending": 1.0, "conflict": 0.0, "synthesis": 10.0}
    assert (found["gain"]["serial_s"], found["rework"]["attempts"]) == (0.0, 0)


def test_an_arbiter_is_rework() -> None:
    """All of an arbiter's time comes from parallel work."""
    log = Handmade(plan("a", further={"a-arbiter": Workstream(brief="x", serves="a", role="arbiter")}))
    _whole(log, "a-arbiter")
    found = report(log.records, now=log.wall(30))
    assert (found["gain"]["serial_s"], found["rework"]["by_cause"]["conflict"]["attempts"]) == (0.0, 1)


def test_list_scheduling_begins_the_longest_chain_first() -> None:
    """Two agents, one long chain and two short ones: the chain is never kept waiting."""
    lengths = {"a": 1.0, "b": 5.0, "c": 3.0, "d": 4.0}
    needs = {"a": (), "b": ("a",), "c": (), "d": ()}
    assert longest(lengths, needs) == (6.0, ("a", "b"))
    assert [scheduled(lengths, needs, agents) for agents in (1, 2, 3)] == [13.0, 7.0, 6.0]
    assert best(lengths, needs) == ((1, 13.0), (2, 7.0), (3, 6.0))


# ---------------------------------------------------------------- what always holds


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**9))
@example(seed=85966747)  # an agent that starts as the run stops, and lives on while it is stopped
def test_no_history_adds_up_to_more_than_its_time(seed: int) -> None:
    """Whatever happens, sleeps and absences included: stretches of a workstream neither overlap nor exceed the wall time, nobody
    works longer than that, the critical path is at most the wall time and at most the serial equivalent."""
    chance = random.Random(seed)
    world = World(chance=chance, plan=random_plan(chance))
    world.begin()
    for _ in range(400):
        going = world.step()
        if chance.random() < 0.05:
            _fate(world, chance)
        if not going:
            break
    found = measured(world.records, now=world.now + chance.choice((0, 500)), watched=chance.random() < 0.5)
    for times in found.streams.values():
        assert sum(each.length for each in times.stretches) <= found.wall_s + 1e-6
        pairs = zip(times.stretches, times.stretches[1:], strict=False)
        assert all(one.end <= other.start + 1e-9 for one, other in pairs)
        assert all(0 <= each.unsure_s <= each.work_s + 1e-9 for each in times.attempts)
    gained = gain(found)
    assert 0 <= gained.critical_s <= found.wall_s + 1e-6
    assert gained.critical_s <= gained.serial_s + 1e-9
    assert found.agents_s <= found.wall_s + 1e-6
    walls = [took for _, took in gained.best]
    assert walls == sorted(walls, reverse=True)
    assert abs(walls[0] - gained.work_s) < 1e-6 and abs(walls[-1] - gained.critical_s) < 1e-6


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_a_report_may_be_asked_for_at_any_time_and_is_the_same(seed: int) -> None:
    """A ledger that grows with the log gives at each point the report of the log up to there, however often it was asked."""
    chance = random.Random(seed)
    world = World(chance=chance, plan=random_plan(chance))
    world.begin()
    for _ in range(150):
        if chance.random() < 0.05:
            _fate(world, chance)
        if not world.step():
            break
    ledger = Ledger()
    asked = set(chance.sample(range(len(world.records)), k=min(6, len(world.records))))
    for number, record in enumerate(world.records):
        ledger.take(record)
        if number in asked:
            now, watched = record.at + chance.choice((0, 30)), chance.random() < 0.5
            whole = report(world.records[: number + 1], now=now, watched=watched)
            assert ledger.report(now=now, watched=watched) == whole


def _fate(world: World, chance: random.Random) -> None:
    """The machine sleeps, its clock is set back or ahead, or the supervisor is away for a while."""
    skipped = chance.choice((5_000.0, -3_000.0, 0.0))
    world.now += skipped or chance.choice((5.0, 700.0))
    world.note(e.TimeSkipped(seconds=skipped) if skipped else e.SupervisorStarted(pid=2, boot="b", version="1"))


@settings(max_examples=200, deadline=None)
@given(
    lengths=st.lists(st.floats(0, 1000), min_size=1, max_size=12),
    edges=st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20),
    agents=st.integers(1, 12),
)
def test_scheduling_stays_within_its_bounds(lengths: list[float], edges: set[tuple[int, int]], agents: int) -> None:
    """Never shorter than the critical path or the work over the agents, never longer than the two together (Graham's bound)."""
    count = len(lengths)
    named = {str(number): length for number, length in enumerate(lengths)}
    needs = {str(n): tuple(str(low) for low, high in edges if low < high == n < count) for n in range(count)}
    took, chain, work = scheduled(named, needs, agents), longest(named, needs)[0], sum(lengths)
    assert max(chain, work / agents) - 1e-6 <= took <= work / agents + chain * (1 - 1 / agents) + 1e-6
