"""Faults of our own that one workstream's content can set off, kept to that workstream.

What nobody foresaw in a name, a message or an output must not end the run, and least of all every later one. So such a fault is
a failure of the effect it happened in, tried again a few times and then told to a person like any other; and content that
cannot be taken counts as unreadable. A broken rule is no such fault: there nothing more can be relied on.
"""

from __future__ import annotations

from typing import TypeGuard

from wt_orchestrate.domain.observation import HandoffRead, NotesIn, Reading, StreamRead
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.errors import InvariantBroken

_LONGEST = 200


def contained(error: BaseException) -> TypeGuard[Exception]:
    """Whether a fault may be kept to where it happened."""
    return isinstance(error, Exception) and not isinstance(error, InvariantBroken | AssertionError)


def in_short(error: BaseException) -> str:
    """A fault in one line for a person."""
    return f"a fault in wt-orchestrate: {type(error).__name__}: {clean(str(error))[:_LONGEST]}"


def without_content(reading: Reading, problem: str) -> Reading | None:
    """The same reading as if it held nothing; None for one that is not about what agents wrote."""
    match reading:
        case HandoffRead():
            return replace(reading, text=None, problem=problem)
        case StreamRead():
            return replace(reading, signs=())
        case NotesIn():
            return replace(reading, lines=())
        case _:
            return None
