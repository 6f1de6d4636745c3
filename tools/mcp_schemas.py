"""Print the schemas of all MCP tools, as the SDK makes them: `templates/mcp-tools.json`."""

from __future__ import annotations

import json

from wt_orchestrate.mcp_server.desk import Desk
from wt_orchestrate.mcp_server.server import toolbox


def text() -> str:
    """The file's text."""
    tools = toolbox(Desk(()), {}).tools
    return json.dumps({each.name: {"input": each.parameters, "output": each.output_schema} for each in tools}, indent=1)


if __name__ == "__main__":
    print(text())
