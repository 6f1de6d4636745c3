"""Tools whose schemas lie ready in a file are the tools that the SDK would make."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from tools import mcp_schemas
from wt_orchestrate.mcp_server.desk import Desk
from wt_orchestrate.mcp_server.server import toolbox
from wt_orchestrate.mcp_server.terms import prepared
from wt_orchestrate.resources import resource


def _server(schemas: Any) -> MCPServer[Any]:
    return MCPServer("t", tools=toolbox(Desk(["/r/one"]), schemas).tools)


def _listed(server: MCPServer[Any]) -> list[str]:
    return [each.model_dump_json(by_alias=True) for each in asyncio.run(server.list_tools())]


def test_the_file_holds_what_the_sdk_makes() -> None:
    """`make schema` was run since a tool, an argument or the SDK changed."""
    assert Path(resource("templates", "mcp-tools.json")).read_text(encoding="utf-8") == f"{mcp_schemas.text()}\n"


def test_clients_see_the_same_tools_byte_for_byte() -> None:
    """Names, order, titles, descriptions, hints and both schemas are those of tools that were built at once."""
    found = _listed(_server(prepared()))
    assert found == _listed(_server({})) and len(found) == 29


@pytest.mark.parametrize("schemas", [{}, prepared()], ids=["built", "prepared"])
def test_a_tool_is_called_alike(schemas: Any) -> None:
    """A result comes back as text and as data, and a wrong argument is refused in the words of its model."""
    server = _server(schemas)
    for _ in range(2):
        found = asyncio.run(server.call_tool("repositories", {}))
        assert found.structured_content == {"result": ["/r/one"]}  # type: ignore[union-attr]
    with pytest.raises(
        ToolError, match="Error executing tool briefing: 1 validation error for briefingArguments\nsize\n"
    ):
        asyncio.run(server.call_tool("briefing", {"size": 1}))
