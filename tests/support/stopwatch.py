"""How far a stopwatch may be off: as far as the machine made those wait who were measured.

Tests that compare times are marked `stopwatch` and run alone, after all others (`make test`): there the bound is what they
promise. Where the machine does something else at the same time, it is wider by the share of the time in which somebody waited
for a processor, as the kernel counts it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PROMISED = 0.05


def stopwatch() -> Callable[[], float]:
    """Start measuring; what is returned tells how far two times may differ by now, as a share."""
    began, waited = time.monotonic(), _waited_s()
    return lambda: PROMISED + max(0.0, _waited_s() - waited - _OWN_S) / (time.monotonic() - began)


_OWN_S = 10.0
"""What the clients under test wait for each other, when they start at the same time."""


def _waited_s() -> float:
    """For how long somebody has waited for a processor since the machine started; 0 where nobody counts it."""
    try:
        with open("/proc/pressure/cpu", encoding="ascii") as file:
            return int(file.readline().rpartition("total=")[2]) / 1e6
    except OSError:
        return 0.0
