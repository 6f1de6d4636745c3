"""Accounts for clients: which account a session may use now.

An overload pauses an account for everybody, longer each time; several within one pause count once. A usage limit pauses
it until it resets, a refused login until a person acts. Command agents use no account (the name is empty); without
`accounts:` in the user's configuration there is one, `default`.
"""

from __future__ import annotations

from collections.abc import Mapping

from wt_orchestrate.domain.effects import EffectKind, of_kind
from wt_orchestrate.domain.state.attempt import Account, usable
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import live_attempt


def free_account(state: RunState, now: float) -> str | None:
    """The account to start a session on: the usable one with the fewest living agents; None if there is none."""
    living = _living(state)
    free = [each for each in state.accounts.values() if usable(each, now) and _has_place(each, living)]
    return min(free, key=lambda each: living.get(each.name, 0)).name if free else None


def has_place(state: RunState, name: str, now: float) -> bool:
    """Whether a session of this account may go on now. An account that no longer exists is left to the start."""
    account = state.accounts.get(name)
    return account is None or (usable(account, now) and _has_place(account, _living(state)))


def _has_place(account: Account, living: Mapping[str, int]) -> bool:
    return account.cap == 0 or living.get(account.name, 0) < account.cap


def _living(state: RunState) -> Mapping[str, int]:
    """How many agents each account has, those being started included."""
    count: dict[str, int] = {}
    for ws in state.workstreams.values():
        attempt = live_attempt(ws)
        if attempt is not None:
            count[attempt.account] = count.get(attempt.account, 0) + 1
    for key in of_kind(state.effects.open, EffectKind.START):
        name = state.effects.pins.get(key, {}).get("account", "")
        count[name] = count.get(name, 0) + 1
    return count
