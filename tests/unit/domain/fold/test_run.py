"""The fold: from a log to the state, the same every time, and never past an illegal move."""

from __future__ import annotations

import random
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.any_value import leaves, values
from tests.support.handmade import RUN, Handmade, plan
from tests.support.story import World, random_plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import advance_key
from wt_orchestrate.domain.fold.run import fold, fold_all
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.lifecycle import MOVES, Phase, Stage
from wt_orchestrate.domain.state.run import (
    BranchHead,
    ChecksState,
    ClockJumps,
    EffectsState,
    LandedHead,
    MachineRoom,
    Rides,
    RunState,
    Wishes,
)
from wt_orchestrate.domain.state.train import Train
from wt_orchestrate.domain.state.workstream import Usage, WorkstreamState
from wt_orchestrate.errors import InvariantBroken

A = WorkstreamId("a")


def _log(seed: int, length: int) -> list[e.Record]:
    """The log of a random run, as far as it got."""
    chance = random.Random(seed)
    world = World(chance=chance, plan=random_plan(chance))
    world.begin()
    for _ in range(length):
        world.step()
    return list(world.records)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 60), share=st.floats(0, 1))
def test_a_log_may_be_folded_in_two_parts(seed: int, length: int, share: float) -> None:
    """A snapshot and the rest give what the whole log gives, and folding again gives the same."""
    log = _log(seed, length)
    cut = int(len(log) * share)
    whole = fold_all(log)
    assert fold_all(log[cut:], fold_all(log[:cut])) == whole
    assert fold_all(log) == whole


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_move_of_a_stage_is_a_legal_one(seed: int) -> None:
    """Record by record: a workstream stays where it is, or goes where the table of moves lets it."""
    state = None
    for record in _log(seed, 60):
        before: dict[WorkstreamId, WorkstreamState] = dict(state.workstreams) if state is not None else {}
        state = fold(state, record)
        assert (state.number, state.at) == (record.number, record.at)
        for name, ws in before.items():
            after = state.workstreams.get(name)
            assert after is None or after.stage is ws.stage or after.stage in MOVES[ws.stage]


def test_a_log_begins_with_its_run() -> None:
    """Without a start there is no state to fold into: that is a bug of ours, and said so."""
    event = e.SupervisorStarted(pid=1, boot="b", version="1")
    record = e.Record(number=1, at=0.0, actor=e.Actor.SUPERVISOR, run=RUN, cause="", event=event)
    assert fold_all(()) is None
    with pytest.raises(InvariantBroken, match="before the start of run r1"):
        fold(None, record)


def test_an_illegal_move_is_refused_with_the_story_of_its_attempts() -> None:
    """Nobody works without a worktree; the bug is told with everything that the workstream went through."""
    hand = Handmade(plan("a"))
    with pytest.raises(InvariantBroken, match="a cannot go from queued to working") as broken:
        hand.start(1, "a")
    assert [line.partition(":")[0] for line in broken.value.story] == ["r1.a.1"]


def test_a_run_as_it_starts() -> None:
    """Every workstream of the plan is queued on a branch of its own; nothing is known yet but the base."""
    state = Handmade(plan("a", "b", needs={"b": ("a",)})).state
    assert state is not None
    assert {name: (ws.stage, ws.branch, ws.attempts) for name, ws in state.workstreams.items()} == {
        "a": (Stage.QUEUED, "wto/r1/a", ()),
        "b": (Stage.QUEUED, "wto/r1/b", ()),
    }
    assert (state.phase, state.integration.commit, state.landed.commit, state.usage, state.commands) == (
        Phase.RUNNING,
        "0" * 40,
        None,
        Usage(),
        {},
    )


def test_events_of_other_workstreams_leave_a_workstream_as_it_is() -> None:
    """The same value, not an equal one: who looks for changes may compare identities."""
    hand = Handmade(plan("a", "b"))
    assert hand.state is not None
    before = hand.state.workstreams[A]
    hand.prepare(1, "b")
    hand.work(2, "b", begins=3, ends=4, gone=5)
    assert hand.state.workstreams[A] is before


# ---------------------------------------------------------------- any former life

_NESTED = (BranchHead, ChecksState, ClockJumps, EffectsState, LandedHead, MachineRoom, Rides, Wishes)
_PARTS = (
    "integration", "published", "effects", "checks", "suspects", "gates", "rides", "candidate", "landing", "landed",
    "land_refusal", "wishes", "remotes", "on_hold", "room", "usage", "clock", "shared", "reason", "phase",
)  # fmt: skip
_GOES_ON = {"phase", "reason", "effects.failures", "accounts", "checks.judged"}
"""What is as in a new run once a person lets it go on: refusals, pauses, and checks that failed."""
_PERSON = e.Actor.PERSON


def _lives() -> st.SearchStrategy[RunState]:
    """A run with anything in each part of its state, and with an account that is refused."""
    kinds = get_type_hints(RunState)
    base = Handmade(plan("a")).state
    assert base is not None
    accounts = {name: replace(each, refusal="x", strikes=2) for name, each in base.accounts.items()}
    parts = st.fixed_dictionaries({name: values(kinds[name]) for name in _PARTS})
    return parts.map(lambda drawn: replace(base, accounts=accounts, ended_at=5.0, **drawn))


def _after(state: RunState, event: e.Event) -> dict[str, object]:
    record = e.Record(number=99, run=RUN, at=99.0, actor=_PERSON, cause="r", event=event)
    return leaves(fold(state, record), _NESTED)


def _changed(former: RunState, event: e.Event) -> dict[str, object]:
    """The fields that an event changes, by their path, each with its new value."""
    before = leaves(former, _NESTED)
    after = _after(former, event)
    return {path: value for path, value in after.items() if value != before[path] and path not in {"number", "at"}}


@settings(deadline=None)
@given(_lives())
def test_a_run_that_is_resumed_forgets_what_went_wrong_and_nothing_else(former: RunState) -> None:
    """Failures, pauses of accounts and failed checks are as new; results that passed, wishes, counts, heads, gates, and
    what is landed or being landed stay."""
    changed = _changed(former, e.ResumeRequested())
    assert changed.keys() <= _GOES_ON | {"ended_at"}
    after = _after(former, e.ResumeRequested())
    assert (after["phase"], after["reason"], after["ended_at"]) == (Phase.RUNNING, "", None)
    assert after["effects.failures"] == {}
    assert after["accounts"] == _first_accounts()
    judged = after["checks.judged"]
    assert isinstance(judged, dict) and all(each.passed for found in judged.values() for each in found.values())


def _first_accounts() -> object:
    """The accounts of a new run."""
    new = Handmade(plan("a")).state
    assert new is not None
    return new.accounts


@settings(deadline=None)
@given(_lives())
def test_a_run_that_is_to_stop_merges_and_lands_nothing_more_and_forgets_nothing(former: RunState) -> None:
    """Its train, suspects and landing end; a candidate stays only while the branch is being moved to it."""
    running = replace(former, phase=Phase.RUNNING)
    stop = e.StopRequested(workstream=None, reason="lunch")
    assert _changed(running, stop).keys() <= {"phase", "reason", "train", "suspects", "landing", "candidate"}
    after = _after(running, stop)
    assert (after["phase"], after["reason"], after["suspects"], after["landing"]) == (
        Phase.STOPPING,
        "lunch",
        (),
        None,
    )
    assert after["train"] == Train()
    made = former.candidate
    moves = made is not None and advance_key(made.commit) in former.effects.open
    assert after["candidate"] == (made if moves else None)
