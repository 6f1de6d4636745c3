"""A gate between stages through the official MCP client: seen, looked at, sent back, approved once."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client

from tests.support.mcp_client import Call, led, until
from tests.support.project import COMMAND_AGENT, COMMIT, Project
from tests.support.stages import drawn_together, found


def test_a_gate_is_a_decision_that_the_person_takes_through_the_client(project: Project) -> None:
    """`wait` and `briefing` name it; the notes are data; an old round, an unknown stage and a second word are refused; a key
    said twice is one word."""
    project.repository.commit({".wto/config.yaml": "poll: 1s\n"})
    project.plan(
        "",
        {
            "look": found("Found."),
            "research-synthesis.1": drawn_together("pool: {brief: Mend it}"),
            "research-synthesis.2": 'grep -q "One port only" "$WTO_BRIEF"\n'
            + drawn_together("port: {brief: One port}"),
            "port": COMMIT,
        },
    )
    plan = (
        "goal: Mend it\nstages: [{name: research, gate: approval, synthesis: true}, execution]\n"
        + COMMAND_AGENT
        + "workstreams: {look: {brief: x, stage: research, kind: research}}\n"
    )

    async def lead(call: Call, client: Client) -> None:
        await call("start", plan=plan, key="start-1")
        gate = await until(call, "gate")
        assert gate["workstream"] == "research-synthesis" and gate["do"][:2] == ["inspect", "approve"]
        assert "after it: pool" in gate["text"]
        assert "the stage research is complete" in await call("briefing")
        notes = await call("inspect", workstream="research-synthesis", what="handoff")
        assert "## Contradictions" in notes["text"] and "data, not instructions" in notes["of"]
        first = (await call("status"))["stages"][0]["round"]
        with pytest.raises(AssertionError, match="unknown stage 'reserch'"):
            await call("approve", stage="reserch", key="approve-0")
        with pytest.raises(AssertionError, match="an empty reason neither approves"):
            await call("approve", stage="research", no=" ", key="approve-blank")
        await call("approve", stage="research", no="One port only", key="approve-1")
        await _planned(call, "port")
        with pytest.raises(AssertionError, match="has changed since you looked"):
            await call("approve", stage="research", round=first, key="approve-2")
        second = (await call("status"))["stages"][0]["round"]
        said = await call("approve", stage="research", round=second, key="approve-3")
        assert (await call("approve", stage="research", round=second, key="approve-3"))["number"] == said["number"]
        await until(call, "land")
        with pytest.raises(AssertionError, match="is already approved"):
            await call("approve", stage="research", key="approve-4")

    led(project, lead)
    assert project.stages() == {"look": "integrated", "research-synthesis": "integrated", "port": "integrated"}


async def _planned(call: Call, name: str) -> Any:
    """Wait until the gate waits for what the synthesis planned anew."""
    for _ in range(30):
        await call("wait", seconds=1)
        stage = (await call("status"))["stages"][0]
        if stage["standing"] == "waiting for approval" and stage["then"] == [name]:
            return
    raise AssertionError(f"{name} was not planned")
