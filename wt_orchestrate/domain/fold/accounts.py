"""Fold events into accounts: usage limits and rate limits pause an account, a working attempt clears it."""

from __future__ import annotations

from collections.abc import Mapping

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.plan.model import seconds
from wt_orchestrate.domain.plan.retry_ladder import Cause, jittered, ladder, next_rung
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import Account, Attempt, rests_until
from wt_orchestrate.domain.state.run import RunState

DEFAULT = "default"
_STRIKES = frozenset({TurnOutcome.OVERLOADED, TurnOutcome.RATE_LIMITED})


def first_accounts(caps: Mapping[str, int]) -> Mapping[str, Account]:
    """The accounts of a run that starts."""
    return {name: Account(name=name, cap=cap) for name, cap in (caps or {DEFAULT: 0}).items()}


# ---------------------------------------------------------------- what streams tell


def fold_account(state: RunState, record: e.Record, attempt: Attempt, seen: e.AttemptObserved) -> RunState:
    """The accounts after new output of an attempt."""
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
