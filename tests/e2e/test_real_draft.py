"""Plans drafted by the real Claude Code client, oldest and newest supported, against a model stand-in on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_draft import nothing_left, out, plan_of
from tests.support.claude_client import NEWEST, OLDEST, client, use_client
from tests.support.project import Project
from tests.support.stub_model import StubModel, Turn, serve
from tests.support.turns import bash, write
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real_client


@pytest.fixture
def stub() -> Iterator[StubModel]:
    """The stand-in; a test fills `scripts`."""
    server = serve({})
    yield server
    server.close()


def returns(plan: Mapping[str, Any]) -> Turn:
    """The planner returns a plan as the client's structured output."""
    streams = {name: {"kind": "change", "needs": [], **stream} for name, stream in plan["workstreams"].items()}
    return {"tools": [{"name": "StructuredOutput", "input": {**plan, "workstreams": streams}}]}


def prepare(project: Project, stub: StubModel, version: str, turns: Sequence[Turn]) -> None:
    use_client(project, stub)
    stub.scripts = {"plan": turns}
    for folder in ("api", "db"):
        project.repository.commit({f"{folder}/a.py": "x\n"}, f"Begin {folder}")
    settings = (
        f"agents: {{claude-code: {{binary: {json.dumps(client(version))}, permission_mode: bypassPermissions}}}}\n"
    )
    project.repository.commit({".wto/config.yaml": settings, "CLAUDE.md": "MARK-OF-THE-REPOSITORY\n"}, "Settings")


def draft(project: Project, *words: str) -> Any:
    return project.wto("plan", "draft", "Make it answer [[script:plan]]", "-o", out(project), *words, timeout=240)


def told(stub: StubModel) -> str:
    """All that the model was told in the newest request of the planner."""
    return json.dumps([entry["body"]["messages"] for entry in stub.requests if entry["script"] == "plan"][-1])


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_plan_comes_as_structured_output_and_is_sent_back(project: Project, stub: StubModel, version: str) -> None:
    """The client reads, may not write by any tool or redirection, returns a plan by the schema, gets it back in the same session,
    and returns one that can be used."""
    shared = plan_of("api", "db")
    shared["workstreams"]["db"]["scope"] = ["db/**", "api/a.py"]
    shapeless = {"goal": "g", "notes": "n", "workstreams": {"api": {"title": "t"}}}
    turns: list[Turn] = [
        bash("git log --oneline"),
        write("planted.txt", "x"),
        bash("git log > planted-too.txt"),
        bash("git log --output=planted-by-option.txt"),
        bash("git grep -Otouch x"),
        bash("git diff HEAD~1 HEAD --output planted-by-word.txt"),
        bash("touch planted-as-well.txt"),
        bash("ls -a"),
        {"tools": [{"name": "StructuredOutput", "input": shapeless}]},
        returns(shared),
        returns(plan_of("api", "db")),
    ]
    prepare(project, stub, version, turns)
    drafted = draft(project, "--json")
    assert drafted.code == 0, drafted.err
    found = drafted.json
    assert (found["state"], found["round"]) == ("ready", 2)
    assert "both may write 'api/a.py'" in found["sent_back"][0][0]
    assert found["cost_usd"] > 0 and found["tokens"] > 0
    said = told(stub)
    assert "Begin db" in said, "git log was allowed"
    assert "The plan is not valid yet" in said and "Make it answer" in said, "the same session"
    assert "MARK-OF-THE-REPOSITORY" in json.dumps([entry["body"].get("system") for entry in stub.requests])
    tools = {tool["name"] for entry in stub.requests for tool in entry["body"].get("tools", [])}
    assert "StructuredOutput" in tools and not tools & {"Write", "Edit", "NotebookEdit"}
    (listing,) = [block for block in _results(stub) if "README.md" in block and "CLAUDE.md" in block]
    assert "planted" not in listing, "no file was made"
    assert found["tokens"] and json.loads(said)
    assert project.wto("plan", "check", out(project)).code == 0
    nothing_left(project)


def _results(stub: StubModel) -> list[str]:
    """What the tools told the model, in the newest request."""
    messages = [entry["body"]["messages"] for entry in stub.requests if entry["script"] == "plan"][-1]
    found: list[str] = []
    for message in messages:
        content: Any = message["content"]
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_result":
                found.append(json.dumps(block["content"]))
    return found


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_model_that_returns_nothing_is_told_so(project: Project, stub: StubModel, version: str) -> None:
    """Success without a structured output is no plan: it costs a round, and the next one brings it."""
    prepare(project, stub, version, [{"text": "I think so."}, {"text": "A fine plan."}, returns(plan_of("api"))])
    drafted = draft(project, "--json")
    assert drafted.code == 0, drafted.err
    (first,) = drafted.json["sent_back"]
    assert first == ["no plan was returned: call StructuredOutput with it (it said, as data: A fine plan.)"]
    nothing_left(project)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_killed_drafting_goes_on_in_its_session(project: Project, stub: StubModel, version: str) -> None:
    """Killed in the middle of a turn: the next call ends the client, --resume takes the same session up."""
    turns: list[Turn] = [bash("git log --oneline"), {**returns(plan_of("api")), "sleep": 20.0, "first": 1}]
    prepare(project, stub, version, turns)
    child = project.start("plan", "draft", "Make it answer [[script:plan]]", "-o", out(project))
    wait_until(lambda: len(_asked(stub)) >= 2, what="the second request", timeout_s=60)
    child.kill()
    child.wait()
    assert not list(project.state.glob("drafts/*/processes/*/exit.json")), "the client goes on without us"
    assert project.wto("status").code == 5
    assert list(project.state.glob("drafts/*/processes/*/exit.json")), "it was ended"
    nothing_left(project)
    resumed = project.wto("plan", "draft", "--resume", "-o", out(project), timeout=240)
    assert resumed.code == 0, resumed.err
    assert "Continue, and return the plan." in told(stub) and "Make it answer" in told(stub)
    assert Path(out(project)).exists()
    nothing_left(project)


def _asked(stub: StubModel) -> list[Any]:
    return [entry for entry in stub.requests if entry["script"] == "plan"]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_service_that_fails_is_told_with_the_way_on(project: Project, stub: StubModel, version: str) -> None:
    """An overloaded service: exit 4 with the reason; nothing is left, and --resume goes on."""
    overloaded: Turn = {"error": {"status": 529, "type": "overloaded_error", "message": "Overloaded"}}
    prepare(project, stub, version, [overloaded])
    failed = draft(project)
    assert failed.code == 4 and "the model's service does not answer" in failed.err and "--resume" in failed.err
    nothing_left(project)
    stub.scripts = {"plan": [returns(plan_of("api"))]}
    assert project.wto("plan", "draft", "--resume", "-o", out(project), timeout=240).code == 0
