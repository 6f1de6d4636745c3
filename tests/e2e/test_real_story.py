"""One bad day with the real client: overloads, a hang, a question, kills of clients and of the supervisor; all of it lands."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.claude_client import NEWEST, client, use_client
from tests.support.project import Project
from tests.support.stub_model import StubModel, serve
from tests.support.turns import wait_for, work
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real_client

SETTINGS = """
poll: 1s
stagger: 200ms
recovery:
  overload: [{times: 9, waits: [1s]}]
  crash: [{times: 3}, {action: fresh}]
  jitter: 0
"""


@pytest.fixture
def stub() -> Iterator[StubModel]:
    """The stand-in; a test fills `scripts`."""
    server = serve({})
    yield server
    server.close()


def _workstream(project: Project, name: str) -> Any:
    return next(ws for ws in project.status()["workstreams"] if ws["id"] == name)


def _kill_supervisor(project: Project) -> None:
    """kill -9 of whoever supervises, and another one in its place."""
    child = project.started[-1]
    child.kill()
    child.wait()
    project.start("resume")
    wait_until(lambda: project.status()["run"]["supervisor"] == "at work", timeout_s=30, what="another supervisor")


def _kill_client(project: Project, name: str, attempt: int) -> None:
    """kill -9 of a client in the middle of its tool."""
    gate = project.folder / f"begun.{attempt}"
    wait_until(gate.exists, timeout_s=60, what=f"attempt {attempt} of {name} being in its tool")
    folder = project.state / "processes" / f"r1.{name}.{attempt}"
    os.kill(json.loads((folder / "started").read_text())["child"], signal.SIGKILL)


def _in_a_tool(project: Project, number: int) -> Any:
    """A tool call that tells that it has begun and goes on until the client is killed under it."""
    turn = wait_for(str(project.folder / "never"))
    code = turn["tools"][0]["input"]
    code["command"] = code["command"].replace("import os", f"open('{project.folder}/begun.{number}', 'w')\nimport os")
    return turn


def test_a_bad_day_lands_everything_once_and_the_report_tells_it(project: Project, stub: StubModel) -> None:
    """Four workstreams: 529 storms, a stream that hangs, a question, two kills of a client; and three kills of the
    supervisor. Everything lands, each exactly once, no process is left, and the report says what happened to each."""
    use_client(project, stub)
    project.repository.commit({".wto/config.yaml": SETTINGS.replace("200ms", "1s")})
    storm, *after_storm = work("storm")
    hang, *after_hang = work("hang")
    question = {"questions": [{"question": "Cents?", "header": "Unit", "options": [
        {"label": "yes", "description": "y"}, {"label": "no", "description": "n"}], "multiSelect": False}]}  # fmt: skip
    error = {"status": 529, "type": "overloaded_error", "message": "Overloaded"}
    stub.scripts = {
        "storm": [{**storm, "error": error, "first": 5}, *after_storm],
        "hang": [{**hang, "stall": 120, "first": 1}, *after_hang],
        "asks": [{"tools": [{"name": "AskUserQuestion", "input": question}]}, *work("asks")],
        "killed": [_in_a_tool(project, 1), _in_a_tool(project, 2), *work("killed")],
    }
    agent = (
        f"{{binary: {json.dumps(client(NEWEST))}, allow: ['Bash(python3 *)'], env: {{CLAUDE_CODE_MAX_RETRIES: '1'}}}}"
    )
    streams = "".join(
        f"  {name}: {{brief: 'Write {name}. [[script:{name}]]', scope: [{name}.py], idle: {idle}}}\n"
        for name, idle in {"storm": "5m", "hang": "8s", "asks": "5m", "killed": "5m"}.items()
    )
    plan = project.plan(
        f"goal: Do it\nlimits: {{agents: 4}}\nagents: {{claude-code: {agent}}}\nworkstreams:\n{streams}"
    )
    project.start("run", "--land", plan)
    wait_until(lambda: bool(project.stages()), timeout_s=30, what="the run having begun")
    _kill_supervisor(project)
    _kill_client(project, "killed", 1)
    wait_until(lambda: bool(_workstream(project, "asks")["asks"]), timeout_s=60, what="the question")
    _kill_supervisor(project)
    assert project.wto("answer", "asks", "1").code == 0
    _kill_client(project, "killed", 2)
    _kill_supervisor(project)
    last = project.started[-1]
    assert last.wait(timeout=150) == 0, (project.folder / f"out-{len(project.started) - 1}.txt").read_text()
    assert set(project.stages().values()) == {"landed"}
    trailers = project.repository.git(
        "log", "--first-parent", "--format=%(trailers:key=Wto-Workstream,valueonly,separator=)", "main"
    )
    assert sorted(trailers.split()) == ["asks", "hang", "killed", "storm"]
    assert project.processes() == []
    report = project.wto("report", "--format", "json").json
    reasons = {ws["id"]: [attempt["reason"] for attempt in ws["attempts"]] for ws in report["workstreams"]}
    assert reasons["killed"] == ["first", "crash", "crash"]
    assert reasons["storm"][0] == "first" and set(reasons["storm"][1:]) == {"overload"}
    assert reasons["asks"] == ["first"]
    assert "interrupted and told to try another way: no progress" in project.wto("status", "hang").out
    told = {ws["id"]: "; ".join(ws["happened"]) for ws in report["workstreams"]}
    assert "overload" in told["storm"] and "no progress" in told["hang"]
    assert "asked" in told["asks"] and "killed by signal 9" in told["killed"]
