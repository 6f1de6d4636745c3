"""The recovery ladder: for each cause of trouble, what is tried, in order, how often, and after which pause.

The ladder is data: settings hold it, and these are the defaults. Every rung taken is counted by its cause; a count starts
anew with new commits, with a check that passes for the first time, or when a person says so, never with time. `attempts`
bounds all of it together, so that an agent that commits something each time does not go on for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_OID, uuid5

_STRICT: dict[str, Any] = {"extra": "forbid", "use_attribute_docstrings": True}


class Cause(StrEnum):
    """Why a workstream does not simply go on."""

    OVERLOAD = "overload"
    """The model's service is overloaded, out of order, or cannot be reached."""
    LIMIT = "limit"
    """The account's usage limit."""
    CRASH = "crash"
    STUCK = "stuck"
    """No sign of progress for `idle`."""
    LOOP = "loop"
    """The same failing action over and over."""
    CONTEXT = "context"
    """The agent's context is exhausted."""
    REFUSED = "refused"
    """The model declined to answer."""
    WORKTREE = "worktree"
    """Its worktree or branch was taken away under it."""
    CONFLICT = "conflict"
    REVIEW = "review"
    """A reviewer asks for changes."""
    EVIDENCE = "evidence"
    """A claim that does not hold, or a failed check; bounded by `retries` of the plan."""


BY_COMMITS = frozenset(Cause) - {Cause.CONFLICT, Cause.EVIDENCE, Cause.REVIEW}
"""Causes whose count new commits set back: with the others, commits are what was just judged."""


class Action(StrEnum):
    """What a rung does."""

    NUDGE = "nudge"
    """Interrupt the running turn and say why; the process and its session go on. Without a running process: resume."""
    RESUME = "resume"
    """Another attempt in the same session, told what happened."""
    FRESH = "fresh"
    """Another attempt in a new session, in the same worktree, with the last handoff in its brief."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One thing to try, so many times."""

    __pydantic_config__ = _STRICT

    action: Action = Action.RESUME
    """`nudge`, `resume` or `fresh`."""
    times: int = 1
    """How often it is tried before the next rung."""
    waits: tuple[str, ...] = ()
    """The pause before each try, such as 30s; the last one is for all further tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The ladder of every cause, and what bounds all of them."""

    __pydantic_config__ = _STRICT

    overload: tuple[Rung, ...] = (Rung(times=30, waits=("10s", "30s", "1m", "2m", "5m", "10m")),)
    """Overload and network trouble: one pause for all workstreams of the account."""
    limit: tuple[Rung, ...] = (Rung(times=50, waits=("10m",)),)
    """A usage limit: waits for its reset; the pause counts where no reset is told."""
    crash: tuple[Rung, ...] = (Rung(), Rung(action=Action.FRESH))
    """The agent's process died."""
    stuck: tuple[Rung, ...] = (Rung(action=Action.NUDGE), Rung(action=Action.FRESH))
    """No sign of progress for `idle`."""
    loop: tuple[Rung, ...] = (Rung(action=Action.NUDGE), Rung(action=Action.FRESH))
    """The same failing action over and over."""
    context: tuple[Rung, ...] = (Rung(action=Action.FRESH, times=2),)
    """The agent's context is exhausted."""
    refused: tuple[Rung, ...] = (Rung(action=Action.FRESH),)
    """The model declined to answer."""
    worktree: tuple[Rung, ...] = (Rung(times=2),)
    """The worktree or branch was taken away; it is made again first."""
    conflict: tuple[Rung, ...] = (Rung(),)
    """Its work conflicts with what is integrated."""
    review: tuple[Rung, ...] = (Rung(times=2),)
    """A reviewer asks for changes; then a person decides."""
    attempts: int = 20
    """All attempts of a workstream together; those that met a limit or an overload do not count."""
    repeats: int = 6
    """How often the same action must fail, with nothing edited or committed between, to be a loop."""
    jitter: int = 20
    """By how many per cent at most a pause after an overload is lengthened."""
    wrap_up: str = "2m"
    """How long an agent may take to end gently once a budget is used up."""
    move: bool = False
    """Whether work that met an account's limit moves to another account (a new session) instead of waiting."""


def ladder(recovery: Recovery, cause: Cause, *, retries: int) -> Sequence[Rung]:
    """The rungs of a cause; failed evidence goes back `retries` times."""
    if cause is Cause.EVIDENCE:
        return (Rung(times=retries),)
    rungs: Sequence[Rung] = getattr(recovery, cause.value)
    return rungs


def next_rung(rungs: Sequence[Rung], taken: int) -> tuple[Rung, int] | None:
    """The rung that comes after so many were taken, and which try of it this is (from 0); None when all are used up."""
    for rung in rungs:
        if taken < rung.times:
            return rung, taken
        taken -= rung.times
    return None


def jittered(length_s: float, *, per_cent: int, seed: str) -> float:
    """A pause, longer by up to so many per cent: by chance, but always the same for the same seed."""
    return length_s * (1.0 + per_cent / 100 * (uuid5(NAMESPACE_OID, seed).int % 1000) / 1000)
