"""Histories on real source trees whose branches were open at the same time: the train's tree is that of plain `git merge` where
that is clean, and where it is not, both sides are still there.

The trees are packages that the tests run on anyway; what is done to them are the known ways in which branches meet.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.project import Project
from tests.support.repos import TestRepository

Edit = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class History:
    """Branches by name, what a check says of a tree, and which of them cannot be integrated."""

    package: str
    branches: Mapping[str, Edit]
    check: str = "true"
    refused: frozenset[str] = frozenset()


def _edit(name: str, old: str, new: str) -> Edit:
    def edit(tree: Path) -> None:
        text = (tree / name).read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        (tree / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def _append(name: str, text: str) -> Edit:
    def append(tree: Path) -> None:
        with (tree / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return append


def _rename(old: str, new: str) -> Edit:
    def rename(tree: Path) -> None:
        (tree / new).parent.mkdir(parents=True, exist_ok=True)
        (tree / old).rename(tree / new)

    return rename


def _write(name: str, content: bytes) -> Edit:
    def write(tree: Path) -> None:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)

    return write


def _both(*edits: Edit) -> Edit:
    def both(tree: Path) -> None:
        for edit in edits:
            edit(tree)

    return both


HISTORIES = {
    "edits far apart in one file": History(
        "click",
        {"top": _edit("core.py", "import", "import  # by top\nimport"), "end": _append("core.py", "\n# by end\n")},
    ),
    "renamed by one, edited by the other": History(
        "click", {"move": _rename("termui.py", "screen/termui.py"), "edit": _append("termui.py", "\n# edited\n")}
    ),
    "mode and content": History(
        "yaml", {"mode": lambda tree: (tree / "scanner.py").chmod(0o755), "text": _append("scanner.py", "\n# more\n")}
    ),
    "binary files": History(
        "yaml",
        {
            "one": _write("a.bin", bytes(range(256))),
            "two": _write("b.bin", b"\0" * 999),
            "other": _write("a.bin", b"\0else"),
        },
        refused=frozenset({"other"}),
    ),
    "the same lines": History(
        "iniconfig",
        {
            "left": _edit("__init__.py", "import", "import # left"),
            "right": _edit("__init__.py", "import", "import # right"),
        },
        refused=frozenset({"right"}),
    ),
    "a folder renamed, a file added below it": History(
        "click",
        {
            "folder": _both(_write("old/a.py", b"a = 1\n"), _write("old/b.py", b"b = 2\n")),
            "leaf": _write("new/c.py", b"c\n"),
        },
    ),
    "good alone, broken together": History(
        "pluggy",
        {
            "rename": _edit("_hooks.py", "import", "import  # renamed\nimport"),
            "caller": _write("caller.py", b"uses the old name\n"),
            "callee": _write("callee.py", b"drops the old name\n"),
        },
        check="! { test -e caller.py && test -e callee.py; }",
        refused=frozenset({"callee"}),
    ),
    "deleted by one, kept by the other": History(
        "iniconfig",
        {"gone": lambda tree: (tree / "exceptions.py").unlink(), "new": _write("added.py", b"1\n")},
    ),
}


def _begin(project: Project, history: History) -> None:
    spec = find_spec(history.package)
    assert spec is not None and spec.origin is not None
    for path in sorted(Path(spec.origin).parent.rglob("*.py")):
        below = path.relative_to(Path(spec.origin).parent)
        (Path(project.repository.path) / below).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, Path(project.repository.path) / below)
    project.repository.git("add", "-A")
    project.repository.git("commit", "-q", "-m", f"{history.package} as it is")
    for name, edit in history.branches.items():
        project.repository.git("switch", "-q", "-c", name, "main")
        edit(Path(project.repository.path))
        project.repository.git("add", "-A")
        project.repository.git("commit", "-q", "-m", f"Work of {name}")
    project.repository.git("switch", "-q", "main")


def _merged_by_git(repository: TestRepository, names: list[str]) -> str:
    """The tree of merging these one after another by hand."""
    repository.git("switch", "-q", "-c", "by-hand", "main")
    for name in names:
        repository.git("merge", "-q", "--no-ff", "-m", name, name)
    tree = repository.git("rev-parse", "HEAD^{tree}")
    repository.git("switch", "-q", "main")
    return tree


@pytest.mark.parametrize("name", sorted(HISTORIES))
def test_the_trains_tree_is_that_of_git(project: Project, name: str) -> None:
    """L8: what is integrated is what git makes of these branches, each proven; the rest is as it was, and told."""
    history = HISTORIES[name]
    _begin(project, history)
    heads = project.repository.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
    assert project.wto("train", "add", *history.branches, "--check", history.check).code == 0
    ended = project.wto("train", "run")
    states = {row["branch"]: row["state"] for row in project.wto("train", "status", "--json").json["branches"]}
    refused = {branch for branch, state in states.items() if state != "integrated"}
    assert refused == history.refused, ended.out
    whole = [branch for branch in history.branches if branch not in refused]
    assert project.repository.git("rev-parse", "wto/r1/integration^{tree}") == _merged_by_git(project.repository, whole)
    for commit in project.repository.git("rev-list", "--first-parent", "main..wto/r1/integration").split():
        assert project.wto("proof", commit).code == 0
    now = project.repository.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
    assert [line for line in now.splitlines() if "/wto/" not in line and "by-hand" not in line] == heads.splitlines()
