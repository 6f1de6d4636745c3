"""`wto proof`: what a merge kept and what it lost, for merges of ours and of anybody's."""

from __future__ import annotations

from tests.e2e.test_train import make_branches
from tests.support.project import Project

LINES = [f"line {number}\n" for number in range(1, 10)]


def _edited(number: int, text: str) -> str:
    return "".join([*LINES[: number - 1], text, *LINES[number:]])


def _two_sides(project: Project) -> None:
    project.repository.commit({"a.txt": "".join(LINES), "b.txt": "".join(LINES)}, "begin")
    make_branches(
        project, {"side": {"a.txt": _edited(2, "by side\n"), "b.txt": _edited(2, "by side\n"), "n.txt": "new\n"}}
    )
    project.repository.commit({"a.txt": _edited(8, "by main\n"), "b.txt": _edited(2, "by main\n")}, "on main")


def test_an_integration_commit_is_proven_with_its_patches_and_checks(project: Project) -> None:
    """Each path says how it comes about, each patch that it is whole, and the checks that passed on the tree are named."""
    project.repository.commit({"a.txt": "".join(LINES)}, "begin")
    make_branches(
        project, {"one": {"a.txt": _edited(2, "by one\n")}, "two": {"a.txt": _edited(8, "by two\n"), "n": "n\n"}}
    )
    assert project.wto("train", "add", "one", "two", "--check", "true").code == 0
    assert project.wto("train", "run").code == 0
    shown = project.wto("proof", "wto/r1/integration")
    assert shown.code == 0, shown.err
    first, *lines = shown.out.splitlines()
    assert "Wto-Run: r1 Wto-Workstream: two Wto-Attempt: none Wto-Head: " in first
    two = project.repository.head("two")
    assert lines[:4] == [
        "✓ both merged: a.txt",
        "✓ as theirs: n",
        f"✓ patch {two[:12]} Work of two",
        "✓ proven: nothing that either side changed is lost",
    ]
    assert lines[4].startswith("✓ `true` passed on its tree in ")
    found = project.wto("proof", "wto/r1/integration", "--json").json
    assert (found["proven"], found["paths"]) == (True, {"a.txt": "both merged", "n": "as theirs"})
    assert [len(patch["identity"]) for patch in found["patches"]] == [40]


def test_a_merge_that_took_a_side_by_hand_is_caught(project: Project) -> None:
    """`git merge -X theirs` and `-s ours` are told with the very lines that are gone, and end with 6."""
    _two_sides(project)
    project.repository.git("merge", "-q", "-X", "theirs", "-m", "taken", "side")
    shown = project.wto("proof", "HEAD")
    assert shown.code == 6
    assert "✗ not explained: b.txt" in shown.out
    assert "▲ b.txt; it is the second parent unchanged" in shown.out
    assert "    removed by the first parent: by main" in shown.out
    project.repository.git("reset", "-q", "--hard", "HEAD^")
    project.repository.git("merge", "-q", "-s", "ours", "-m", "dropped", "side")
    found = project.wto("proof", "main", "--json").json
    assert {path: how for path, how in found["paths"].items() if how == "not explained"}.keys() == {
        "a.txt",
        "b.txt",
        "n.txt",
    }
    assert [patch["whole"] for patch in found["patches"]] == [False]
    assert {file["path"]: file["dropped"] for file in found["gone"]} == {
        "a.txt": [0, 1],
        "b.txt": [0, 1],
        "n.txt": [0, 1],
    }


def test_what_is_no_merge_is_refused(project: Project) -> None:
    """A commit with one parent, and a name that nobody knows, are told with what to do."""
    plain = project.wto("proof", "HEAD")
    assert (plain.code, "so it is not a merge" in plain.err) == (6, True)
    unknown = project.wto("proof", "nonsuch")
    assert (unknown.code, unknown.err.splitlines()[0]) == (5, "✗ there is no commit 'nonsuch'")
