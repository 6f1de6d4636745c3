"""The one way to wait in a test: for a condition, up to a deadline. Nothing else in the tests may sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TypeVar

T = TypeVar("T")

_LOOK_S = 0.005


def wait_until(
    condition: Callable[[], T | Literal[False] | None], *, what: str = "the condition holds", timeout_s: float = 30.0
) -> T:
    """The first true answer of `condition`; an AssertionError that says what was waited for when none comes in time."""
    end = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < end, f"not within {timeout_s} s: {what}; the last answer was {answer!r}"
        time.sleep(_LOOK_S)
    return answer
