"""Which sides could meet, told by paths: every rule by an example, and all of them against git on random branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from tests.integration.gitrepo.conftest import Site
from tests.support.pathfuzz import HEADS, Judged, judge
from tests.support.repos import make_repository
from wt_orchestrate.adapters.gitrepo.forecast.overlap import PathIndex, Touched, merge_bases, touched
from wt_orchestrate.adapters.gitrepo.runner import Git

Files = Mapping[str, "bytes | str | None"]
BEGUN: Files = {
    "a/one": "one\n" * 9,
    "a/two": "two\n" * 9,
    "a/b/three": "three\n" * 9,
    "c/four": "four\n",
    "five": "5\n",
}
_MOVED = {"a/b/three": None, "z/three": "three\n" * 9}
_ALL_MOVED = {"a/one": None, "a/two": None, **_MOVED, "z/one": "one\n" * 9, "z/two": "two\n" * 9}
MEETING: dict[str, tuple[Files, Files, bool]] = {
    "the same path": ({"five": "x\n"}, {"five": "y\n"}, True),
    "paths side by side": ({"a/one": "x\n"}, {"a/two": "y\n"}, False),
    "new paths side by side": ({"a/new": "x\n"}, {"a/other": "y\n"}, False),
    "a file that became a folder": ({"five": None, "five/in": "x\n"}, {"five": "y\n"}, True),
    "a folder that became a file": ({"c/four": None, "c": "x\n"}, {"c/new": "y\n"}, True),
    "a name and a longer one": ({"fiv": "x\n"}, {"five": "y\n"}, False),
    "new in a folder that was moved": (_MOVED, {"a/b/new": "y\n"}, True),
    "new deep in a folder that was moved": (_ALL_MOVED, {"a/b/c/d/new": "y\n"}, True),
    "new in a folder of which something is left": (_MOVED, {"a/new": "y\n"}, False),
    "an edit in a folder of which the rest was moved": ({"a/one": None, "z/one": "one\n" * 9}, {"a/two": "y\n"}, False),
    "a deletion in the same folder": ({"a/one": None}, {"a/two": None}, False),
}


def sides(repository: str, *sides: Files) -> list[Touched]:
    """What each of these changes of one beginning touches."""
    user = make_repository(repository, BEGUN)
    heads = []
    for side in sides:
        user.git("checkout", "-q", "--detach", "main")
        gone = [path for path, content in side.items() if content is None]
        if gone:
            user.git("rm", "-q", "--", *gone)
        heads.append(user.commit({path: content for path, content in side.items() if content is not None}))
    base = user.head("main")
    found = touched(Git(user.common_dir), [(base, head) for head in heads])
    return [found[base, head] for head in heads]


@pytest.mark.parametrize("case", MEETING)
def test_who_meets_whom(tmp_path: Path, case: str) -> None:
    """Two sides meet by the same path, by a path below another's, and by a folder that one emptied; whichever is asked."""
    one, other, meets = MEETING[case]
    index = PathIndex()
    for name, side in zip(("one", "other"), sides(str(tmp_path / "app"), one, other), strict=True):
        index.add(name, side)
    expected = [("one", "other")] if meets else []
    assert list(index.pairs()) == expected
    assert [*index.partners("one"), *index.partners("other")] == (["other", "one"] if meets else [])


def test_what_is_not_known_meets_everybody(tmp_path: Path) -> None:
    """A side that only git can judge is a partner of all others, in the order they were added."""
    index = PathIndex()
    one, other = sides(str(tmp_path / "app"), {"five": "x\n"}, {"c/four": "y\n"})
    for name, side in (("one", one), ("unknown", None), ("other", other)):
        index.add(name, side)
    assert list(index.pairs()) == [("one", "unknown"), ("unknown", "other")]
    assert index.partners("unknown") == ["one", "other"]


def test_a_side_is_read_with_modes_ids_and_letters(site: Site) -> None:
    """What a side touches is told in raw lines, against each base that is asked for, with the folders it emptied."""
    user = site.user
    first = user.head()
    second = user.commit({"src/app.py": None, "src/übung mit leerzeichen.txt": None, "new\nline": "x\n"})
    third = user.commit({"src/app.py": "back\n"})
    old = user.git("rev-parse", f"{first}:src/app.py")
    found = touched(Git(user.common_dir), [(first, second), (first, third), (second, third), (third, third)])
    letters = {pair: ({path: line[-1] for path, line in side.delta.items()}, side.gone) for pair, side in found.items()}
    gone = {"src/app.py": "D", "src/übung mit leerzeichen.txt": "D", "new\nline": "A"}
    assert letters == {
        (first, second): (gone, {"src"}),
        (first, third): ({**gone, "src/app.py": "M"}, set()),
        (second, third): ({"src/app.py": "A"}, set()),
    }
    assert found[first, second].delta["src/app.py"] == f":100644 000000 {old} {'0' * 40} D"


def test_merge_bases_of_many_heads(site: Site) -> None:
    """Each head's one merge base is found; a head that crossed the target's way, or is of another history, has none."""
    user = site.user
    first = user.head()
    user.git("checkout", "-q", "-b", "early")
    early = user.commit({"early": "x\n"})
    user.git("checkout", "-q", "main")
    second = user.commit({"README.md": "second\n"})
    user.git("checkout", "-q", "-b", "took-in", early)
    user.git("merge", "-q", "--no-edit", second)
    took_in = user.head()
    user.git("checkout", "-q", "main")
    user.git("merge", "-q", "--no-edit", "-s", "ours", early)
    crossed = user.head()
    user.git("checkout", "-q", "--orphan", "foreign")
    foreign = user.commit({"foreign": "x\n"})
    found = merge_bases(Git(user.common_dir), against=second, heads=[early, took_in, second, first, foreign])
    assert found == {early: first, took_in: second, second: second, first: first, foreign: None}
    assert merge_bases(Git(user.common_dir), against=crossed, heads=[took_in]) == {took_in: None}


# ---------------------------------------------------------------- against git


def test_no_conflict_is_missed(tmp_path: Path) -> None:
    """Of random branches, those that are called independent merge cleanly into both their changes; `make fuzz` tries more."""
    found = judge(make_repository(str(tmp_path / "app")), range(40))
    assert (found.missed, found.other) == ((), ())
    pairs = 40 * HEADS * (HEADS - 1) // 2
    assert found.pairs == pairs
    assert found.conflicts > pairs // 10
    assert found.conflicts <= found.candidates < pairs * 0.6


def test_the_search_finds_what_a_weaker_rule_misses(tmp_path: Path) -> None:
    """An index of same paths alone is caught: it knows nothing of folders that were renamed."""

    def same_paths(known: Sequence[tuple[str, Touched]]) -> set[tuple[str, str]]:
        return {
            (one, other)
            for (one, left), (other, right) in combinations(known, 2)
            if not left.delta.keys().isdisjoint(right.delta)
        }

    found: Judged = judge(make_repository(str(tmp_path / "app")), range(40), same_paths)
    assert found.missed != ()


def test_the_order_of_adding_changes_nothing(tmp_path: Path) -> None:
    """The same sides in another order have the same partners."""
    known = sides(str(tmp_path / "app"), *(one for one, _, _ in MEETING.values()))
    named = [(str(number), side) for number, side in enumerate(known)]
    pairs = set()
    for seed in range(5):
        Random(seed).shuffle(named)
        index = PathIndex()
        for name, side in named:
            index.add(name, side)
        pairs.add(frozenset(frozenset(pair) for pair in index.pairs()))
    assert len(pairs) == 1
