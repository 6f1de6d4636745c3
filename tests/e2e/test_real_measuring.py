"""The report's numbers against a stopwatch: three real clients at once, and one that does the same turns alone.

The stopwatch is the model stand-in: it notes when each request came, and how long it let it wait.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.claude_client import NEWEST, client, use_client
from tests.support.project import Project, make_project
from tests.support.stopwatch import stopwatch
from tests.support.stub_model import StubModel, Turn, serve
from tests.support.turns import bash, handoff, write
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.real_client, pytest.mark.stopwatch]

NAMES = ("database", "scripts", "config")
TURN_S = 3.0
SETTINGS = "poll: 1s\nstagger: 0s\n"


@pytest.fixture
def stub() -> Iterator[StubModel]:
    server = serve({})
    yield server
    server.close()


def _turns(name: str) -> list[Turn]:
    """Five turns of work, each as long to the model."""
    return [
        write(f"{name}.py", "x = 1\n", sleep=TURN_S),
        write(f"test_{name}.py", "x = 1\n", sleep=TURN_S),
        bash(f"git add -A && git commit -qm 'Mend {name}'", sleep=TURN_S),
        {**handoff(f"Mended {name}."), "sleep": TURN_S},
        {"text": "It is done.", "sleep": TURN_S},
    ]


def _plan(project: Project, stub: StubModel, names: Sequence[str]) -> str:
    use_client(project, stub)
    project.repository.commit({".wto/config.yaml": SETTINGS})
    agent = f"{{binary: {json.dumps(client(NEWEST))}}}"
    streams = "".join(f"  {name}: {{brief: 'Mend it. [[script:{name}]]'}}\n" for name in names)
    head = f"goal: Mend it\nlimits: {{agents: 3}}\nchecks: [{{run: 'true'}}]\nagents: {{claude-code: {agent}}}\n"
    return project.plan(f"{head}workstreams:\n{streams}")


def _asked(stub: StubModel, name: str) -> list[float]:
    """When the model was asked by a script."""
    return sorted(each["at"] for each in stub.requests if each["script"] == name)


def _took(stub: StubModel, name: str) -> float:
    """From the first time it was asked to its last answer."""
    asked = _asked(stub, name)
    return asked[-1] + TURN_S - asked[0]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "alone")
    yield made
    made.close()


def _journal(project: Project) -> list[Path]:
    return list((project.folder / "state").glob("*/journal.jsonl"))


def test_the_speed_up_agrees_with_the_stopwatch(project: Project, alone: Project, stub: StubModel) -> None:
    """Three clients at once, and one alone that does the same fifteen turns on the same machine: what the report gives as work,
    as the time of one agent and as wall time is within 5 % of what was measured beside it, and so is the speed-up."""
    turns = {name: _turns(name) for name in NAMES}
    between = [{**bash("git status"), "sleep": TURN_S}] * 4
    solo = [turn for name in NAMES for turn in turns[name][:3]] + between + turns["config"][3:]
    stub.scripts = {**turns, "solo": solo}
    within = stopwatch()
    one = alone.start("run", _plan(alone, stub, ("solo",)))
    three = project.start("run", _plan(project, stub, NAMES))
    wait_until(lambda: bool(_journal(project)), timeout_s=60, what="the run having begun")
    began = time.time()
    assert three.wait(timeout=200) == 0, (project.folder / "out-0.txt").read_text(encoding="utf-8")
    took = _journal(project)[0].stat().st_mtime - began
    assert one.wait(timeout=200) == 0, (alone.folder / "out-0.txt").read_text(encoding="utf-8")
    assert [len(_asked(stub, name)) for name in (*NAMES, "solo")] == [5, 5, 5, 15]

    found = project.wto("report", "--json").json
    gain = found["gain"]
    worked = {name: _took(stub, name) for name in (*NAMES, "solo")}
    assert gain["serial_parts"]["work_s"] == pytest.approx(sum(worked[name] for name in NAMES), rel=within())
    assert found["critical_path_s"] == pytest.approx(max(worked[name] for name in NAMES), rel=within())
    assert found["wall_s"] == pytest.approx(took, rel=within())
    measured = worked["solo"] + gain["serial_parts"]["start_s"]
    assert gain["serial_s"] == pytest.approx(measured, rel=within())
    assert found["speedup"] == pytest.approx(measured / took, rel=within())
    assert alone.wto("report", "--json").json["gain"]["serial_parts"]["work_s"] == pytest.approx(
        worked["solo"], rel=within()
    )
    assert gain["best"]["with"][-1]["agents"] == 3 and gain["unsure_s"] == 0
