"""Steering the real Claude Code client: told in the middle of a turn, interrupted, redirected, nudged."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.support.claude_client import NEWEST, OLDEST, client, use_client
from tests.support.project import Project
from tests.support.stub_model import StubModel, Turn, serve
from tests.support.turns import bash, handoff, work
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real_client


@pytest.fixture
def stub() -> Iterator[StubModel]:
    """The stand-in; a test fills `scripts`."""
    server = serve({})
    yield server
    server.close()


def _start(
    project: Project, stub: StubModel, version: str, scripts: Mapping[str, Sequence[Turn]], *, idle: str = "10m"
) -> None:
    use_client(project, stub)
    stub.scripts = scripts
    project.repository.commit({".wto/config.yaml": "poll: 1s\n"})
    agent = f"{{binary: {json.dumps(client(version))}, allow: ['Bash({sys.executable} *)', 'Bash(python3 *)']}}"
    plan = project.plan(
        f"goal: Do it\nagents: {{claude-code: {agent}}}\n"
        f"workstreams:\n  a: {{brief: 'Write a. [[script:a]]', scope: [a.py], idle: {idle}}}\n"
    )
    project.start("run", plan)


def _waiting(project: Project) -> Turn:
    """A tool call that lasts until the test opens the gate, and tells that it has begun."""
    gate, begun = project.folder / "open", project.folder / "begun"
    code = f"import os, select; open({str(begun)!r}, 'w')\n"
    code += f"while not os.path.exists({str(gate)!r}): select.select([], [], [], 0.05)"
    return bash(f"python3 -c {shlex.quote(code)}")


def _conversation(stub: StubModel) -> str:
    """The longest conversation that the model was sent."""
    return max((json.dumps(entry["body"]["messages"]) for entry in stub.requests), key=len)


def _begun(project: Project) -> None:
    wait_until((project.folder / "begun").exists, timeout_s=60, what="the tool running")


def _workstream(project: Project) -> Any:
    return project.status()["workstreams"][0]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_running_client_is_told_in_the_middle_of_its_turn(project: Project, stub: StubModel, version: str) -> None:
    """A message sent while a tool runs reaches the model inside that turn, once, and the stream proves it."""
    _start(project, stub, version, {"a": [_waiting(project), *work("a")]})
    _begun(project)
    told = project.start("tell", "a", "Mind the umlauts", "--wait", "60")
    wait_until(lambda: bool(_workstream(project)["messages"]), what="the message being put")
    (project.folder / "open").touch()
    assert told.wait(timeout=60) == 0
    assert "a has read it" in (project.folder / "out-1.txt").read_text()
    project.wait_for("a", "integrated", deadline_s=60)
    assert _conversation(stub).count("Mind the umlauts") == 1
    assert _workstream(project)["attempts"] == 1


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_an_interrupted_client_lives_on_and_takes_the_next_message(
    project: Project, stub: StubModel, version: str
) -> None:
    """`interrupt` kills the running command and leaves the session; `tell` begins its next turn in the same process."""
    _start(project, stub, version, {"a": [_waiting(project), {"text": "never"}], "b": work("a")})
    _begun(project)
    assert project.wto("interrupt", "a").code == 0
    wait_until(lambda: _workstream(project)["condition"] == "idle", timeout_s=30, what="the client being idle")
    told = project.wto("tell", "a", "Now do it so. [[script:b]]", "--wait", "30")
    assert "a has read it" in told.out, told.out + told.err
    project.wait_for("a", "integrated", deadline_s=60)
    assert _workstream(project)["attempts"] == 1


def test_a_running_client_is_redirected_in_its_session(project: Project, stub: StubModel) -> None:
    """A new brief interrupts the turn and is the next thing the same session hears."""
    _start(project, stub, NEWEST, {"a": [_waiting(project), {"text": "never"}], "b": work("a")})
    _begun(project)
    assert project.wto("redirect", "a", "Do it otherwise. [[script:b]]").code == 0
    project.wait_for("a", "integrated", deadline_s=60)
    assert "Your brief has changed" in _conversation(stub)
    assert _workstream(project)["attempts"] == 1


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_P5_silence_inside_the_stream_is_nudged(project: Project, stub: StubModel, version: str) -> None:
    """Nothing in the client ends a stalled stream: the idle limit interrupts it, and the same session goes on."""
    first, *others = work("a")
    _start(project, stub, version, {"a": [{**first, "stall": 200, "first": 1}, *others]}, idle="15s")
    project.wait_for("a", "integrated", deadline_s=150)
    assert "there was no progress" in _conversation(stub)
    assert _workstream(project)["attempts"] == 1


def test_a_failing_command_over_and_over_is_a_loop(project: Project, stub: StubModel) -> None:
    """Six times the same failing command is interrupted by its evidence, long before any time limit."""
    again: Turn = bash("python3 -c 'import sys; sys.exit(3)'")
    _start(project, stub, NEWEST, {"a": [*[again] * 30, handoff("x"), {"text": "done"}]})
    wait_until(
        lambda: "interrupted and told to try another way" in project.wto("status", "a").out,
        timeout_s=60,
        what="the loop being seen",
    )
    assert "times in a row: Bash python3 -c 'import sys; sys.exit(3)': Exit code 3" in project.wto("status", "a").out
