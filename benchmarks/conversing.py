"""The MCP server: from its start to the list of tools over bare Python, and calls a second over standard input and output."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import anyio
from longlog import write_long_log
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from measuring import cost_of, in_turn, make_repository, run

from wt_orchestrate.wiring.site import find_site

_CALLS = 40
_SDK = "import mcp.server.mcpserver, mcp.server.stdio, anyio"
_HELLO = (
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},'
    '"clientInfo":{"name":"b","version":"1"}}}',
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"jsonrpc":"2.0","id":2,"method":"tools/list"}',
)
_SERVE = ["sh", "-c", 'printf "%s\\n" "$SAID" | "$@"', "sh", sys.executable]
"""The server, told what a client says up to the list of tools, and nothing more: it ends then."""


def conversing(folder: Path, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """CPU of the start, and how many looks at a long run are answered in a second."""
    repository = folder / "repository"
    make_repository(repository, 20, env)
    env = {**env, "WTO_STATE_DIR": str(folder / "state"), "SAID": "\n".join(_HELLO)}
    words = ["-P", "-m", "wt_orchestrate", "-C", str(repository), "mcp"]
    server = StdioServerParameters(command=sys.executable, args=words, env=env)
    bare = [sys.executable, "-c", "pass"]
    ours, _, _, cpu = in_turn(
        lambda: cost_of(lambda: anyio.run(_list, server)),
        lambda: cost_of(lambda: run(bare, cwd=repository, env=env)),
        rounds=3,
    )
    yield "start of the MCP server to its list of tools: CPU / bare Python", f"{cpu:.0f} ({ours.cpu:.2f} s)"
    listed, alone, _, _ = in_turn(
        lambda: cost_of(lambda: run([*_SERVE, *words], cwd=repository, env=env)),
        lambda: cost_of(lambda: run([sys.executable, "-c", _SDK], cwd=repository, env=env)),
        rounds=5,
    )
    yield "the same: CPU beyond importing the SDK", f"{listed.cpu - alone.cpu:.2f} s (the SDK {alone.cpu:.2f} s)"
    os.environ["WTO_STATE_DIR"] = env["WTO_STATE_DIR"]
    write_long_log(find_site(str(repository)).path("log.db"), streams=100, events=3_000)
    took = anyio.run(_call, server)
    yield "`status` of 100 workstreams, calls a second, over standard input and output", f"{_CALLS / took:.0f}"


async def _list(server: StdioServerParameters) -> None:
    async with Client(stdio_client(server)) as client:
        assert (await client.list_tools()).tools


async def _call(server: StdioServerParameters) -> float:
    async with Client(stdio_client(server)) as client:
        await client.call_tool("status", {})
        began = time.monotonic()
        for _ in range(_CALLS):
            await client.call_tool("status", {})
        return time.monotonic() - began
