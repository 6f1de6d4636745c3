"""Pipelines through bad days: syntheses, gates and people's words, with crashes anywhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.walk import staged_walk
from wt_orchestrate.domain.schedule import schedule
from wt_orchestrate.domain.train import train


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_every_pipeline_keeps_every_promise_and_comes_to_rest(seed: int) -> None:
    """G1 to G4 beside all others: nothing begins behind a gate that nobody passed, a stage is drawn together once and by the
    tool, only what nobody has begun leaves a run, and in the end every gate was asked for and passed."""
    outcome = staged_walk(seed)
    assert not outcome.breaches, (
        f"{outcome.breaches[0]} (after {outcome.steps} steps; python -m tests.simulation.replay --staged --seed {seed})"
    )


def _nothing(*args: object, **given: object) -> str:
    return ""


PLANTED: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "begin behind the gate": lambda: patch.object(schedule, "waits_for_stage", _nothing),
    "integrate unapproved": lambda: patch.object(train, "awaits_word", _nothing),
}


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_a_planted_bug_of_stages_is_found(name: str) -> None:
    """The walks that find nothing in the program find each of these in it."""
    with PLANTED[name]():
        for seed in count():
            if staged_walk(seed).breaches:
                return
            assert seed < 1_000, f"{name} was not found in 1,000 walks"
