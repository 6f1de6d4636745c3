"""Which account an agent may start on: the usable one with the fewest agents."""

from __future__ import annotations

from tests.support.handmade import Handmade, plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import StartAttempt
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.schedule.accounts import free_account, has_place
from wt_orchestrate.domain.schedule.schedule import schedule
from wt_orchestrate.domain.state.attempt import Account
from wt_orchestrate.domain.state.run import RunState

NOW = 1_000.0


def _with(*accounts: Account, starting: str = "") -> RunState:
    hand = Handmade(plan("a", "b"))
    if starting:
        hand.note(1, e.EffectIntended(key="start:r1.a.1", effect="StartAttempt", pins={"account": starting}))
    assert hand.state is not None
    return replace(hand.state, accounts={each.name: each for each in accounts})


def test_the_account_with_the_fewest_agents_is_taken() -> None:
    """An agent that is being started counts as one that lives; a full account is passed over."""
    both = (Account(name="one"), Account(name="two"))
    assert free_account(_with(*both), NOW) == "one"
    assert free_account(_with(*both, starting="one"), NOW) == "two"
    capped = (Account(name="one", cap=1), Account(name="two", paused_until=NOW + 1))
    assert free_account(_with(*capped), NOW) == "one"
    assert free_account(_with(*capped, starting="one"), NOW) is None


def test_who_rests_or_was_refused_has_no_place() -> None:
    """A pause and a usage limit end by themselves, a refused login does not; an account that is gone is left to the start."""
    state = _with(
        Account(name="paused", paused_until=NOW + 5),
        Account(name="limited", limited_until=NOW + 5),
        Account(name="refused", refusal="no credentials"),
    )
    names = ("paused", "limited", "refused", "gone")
    assert [has_place(state, name, NOW) for name in names] == [False, False, False, True]
    assert [has_place(state, name, NOW + 6) for name in names] == [True, True, False, True]


def test_a_living_agent_takes_a_place() -> None:
    """As long as its process lives, and not longer."""
    hand = Handmade(plan("a"))
    hand.prepare(1, "a")
    attempt = hand.start(2, "a", kind=AgentType.CLAUDE_CODE)
    assert hand.state is not None
    used = next(ws for ws in hand.state.workstreams.values()).attempts[0].account
    full = {used: Account(name=used, cap=1)}
    assert not has_place(replace(hand.state, accounts=full), used, NOW)
    hand.end(9, attempt)
    assert hand.state is not None
    assert has_place(replace(hand.state, accounts=full), used, NOW)


def test_agents_that_start_in_one_decision_share_the_accounts() -> None:
    """Two that become ready at the same moment are placed one after the other: no account has more agents than it may."""
    hand = Handmade(plan("a", "b", "c"))
    for name in ("a", "b", "c"):
        hand.prepare(1, name)
        hand.note(2, e.MemoryRecalled(workstream=WorkstreamId(name)))
    assert hand.state is not None
    accounts = {name: Account(name=name, cap=1) for name in ("one", "two")}
    state = replace(hand.state, accounts=accounts, settings=Settings(stagger="0s"))
    starts = [effect for effect in schedule(state, hand.wall(3)) if isinstance(effect, StartAttempt)]
    assert [(each.workstream, each.account) for each in starts] == [("a", "one"), ("b", "two")]
