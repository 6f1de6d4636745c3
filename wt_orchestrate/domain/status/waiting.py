"""What a workstream waits for while no agent of it works: one cause at a time."""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain.review.reviewers import awaits_review
from wt_orchestrate.domain.schedule.schedule import held_by, takes_place, waits_for
from wt_orchestrate.domain.state.attempt import Account, rests_until
from wt_orchestrate.domain.state.lifecycle import Phase, Stage
from wt_orchestrate.domain.state.run import RunState, WorkstreamState, last_attempt, takes_messages
from wt_orchestrate.domain.state.stages import at_gate

PERSON, LIMIT, CHECKS, CONFLICT, REVIEW = "person", "limit", "checks", "conflict", "review"
PLACE, ROOM, NEEDS, PREPARATION = "place", "room", "needs", "preparation"
RECOVERY, SUPERVISOR = "recovery", "supervisor"
CAUSES = {
    PERSON: "an answer, a decision or a release by a person",
    LIMIT: "a usage limit, or the model's service",
    CHECKS: "verification, the train and its checks",
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


class Places(Struct, frozen=True):
    """The slots for agents, computed once for all workstreams."""

    taken: int
    full: bool

    @staticmethod
    def of(state: RunState) -> Places:
        taken = sum(takes_place(state, ws) for ws in state.workstreams.values())
        return Places(taken, taken >= state.plan.limits.agents)


def waits(state: RunState, ws: WorkstreamState, at: float, places: Places) -> Waits:
    """What it waits for; nothing if it is done, cannot go on, or the run is at rest."""
    if state.phase not in {Phase.RUNNING, Phase.STOPPING}:
        return NOTHING
    if at_gate(state, ws):
        return Waits(PERSON)
    match ws.stage:
        case Stage.QUEUED:
            return _queued(state, ws, places)
        case Stage.PREPARING:
            return _preparing(state, ws, at, places)
        case Stage.WORKING:
            return Waits(SUPERVISOR)
        case Stage.CLAIMED:
            return Waits(CHECKS)
        case Stage.VERIFYING | Stage.VERIFIED:
            return Waits(_verifying(state, ws))
        case Stage.ESCALATED:
            return Waits(PERSON)
        case Stage.INTEGRATED | Stage.LANDED | Stage.FAILED | Stage.STOPPED | Stage.CANCELLED:
            return NOTHING


def _queued(state: RunState, ws: WorkstreamState, places: Places) -> Waits:
    if held_by(state, ws):
        return NOTHING
    if waits_for(state, ws):
        return Waits(NEEDS)
    if state.on_hold or ws.on_hold:
        return Waits(PERSON)
    if state.integration is None or ws.spec.branch:
        return Waits(PREPARATION)
    return Waits(_place(state, places) or PREPARATION)


def _place(state: RunState, places: Places) -> str:
    """Why another agent cannot start; empty if one can."""
    if state.full or (state.admission and places.taken >= 1):
        return ROOM
    return PLACE if places.full else ""


def _preparing(state: RunState, ws: WorkstreamState, at: float, places: Places) -> Waits:
    if state.on_hold or ws.on_hold:
        return Waits(PERSON)
    commands = len(state.settings.setup) + len(state.plan.setup)
    if ws.worktree is None or ws.lost or ws.setup_done < commands or ws.retry is None:
        return Waits(PREPARATION)
    then = PREPARATION if takes_place(state, ws) else _place(state, places) or PREPARATION
    pause, rest = ws.retry.not_before, _account_rests(state, ws)
    if max(pause, rest) <= at:
        return Waits(then)
    limited = rest > at or ws.retry.reason in {"limit", "overload"}
    return Waits(LIMIT if limited else RECOVERY, until=max(pause, rest), then=then)


def _account_rests(state: RunState, ws: WorkstreamState) -> float:
    """Until when the account of its next attempt is paused."""
    last = last_attempt(ws)
    if not takes_messages(state, ws) or not state.accounts:
        return 0.0
    if last is not None and last.account in state.accounts:
        return rests_until(state.accounts[last.account])
    first: Account = min(state.accounts.values(), key=rests_until)
    return rests_until(first)


def _verifying(state: RunState, ws: WorkstreamState) -> str:
    if ws.conflict or ws.id in state.train.waiting:
        return CONFLICT
    if ws.on_hold:
        return PERSON
    return REVIEW if awaits_review(state, ws) else CHECKS
