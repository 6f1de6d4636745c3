"""The real Claude Code client, oldest and newest supported, against a model stand-in on loopback."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.support.claude_client import NEWEST, OLDEST, client, use_client
from tests.support.project import Project
from tests.support.stub_model import StubModel, Turn, serve
from tests.support.turns import bash, handoff, write
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real_client


def _work(name: str, content: str) -> list[Turn]:
    return [
        write(f"{name}.py", content),
        bash("python3 check.py"),
        bash(f"git add {name}.py && git commit -m 'Add {name}'"),
        handoff(f"Added {name}."),
        {"text": "It is done."},
    ]


CHECK = "import glob, sys\nsys.exit(any('BROKEN' in open(name).read() for name in glob.glob('[a-z].py')))\n"


@pytest.fixture
def stub() -> Iterator[StubModel]:
    """The stand-in; a test fills `scripts`."""
    server = serve({})
    yield server
    server.close()


def _prepare(
    project: Project, stub: StubModel, version: str, scripts: Mapping[str, Sequence[Turn]], streams: str
) -> str:
    use_client(project, stub)
    stub.scripts = scripts
    project.repository.commit({"check.py": CHECK, "CLAUDE.md": "Be brief. MARK-OF-THE-REPOSITORY\n"})
    return project.plan(
        "goal: Do it\nchecks: [{run: python3 check.py}]\n"
        f"agents: {{claude-code: {{binary: {json.dumps(client(version))}}}}}\nworkstreams:\n{streams}"
    )


def _results(stub: StubModel, script: str) -> list[str]:
    """What the tools told the model in a script, newest request."""
    body = [entry["body"] for entry in stub.requests if entry["script"] == script][-1]
    found: list[str] = []
    for message in body["messages"]:
        content: Any = message["content"]
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_result":
                found.append(json.dumps(block["content"]))
    return found


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_three_agents_work_at_once_are_killed_and_resumed_and_land(
    project: Project, stub: StubModel, version: str
) -> None:
    """Three real clients edit, run the check, commit and hand off; one must correct a failed check in its own session; the
    supervisor is killed in the middle and resumed; all land, each once, and what they cost is recorded."""
    scripts: dict[str, Sequence[Turn]] = {
        "a": [{"sleep": 2.0, **_work("a", "A = 1\n")[0]}, *_work("a", "")[1:]],
        "b": _work("b", "B = 1\n"),
        "c": [
            *_work("c", "C = 'BROKEN'\n"),
            write("c.py", "C = 'whole'\n"),
            bash("git commit -am 'Mend c'"),
            handoff("Mended c."),
            {"text": "Mended."},
        ],
    }
    streams = "".join(f"  {name}: {{brief: 'Write {name}. [[script:{name}]]', scope: [{name}.py]}}\n" for name in "abc")
    plan = _prepare(project, stub, version, scripts, streams)
    supervisor = project.start("run", plan)
    wait_until(
        lambda: any(entry["script"] == "a" for entry in stub.requests), timeout_s=60, what="the first request of a"
    )
    supervisor.kill()
    supervisor.wait()
    resumed = project.wto("resume", timeout=180)
    assert resumed.code == 0, resumed.out + resumed.err
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    status = {ws["id"]: ws for ws in project.status()["workstreams"]}
    assert {name: (ws["stage"], ws["attempts"]) for name, ws in status.items()} == {
        "a": ("landed", 1),
        "b": ("landed", 1),
        "c": ("landed", 2),
    }
    names = project.repository.git("ls-tree", "--name-only", "main").split()
    assert names == ["CLAUDE.md", "README.md", "a.py", "b.py", "c.py", "check.py"]
    report = {ws["id"]: ws for ws in project.wto("report", "--format", "json").json["workstreams"]}
    assert [attempt["resumed"] for attempt in report["c"]["attempts"]] == [False, True]
    assert all(attempt["cost_usd"] > 0 and attempt["turns"] > 0 for attempt in report["c"]["attempts"])
    assert report["b"]["attempts"][0]["input_tokens"] == 500
    assert report["b"]["attempts"][0]["output_tokens"] == 100
    systems = json.dumps([entry["body"].get("system") for entry in stub.requests])
    assert "MARK-OF-THE-REPOSITORY" in systems


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_S10_an_agent_may_do_its_work_and_no_more(project: Project, stub: StubModel, version: str) -> None:
    """By default an agent edits, runs the checks and commits unasked; other commands, the stash and settings files that lie
    in the worktree get it nowhere, and it is told why."""
    marker = project.folder / "marker"
    hook = {"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "command": f"touch {marker}"}]}]}}
    work = _work("a", "A = 1\n")
    scripts = {"a": [bash("curl http://127.0.0.1:9/"), bash("git stash"), bash("git push origin HEAD"), *work]}
    plan = _prepare(project, stub, version, scripts, "  a: {brief: 'Write a. [[script:a]]'}\n")
    project.repository.commit({".claude/settings.json": json.dumps(hook)})
    ended = project.wto("run", plan, timeout=120)
    assert ended.code == 0, ended.out + ended.err
    told = _results(stub, "a")
    assert "Not allowed: Bash curl" in told[0] and "HANDOFF.md with status: blocked" in told[0]
    assert "denied" in told[1] and "denied" in told[2]
    assert "[wto/r1/a " in told[5]
    assert not marker.exists()
    denied = project.wto("report", "--format", "json").json["workstreams"][0]["attempts"][0]["denied"]
    assert {"Bash(curl)", "Bash(git stash)", "Bash(git push)"} >= set(denied) and "Bash(curl)" in denied
    assert "calls denied (" in project.wto("status").out
    assert "wto allow a 'Bash(curl *)' allows it" in project.wto("status").out


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_what_a_person_allows_holds_in_the_running_session(project: Project, stub: StubModel, version: str) -> None:
    """A command is denied, a person allows it while the agent waits for an answer, and the next try of the same session runs:
    with other arguments too, and no second command behind it."""
    question = {"question": "Go on?", "header": "Go", "multiSelect": False, "options": [_option("yes"), _option("no")]}
    ask: Turn = {"tools": [{"name": "AskUserQuestion", "input": {"questions": [question]}}]}
    tries = [bash("sh tool.sh one"), ask, bash("sh tool.sh two"), bash("sh tool.sh; touch more.txt")]
    plan = _prepare(
        project, stub, version, {"a": [*tries, *_work("a", "A = 1\n")]}, "  a: {brief: 'Write a. [[script:a]]'}\n"
    )
    project.repository.commit({"tool.sh": "echo ran-$1\n"})
    running = project.start("run", plan)
    wait_until(
        lambda: project.stages() and project.status()["workstreams"][0]["asks"], timeout_s=90, what="the question"
    )
    refused = project.wto("allow", "a", "Bash(sh tool.sh")
    assert refused.code != 0 and "is no rule" in refused.err
    allowed = project.wto("allow", "a", "Bash(sh tool.sh *)")
    assert allowed.code == 0 and "may also: Bash(sh tool.sh *)" in allowed.out, allowed.err
    assert project.wto("answer", "a", "yes").code == 0
    assert running.wait(timeout=120) == 0
    told = _results(stub, "a")
    assert "Not allowed: Bash sh tool.sh one" in told[0]
    assert "ran-two" in told[2]
    assert "Not allowed: Bash sh tool.sh; touch" in told[3]


def test_a_question_waits_for_its_answer_and_goes_on_with_it(project: Project, stub: StubModel) -> None:
    """AskUserQuestion shows in the status with its options; `answer` continues the same turn."""
    question = {"question": "Which colour?", "header": "Colour", "multiSelect": False}
    options = [{"label": "red", "description": "warm"}, {"label": "blue", "description": "cold"}]
    ask: Turn = {"tools": [{"name": "AskUserQuestion", "input": {"questions": [{**question, "options": options}]}}]}
    plan = _prepare(
        project, stub, NEWEST, {"a": [ask, *_work("a", "A = 1\n")]}, "  a: {brief: 'Ask, then write a. [[script:a]]'}\n"
    )
    project.start("run", plan)
    wait_until(lambda: any(entry["script"] == "a" for entry in stub.requests), timeout_s=60, what="the first request")
    asks = wait_until(lambda: project.status()["workstreams"][0]["asks"], timeout_s=60, what="the ask")
    assert (asks[0]["text"], asks[0]["options"]) == ("Which colour?", ["red", "blue"])
    assert project.status()["next"][0] == 'wto answer a "..."'
    assert project.wto("answer", "b", "x").code == 5
    assert project.wto("answer", "a", "blue").code == 0
    project.wait_for("a", "integrated", deadline_s=60)
    assert "blue" in _results(stub, "a")[0]
    assert project.status()["workstreams"][0]["attempts"] == 1


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_each_of_two_questions_gets_its_own_answer(project: Project, stub: StubModel, version: str) -> None:
    """One AskUserQuestion call with two questions: each is answered by its number, and the model gets both."""
    questions = [
        {"question": text, "header": text[:5], "multiSelect": False, "options": [_option(first), _option(second)]}
        for text, first, second in (("Which store?", "pg", "my"), ("Delete the old rows?", "yes", "no"))
    ]
    ask: Turn = {"tools": [{"name": "AskUserQuestion", "input": {"questions": questions}}]}
    plan = _prepare(
        project,
        stub,
        version,
        {"a": [ask, *_work("a", "A = 1\n")]},
        "  a: {brief: 'Ask, then write a. [[script:a]]'}\n",
    )
    project.start("run", plan)
    wait_until(lambda: any(entry["script"] == "a" for entry in stub.requests), timeout_s=60, what="the first request")
    asks = wait_until(lambda: project.status()["workstreams"][0]["asks"], timeout_s=60, what="the asks")
    assert [each["options"] for each in asks] == [["pg", "my"], ["yes", "no"]]
    assert project.wto("answer", "a", "no").code == 6
    assert project.wto("answer", "a", "no", "--question", "2").code == 0
    assert project.wto("answer", "a", "pg", "--question", "1").code == 0
    project.wait_for("a", "integrated", deadline_s=60)
    told = _results(stub, "a")[0].replace('\\"', '"')
    assert '"Which store?"="pg"' in told and '"Delete the old rows?"="no"' in told


def _option(label: str) -> dict[str, str]:
    return {"label": label, "description": label}


def test_overload_and_a_killed_client_cost_no_work(project: Project, stub: StubModel) -> None:
    """A client that meets overload goes on by itself; one that is killed in the middle of a tool is resumed in its session."""
    trouble = {"error": {"status": 529, "type": "overloaded_error", "message": "busy"}, "times": 1}
    gate = project.folder / "gate"
    wait = f"python3 -c \"import os,select\nwhile not os.path.exists('{gate}'): select.select([],[],[],0.05)\""
    work = _work("a", "A = 1\n")
    scripts = {"a": [{**work[0], **trouble}, bash(wait), *work[1:]]}
    plan = _prepare(project, stub, NEWEST, scripts, "  a: {brief: 'Write a. [[script:a]]'}\n")
    text = (project.folder / "plan.yaml").read_text().replace("binary:", "allow: ['Bash(python3 -c *)'], binary:")
    (project.folder / "plan.yaml").write_text(text)
    project.start("run", plan)
    wait_until(lambda: any(e["turn"] == 1 for e in stub.requests), timeout_s=60, what="the second turn")
    started = json.loads((project.state / "processes" / "r1.a.1" / "started").read_text())
    wait_until(
        lambda: subprocess.run(["pgrep", "-f", str(gate)], capture_output=True).returncode == 0, what="the tool running"
    )
    gate.touch()
    subprocess.run(["kill", "-9", str(started["child"])], check=True)
    project.wait_for("a", "integrated", deadline_s=90)
    report = project.wto("report", "--format", "json").json["workstreams"][0]
    assert [(attempt["reason"], attempt["resumed"]) for attempt in report["attempts"]] == [
        ("first", False),
        ("crash", True),
    ]
