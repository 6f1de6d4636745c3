"""Short phrases about single values."""

from __future__ import annotations

from typing import Any

from wt_orchestrate.domain.events.forecast import Clash
from wt_orchestrate.domain.events.memory import RecalledEntry
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.state.phrases import doubt, listed, named_paths, progress_words


def test_progress_is_a_share_a_note_or_both() -> None:
    """What an agent did not report is not in the phrase."""
    found = [progress_words(40, "tests"), progress_words(40, ""), progress_words(None, "tests"), progress_words(0, "")]
    assert found == ["at 40 %: tests", "at 40 %", "tests", "at 0 %"]


def test_paths_of_agents_are_few_short_and_harmless() -> None:
    """Of many paths three are named, none longer than a hundred characters, and none ends its code span."""
    assert named_paths(["a`b", "x" * 300, "c", "d", "e"]) == f"`a'b`, `…{'x' * 100}`, `c` and 2 more"


def test_a_conflict_names_its_paths_or_says_that_git_cannot_merge() -> None:
    """Three paths and how many more there are; without any, why."""
    one = WorkstreamId("a")
    many = Clash(one=one, other="b", paths=("p", "q\n`r", "s", "t"), more=2)
    assert listed(many) == "p, q 'r, s and 3 more"
    assert listed(Clash(one=one, other="b", paths=())) == "what git cannot merge at all"


def test_an_entry_is_doubted_for_what_changed_since() -> None:
    """Changed files are named; where it is unknown, that is said; else there is no doubt."""

    def entry(**more: Any) -> RecalledEntry:
        return RecalledEntry(id="m1", layer="repository", kind="fact", text="t", source="s", **more)

    assert doubt(entry(stale=("a",))) == "; may be out of date, these changed since: `a`"
    assert doubt(entry(unknown=True)) == "; unknown whether its files changed since"
    assert doubt(entry()) == ""
