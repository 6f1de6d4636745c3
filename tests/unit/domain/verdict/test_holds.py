"""What work is held for a person: names that other machines cannot hold, and deletions of nearly everything."""

from __future__ import annotations

import pytest

from wt_orchestrate.domain.plan.settings import Holds
from wt_orchestrate.domain.verdict.holds import EVERYTHING, held, in_words

USUAL = Holds()
MANY = frozenset(f"f{number}" for number in range(20))


def _paths(before: set[str], after: set[str], **given: object) -> list[tuple[str, ...]]:
    return [each.paths for each in held(USUAL, before=before, after=after, **given)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "con",
        "NUL.txt",
        "com1.tar.gz",
        "lpt¹",
        "a/aux/b",
        "end.",
        "end ",
        "a:b",
        "what?",
        "back\\slash",
        "tab\there",
        'q"',
    ],
)
def test_L8_names_that_windows_refuses_are_held(name: str) -> None:
    """Devices also with an ending and as folders; a name that was there before is not held."""
    assert _paths({"x"}, {"x", name})
    assert _paths({"x", name}, {"x", name, "y"}) == []


@pytest.mark.parametrize("name", ["console", "com", "com10", "a.b", ".hidden", "aux-file", "é", "caf\udce9", "n" * 255])
def test_L8_usual_names_are_not_held(name: str) -> None:
    """Names that only look like devices, that are not UTF-8, or as long as file systems allow."""
    assert _paths({"x"}, {"x", name}) == []


def test_L8_a_name_of_256_bytes_is_refused() -> None:
    """Bytes count, not letters; no setting and no word of a person lets it through, as no tree can be made of it."""
    off = Holds(twins=False, names=False, allow=("**",))
    (found,) = held(off, before={"x"}, after={"x", "n" * 256}, let_through=("n" * 256,))
    assert found.for_good
    assert _paths({"x"}, {"x", "é" * 128}) == [("é" * 128,)]
    assert _paths({"x"}, {"x", "é" * 127}) == []


def test_L8_twins_are_held_once_at_the_uppermost_folder() -> None:
    """Case, the composition of letters and folders count; a path that was only renamed in case has no twin."""
    assert _paths({"Read"}, {"Read", "read"}) == [("read",)]
    assert _paths({"Read"}, {"read"}) == []
    assert _paths({"x"}, {"x", "\u00e9", "e\u0301"}) == [("e\u0301", "\u00e9")]
    assert _paths({"Src/a"}, {"Src/a", "src/a", "src/b"}) == [("src",)]
    assert _paths({"Src/a", "src/b"}, {"Src/a", "src/b", "src/A"}) == [("src/A",)]
    assert _paths({"A", "a"}, {"A", "a", "b"}) == []  # it was there before


def test_L8_a_twin_of_what_it_will_be_merged_with_is_held() -> None:
    """A path that the target has by now too is not its own."""
    assert _paths({"x"}, {"x", "notes"}, beside={"Notes"}) == [("notes",)]
    assert _paths({"x"}, {"x", "notes", "Notes"}, known={"x", "notes", "Notes"}) == []


def test_L8_nine_of_ten_files_deleted_are_held() -> None:
    """Few files may be replaced; an empty tree is held, however few there were."""
    assert _paths(set(MANY), set(), gone=set(MANY)) == [(EVERYTHING,)]
    assert _paths(set(MANY), {"f0", "f1"}, gone=MANY - {"f0", "f1"}) == [(EVERYTHING,)]
    assert _paths(set(MANY), {"f0", "f1", "f2"}, gone=MANY - {"f0", "f1", "f2"}) == []
    assert _paths({"a"}, set(), gone={"a"}) == [(EVERYTHING,)]
    assert _paths({"a"}, {"a"}, gone={"a"}) == [(EVERYTHING,)]  # emptied
    assert _paths({"a"}, {"b"}, gone={"a"}) == []
    assert _paths({"a", "b", "c"}, {"d"}, gone={"a", "b", "c"}) == [(EVERYTHING,)]
    assert _paths({"a", "b", "c"}, {"c"}, gone={"a", "b"}) == []


def test_L8_settings_and_a_persons_word_let_through() -> None:
    """Each kind can be turned off, and paths can be allowed; what a person let through stays so."""
    after = {"x", "X", "aux"}
    assert len(held(USUAL, before={"x"}, after=after)) == 2
    assert held(Holds(twins=False, names=False), before={"x"}, after=after) == ()
    assert held(Holds(allow=("aux", "X")), before={"x"}, after=after) == ()
    assert held(USUAL, before={"x"}, after=after, let_through=("X", "aux")) == ()
    assert held(USUAL, before={"x"}, after=set(), gone={"x"}, let_through=(EVERYTHING,)) == ()
    assert held(Holds(deletions=False), before={"x"}, after=set(), gone={"x"}) == ()


def test_S5_the_words_show_what_would_act_on_a_terminal() -> None:
    """Control characters are written out, and letters that are composed otherwise."""
    words = in_words(held(USUAL, before={"x"}, after={"x", "a\x1b]52\nb", "e\u0301", "\u00e9"}))
    assert "\x1b" not in words and "\n" not in words and "\\x1b" in words and "e\\u0301" in words
