"""The retry ladder: for each cause of trouble, what is tried, in which order, how often, and after which pause.

The ladder is data: settings hold it, and these are the defaults. Every try is counted by its cause. A count is reset by
new commits, by a check that passes for the first time, or by a person, never by time. `attempts` bounds all tries
together, so that an agent that commits something each time does not go on for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_OID, uuid5

_STRICT: dict[str, Any] = {"extra": "forbid", "use_attribute_docstrings": True}


class Cause(StrEnum):
    """Why a workstream cannot simply go on."""

    OVERLOAD = "overload"
    """The model's service is overloaded, down, or cannot be reached."""
    LIMIT = "limit"
    """The account's usage limit."""
    CRASH = "crash"
    STUCK = "stuck"
    """No progress for `idle`."""
    LOOP = "loop"
    """The same action failed again and again."""
    CONTEXT = "context"
    """The agent ran out of context."""
    REFUSED = "refused"
    """The model declined to answer."""
    WORKTREE = "worktree"
    """Its worktree or branch was deleted."""
    CONFLICT = "conflict"
    REVIEW = "review"
    """A reviewer asks for changes."""
    EVIDENCE = "evidence"
    """A claim that does not hold, or a failed check; bounded by `retries` of the plan."""


BY_COMMITS = frozenset(Cause) - {Cause.CONFLICT, Cause.EVIDENCE, Cause.REVIEW}
"""Causes whose count new commits reset; for the others, the commits are what was just judged."""


class Action(StrEnum):
    """What to try."""

    NUDGE = "nudge"
    """Interrupt the running turn and say why; process and session go on. Without a running process: resume."""
    RESUME = "resume"
    """Another attempt in the same session, with what happened as its message."""
    FRESH = "fresh"
    """Another attempt in a new session in the same worktree, with the last handoff in its brief."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One thing to try, and how often."""

    __pydantic_config__ = _STRICT

    action: Action = Action.RESUME
    """`nudge`, `resume` or `fresh`."""
    times: int = 1
    """How often it is tried before the next step."""
    waits: tuple[str, ...] = ()
    """The pause before each try, such as 30s; the last one counts for all further tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The ladder of every cause, and the bounds of all together."""

    __pydantic_config__ = _STRICT

    overload: tuple[Rung, ...] = (Rung(times=30, waits=("10s", "30s", "1m", "2m", "5m", "10m")),)
    """Overload and network errors: one pause for all workstreams of the account."""
    limit: tuple[Rung, ...] = (Rung(times=50, waits=("10m",)),)
    """A usage limit: waits until it resets; the pause counts if the reset time is unknown."""
    crash: tuple[Rung, ...] = (Rung(), Rung(action=Action.FRESH))
    """The agent's process died."""
    stuck: tuple[Rung, ...] = (Rung(action=Action.NUDGE), Rung(action=Action.FRESH))
    """No progress for `idle`."""
    loop: tuple[Rung, ...] = (Rung(action=Action.NUDGE), Rung(action=Action.FRESH))
    """The same action failed again and again."""
    context: tuple[Rung, ...] = (Rung(action=Action.FRESH, times=2),)
    """The agent ran out of context."""
    refused: tuple[Rung, ...] = (Rung(action=Action.FRESH),)
    """The model declined to answer."""
    worktree: tuple[Rung, ...] = (Rung(times=2),)
    """The worktree or branch was deleted; it is created again first."""
    conflict: tuple[Rung, ...] = (Rung(),)
    """Its work conflicts with integrated work."""
    review: tuple[Rung, ...] = (Rung(times=2),)
    """A reviewer requests changes; after that a person decides."""
    attempts: int = 20
    """The limit on attempts of a workstream; those stopped by a usage limit or overload do not count."""
    repeats: int = 6
    """How often the same action must fail, with nothing edited or committed between, to count as a loop."""
    jitter: int = 20
    """The most, in per cent, by which a pause after an overload is lengthened."""
    wrap_up: str = "2m"
    """How long an agent gets to finish once a budget is used up."""
    move: bool = False
    """Whether work that met an account's limit moves to another account (in a new session) instead of waiting."""


def ladder(recovery: Recovery, cause: Cause, *, retries: int) -> Sequence[Rung]:
    """The rungs of a cause; failed evidence goes back `retries` times."""
    if cause is Cause.EVIDENCE:
        return (Rung(times=retries),)
    rungs: Sequence[Rung] = getattr(recovery, cause.value)
    return rungs


def next_rung(rungs: Sequence[Rung], taken: int) -> tuple[Rung, int] | None:
    """The rung after so many tries, and which try of it this is (from 0); None if all are used up."""
    for rung in rungs:
        if taken < rung.times:
            return rung, taken
        taken -= rung.times
    return None


def jittered(length_s: float, *, per_cent: int, seed: str) -> float:
    """A pause lengthened by up to so many per cent; the same for the same seed."""
    return length_s * (1.0 + per_cent / 100 * (uuid5(NAMESPACE_OID, seed).int % 1000) / 1000)
