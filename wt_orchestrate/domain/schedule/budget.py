"""Limits on money, tokens, turns and time, of a workstream and of the run: how much is used, and what follows.

At four fifths a warning is logged. When a limit is used up, the agents concerned are asked to end with a handoff,
nothing new starts, and only agents that do not end are stopped. Usage is what their streams reported so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.plan.model import Budget, seconds
from wt_orchestrate.domain.state.lifecycle import ENDED, Phase
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt

_WARN = 0.8
MONEY, TOKENS, TURNS, WALL = "money", "tokens", "turns", "time"
_UNITS = {MONEY: "${:.2f}", TOKENS: "{:.0f} tokens", TURNS: "{:.0f} turns", WALL: "{:.0f} s"}


class Use(Struct, frozen=True):
    """How much of one limit is used; times in seconds, money in US dollars."""

    what: str
    used: float
    cap: float

    def words(self) -> str:
        """Such as `$1.20 of $5.00`."""
        unit = _UNITS[self.what]
        return f"{unit.format(self.used)} of {unit.format(self.cap)}"


def workstream_use(state: RunState, ws: WorkstreamState, now: float) -> tuple[Use, ...]:
    """The use of every limit that the workstream has."""
    caps = _caps(_bounds(ws.spec.limits, state.plan.defaults.limits))
    active = sum((attempt.ended_at or now) - attempt.started_at for attempt in ws.attempts)
    used = {**_used((ws,)), WALL: active}
    return tuple(Use(what, used[what], cap) for what, cap in caps.items())


def run_use(state: RunState, now: float) -> tuple[Use, ...]:
    """The use of every limit that the run has."""
    limits = state.plan.limits
    bounds = Budget(budget_usd=limits.budget_usd, tokens=limits.tokens, turns=limits.turns, wall=limits.wall)
    elapsed = now - state.started_at - state.clock.skipped_s
    used = {**_used(state.workstreams.values()), WALL: elapsed}
    return tuple(Use(what, used[what], cap) for what, cap in _caps(bounds).items())


def money_left(state: RunState, ws: WorkstreamState, now: float) -> float | None:
    """How much an attempt may cost, in US dollars; None without a limit."""
    uses = (*workstream_use(state, ws, now), *run_use(state, now))
    return min((max(0.01, use.cap - use.used) for use in uses if use.what == MONEY), default=None)


def turns_left(state: RunState, ws: WorkstreamState, now: float) -> int | None:
    """How many turns of the model an attempt may take; None without a limit."""
    uses = (*workstream_use(state, ws, now), *run_use(state, now))
    return min((max(1, int(use.cap - use.used)) for use in uses if use.what == TURNS), default=None)


def _bounds(own: Budget, default: Budget) -> Budget:
    return Budget(
        budget_usd=default.budget_usd if own.budget_usd is None else own.budget_usd,
        tokens=default.tokens if own.tokens is None else own.tokens,
        turns=default.turns if own.turns is None else own.turns,
        wall=default.wall if own.wall is None else own.wall,
    )


def _caps(bounds: Budget) -> Mapping[str, float]:
    wall = seconds(bounds.wall) if bounds.wall else None
    caps = {MONEY: bounds.budget_usd, TOKENS: bounds.tokens, TURNS: bounds.turns, WALL: wall}
    return {what: float(cap) for what, cap in caps.items() if cap is not None}


def _used(streams: Iterable[WorkstreamState]) -> dict[str, float]:
    attempts = [attempt for ws in streams for attempt in ws.attempts]
    return {
        MONEY: sum(attempt.cost_usd for attempt in attempts),
        TOKENS: float(sum(a.input_tokens + a.output_tokens + a.cache_tokens for a in attempts)),
        TURNS: float(sum(attempt.turns for attempt in attempts)),
    }


# ---------------------------------------------------------------- what follows


def budget_conclusions(state: RunState, now: float) -> Iterator[e.Event]:
    """Warnings that were not logged yet, for limits that are nearly used up or used up."""
    if state.phase is not Phase.RUNNING or all(ws.stage in ENDED for ws in state.workstreams.values()):
        return
    for use in run_use(state, now):
        yield from _told(None, state.usage.limits, use)
    for ws in state.workstreams.values():
        if ws.stage not in ENDED:
            for use in workstream_use(state, ws, now):
                yield from _told(ws, ws.usage.limits, use)


def _told(ws: WorkstreamState | None, known: Mapping[str, bool], use: Use) -> Iterator[e.Event]:
    name = ws.id if ws is not None else None
    if use.used >= use.cap:
        if not known.get(use.what):
            yield e.BudgetReached(workstream=name, what=use.what, used=use.used, cap=use.cap)
    elif use.used >= _WARN * use.cap and use.what not in known:
        yield e.BudgetWarned(workstream=name, what=use.what, used=use.used, cap=use.cap)


def time_is_up(state: RunState) -> bool:
    """Whether the run's own time is used up: then it is stopped as a whole."""
    return state.usage.limits.get(WALL, False)


def used_up_by(state: RunState, ws: WorkstreamState) -> str:
    """Which limit is used up for a workstream, in words; empty if none is. The run's time is `time_is_up`."""
    own = [what for what, used_up in ws.usage.limits.items() if used_up]
    if own:
        return f"its budget is used up ({', '.join(own)})"
    of_run = [what for what, used_up in state.usage.limits.items() if used_up and what != WALL]
    return f"the run's budget is used up ({', '.join(of_run)})" if of_run else ""


def overdue(state: RunState, ws: WorkstreamState, now: float) -> bool:
    """Whether its agent was asked to end because of a limit and has had its time to do so."""
    if not (used_up_by(state, ws) or time_is_up(state)):
        return False
    since = ws.usage.wrapping_since or state.usage.wrapping_since or 0.0
    patience = seconds(state.settings.recovery.wrap_up) or 0.0
    return live_attempt(ws) is not None and now - since > patience
