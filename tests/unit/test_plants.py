"""The bugs that the simulation must find can still be put in: what they replace is where they look for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.simulation.planted import PLANTED
from tests.simulation.test_sim_stages import PLANTED as OF_STAGES


@pytest.mark.parametrize("plant", [*PLANTED.values(), *OF_STAGES.values()], ids=[*PLANTED, *OF_STAGES])
def test_a_planted_bug_can_be_put_in_and_taken_out(plant: Callable[[], AbstractContextManager[Any]]) -> None:
    """Whoever moves or renames a function notices here, not in the simulation, which takes minutes."""
    with plant():
        pass
