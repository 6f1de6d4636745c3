"""Known bugs are put in one by one: a simulation that does not find them proves nothing."""

from __future__ import annotations

import time
from itertools import count

import pytest

from tests.simulation.planted import PLANTED
from tests.simulation.walk import busy_walk, walk

LIMIT_S = 120.0
"""Of processor time: how loaded the machine is says nothing about the simulation."""


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_a_planted_bug_is_found_within_two_minutes(name: str) -> None:
    """The walks that find nothing in the program find each of these in it."""
    until = time.process_time() + LIMIT_S
    with PLANTED[name]():
        for seed in count():
            if walk(seed).breaches or busy_walk(seed).breaches:
                return
            assert time.process_time() < until, f"{name} was not found in {LIMIT_S:.0f} s and {seed + 1} walks"
