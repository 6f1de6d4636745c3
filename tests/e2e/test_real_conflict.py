"""Two real clients that edit the same function: foreseen before either is done, resolved by an arbiter, told in the packet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.claude_client import NEWEST, client, use_client
from tests.support.project import Project
from tests.support.stub_model import StubModel, Turn, serve
from tests.support.turns import bash, handoff, wait_for, write
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real_client

BASE = "def total(items):\n    return sum(items)\n"
CLEAN = "def total(items):\n    return sum(item for item in items if item is not None)\n"
ROUNDED = "def total(items):\n    return round(sum(items), 2)\n"
BOTH = "def total(items):\n    return round(sum(item for item in items if item is not None), 2)\n"
TESTS = {
    "base": "from calc import total\nassert total([1, 2]) == 3\n",
    "clean": "from calc import total\nassert total([1, None]) == 1\n",
    "rounded": "from calc import total\nassert total([0.1, 0.2]) == 0.3\n",
}
CHECK = "for each in test_*.py; do python3 $each || exit 1; done"
SETTINGS = "poll: 1s\nstagger: 1s\nradar: 1s\n"
UNQUOTED = " The rest of the brief says no more." * 40
"""What of a brief is quoted to others ends before this does, and with it the marker of the model's script."""


@pytest.fixture
def stub() -> Iterator[StubModel]:
    server = serve({})
    yield server
    server.close()


def _agent(project: Project, name: str, content: str) -> list[Turn]:
    """Change the function, commit, wait until the test lets it go on, say it is done."""
    return [
        write("calc.py", content),
        write(f"test_{name}.py", TESTS[name]),
        bash(f"git add -A && git commit -qm 'Total: {name}'"),
        wait_for(str(project.folder / "go-on")),
        handoff(f"`total` is {name} now."),
        {"text": "It is done."},
    ]


def _foreseen(project: Project) -> Any:
    return project.status()["forecast"]["conflicts"] if project.stages() else []


def _warned(project: Project, name: str) -> bool:
    ws = next(each for each in project.status()["workstreams"] if each["id"] == name)
    return any(message["kind"] == "radar" and message["sent_to"] for message in ws["messages"])


def test_two_clients_on_one_function_end_with_both_intents_landed(project: Project, stub: StubModel) -> None:
    """The radar warns both agents before either is done; the arbiter's merge of both is proven and passes the tests of both;
    the packet tells what each side wanted and how the conflict was resolved."""
    use_client(project, stub)
    project.repository.commit({"calc.py": BASE, "test_base.py": TESTS["base"], ".wto/config.yaml": SETTINGS})
    stub.scripts = {
        "clean": _agent(project, "clean", CLEAN),
        "rounded": _agent(project, "rounded", ROUNDED),
        "default": [
            bash("git merge wto/r1/integration"),
            bash("git merge wto/r1/integration"),
            write("calc.py", BOTH),
            bash("git add -A && git commit -qm 'Leave out None, and round'"),
            handoff("`total` leaves out None and rounds."),
            {"text": "It is resolved."},
        ],
    }
    agent = f"{{binary: {json.dumps(client(NEWEST))}, allow: ['Bash(python3 *)']}}"
    plan = project.plan(
        f"goal: A better total\nlimits: {{agents: 3}}\nchecks: [{{run: '{CHECK}'}}]\nagents: {{claude-code: {agent}}}\n"
        "workstreams:\n"
        f"  clean: {{brief: 'Leave out None in total.{UNQUOTED} [[script:clean]]'}}\n"
        f"  rounded: {{brief: 'Round the total to cents.{UNQUOTED} [[script:rounded]]'}}\n"
    )
    project.start("run", "--land", plan)
    wait_until(lambda: bool(_foreseen(project)), timeout_s=60, what="the conflict being foreseen")
    assert _foreseen(project) == [{"one": "clean", "other": "rounded", "paths": ["calc.py"], "more": 0}]
    wait_until(
        lambda: _warned(project, "clean") and _warned(project, "rounded"), timeout_s=60, what="both being warned"
    )
    assert set(project.stages().values()) == {"working"}
    (project.folder / "go-on").touch()
    assert project.started[-1].wait(timeout=150) == 0, (project.folder / "out-0.txt").read_text(encoding="utf-8")
    assert project.repository.git("show", "main:calc.py") + "\n" == BOTH
    for name, text in TESTS.items():
        assert project.repository.git("show", f"main:test_{name}.py") + "\n" == text
    stages = project.stages()
    (arbiter,) = [name for name in stages if name.endswith("-arbiter")]
    served = arbiter.removesuffix("-arbiter")
    other = "clean" if served == "rounded" else "rounded"
    assert stages == dict.fromkeys(("clean", "rounded", arbiter), "landed")
    packet = project.wto("review", served, "--json").json
    assert packet["conflict"]["settled_by"] == {"calc.py": "arbiter"}
    intents = {"clean": "Leave out None in total.", "rounded": "Round the total to cents."}
    assert packet["asked"]["brief"].startswith(intents[served])
    (beside,) = packet["overlaps"]
    assert beside["workstream"] == other and beside["asked"].startswith(intents[other])
    assert all(text in json.dumps(packet, ensure_ascii=False) for text in intents.values())
    heard = json.dumps([each["body"] for each in stub.requests if each["script"] in intents])
    assert "This is a forecast, not a failure" in heard
    assert project.processes() == []
