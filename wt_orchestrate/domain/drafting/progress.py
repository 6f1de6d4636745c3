"""One drafting as values: what was asked for, and how far it is.

A drafting belongs to no run, so it is not in the event log: it has a folder of its own in the state folder. Its
progress is saved after each step, so that one that was cut off can be recognised and resumed.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field


class DraftPhase(StrEnum):
    """The phase of a drafting. One that nobody works on any more is `cut off`; that is looked up, never stored."""

    DRAFTING = "drafting"
    READY = "ready"
    INVALID = "invalid"
    """Its rounds are used up, and the last plan still has problems."""
    TIMED_OUT = "timed out"
    FAILED = "failed"
    """Its agent could not go on."""
    CANCELLED = "cancelled"
    CUT_OFF = "cut off"


class DraftWish(Struct, frozen=True, kw_only=True):
    """What was asked for. `target`: the branch whose commit is read. `named`: the person named it."""

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


class DraftProgress(Struct, frozen=True, kw_only=True):
    """How far a drafting is. `round` counts the plans that were judged, `tries` the processes that were started."""

    phase: DraftPhase = DraftPhase.DRAFTING
    round: int = 0
    tries: int = 0
    session: str = ""
    begun: bool = False
    """Whether the session has answered, so that it can be resumed."""
    text: str = ""
    """The last plan that was returned."""
    problems: tuple[str, ...] = ()
    """What is wrong with it."""
    sent_back: tuple[tuple[str, ...], ...] = field(default_factory=tuple)
    """What was wrong with each earlier plan."""
    activity: str = ""
    """What the agent did last, in one line."""
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
