"""What a workstream is doing, what it waits for, since when and until when: asked in one place, from what is known and
nothing else.

The stage says where in its life it is; the condition, one word, what happens there. Each word stands for evidence. The
cause says what it waits for while no agent of it works: one at a time. A new reason to wait is one branch of the match
below. If no supervisor runs and the process is gone, a face shows `unknown` (only the face knows that).
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from wt_orchestrate.domain.review.reviewers import awaits_review
from wt_orchestrate.domain.schedule.schedule import held_by, takes_place, waits_for
from wt_orchestrate.domain.state.attempt import Attempt, rests_until
from wt_orchestrate.domain.state.checks import awaits_base, held_by_base
from wt_orchestrate.domain.state.lifecycle import Phase, Stage
from wt_orchestrate.domain.state.run import RunState, advancing, takes_messages
from wt_orchestrate.domain.state.stages import at_gate
from wt_orchestrate.domain.state.workstream import WorkstreamState, conflict_paths, last_attempt, live_attempt
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


PERSON, LIMIT, CHECKS, CONFLICT, REVIEW = "person", "limit", "checks", "conflict", "review"
PLACE, ROOM, NEEDS, PREPARATION = "place", "room", "needs", "preparation"
RECOVERY, SUPERVISOR = "recovery", "supervisor"
CAUSES = {
    PERSON: "an answer, a decision or a release by a person",
    LIMIT: "a usage limit, or the model's service",
    CHECKS: "verification, the train and its checks, the checks on the target before the first agent",
    CONFLICT: "a conflict to be resolved",
    REVIEW: "an agent's review",
    PLACE: "a free agent slot (`limits.agents`)",
    ROOM: "room on the machine (memory, load, disk)",
    NEEDS: "the workstreams that it needs",
    PREPARATION: "its worktree, setup and agent start",
    RECOVERY: "the pause before a retry",
    SUPERVISOR: "a supervisor: none was running, or it had not reacted yet",
}
"""Every cause of waiting, and what is waited for."""


class Waits(Struct, frozen=True):
    """A cause; from `until` (wall seconds) on it is `then`."""

    cause: str
    until: float | None = None
    then: str = ""


NOTHING = Waits("")


class AgentPlaces(Struct, frozen=True):
    """The slots for agents, computed once for all workstreams."""

    taken: int
    full: bool

    @staticmethod
    def of(state: RunState) -> AgentPlaces:
        taken = sum(takes_place(state, ws) for ws in state.workstreams.values())
        return AgentPlaces(taken, taken >= state.plan.limits.agents)


class Activity(Struct, frozen=True):
    """What a workstream is at. `until`: when a limit or an overload ends for it, in wall seconds; None if neither holds it.
    `waits` is what it waits for; nothing if it is done, cannot go on, or the run is at rest."""

    word: Condition
    since: float
    waits: Waits = NOTHING
    until: float | None = None


def activity(state: RunState, ws: WorkstreamState, now: float, places: AgentPlaces) -> Activity:
    """What a workstream is at as of now."""
    word, waits, until = _at(state, ws, now, places)
    if state.phase not in {Phase.RUNNING, Phase.STOPPING}:
        waits = NOTHING
    elif at_gate(state, ws):
        waits = Waits(PERSON)
    return Activity(word, ws.since, waits, until)


Found = tuple[Condition, Waits, float | None]


def _at(state: RunState, ws: WorkstreamState, now: float, places: AgentPlaces) -> Found:
    match ws.stage:
        case Stage.QUEUED:
            return (*_queued(state, ws, places), None)
        case Stage.PREPARING:
            return _preparing(state, ws, now, places)
        case Stage.WORKING:
            return _working(state, ws, live_attempt(ws), now)
        case Stage.CLAIMED:
            return Condition.CLAIMED, Waits(CHECKS), None
        case Stage.VERIFYING:
            approval = bool(ws.spec.synthesises and at_gate(state, ws))
            return Condition.WAITING_FOR_APPROVAL if approval else Condition.VERIFYING, _verifying(state, ws), None
        case Stage.VERIFIED:
            moves = ws.id in advancing(state)
            return Condition.INTEGRATING if moves else Condition.VERIFIED, _verifying(state, ws), None
        case Stage.ESCALATED:
            return Condition.ESCALATED, Waits(PERSON), None
        case Stage.INTEGRATED | Stage.LANDED | Stage.FAILED | Stage.STOPPED | Stage.CANCELLED:
            return Condition(ws.stage.value), NOTHING, None


def _queued(state: RunState, ws: WorkstreamState, places: AgentPlaces) -> tuple[Condition, Waits]:
    if held_by(state, ws):
        return Condition.HELD, NOTHING
    if waits_for(state, ws):
        return Condition.QUEUED, Waits(NEEDS)
    if held_by_base(state):
        return Condition.ESCALATED, Waits(PERSON)
    if state.on_hold or ws.on_hold:
        return Condition.ON_HOLD, Waits(PERSON)
    if awaits_base(state) and not ws.spec.branch:
        return Condition.QUEUED, Waits(CHECKS)
    if state.integration.commit is None or ws.spec.branch:
        return Condition.QUEUED, Waits(PREPARATION)
    return Condition.QUEUED, Waits(_place(state, places) or PREPARATION)


def _place(state: RunState, places: AgentPlaces) -> str:
    """Why another agent cannot start; empty if one can."""
    if state.room.full or (state.room.reason and places.taken >= 1):
        return ROOM
    return PLACE if places.full else ""


def _preparing(state: RunState, ws: WorkstreamState, now: float, places: AgentPlaces) -> Found:
    on_hold = state.on_hold or ws.on_hold
    rest = _account_rests(state, ws)
    pause = ws.retry.not_before if ws.retry is not None else 0.0
    until = max(pause, rest) if takes_messages(state, ws) and max(pause, rest) > now else None
    word = Condition.LIMITED if until is not None else Condition.ON_HOLD if on_hold else Condition.PREPARING
    if on_hold:
        return word, Waits(PERSON), until
    commands = len(state.settings.setup) + len(state.plan.setup)
    if ws.worktree is None or ws.checkout.lost or ws.setup.done < commands or ws.retry is None:
        return word, Waits(PREPARATION), until
    then = PREPARATION if takes_place(state, ws) else _place(state, places) or PREPARATION
    if max(pause, rest) <= now:
        return word, Waits(then), until
    limited = rest > now or ws.retry.reason in {"limit", "overload"}
    return word, Waits(LIMIT if limited else RECOVERY, until=max(pause, rest), then=then), until


def _account_rests(state: RunState, ws: WorkstreamState) -> float:
    """Until when the account of its next attempt is paused: that of its session, else the one that is free first."""
    last = last_attempt(ws)
    if not takes_messages(state, ws) or not state.accounts:
        return 0.0
    if last is not None and last.account in state.accounts:
        return rests_until(state.accounts[last.account])
    return min(map(rests_until, state.accounts.values()))


def _working(state: RunState, ws: WorkstreamState, attempt: Attempt | None, now: float) -> Found:
    if attempt is None:
        return Condition.ENDING, Waits(SUPERVISOR), None
    until = max(attempt.waits_until, attempt.resets_at or 0.0) or None if attempt.waits else None
    return _agent(state, ws, attempt, now), Waits(SUPERVISOR), until


def _agent(state: RunState, ws: WorkstreamState, attempt: Attempt, now: float) -> Condition:
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


def _verifying(state: RunState, ws: WorkstreamState) -> Waits:
    if conflict_paths(ws) or ws.id in state.train.waiting:
        return Waits(CONFLICT)
    if ws.on_hold:
        return Waits(PERSON)
    return Waits(REVIEW if awaits_review(state, ws) else CHECKS)
