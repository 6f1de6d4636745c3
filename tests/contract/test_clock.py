"""The clock port: what both the system's clock and the fake one promise."""

from __future__ import annotations

import pytest

from tests.support.fakes import FakeClock
from wt_orchestrate.adapters.clock import SystemClock
from wt_orchestrate.ports.engine import Clock


@pytest.mark.parametrize("clock", [FakeClock(), SystemClock()], ids=["fake", "system"])
def test_clocks_never_run_backwards_and_know_their_boot(clock: Clock) -> None:
    """Durations are never negative, the wall clock is past this century's start, and the boot is one and the same."""
    first, second = clock.elapsed(), clock.elapsed()
    assert first <= second
    assert clock.now() > 1_600_000_000
    assert clock.boot() == clock.boot() != ""


def test_a_jump_of_the_wall_clock_changes_no_duration() -> None:
    """The fake clock keeps apart what the real ones keep apart."""
    clock = FakeClock()
    before = clock.elapsed()
    clock.jump(-3_600)
    assert clock.elapsed() == before
    clock.advance(5)
    assert clock.elapsed() == before + 5
    boot = clock.boot()
    clock.reboot()
    assert clock.boot() != boot and clock.elapsed() < before
