"""The life of a workstream: its stages, the table of legal moves, and groups of stages."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Stage(StrEnum):
    """Where a workstream is in its life."""

    QUEUED = "queued"
    PREPARING = "preparing"
    """Its worktree is being made or set up, or its next attempt is about to start."""
    WORKING = "working"
    CLAIMED = "claimed"
    """The agent says it is done; the evidence is being gathered."""
    VERIFYING = "verifying"
    """The evidence holds; it waits for the merge and the checks on the combined tree, or is in them."""
    VERIFIED = "verified"
    """The checks passed on exactly the tree that will be published."""
    INTEGRATED = "integrated"
    LANDED = "landed"
    FAILED = "failed"
    ESCALATED = "escalated"
    """It needs a person."""
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    """Given up by a person."""


S = Stage
_AWAY = frozenset({S.FAILED, S.ESCALATED, S.STOPPED, S.CANCELLED})
_BACK = frozenset({S.QUEUED, S.PREPARING, S.CLAIMED})
MOVES: Mapping[Stage, frozenset[Stage]] = {
    S.QUEUED: frozenset({S.PREPARING, S.CLAIMED}) | _AWAY,
    S.PREPARING: frozenset({S.WORKING}) | _AWAY,
    S.WORKING: frozenset({S.CLAIMED, S.PREPARING}) | _AWAY,
    S.CLAIMED: frozenset({S.VERIFYING, S.PREPARING}) | _AWAY,
    S.VERIFYING: frozenset({S.VERIFIED, S.INTEGRATED, S.PREPARING, S.CLAIMED}) | _AWAY,
    S.VERIFIED: frozenset({S.INTEGRATED, S.VERIFYING}) | _AWAY,
    S.INTEGRATED: frozenset({S.LANDED}),
    S.LANDED: frozenset(),
    S.FAILED: _BACK | {S.ESCALATED, S.CANCELLED},
    S.ESCALATED: _BACK | {S.FAILED, S.CANCELLED},
    S.STOPPED: _BACK | {S.CANCELLED},
    S.CANCELLED: _BACK,
}
"""Every legal move. A stage may always stay the same."""

STUCK = _AWAY
"""Stages in which it cannot go on by itself, so that what needs it is held."""
LOST_WORKTREE, LOST_BRANCH = "worktree", "branch"
"""What may be taken away under a workstream."""
DONE = frozenset({S.INTEGRATED, S.LANDED})
ENDED = DONE | STUCK
"""Stages that it leaves only by a person or a request."""
PROGRESS = (S.QUEUED, S.PREPARING, S.WORKING, S.CLAIMED, S.VERIFYING, S.VERIFIED, S.INTEGRATED, S.LANDED)
"""Stages on the way, in order."""


class Phase(StrEnum):
    """The state of a run as a whole."""

    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
