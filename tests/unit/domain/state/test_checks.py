"""What the output of a check says about the variables that it did not get."""

from __future__ import annotations

import pytest

from wt_orchestrate.domain.state.checks import WITHHELD, withheld_words

NAMED = f"{WITHHELD}NPM_TOKEN, AWS_KEY and 3 more; pass_env in .wto/config.yaml passes what a check needs"


@pytest.mark.parametrize("command", ['test -n "$NPM_TOKEN"', "AWS_KEY=${AWS_KEY:?} make", "echo $NPM_TOKEN $AWS_KEY"])
def test_a_variable_that_a_command_names_is_part_of_the_reason(command: str) -> None:
    """Where a failed command names a withheld variable, the line with the names and the setting is given."""
    assert withheld_words(f"failed\n{NAMED}\n", command) == NAMED.removeprefix("wto: ")


@pytest.mark.parametrize("command", ["make test", "echo and 3 more"])
def test_other_failures_are_not_blamed_on_the_environment(command: str) -> None:
    """A command that names none of them fails for a reason of its own."""
    assert withheld_words(f"failed\n{NAMED}\n", command) == ""
    assert withheld_words("failed\n", command) == ""
