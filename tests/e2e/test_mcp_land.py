"""Landing over MCP what needs a person's word: everything that the command line can be told, a client can pass on."""

from __future__ import annotations

import re

from mcp import Client

from tests.support.mcp_client import Call, led, until
from tests.support.project import COMMAND_AGENT, COMMIT, Project

NAMED = 'api_token = "q8Zr2Xw7Lk5Tn3Vb9Ys1"'


async def _ended(call: Call, cursor: str) -> str:
    """What a landing came to."""
    for _ in range(60):
        found = await call("wait", cursor=cursor, seconds=5)
        told = [line for line in found["happened"] if "landing refused" in line or "landed" in line]
        if told:
            return str(told[-1])
        cursor = found["cursor"]
    raise AssertionError("the landing did not end")


def test_what_a_person_allowed_lands(project: Project) -> None:
    """A landing with a protected path, a large file and what looks like a secret is refused with all three and the mark; it lands
    only when each was allowed."""
    project.repository.commit({".wto/config.yaml": "poll: 1s\nstagger: 0s\nlargest_mb: 1\n"})
    script = f"mkdir .github\ntouch .github/ci.yml\necho '{NAMED}' > a.py\nhead -c 1200000 /dev/zero > large.bin\n"
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": script + COMMIT})
    assert project.wto("run", plan).code == 0

    async def lead(call: Call, client: Client) -> None:
        found = await until(call, "land")
        assert found["do"] == ["inspect", "land"]
        cursor = (await call("wait", seconds=0))["cursor"]
        await call("land", key="land-1")
        refused = await _ended(call, cursor)
        assert ".github/ci.yml" in refused and "large.bin" in refused
        mark = re.search(r"mark (\w{12})", refused)
        assert mark is not None, refused
        cursor = (await call("wait", seconds=0))["cursor"]
        await call("land", key="land-2", allow_protected=True, allow_large=True, allow_secrets=["0" * 12])
        assert "mark" in await _ended(call, cursor)
        cursor = (await call("wait", seconds=0))["cursor"]
        await call("land", key="land-3", allow_protected=True, allow_large=True, allow_secrets=[mark[1]])
        assert "landed" in await _ended(call, cursor)

    led(project, lead)
    assert project.stages() == {"a": "landed"}
