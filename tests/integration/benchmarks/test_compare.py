"""`make bench-compare`: two revisions run in turn, and what became worse is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT
from tests.support.repos import TestRepository, make_repository

SCRIPT = ROOT / "benchmarks" / "compare.py"
BENCHMARK = """
import sys
from pathlib import Path
names = sys.argv[1:] or ["all"]
print("Linux, 2 cores\\n\\n| what | figure |\\n|---|---|")
with open(Path({log!r}), "a") as log:
    log.write("{name} " + " ".join(names) + "\\n")
{rows}
"""


def _rows(**figures: str) -> str:
    return "\n".join(f"print({f'| {name} | {figure} |'!r})" for name, figure in figures.items())


def _revision(repository: TestRepository, name: str, log: Path, rows: str) -> None:
    repository.commit(
        {
            "benchmarks/run.py": BENCHMARK.format(log=str(log), name=name, rows=rows),
            "wt_orchestrate/__init__.py": f"# {name}\n",
        }
    )


def _compare(repository: TestRepository, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--checkout", repository.path, *words],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def compared(tmp_path: Path) -> tuple[TestRepository, Path]:
    """A repository with two revisions of a benchmark: one figure twice as bad, one better, one within the noise, one where
    great is good, one that is new and one that is gone."""
    repository, log = make_repository(str(tmp_path / "r"), {"a": "x\n"}), tmp_path / "log"
    before = _rows(slow="1.50 / 10 ms (9 ms)", quick="8 ms", same="1.00", calls="30", gone="1")
    after = _rows(slow="1.50 / 20 ms (1 ms)", quick="2 ms", same="1.20", calls="10", new="7")
    calls = "calls of a server a second"
    _revision(repository, "base", log, before.replace("| calls |", f"| {calls} |"))
    _revision(repository, "ours", log, after.replace("| calls |", f"| {calls} |"))
    return repository, log


def test_what_became_worse_is_told(compared: tuple[TestRepository, Path]) -> None:
    """Each figure beyond the ratio with what it was and is, nothing else, and the exit code says so."""
    repository, log = compared
    ended = _compare(repository, "HEAD~1", "--rounds", "2", "one", "two")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.splitlines() == [
        "2 of 4 figures worse than before (by more than 1.25 times)",
        "  slow: 10 -> 20 (2.00 times worse)",
        "  calls of a server a second: 30 -> 10 (3.00 times worse)",
        "  only before: gone",
        "  only now: new",
    ]
    assert log.read_text().splitlines() == ["base one two", "ours one two"] * 2
    assert repository.git("worktree", "list").count("\n") == 0


def test_nothing_worse_ends_well(compared: tuple[TestRepository, Path]) -> None:
    """A higher ratio, and a revision beside itself."""
    repository, _ = compared
    assert _compare(repository, "HEAD~1", "--worse", "5").returncode == 0
    ended = _compare(repository, "HEAD", "--rounds", "1")
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (
        0,
        "0 of 5 figures worse than before (by more than 1.25 times)",
    )


def test_a_benchmark_that_fails_ends_the_comparison(compared: tuple[TestRepository, Path]) -> None:
    """It is named, and no checkout is left."""
    repository, log = compared
    _revision(repository, "bad", log, "raise SystemExit(3)")
    ended = _compare(repository, "HEAD~1")
    assert ended.returncode == 1
    assert "the benchmarks ended with 3" in ended.stderr
    assert repository.git("worktree", "list").count("\n") == 0
