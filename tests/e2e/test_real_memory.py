"""The real client does at once in a second run what the first one had to learn, because its brief says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.test_memory import CHECK
from tests.support.claude_client import NEWEST, client, use_client
from tests.support.project import Project
from tests.support.stub_model import StubModel, Turn, serve
from tests.support.turns import bash, write

pytestmark = pytest.mark.real_client

HANDED_OVER = (
    "---\nstatus: done\n---\n## Summary\nAdded.\n## Findings\n- convention: text files must be listed in REGISTRY\n"
)


@pytest.fixture
def stub() -> Iterator[StubModel]:
    """The stand-in; a test fills `scripts`."""
    server = serve({})
    yield server
    server.close()


def _script(name: str) -> list[Turn]:
    """Add a file and hand over; with its place in the registry where the model was told of it, else once it is sent back."""
    alone = write(f"{name}.txt", "x\n")
    listed = write("REGISTRY", f"{name}.txt\n")
    both = {"tools": [*alone["tools"], {"name": "Read", "input": {"file_path": "{{cwd}}/REGISTRY"}}]}
    register = bash(f"git add {name}.txt && git commit -q -m 'Add {name}'")
    again = bash("git add REGISTRY && git commit -q -m Register")
    first = {**alone, "if_told": {"word": "must be listed in REGISTRY", "turn": both}}
    second: dict[str, Any] = {**register, "if_told": {"word": "must be listed in REGISTRY", "turn": listed}}
    third = {**write("HANDOFF.md", HANDED_OVER), "if_told": {"word": "must be listed in REGISTRY", "turn": {
        **bash(f"git add {name}.txt REGISTRY && git commit -q -m 'Add {name}'")}}}  # fmt: skip
    fourth = {
        "text": "Done.",
        "if_told": {"word": "must be listed in REGISTRY", "turn": write("HANDOFF.md", HANDED_OVER)},
    }
    read = {"tools": [{"name": "Read", "input": {"file_path": "{{cwd}}/REGISTRY"}}]}
    told = {"text": "Done."}
    return [first, second, third, {**fourth}, {**read, "if_told": {"word": "must be listed in REGISTRY", "turn": told}},
            listed, again, write("HANDOFF.md", HANDED_OVER + "- fact: sent back once\n"), told]  # fmt: skip


def test_the_real_client_is_told_what_an_earlier_run_found_out(project: Project, stub: StubModel) -> None:
    """One model script for both runs: without memory it is sent back by the check, with it in the brief it passes at once."""
    use_client(project, stub)
    project.repository.commit({".wto/config.yaml": "poll: 1s\nstagger: 0s\n", "check.sh": CHECK, "REGISTRY": "none\n"})
    stub.scripts = {"apple": _script("apple"), "pear": _script("pear")}
    agent = f"{{binary: {json.dumps(client(NEWEST))}}}"
    turns: dict[str, int] = {}
    for name in ("apple", "pear"):
        plan = project.plan(
            f"goal: Add text files\nchecks: [{{run: sh check.sh}}]\nagents: {{claude-code: {agent}}}\n"
            f"workstreams: {{{name}: {{brief: 'Add the text file {name}.txt at the top. [[script:{name}]]'}}}}\n",
            name=f"{name}.yaml",
        )
        ended = project.wto("run", "--land", plan, timeout=240)
        assert ended.code == 0, ended.out + ended.err
        project.repository.commit({"REGISTRY": "none\n", f"{name}.txt": None})  # the next run begins like the first
        (ws,) = project.status()["workstreams"]
        turns[name] = ws["attempts"]
    assert turns == {"apple": 2, "pear": 1}
    convention = next(
        each
        for each in project.wto("memory", "list", "--kind", "convention", "--json").json["entries"]
        if "REGISTRY" in each["text"]
    )
    assert project.wto("memory", "show", convention["id"], "--json").json["used_by"] == [
        {"run": "r2", "workstream": "pear"}
    ]
