"""Ctrl-C counts between two turns of a supervisor, never inside one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from wt_orchestrate.wiring.run.interrupts import Interrupts


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_D5_a_turn_is_not_interrupted_but_the_wait_behind_it_is() -> None:
    """What comes inside a turn is held until the supervisor waits; the handler of before is back afterwards."""
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        _interrupt()
        done.append("turn")
        with interrupts.waiting:
            done.append("wait")
    assert done == ["turn"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_wait_is_interrupted_at_once() -> None:
    """While the supervisor waits, Ctrl-C raises as always."""
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts, interrupts.waiting:
        _interrupt()
        signal.sigtimedwait([], 5)


def test_one_that_comes_in_the_last_turn_counts_at_the_end() -> None:
    """Nothing is lost where no further wait follows."""
    with pytest.raises(KeyboardInterrupt), Interrupts():
        _interrupt()


def test_a_third_one_raises_at_once() -> None:
    """Who insists is not kept waiting by a long turn."""
    held = 0
    with pytest.raises(KeyboardInterrupt), Interrupts():
        for _ in range(3):
            _interrupt()
            held += 1
    assert held == 2
