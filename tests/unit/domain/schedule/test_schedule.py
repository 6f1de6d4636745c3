"""What may start, and when."""

from __future__ import annotations

import random

from tests.support.story import RUN, World
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import StartAttempt
from wt_orchestrate.domain.ids import Branch, CommitId, WorkstreamId, attempt_id
from wt_orchestrate.domain.machine import decide
from wt_orchestrate.domain.plan.model import AgentType, Plan, Workstream
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import Account


def _prepared(count: int) -> World:
    """A run whose worktrees are all made and whose agents, Claude Code clients, have not begun."""
    plan = Plan(goal="g", workstreams={f"w{number}": Workstream(brief="x") for number in range(count)})
    world = World(chance=random.Random(1), plan=plan)
    world.begin()
    base = CommitId("0" * 39 + "1")
    world.note(e.BaseVaulted(base=base))
    for name in plan.workstreams:
        world.note(e.EffectIntended(key=f"worktree:{name}", effect="CreateWorktree", pins={"base": base}))
        world.note(
            e.WorktreeCreated(workstream=WorkstreamId(name), path=f"/w/{name}", branch=Branch(f"b/{name}"), base=base)
        )
        world.note(e.EffectConcluded(key=f"worktree:{name}"))
        world.note(e.MemoryRecalled(workstream=WorkstreamId(name)))
    return world


def _starts(world: World) -> list[str]:
    assert world.state is not None
    effects = decide(world.state, world.now).effects
    return [effect.workstream for effect in effects if isinstance(effect, StartAttempt)]


def _start(world: World, name: str) -> None:
    world.note(
        e.AttemptStarted(
            workstream=WorkstreamId(name),
            attempt=attempt_id(RUN, WorkstreamId(name), 1),
            epoch=1,
            session="s",
            resumed=False,
            agent="claude-code",
            agent_type=AgentType.CLAUDE_CODE,
            reason="first",
            started_at=world.now,
        )
    )


def test_clients_are_started_one_after_another() -> None:
    """At most one Claude Code client begins per pause, because starts are what the machine is busiest with."""
    world = _prepared(3)
    assert _starts(world) == ["w0"]
    _start(world, "w0")
    world.now += 0.5
    assert _starts(world) == []
    world.now += 0.6
    assert _starts(world) == ["w1"]


def test_starts_of_one_decision_do_not_share_a_full_account() -> None:
    """Three that become ready in one turn are spread over two accounts of one agent each, and the third waits."""
    world = _prepared(3)
    assert world.state is not None
    accounts = {name: Account(name=name, cap=1) for name in ("one", "two")}
    settings = replace(world.state.settings, stagger="0s")
    state = replace(world.state, accounts=accounts, settings=settings)
    starts = [effect for effect in decide(state, world.now).effects if isinstance(effect, StartAttempt)]
    assert [(effect.workstream, effect.account) for effect in starts] == [("w0", "one"), ("w1", "two")]


def test_a_session_id_is_chosen_before_the_start_and_the_same_after_a_restart() -> None:
    """Deciding again from the same log names the same attempt and the same session."""
    world = _prepared(1)
    assert world.state is not None
    first = [effect for effect in decide(world.state, world.now).effects if isinstance(effect, StartAttempt)]
    world.crash()
    again = [effect for effect in decide(world.state, world.now + 9).effects if isinstance(effect, StartAttempt)]
    assert first == again
    assert first[0].attempt == "r1.w0.1" and first[0].session
