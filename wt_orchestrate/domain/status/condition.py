"""A workstream's condition: what it is doing or waiting for, in one word.

The stage says where in its life it is; the condition what happens there. Each word stands for evidence. If no
supervisor runs and the process is gone, a face shows `unknown` (only the face knows that).
"""

from __future__ import annotations

from enum import StrEnum

from wt_orchestrate.domain.schedule.schedule import held_by, waits_for
from wt_orchestrate.domain.state.attempt import Account, Attempt, rests_until
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import (
    RunState,
    WorkstreamState,
    advancing,
    last_attempt,
    live_attempt,
    takes_messages,
)
from wt_orchestrate.domain.state.stages import at_gate
from wt_orchestrate.domain.verdict.stuck import trouble


class Condition(StrEnum):
    QUEUED = "queued"
    """It waits for what it needs, or for a free slot."""
    HELD = "held"
    """Something that it needs cannot go on."""
    ON_HOLD = "on hold"
    """A person put it on hold."""
    PREPARING = "preparing"
    WORKING = "working"
    WAITING_FOR_ANSWER = "waiting for an answer"
    WAITING_FOR_PERMISSION = "waiting for permission"
    WAITING_FOR_APPROVAL = "waiting for approval"
    """Its summary of a stage is finished; a person has to approve the next stage."""
    LIMITED = "limited"
    """It waits for the model's service or for the account's usage limit."""
    IDLE = "idle"
    """Its agent is alive and has nothing to do: it was interrupted, or its turn has just ended."""
    STUCK = "stuck"
    """Its agent is alive and makes no progress."""
    ENDING = "ending"
    """Its agent was asked to end."""
    CLAIMED = "claimed"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    INTEGRATING = "integrating"
    INTEGRATED = "integrated"
    LANDED = "landed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ESCALATED = "escalated"
    STOPPED = "stopped"


def condition(state: RunState, ws: WorkstreamState, now: float) -> Condition:
    """The condition of a workstream now."""
    match ws.stage:
        case Stage.QUEUED:
            if held_by(state, ws):
                return Condition.HELD
            return Condition.ON_HOLD if _on_hold(state, ws) and not waits_for(state, ws) else Condition.QUEUED
        case Stage.PREPARING:
            if resumes_at(state, ws, now) is not None:
                return Condition.LIMITED
            return Condition.ON_HOLD if _on_hold(state, ws) else Condition.PREPARING
        case Stage.WORKING:
            attempt = live_attempt(ws)
            return Condition.ENDING if attempt is None else _working(state, ws, attempt, now)
        case Stage.VERIFYING if ws.spec.synthesises and at_gate(state, ws):
            return Condition.WAITING_FOR_APPROVAL
        case Stage.VERIFIED:
            return Condition.INTEGRATING if ws.id in advancing(state) else Condition.VERIFIED
        case _:
            return Condition(ws.stage.value)


def _on_hold(state: RunState, ws: WorkstreamState) -> bool:
    return state.on_hold or ws.on_hold


def _working(state: RunState, ws: WorkstreamState, attempt: Attempt, now: float) -> Condition:
    if attempt.stopping:
        return Condition.ENDING
    if attempt.asks:
        question = any(ask.question for ask in attempt.asks)
        return Condition.WAITING_FOR_ANSWER if question else Condition.WAITING_FOR_PERMISSION
    if attempt.waits:
        return Condition.LIMITED
    if attempt.paused or attempt.idle:
        return Condition.IDLE
    stuck = attempt.nudged_at is not None and attempt.nudged_at >= (attempt.seen_at or 0.0)
    return Condition.STUCK if stuck or trouble(state, ws, attempt, now) is not None else Condition.WORKING


def resumes_at(state: RunState, ws: WorkstreamState, now: float) -> float | None:
    """When a limit or an overload ends for the workstream, in wall seconds; None if neither holds it."""
    live = live_attempt(ws)
    if live is not None:
        return max(live.waits_until, live.resets_at or 0.0) or None if live.waits else None
    if ws.stage is not Stage.PREPARING or not takes_messages(state, ws):
        return None
    at = max(rests_until(_account(state, ws)), ws.retry.not_before if ws.retry is not None else 0.0)
    return at if at > now else None


def _account(state: RunState, ws: WorkstreamState) -> Account:
    """The account it waits for: that of its session, else the one that is free first."""
    last = last_attempt(ws)
    if last is not None and last.account in state.accounts:
        return state.accounts[last.account]
    return min(state.accounts.values(), key=rests_until)
