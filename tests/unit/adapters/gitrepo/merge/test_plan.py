"""Who rides with whom in a chain, told from paths alone."""

from __future__ import annotations

import pytest

from wt_orchestrate.adapters.gitrepo.merge.path_index import folders
from wt_orchestrate.adapters.gitrepo.merge.plan import Ahead, RiderPlace, placed, rounds
from wt_orchestrate.adapters.gitrepo.merge.survey import Load, Since, Survey
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import NOTHING, Delta, TreeEntry, after, before, parsed, turned
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.ports.git.merges import Rider

ONTO, OLD = CommitId("0" * 40), CommitId("1" * 40)


def delta(words: str) -> Delta:
    """Changes written as `A:path D:path M:path`."""
    return {word[2:]: f":100644 100644 {'a' * 40} {'b' * 40} {word[0]}" for word in words.split()}


def load(words: str, *, base: CommitId | None = ONTO, gone: str = "") -> Load:
    name = CommitId("2" * 40)
    return Load(Rider(name="w", head=name, message="m"), base, None, delta(words), frozenset(gone.split()))


def plan(*loads: Load, since: str = "", gone: str = "") -> list[RiderPlace | None]:
    """Each rider's place as if all ahead of it rode; since `OLD` the beginning changed what `since` says."""
    survey = Survey(onto=ONTO, loads=loads, since={OLD: Since(delta(since), frozenset(gone.split()))})
    ahead = Ahead(survey, set())
    found: list[RiderPlace | None] = []
    for number, each in enumerate(loads):
        place = ahead.place(number)
        ahead.add(number, place, each.delta, each.gone)
        found.append(place)
    return found


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ("M:a/b", "M:a/c", False),
        ("M:a/b", "M:a/b", True),
        ("M:a", "A:a/b", True),
        ("A:a/b/c", "M:a", True),
        ("M:a/b", "M:a/bc", False),
        ("A:a/b", "A:a/c", False),
        ("D:a/b", "M:a/c", False),
    ],
)
def test_changes_meet_at_a_path_and_below_it(one: str, other: str, meets: bool) -> None:
    """Only who touches the same path, or what lies below it, has company."""
    company = RiderPlace(1, (0,), round=1) if meets else RiderPlace(1)
    assert plan(load(one), load(other)) == [RiderPlace(0), company]


def test_company_is_everybody_met_directly_or_through_others() -> None:
    """The third meets the second, who met the first: two rounds, and all of them together."""
    found = plan(load("M:a"), load("M:a M:b"), load("M:b"), load("M:c"))
    assert found == [RiderPlace(0), RiderPlace(1, (0,), round=1), RiderPlace(2, (0, 1), round=2), RiderPlace(3)]
    assert rounds([place for place in found if place]) == {1: [found[1]], 2: [found[2]]}


def test_what_the_beginning_changed_is_met_too() -> None:
    """A rider begun before the beginning's last change is merged with it where they meet, alone in the first round."""
    assert plan(load("M:a", base=OLD), load("M:b", base=OLD), since="M:a") == [
        RiderPlace(0, (), True, 1),
        RiderPlace(1),
    ]


@pytest.mark.parametrize(
    "loads",
    [
        (load("D:a"), load("M:a")),
        (load("D:d/one", gone="d"), load("A:d/two")),
        (load("D:d/one"), load("D:d/two"), load("A:d/three")),
        (load("A:d/one"), load("D:d/two", gone="d")),
        (load("M:x"), load("M:y", base=None)),
    ],
)
def test_where_a_rename_is_possible_only_git_may_say(loads: tuple[Load, ...]) -> None:
    """A deletion of what one touches, a folder that could be gone, and a rider without a base are left to git."""
    assert plan(*loads)[-1] is None


def test_a_deletion_elsewhere_is_no_matter() -> None:
    """A folder in which something is left was not renamed: what is added to it stays there."""
    assert plan(load("D:d/one"), load("A:d/two"), load("M:d/three")) == [RiderPlace(0), RiderPlace(1), RiderPlace(2)]


def test_the_beginning_and_a_rider_may_empty_a_folder_together() -> None:
    """What one of them left in it the other took."""
    assert plan(load("D:d/one"), load("A:d/three", base=OLD), since="D:d/two")[1] is None


def test_places_end_at_the_first_that_only_git_may_place() -> None:
    """Those behind it wait until it is merged; who is out is nobody's company."""
    survey = Survey(onto=ONTO, loads=[load("M:a"), load("M:a"), load("M:b", base=None), load("M:c")], since={})
    ahead = Ahead(survey, set())
    assert placed(ahead, range(4)) == ([RiderPlace(0), RiderPlace(1, (0,), round=1)], range(2, 4))
    ahead.out.add(0)
    assert placed(ahead, [1, 2, 3]) == ([RiderPlace(1)], [2, 3])


def test_raw_lines_are_cut_where_they_are_needed() -> None:
    """Headers of all three kinds, names with a newline, both sides of a line, and the line turned round."""
    line = f":000000 100755 {'0' * 40} {'b' * 40} A"
    output = f"one two\0\n{line}\0a\nb\0three four\n{line}\0:c\0five\0six seven\neight nine\n"
    names = ("one two", "three four", "five", "six seven", "eight nine")
    assert parsed(output) == dict(zip(names, ({"a\nb": line}, {":c": line}, {}, {}, {}), strict=True))
    assert (before(line), after(line)) == (NOTHING, TreeEntry("100755", "b" * 40))
    assert turned(line) == f":100755 000000 {'b' * 40} {'0' * 40} D"
    assert list(folders("a/b/c")) == ["a/b", "a"]
