"""Habits of this repository that a short search can check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "wt_orchestrate"
TEXTS = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".sh", ""}
SOURCES = (
    "wt_orchestrate",
    "tests",
    "tools",
    "hooks",
    "templates",
    "docs",
    "benchmarks",
    ".ci",
    "Makefile",
    "README.md",
)
_WORKPLACE = ("/" + "work/", "../" + "shared", "/" + "tmp/try", "/dev/" + "shm/lead")
MAX_LINES = 500
OVER = {"ports.py": 600, "git_ports.py": 600, "domain/events.py": 900, "domain/fold.py": 600, "domain/state.py": 550}
"""Files that are one list by nature, with their own bound."""


def _files(*names: str) -> list[Path]:
    found: list[Path] = []
    for name in names:
        path = ROOT / name
        found += [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return [each for each in found if each.suffix in TEXTS and "__pycache__" not in each.parts]


def test_no_test_sleeps() -> None:
    """Tests wait on conditions; only the one helper for that may sleep."""
    asleep = [
        str(path.relative_to(ROOT))
        for path in _files("tests")
        if re.search(r"\btime\.sleep\(|^from time import .*\bsleep\b", path.read_text(encoding="utf-8"), re.MULTILINE)
        and path.name not in {"waiting.py", "stub_model.py", Path(__file__).name}
    ]
    assert asleep == []


def test_files_of_the_package_stay_readable() -> None:
    """A file is one idea and stays under its bound of lines."""
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in _files("wt_orchestrate")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > OVER.get(str(path.relative_to(PACKAGE)), MAX_LINES)
    }
    assert long == {}


def test_every_module_opens_with_its_contract() -> None:
    """Each module of the package begins with a docstring."""
    bare = [
        str(path.relative_to(PACKAGE))
        for path in _files("wt_orchestrate")
        if path.suffix == ".py" and not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert bare == []


def test_every_test_states_its_promise() -> None:
    """Each test has a docstring."""
    silent = [
        f"{path.relative_to(ROOT)}: {match.group(1)}"
        for path in _files("tests")
        for match in re.finditer(
            r'^ *def (test_\w+)\((?:[^()]|\([^()]*\))*\)[^:]*:\n(?! *[rf]?""")',
            path.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    ]
    assert silent == []


@pytest.mark.parametrize("word", _WORKPLACE, ids=("folder", "neighbour", "scratch", "memory"))
def test_nothing_names_the_machine_it_was_written_on(word: str) -> None:
    """No committed file mentions where it was written."""
    found = [str(path.relative_to(ROOT)) for path in _files(*SOURCES) if word in path.read_text(encoding="utf-8")]
    assert found == []
