"""The same call said several times at once, as an impatient client does: done once, and each time the same answer."""

from __future__ import annotations

import json
from typing import Any

import anyio
from mcp import Client

from tests.support.mcp_client import Call, led, until
from tests.support.project import COMMAND_AGENT, COMMIT, Project

OFTEN = 6


async def _at_once(call: Call, name: str, **given: object) -> list[Any]:
    """The answers to one call that is said several times before the first of them is there."""
    found: list[Any] = []

    async def say() -> None:
        found.append(await call(name, **given))

    async with anyio.create_task_group() as group:
        for _ in range(OFTEN):
            group.start_soon(say)
    return found


def test_a_run_is_begun_once(project: Project) -> None:
    """Six starts of one plan under one key are one run, and none of them is told that somebody else is at work."""
    text = "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n"
    project.plan(text, {"a": COMMIT})

    async def lead(call: Call, client: Client) -> None:
        checked = await _at_once(call, "check_plan", plan=text)
        assert [each["ok"] for each in checked] == [True] * OFTEN
        found = await _at_once(call, "start", plan=text, key="start-1")
        assert {(each["run"], each["state"]) for each in found} == {("r1", "taken")}
        await until(call, "land")
        assert [each["run"] for each in await call("runs")] == ["r1"]

    led(project, lead)


def test_branches_are_queued_once(project: Project) -> None:
    """Six wishes to queue one branch under one key put it into one run, once; and once more into that run while it goes on."""
    for name in ("one", "two"):
        project.repository.git("branch", name)
        project.repository.git("checkout", "-q", name)
        project.repository.commit({f"{name}.txt": name})
        project.repository.git("checkout", "-q", "main")

    async def lead(call: Call, client: Client) -> None:
        for name in ("one", "two"):
            found = await _at_once(call, "queue", branches=[name], unchecked=True, key=f"queue-{name}")
            assert len({(each["run"], each["number"]) for each in found}) == 1, json.dumps(found)
        waiting = await call("train")
        assert ([each["branch"] for each in waiting["branches"]], waiting["asked"]) == (["one"], ["two"])

    led(project, lead)
