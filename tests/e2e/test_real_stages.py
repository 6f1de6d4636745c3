"""A pipeline of real Claude Code clients: two do research, a third draws it together and plans, a person approves, it lands."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.claude_client import NEWEST, client, use_client
from tests.support.project import Project
from tests.support.stages import NOTES
from tests.support.stub_model import StubModel, Turn, serve
from tests.support.turns import bash, work, write

pytestmark = pytest.mark.real_client

PLANNED = """```yaml
pool: {title: Mend the pool, brief: 'Close connections. [[script:pool]]', scope: [pool.py]}
port: {title: One port, brief: 'Use one port. [[script:port]]', scope: [port.py]}
```"""


@pytest.fixture
def stub() -> Iterator[StubModel]:
    server = serve({})
    yield server
    server.close()


def _hands_over(sections: str, summary: str) -> list[Turn]:
    text = f"---\nstatus: done\nprogress: 100\n---\n## Summary\n{summary}\n\n{sections}\n"
    return [bash("git log --oneline"), write("HANDOFF.md", text), {"text": "It is done."}]


def test_two_clients_research_a_third_plans_and_what_a_person_approves_lands(project: Project, stub: StubModel) -> None:
    """The synthesiser is given both handoffs as data; nothing it planned begins before `wto approve`; then both parts are
    worked on by clients of their own, whose briefs hold the synthesis, and land."""
    use_client(project, stub)
    project.repository.commit({".wto/config.yaml": "poll: 1s\nstagger: 1s\n"})
    finding = "## Findings\n- fact: README.md:1 says nothing of it\n"
    stub.scripts = {
        "database": _hands_over(finding, "PILLAR: connections are never closed."),
        "config": _hands_over(finding, "MARBLE: two ports are configured."),
        "together": _hands_over(f"{NOTES}\n## Workstreams\n{PLANNED}\n", "GRANITE: close them, and use one port."),
        "pool": work("pool"),
        "port": work("port"),
    }
    agent = f"{{binary: {json.dumps(client(NEWEST))}}}"
    plan = project.plan(
        f"goal: Mend the service\nlimits: {{agents: 3}}\nagents: {{claude-code: {agent}}}\n"
        "stages:\n"
        "  - {name: research, gate: approval, synthesis: {brief: 'Prefer small steps. [[script:together]]'}}\n"
        "  - execution\n"
        "workstreams:\n"
        "  database: {brief: 'Look at the database. [[script:database]]', stage: research, kind: research}\n"
        "  config: {brief: 'Look at the configuration. [[script:config]]', stage: research, kind: research}\n"
    )
    ended = project.wto("run", "--land", plan, timeout=200)
    assert ended.code == 8, ended.out + ended.err
    assert {each["script"] for each in stub.requests if each["script"]} >= {"database", "config", "together"}
    assert not any(each["script"] in {"pool", "port"} for each in stub.requests)
    told = json.dumps([each["body"] for each in stub.requests if each["script"] == "together"])
    assert "PILLAR" in told and "MARBLE" in told and "Prefer small steps." in told
    gate = project.wto("approve", "--json").json["gate"]
    assert [ws["id"] for ws in gate["then"]] == ["pool", "port"] and gate["notes"]["learned"]
    ended = project.wto("approve", "research", timeout=200)
    assert ended.code == 0, ended.out + ended.err
    assert project.stages() == dict.fromkeys(("database", "config", "research-synthesis", "pool", "port"), "landed")
    assert project.repository.git("show", "main:pool.py") and project.repository.git("show", "main:port.py")
    told = json.dumps([each["body"] for each in stub.requests if each["script"] == "pool"])
    assert "GRANITE" in told
    assert project.processes() == []
