"""What starts often starts light, and what is shipped is what is generated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, ROOT, Project


@pytest.mark.parametrize(("words", "file"), [((), "plan.schema.json"), (("--settings",), "config.schema.json")])
def test_shipped_schemas_are_the_generated_ones(project: Project, words: tuple[str, ...], file: str) -> None:
    """The schema that editors read is the one the program checks by (`make schema` writes it)."""
    shipped = json.loads((ROOT / "templates" / file).read_text(encoding="utf-8"))
    assert project.wto("plan", "schema", *words).json == shipped


def test_shipped_examples_are_valid(project: Project) -> None:
    """The plan of `plan new`, the settings of `init` and the demo's plan pass their own checks."""
    assert project.wto("plan", "new", "new.yaml").code == 0
    assert project.wto("plan", "new", "new.yaml").code == 2
    assert project.wto("init").code == 0
    assert project.wto("init").code == 0
    assert project.wto("plan", "check", "new.yaml").code == 0
    demo = Path(project.repository.path, "demo.yaml")
    demo.write_text((ROOT / "templates" / "demo" / "plan.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    assert project.wto("plan", "check", str(demo)).code == 0


def test_the_demo_lands_all_four_workstreams(tmp_path: Path, project: Project) -> None:
    """`tools/demo.py` runs the plan with the embedded agent, lands it and prints the measured report."""
    folder = tmp_path / "demo"
    env = {**project.environment, "DEMO_PAUSE": "0.1"}
    command = [sys.executable, str(ROOT / "tools" / "demo.py"), str(folder)]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Integrated: 4 of 4 workstreams" in ended.stdout
    assert "- Speed-up: " in ended.stdout
    assert (folder / "ledger" / "summary.py").exists()


def test_S1_nothing_is_imported_from_the_repository(project: Project) -> None:
    """A `types.py` and a `click.py` at the repository's root are not run by any process of ours, detached ones included."""
    marker = project.folder / "ran"
    planted = f"open({str(marker)!r}, 'a').close()\n"
    project.repository.commit({"types.py": planted, "click.py": planted, "platformdirs.py": planted})
    plan = project.plan(f"goal: x\n{COMMAND_AGENT}workstreams: {{a: {{brief: x}}}}\n", {"a": COMMIT})
    assert project.wto("run", "--detach", plan).code == 0
    assert project.wto("wait").code == 0
    assert not marker.exists()
