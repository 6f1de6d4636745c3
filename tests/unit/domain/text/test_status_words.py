"""Status words are short, and each says something else."""

from __future__ import annotations

import pytest

from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.stages import Standing
from wt_orchestrate.domain.status.activity import Condition
from wt_orchestrate.domain.text.status_words import shown


@pytest.mark.parametrize("names", [Stage, Condition, Standing], ids=lambda names: str(names.__name__))
def test_a_status_is_at_most_three_words_and_no_two_are_alike(
    names: type[Stage] | type[Condition] | type[Standing],
) -> None:
    """Every stage, condition and standing has its own short word."""
    words = [shown(name.value) for name in names]
    assert [word for word in words if len(word.split()) > 3] == [] and len(set(words)) == len(words)


def test_what_waits_for_a_person_says_so() -> None:
    """A person sees at a glance where they are needed."""
    assert shown(Stage.ESCALATED.value) == "needs you"
    assert shown(Condition.WAITING_FOR_ANSWER.value) == "needs answer"
    assert shown(Condition.WAITING_FOR_APPROVAL.value) == shown(Standing.GATE.value) == "needs approval"
