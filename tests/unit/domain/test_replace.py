"""Copies of values with some fields changed."""

from __future__ import annotations

import dataclasses

import pytest

from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.train import Judgement


def test_a_copy_is_what_dataclasses_would_make() -> None:
    """Changed fields are changed, the others are the very same objects, and the value itself stays as it was."""
    before = Judgement(passed=1, lost=2)
    after = replace(before, passed=3)
    assert after == dataclasses.replace(before, passed=3)
    assert before == Judgement(passed=1, lost=2)
    assert (after.passed, after.lost, hash(after)) == (3, 2, hash(Judgement(passed=3, lost=2)))


def test_a_copy_is_of_the_same_class_and_frozen_too() -> None:
    """However it was made, a copy is as much of its class as the value was: it cannot be written, and has all its methods."""
    after = replace(Judgement(passed=1), passed=3)
    assert type(after) is Judgement
    assert repr(after) == repr(Judgement(passed=3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.passed = 4  # type: ignore[misc]  # that is what is refused


def test_a_name_that_is_no_field_is_refused() -> None:
    """A misspelt field is an error, as it is with dataclasses."""
    with pytest.raises(TypeError, match="Judgement has no field pased"):
        replace(Judgement(), pased=1)
