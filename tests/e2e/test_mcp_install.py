"""`wto mcp install`: a client's settings get one more entry, and lose nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.project import Project

OTHERS = {"theme": "dark", "mcpServers": {"files": {"command": "/usr/bin/files", "args": []}}, "näme": "ünïcode"}


def test_an_entry_is_added_shown_kept_and_taken_out_again(project: Project) -> None:
    """Shown first, a copy beside it, other entries as they were; twice is once; uninstalled, all values are those of before."""
    path = project.folder / "desktop.json"
    path.write_text(json.dumps(OTHERS, indent=4, ensure_ascii=False), encoding="utf-8")
    path.chmod(0o640)
    before = path.read_bytes()
    dry = project.wto("mcp", "install", "--client", "claude-desktop", "--config", str(path), "--dry-run")
    assert dry.code == 0 and '+    "wt-orchestrate": {' in dry.out and path.read_bytes() == before
    done = project.wto("mcp", "install", "--client", "claude-desktop", "--config", str(path))
    assert done.code == 0, done.err
    found = json.loads(path.read_text(encoding="utf-8"))
    entry = found["mcpServers"].pop("wt-orchestrate")
    assert found == OTHERS and path.stat().st_mode & 0o777 == 0o640
    assert Path(entry["command"]).is_absolute() and entry["args"][-2:] == ["--repository", project.repository.path]
    (copy,) = project.folder.glob("desktop.json.*.bak")
    assert copy.read_bytes() == before
    again = project.wto("mcp", "install", "--client", "claude-desktop", "--config", str(path))
    assert again.code == 0 and "is as it should be" in again.out
    assert project.wto("mcp", "uninstall", "--client", "claude-desktop", "--config", str(path)).code == 0
    assert json.loads(path.read_text(encoding="utf-8")) == OTHERS


DAMAGED = {
    "cut off": ('{"mcpServers": {"a": ', ":1:22: this is no JSON"),
    "a list": ("[]", ":1:1: there is no object"),
    "servers of another shape": ('{"mcpServers": []}', "mcpServers is no object"),
    "a comment": ("{\n  // mine\n}", ":2:3: this is no JSON"),
}


@pytest.mark.parametrize("case", sorted(DAMAGED))
def test_a_damaged_file_is_refused_with_its_place_and_left_alone(project: Project, case: str) -> None:
    """What a person would have to mend is theirs: not a byte changes, and no copy is left about."""
    text, words = DAMAGED[case]
    path = project.folder / "desktop.json"
    path.write_text(text, encoding="utf-8")
    refused = project.wto("mcp", "install", "--client", "claude-desktop", "--config", str(path))
    assert refused.code == 6 and words in refused.err
    assert path.read_text(encoding="utf-8") == text
    assert [each.name for each in project.folder.glob("desktop.json*")] == ["desktop.json"]


def test_claude_code_finds_it_in_the_repository(project: Project) -> None:
    """Where there is no file it is made: `.mcp.json` of the main worktree, as that client reads it."""
    done = project.wto("mcp", "install", "--client", "claude-code")
    assert done.code == 0, done.err
    entry = json.loads((Path(project.repository.path) / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"][
        "wt-orchestrate"
    ]
    assert entry["type"] == "stdio" and "mcp" in entry["args"]
