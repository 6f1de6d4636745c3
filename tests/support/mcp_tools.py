"""The official tools that judge an MCP server and its bundle, where `make mcp-tools` puts them; started with an empty home."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.missing import missing
from tools.install_mcp_tools import NODE, Tool


def program(tool: Tool) -> list[str]:
    """How a tool is started. Where it is missing: a failure in CI, elsewhere a skip with its reason."""
    absent = [each.package for each in (NODE, tool) if not each.binary.exists()]
    if absent:
        missing(f"{' and '.join(absent)} not installed in .tools/mcp (make mcp-tools; needs npm)")
    return [str(NODE.binary), str(tool.binary.resolve())]


def ran(tool: Tool, *words: str, home: Path, timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
    """A tool run to its end, with nothing of this machine's but the search path."""
    home.mkdir(exist_ok=True)
    path = f"{NODE.binary.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "NO_COLOR": "1", "CI": "1"}
    return subprocess.run(
        [*program(tool), *words],
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
