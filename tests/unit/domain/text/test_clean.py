"""Text that is shown to people: lists that are cut say so, places are written one way."""

from __future__ import annotations

import pytest

from wt_orchestrate.domain.text.clean import at_line, clean, some_of


@pytest.mark.parametrize(
    ("names", "more", "shown"),
    [
        ((), 0, ""),
        (("a",), 0, "a"),
        (("a", "b"), 0, "a, b"),
        (("a", "b", "c", "d", "e"), 0, "a, b and 3 more"),
        (("a",), 4, "a and 4 more"),
        (("a", "b", "c"), 2, "a, b and 3 more"),
    ],
)
def test_a_list_that_is_cut_says_how_much_is_left_out(names: tuple[str, ...], more: int, shown: str) -> None:
    """The first ones, and the number of all the others, whoever left them out."""
    assert some_of(names, 2, more=more) == shown


def test_a_place_has_its_line_where_one_is_known() -> None:
    """`path:line`, or the path alone."""
    assert [at_line("a.py", line) for line in (7, 0, None)] == ["a.py:7", "a.py", "a.py"]


@pytest.mark.parametrize(
    "hidden", ["\ud800", "\udfff", "\u00ad", "\u200b", "\u206a", "\u3164", "\U000e0041", "\U000e0101", "\x1b"]
)
def test_what_nobody_sees_or_no_file_can_hold_is_written_out(hidden: str) -> None:
    """Invisible characters, those for terminals, and halves of characters become escapes; what is left can be stored."""
    shown = clean(f"a{hidden}b")
    assert shown.startswith("a\\")
    assert shown.isprintable()
    shown.encode()
