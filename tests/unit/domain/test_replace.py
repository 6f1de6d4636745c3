"""Copies of values with some fields changed, and values as plain data: what is stored and what people write alike."""

from __future__ import annotations

import pytest

from wt_orchestrate.domain.plan.model import Check
from wt_orchestrate.domain.replace import plain, replace
from wt_orchestrate.domain.state.train import Judgement


def test_a_copy_has_the_changed_fields_and_the_others() -> None:
    """Changed fields are changed, the others are the very same objects, and the value itself stays as it was."""
    before = Judgement(passed=1, lost=2)
    after = replace(before, passed=3)
    assert (after, hash(after)) == (Judgement(passed=3, lost=2), hash(Judgement(passed=3, lost=2)))
    assert before == Judgement(passed=1, lost=2)
    check = Check(run="true")
    assert replace(check, timeout="1m") == Check(run="true", timeout="1m")


def test_a_copy_is_of_the_same_class_and_frozen_too() -> None:
    """A copy is as much of its class as the value was: it cannot be written, and has all its methods."""
    after = replace(Judgement(passed=1), passed=3)
    assert type(after) is Judgement
    with pytest.raises(AttributeError):
        after.passed = 4  # type: ignore[misc]  # that is what is refused


def test_a_name_that_is_no_field_is_refused() -> None:
    """A misspelt field is an error, of what is stored and of what people write."""
    with pytest.raises(TypeError, match="pased"):
        replace(Judgement(), pased=1)
    with pytest.raises(TypeError, match="runn"):
        replace(Check(run="true"), runn="false")


def test_plain_data_goes_all_the_way_down() -> None:
    """Values in values, enums and mappings come out as what JSON knows."""
    assert plain({"a": (Check(run="true"), Judgement(passed=1))}) == {
        "a": ({"run": "true", "timeout": "10m"}, {"passed": 1, "failed": 0, "lost": 0, "last": None})
    }
