"""The tools of agents with the real Claude Code client: what one says, another hears; a question comes back as an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.support.claude_client import NEWEST, OLDEST, client, use_client
from tests.support.project import Project
from tests.support.stub_model import StubModel, Turn, serve
from tests.support.turns import handoff, wait_for, work
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real_client


@pytest.fixture
def stub() -> Iterator[StubModel]:
    """The stand-in; a test fills `scripts`."""
    server = serve({})
    yield server
    server.close()


def _call(tool: str, **given: Any) -> Turn:
    return {"tools": [{"name": f"mcp__wto__{tool}", "input": given}]}


def _start(
    project: Project, stub: StubModel, version: str, scripts: Mapping[str, Sequence[Turn]], streams: str
) -> None:
    use_client(project, stub)
    stub.scripts = scripts
    project.repository.commit({".wto/config.yaml": "poll: 1s\nadmission: {load: 1000}\n"})
    agent = f"{{binary: {json.dumps(client(version))}, allow: ['Bash(python3 *)']}}"
    plan = project.plan(f"goal: Do it\nagents: {{claude-code: {agent}}}\nworkstreams:\n{streams}")
    project.start("run", plan)


def _stream(project: Project, name: str) -> Any:
    """What is shown of a workstream; nothing before the run has begun."""
    ended = project.wto("status", "--json")
    streams = ended.json["workstreams"] if ended.code == 0 else ()
    return next((ws for ws in streams if ws["id"] == name), {"stage": "", "asks": [], "messages": []})


def _heard_by_model(stub: StubModel, *words: str) -> bool:
    """Whether the model was sent all of these words in one conversation."""
    conversations = (json.dumps(entry["body"]["messages"]) for entry in stub.requests)
    return any(all(word in each for word in words) for each in conversations)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_an_agent_tells_shares_and_asks(project: Project, stub: StubModel, version: str) -> None:
    """Progress is shown as the agent's word, another running agent reads the finding as data, and a person's answer is the
    result of the call that asked."""
    begin, gate = project.folder / "begin", project.folder / "open"
    scripts = {
        "finder": [
            wait_for(str(begin)),
            _call("progress", percent=40, note="looked at the pool"),
            _call("share_finding", kind="risk", text="The pool closes late", path="b.py", line=7),
            _call("ask", question="Which host?", options=["db1", "db2"]),
            *work("a"),
        ],
        "hearer": [wait_for(str(gate)), *work("b")],
    }
    _start(
        project,
        stub,
        version,
        scripts,
        "  finder: {brief: 'Find. [[script:finder]]', scope: [a.py]}\n"
        "  hearer: {brief: 'Hear. [[script:hearer]]', scope: [b.py]}\n",
    )
    both = ("finder", "hearer")
    wait_until(
        lambda: all(_stream(project, name)["stage"] == "working" for name in both), timeout_s=120, what="both at work"
    )
    begin.touch()
    wait_until(lambda: bool(_stream(project, "finder")["asks"]), timeout_s=120, what="the question being shown")
    finder = _stream(project, "finder")
    assert [(ask["text"], ask["options"]) for ask in finder["asks"]] == [("Which host?", ["db1", "db2"])]
    assert finder["told"]["percent"] == 40
    assert finder["told"]["note"] == "looked at the pool"
    assert project.wto("answer", "finder", "db2").code == 0
    wait_until(lambda: bool(_stream(project, "hearer")["messages"]), timeout_s=60, what="the finding being sent on")
    gate.touch()
    project.wait_for("finder", "integrated", deadline_s=120)
    project.wait_for("hearer", "integrated", deadline_s=120)
    assert _heard_by_model(stub, "script:finder", "The answer: db2")
    assert _heard_by_model(stub, "script:hearer", "The agent of `finder` found something", "The pool closes late")
    assert not _heard_by_model(stub, "script:finder", "found something that may affect")
    story = project.wto("status", "finder").out
    assert "The pool closes late" in story
    assert "Which host?" in story


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_an_agent_reads_the_whole_handoff_of_what_it_builds_on(project: Project, stub: StubModel, version: str) -> None:
    """By the tool, and as a file outside of its worktree whose path its brief tells; nobody else's by either."""
    long = handoff("The base.\n\n" + "\n".join(f"line {number} of the base" for number in range(4_000)))
    first, commit, _, done = work("base")
    scripts = {
        "base": [first, commit, long, done],
        "top": [_call("handoff", workstream="base", start=100), _call("handoff", workstream="aside"), *work("top")],
        "aside": work("aside"),
    }
    _start(
        project,
        stub,
        version,
        scripts,
        "  base: {brief: 'Do. [[script:base]]', scope: [base.py]}\n"
        "  top: {brief: 'Do. [[script:top]]', scope: [top.py], needs: [base]}\n"
        "  aside: {brief: 'Do. [[script:aside]]', scope: [aside.py]}\n",
    )
    project.wait_for("top", "integrated", deadline_s=180)
    assert _heard_by_model(stub, "script:top", "(left out or cut: summary, verification)", "said/needs/ID.md")
    assert _heard_by_model(stub, "script:top", "characters more: start=16100")
    assert _heard_by_model(stub, "script:top", "'aside' is not a workstream that yours builds on", "yours are: base")
