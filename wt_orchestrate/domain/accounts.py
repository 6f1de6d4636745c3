"""Accounts for clients: who may start now, and who rests.

An overload pauses an account for everybody, longer each time; several within one pause count once. A usage limit rests it
until its reset. A refused login rests it until a person acts. Command agents use no account (the name is empty); without
`accounts:` in the user's configuration there is one, `default`.
"""

from __future__ import annotations

from collections.abc import Mapping

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.plan import seconds
from wt_orchestrate.domain.recovery import Cause, jittered, ladder, next_rung
from wt_orchestrate.domain.signs import TurnOutcome
from wt_orchestrate.domain.state import Account, Attempt, RunState, live_attempt
from wt_orchestrate.domain.values import replace

DEFAULT = "default"
_STRIKES = frozenset({TurnOutcome.OVERLOADED, TurnOutcome.RATE_LIMITED})


def first_accounts(caps: Mapping[str, int]) -> Mapping[str, Account]:
    """The accounts of a run that begins."""
    return {name: Account(name=name, cap=cap) for name, cap in (caps or {DEFAULT: 0}).items()}


def rests_until(account: Account) -> float:
    """When it may be used again, in wall seconds; in the past when it may be used now."""
    return max(account.limited_until, account.paused_until)


def usable(account: Account, now: float) -> bool:
    return not account.refusal and rests_until(account) <= now


def free_account(state: RunState, now: float) -> str | None:
    """The account to begin a session on: the usable one with the fewest living agents; None when there is none."""
    living = _living(state)
    free = [each for each in state.accounts.values() if usable(each, now) and _has_place(each, living)]
    return min(free, key=lambda each: living.get(each.name, 0)).name if free else None


def has_place(state: RunState, name: str, now: float) -> bool:
    """Whether a session of this account may go on now. An account that is not known any more is left to the start."""
    account = state.accounts.get(name)
    return account is None or (usable(account, now) and _has_place(account, _living(state)))


def _has_place(account: Account, living: Mapping[str, int]) -> bool:
    return account.cap == 0 or living.get(account.name, 0) < account.cap


def _living(state: RunState) -> Mapping[str, int]:
    """How many agents each account has, those that are just being started included."""
    count: dict[str, int] = {}
    for ws in state.workstreams.values():
        attempt = live_attempt(ws)
        if attempt is not None:
            count[attempt.account] = count.get(attempt.account, 0) + 1
    for key in state.open:
        if key.startswith("start:"):
            name = state.pins.get(key, {}).get("account", "")
            count[name] = count.get(name, 0) + 1
    return count


# ---------------------------------------------------------------- what streams tell


def fold_account(state: RunState, record: e.Record, attempt: Attempt, seen: e.AttemptObserved) -> RunState:
    """The accounts after a stretch of an attempt's stream."""
    account = state.accounts.get(attempt.account)
    if account is None:
        return state
    after = _after(state, account, record, seen)
    return state if after is account else replace(state, accounts={**state.accounts, account.name: after})


def _after(state: RunState, account: Account, record: e.Record, seen: e.AttemptObserved) -> Account:
    if seen.resets_at is not None:
        account = replace(account, limited_until=max(account.limited_until, seen.resets_at))
    if seen.outcome in _STRIKES and rests_until(account) <= record.at:
        pause = _pause(state, account.strikes)
        return replace(account, strikes=account.strikes + 1, paused_until=record.at + pause)
    if seen.outcome is TurnOutcome.COMPLETED and (account.strikes or account.refusal):
        return replace(account, strikes=0, paused_until=0.0, refusal="")
    if seen.outcome is TurnOutcome.LOGIN_FAILED:
        return replace(account, refusal=seen.text or "no credentials")
    return account


def _pause(state: RunState, strikes: int) -> float:
    recovery = state.settings.recovery
    found = next_rung(ladder(recovery, Cause.OVERLOAD, retries=0), strikes)
    rung, number = found if found is not None else (recovery.overload[-1], recovery.overload[-1].times)
    length = seconds(rung.waits[min(number, len(rung.waits) - 1)]) if rung.waits else 0.0
    return jittered(length or 0.0, per_cent=recovery.jitter, seed=f"{state.seed}:{strikes}")


def forgiven(state: RunState) -> RunState:
    """A person acted: logins are tried again, and pauses after overloads are over. A usage limit stays."""
    accounts = {
        name: replace(account, refusal="", strikes=0, paused_until=0.0) for name, account in state.accounts.items()
    }
    return replace(state, accounts=accounts)
