"""The harness of CooperBench, on a data set of our own with one task: it counts what is really there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.repos import sealed_environment

ROOT = Path(__file__).resolve().parents[3]
CODE = "def one():\n    return 1\n"
NO_TWO = "import m\n\nassert not hasattr(m, 'two')\n"
FEATURES: Mapping[int, tuple[Mapping[str, str], Mapping[str, str]]] = {
    1: ({"m.py": f"{CODE}\n\ndef two():\n    return 2\n"}, {"test_two.py": "import m\n\n\ndef test():\n    m.two()\n"}),
    2: (
        {"m.py": f"{CODE}\n\ndef three():\n    return 3\n"},
        {"test_three.py": "import m\n\n\ndef test():\n    m.three()\n"},
    ),
    3: ({"extra.py": NO_TWO}, {"test_extra.py": "def test():\n    import extra\n"}),
}
"""Each feature and its tests: 1 and 2 conflict, and union resolves that; 3 fails with 1, where git sees no conflict."""


RUNNER = """#!{python} -S
import os, runpy, sys
sys.path.insert(0, os.getcwd())
for file in [each for each in sys.argv if each.endswith(".py")]:
    runpy.run_path(file)["test"]()
"""
"""What runs the tests in place of pytest, whose start takes a second each time."""


def _git(folder: Path, *words: str) -> str:
    env = sealed_environment(str(folder))
    return subprocess.run(["git", *words], cwd=folder, env=env, check=True, capture_output=True, text=True).stdout


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def _patch(subject: Path, files: Mapping[str, str]) -> str:
    """The patch that writes these files."""
    _write(subject, files)
    _git(subject, "add", "-A")
    made = _git(subject, "diff", "--cached")
    _git(subject, "reset", "-q", "--hard")
    return made


def _made(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir()
    _git(folder, "init", "-q", "-b", "main")
    _write(folder, files)
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "begin")
    return folder


def test_the_figures_are_those_of_the_data(tmp_path: Path) -> None:
    """Conflicts, the radar, the queue, semantic conflicts and tried unions are counted as they were put there, and nothing
    is left in either repository."""
    subject = _made(tmp_path / "subject", {"m.py": CODE})
    base = _git(subject, "rev-parse", "HEAD").strip()
    task, absent = "dataset/toy_task/task1", "dataset/other_task/task2"
    files = {
        f"{task}/Dockerfile": f"RUN git clone x && \\\n    git checkout {base}\n",
        f"{absent}/Dockerfile": f"RUN git checkout {'0' * 40}\n",
        f"{absent}/feature1/feature.patch": "",
        f"{absent}/feature1/tests.patch": "",
    }
    for number, (work, tests) in FEATURES.items():
        files[f"{task}/feature{number}/feature.patch"] = _patch(subject, work)
        files[f"{task}/feature{number}/tests.patch"] = _patch(subject, tests)
    dataset = _made(tmp_path / "dataset", files)
    runner = tmp_path / "dataset" / ".git" / "runner"
    runner.write_text(RUNNER.format(python=sys.executable), encoding="utf-8")
    runner.chmod(0o755)
    script = str(ROOT / "benchmarks" / "cooperbench" / "measure.py")
    env = sealed_environment(str(tmp_path)) | {"TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, script, str(dataset), str(subject), "--tests", str(runner), "--tested", "toy", "--pairs", "1"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    rows = dict(line.strip("| ").split(" | ") for line in ended.stdout.splitlines() if " | " in line[2:])
    counted = {name: figure for name, figure in rows.items() if "CPU" not in name and "runs of" not in name}
    queue = "all features of a task in one queue, nobody resolves: lands by a `git merge` loop / the train"
    assert counted == {
        "measured": "1 tasks, 3 features, 3 pairs",
        "`git merge`": "1 pairs conflict, 2 are clean",
        "radar: recall": "1.000 (1 of 1)",
        "radar: precision": "1.000 (0 false)",
        "radar: the same paths as git": "3 of 3 pairs",
        queue: "1 / 1; the same branches 1 of 1, the same tree 1 of 1",
        "the same where the tests run here, without and with `try_union` for every file: the train lands": "1 / 2",
        "tasks whose tests run here": "toy_task/task1",
        "clean pairs whose tests fail together (semantic conflicts)": "1 of 2",
        "... the train refuses": "1 of 1",
        "... the train lands of good pairs drawn": "1 of 1",
        "conflicting pairs drawn, settled by `try_union` and both features' tests pass": (
            "1.000 (1 of 1; 0 did not parse, 0 failed a test)"
        ),
    }
    assert "left out: other_task/task2: its repository was not given" in ended.stdout
    assert _git(subject, "status", "--porcelain") == "" and _git(dataset, "status", "--porcelain") == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "subject"]
