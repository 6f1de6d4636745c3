"""Installs what the MCP server and its bundle are tested with, from npm into `.tools/mcp/NAME-VERSION/`: the official inspector,
the official conformance suite, the packer of Claude Desktop's bundles, and a Node.js that is new enough for them.

Used by `make test`. Safe to repeat: what is there is left alone. Without npm it says so and ends with 0 on a user's machine
(the tests that need one are skipped with that reason) and with 1 in CI.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent / ".tools" / "mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A package of npm, pinned, and the name of its program."""

    name: str
    package: str
    version: str

    @property
    def folder(self) -> Path:
        return PLACE / f"{self.name}-{self.version}"

    @property
    def binary(self) -> Path:
        """Where its program lies once it is installed."""
        return self.folder / "node_modules" / ".bin" / self.name


NODE = Tool(name="node", package="node", version="22.23.3")
INSPECTOR = Tool(name="mcp-inspector", package="@modelcontextprotocol/inspector", version="2.12.0")
CONFORMANCE = Tool(name="conformance", package="@modelcontextprotocol/conformance", version="0.2.0-alpha.12")
PACKER = Tool(name="mcpb", package="@anthropic-ai/mcpb", version="2.1.2")
TOOLS = (NODE, INSPECTOR, CONFORMANCE, PACKER)


def main() -> int:
    missing = [tool for tool in TOOLS if not tool.binary.exists()]
    npm = shutil.which("npm")
    if missing and npm is None:
        print("npm was not found, so the MCP tools cannot be installed; tests with them will not run", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    for tool in missing:
        tool.folder.mkdir(parents=True, exist_ok=True)
        (tool.folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        print(f"installing {tool.package} {tool.version}", flush=True)
        words = [str(npm), "install", "--no-audit", "--no-fund", "--loglevel=error", f"{tool.package}@{tool.version}"]
        ended = subprocess.run(words, cwd=tool.folder, check=False)
        if ended.returncode or not tool.binary.exists():
            print(f"npm could not install {tool.package} {tool.version}", file=sys.stderr)
            return 1 if os.environ.get("CI") else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
