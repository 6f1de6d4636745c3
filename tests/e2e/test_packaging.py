"""What other programs install us by, judged by their own tools: the bundle for Claude Desktop, the plugin for Claude Code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import GetPromptResult

from tests.support.claude_client import NEWEST, OLDEST, client
from tests.support.mcp_client import caller
from tests.support.mcp_tools import program, ran
from tests.support.project import ROOT, Project, make_project
from tools import bundle
from tools.install_mcp_tools import PACKER
from wt_orchestrate import __version__
from wt_orchestrate.mcp_server.desk import Desk
from wt_orchestrate.mcp_server.server import INSTRUCTIONS, build

_SUBSTITUTE = """
import {{ getMcpConfigForManifest }} from {module};
import {{ readFileSync }} from "node:fs";
const manifest = JSON.parse(readFileSync({manifest}, "utf8"));
const given = {given};
console.log(JSON.stringify(await getMcpConfigForManifest({{ manifest, ...given }})));
"""


def test_the_bundle_is_packed_validated_and_starts(project: Project) -> None:
    """Packed by the official packer, unpacked again to what it was made of, and started by its own manifest's words."""
    program(PACKER)
    packed = project.folder / "wt-orchestrate.mcpb"
    bundle.build(packed, said=subprocess.DEVNULL)
    unpacked = project.folder / "the extension"
    assert ran(PACKER, "unpack", str(packed), str(unpacked), home=project.folder / "packer").returncode == 0
    staged = project.folder / "staged"
    staged.mkdir()
    bundle.stage(staged)
    assert _files(unpacked) == _files(staged)
    manifest = json.loads((unpacked / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["version"], manifest["server"]["type"]) == (__version__, "uv")

    other = make_project(project.folder / "another place")
    folders = [project.repository.path, other.repository.path]
    found = substituted(project, unpacked, {"repositories": folders})
    assert found["command"] == "uv" and "${" not in json.dumps(found)
    fetched, words = found["args"][:5], found["args"][5:]
    assert fetched == ["tool", "run", "--from", f"{unpacked}[mcp]", "wto"]
    assert words[-2:] == folders
    environment = {
        **project.environment,
        "PYTHONPATH": str(unpacked),
    }  # in place of what uv would build from the bundle
    server = StdioServerParameters(command=sys.executable, args=["-P", "-m", "wt_orchestrate", *words], env=environment)

    async def talk() -> None:
        async with Client(stdio_client(server)) as opened:
            assert await caller(opened)("repositories") == folders

    anyio.run(talk)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def substituted(project: Project, unpacked: Path, config: dict[str, Any]) -> Any:
    """How the application would start it, by the packer's own rules."""
    given = {
        "extensionPath": str(unpacked),
        "systemDirs": {"HOME": "/home/ada"},
        "userConfig": config,
        "pathSeparator": "/",
    }
    module = PACKER.folder / "node_modules" / "@anthropic-ai" / "mcpb" / "dist" / "shared" / "config.js"
    script = project.folder / "substitute.mjs"
    script.write_text(
        _SUBSTITUTE.format(
            module=json.dumps(str(module)),
            manifest=json.dumps(str(unpacked / "manifest.json")),
            given=json.dumps(given),
        )
    )
    said = subprocess.run([program(PACKER)[0], str(script)], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(said.stdout)


def claude(project: Project, version: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The real client, with a home and settings of its own and nobody to talk to."""
    home = project.folder / "claude-home"
    home.mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "claude"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "ANTHROPIC_API_KEY": "sk-stub",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        [client(version), *words],
        cwd=project.repository.path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.real_client
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_plugin_is_valid_and_installs_from_the_repository(project: Project, version: str) -> None:
    """Plugin and marketplace pass the client's strict validation; it installs from here, lists all parts, and goes again."""
    for what in (ROOT / "plugin", ROOT):
        judged = claude(project, version, "plugin", "validate", "--strict", str(what))
        assert judged.returncode == 0, judged.stdout + judged.stderr
    added = claude(project, version, "plugin", "marketplace", "add", str(ROOT))
    assert added.returncode == 0, added.stdout + added.stderr
    installed = claude(project, version, "plugin", "install", "wt-orchestrate@wt-orchestrate")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    listed = claude(project, version, "plugin", "list")
    assert "wt-orchestrate@wt-orchestrate" in listed.stdout, listed.stdout + listed.stderr
    removed = claude(project, version, "plugin", "uninstall", "wt-orchestrate@wt-orchestrate")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert not (Path(project.repository.path) / ".claude").exists()


NO_TOOLS = {
    *("wto", "scope", "needs", "key", "question", "failed", "escalated", "rest", "stages", "gate", "round", "no"),
    *("allow_protected", "allow_large", "allow_held", "allow_secrets"),
}
LEADING = {"briefing", "recall", "draft_plan", "check_plan", "start", "wait", "inspect", "approve", "land", "remember"}


def test_the_plugin_speaks_of_tools_that_are_there() -> None:
    """Version and names agree with the program: a renamed tool would leave the skills pointing nowhere."""
    plugin = json.loads((ROOT / "plugin" / ".claude-plugin" / "plugin.json").read_text(encoding="utf-8"))
    assert plugin["version"] == __version__
    (server,) = json.loads((ROOT / "plugin" / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"].values()
    assert (server["command"], server["args"]) == ("wto", ["mcp"])
    tools = {tool.name for tool in anyio.run(build(Desk([])).list_tools)}
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "plugin").rglob("*.md") if path.name != "README.md"]
    named = {word for text in texts for word in re.findall(r"`([a-z_]+)`", text)} - NO_TOOLS
    assert named <= tools, named - tools
    assert named >= LEADING


def test_instructions_and_prompts_speak_of_tools_that_are_there() -> None:
    """Whoever leads by them alone meets every tool of the way from memory to memory, and none that is not there."""
    server = build(Desk([]))
    tools = {tool.name for tool in anyio.run(server.list_tools)}

    async def texts() -> list[str]:
        given = {"lead": {"goal": "g"}, "debug": {"symptom": "s"}, "research": {"goal": "g"}}
        found = [await server.get_prompt(name, words) for name, words in given.items()]
        prompts = [each for each in found if isinstance(each, GetPromptResult)]
        return [str(getattr(each.messages[0].content, "text", "")) for each in prompts]

    lead, debug, research = anyio.run(texts)
    for text in (INSTRUCTIONS, lead, debug, research):
        named = set(re.findall(r"`([a-z_]+)`", text))
        assert named <= tools, named - tools
        assert {"recall", "check_plan", "start", "wait", "inspect", "approve", "remember"} <= named
    for text in (INSTRUCTIONS, lead):
        assert {"draft_plan", "land"} <= set(re.findall(r"`([a-z_]+)`", text))
