"""One drafting as values: what was wished, and how far it is.

A drafting belongs to no run, so that it is not in the event log: it lies in a folder of its own in the state folder. Its
progress is written down after each step, so that a drafting that was cut off can be told from one that goes on, and be taken up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class DraftPhase(StrEnum):
    """How far a drafting is. A drafting that nobody is at any more is `cut off`; that is looked at, never stored."""

    DRAFTING = "drafting"
    READY = "ready"
    INVALID = "invalid"
    """Its rounds are used up, and the last plan still has problems."""
    TIMED_OUT = "timed out"
    FAILED = "failed"
    """Its agent could not go on."""
    CANCELLED = "cancelled"
    CUT_OFF = "cut off"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftWish:
    """What was asked for. `target` is the branch whose commit is read, `named` whether the person named it."""

    id: str
    goal: str
    agent: str
    rounds: int
    timeout_s: float
    target: str
    commit: str
    begun_at: float
    named: bool = False
    budget_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftProgress:
    """How far a drafting is. `round` counts the plans that were judged, `tries` the processes that were started."""

    phase: DraftPhase = DraftPhase.DRAFTING
    round: int = 0
    tries: int = 0
    session: str = ""
    begun: bool = False
    """Whether the session has answered, so that it can be resumed."""
    text: str = ""
    """What was returned last."""
    problems: tuple[str, ...] = ()
    """What is wrong with it."""
    sent_back: tuple[tuple[str, ...], ...] = field(default_factory=tuple)
    """What was wrong with each earlier plan."""
    activity: str = ""
    """What the agent did last, in a line."""
    reason: str = ""
    hint: str = ""
    spent_s: float = 0.0
    cost_usd: float = 0.0
    tokens: int = 0
    denied: int = 0
    """How often it wanted to do what it may not."""
    at: float = 0.0


OVER = frozenset(set(DraftPhase) - {DraftPhase.DRAFTING, DraftPhase.CUT_OFF})
"""Phases in which nothing goes on any more."""
