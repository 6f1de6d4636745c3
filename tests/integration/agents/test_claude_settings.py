"""What a Claude Code client that may only read is started with, whatever the user's own settings allow it elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from wt_orchestrate.adapters.agents.claude_code import ClaudeCode
from wt_orchestrate.adapters.agents.claude_settings import readers_settings
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.domain.plan.model import AgentSpec
from wt_orchestrate.ports.engine import AgentStart, Launch

THEIRS: dict[str, Any] = {
    "permissions": {
        "allow": ["Edit", "Write", "Bash", "Bash(rm *)", "mcp__x__*", "Read(~/notes/**)", "WebFetch(domain:a.org)", 7],
        "deny": ["Read(.env)"],
        "ask": ["Bash(curl *)"],
        "defaultMode": "bypassPermissions",
        "additionalDirectories": ["../other"],
    },
    "sandbox": {"enabled": True, "autoAllowBashIfSandboxed": True},
    "env": {"A": "1"},
    "apiKeyHelper": "my-key",
    "includeCoAuthoredBy": True,
    "enabledPlugins": {"x@y": True},
    "hooks": {"PreToolUse": [], "PermissionRequest": [{"hooks": [{"type": "command", "command": "yes"}]}]},
}


def _started(tmp_path: Path, settings: str, *, read_only: bool = True, schema: str = "") -> tuple[Launch, Any, str]:
    """The process, our settings file and what is added to the system prompt, of a user with such settings."""
    for name in ("bin", "attempt", "config", "tmp"):
        (tmp_path / name).mkdir(exist_ok=True)
    binary = tmp_path / "bin" / "claude"
    binary.touch(mode=0o755)
    (tmp_path / "config" / "settings.json").write_text(settings, encoding="utf-8")
    (tmp_path / "config" / "CLAUDE.md").write_text("USER-SAYS\n", encoding="utf-8")
    own = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path / "tmp"), "CLAUDE_CONFIG_DIR": "/nowhere"}
    client = ClaudeCode(own, passed=(), accounts={"work": {"CLAUDE_CONFIG_DIR": str(tmp_path / "config")}})
    launch = client.launch(
        AgentStart(
            process=ProcessId("p"),
            session="s",
            resume=False,
            spec=AgentSpec(binary=str(binary)),
            prompt="Look.",
            receipt="r",
            instructions="REPOSITORY-SAYS",
            worktree=str(tmp_path),
            folder=str(tmp_path / "attempt"),
            checks=("make test",),
            variables={},
            account="work",
            read_only=read_only,
            schema=schema,
        )
    )
    files = {name: (tmp_path / "attempt" / name).read_text("utf-8") for name in ("settings.json", "instructions.md")}
    return launch, json.loads(files["settings.json"]), files["instructions.md"]


def _after(launch: Launch, option: str) -> str:
    return launch.argv[launch.argv.index(option) + 1]


def _rules(launch: Launch, option: str) -> list[str]:
    return [word.removeprefix(f"{option}=") for word in launch.argv if word.startswith(f"{option}=")]


def test_who_only_reads_gets_of_the_users_settings_what_grants_nothing(tmp_path: Path) -> None:
    """The account's settings are no source of the client's; what they allow beyond looking, their plugins and what answers
    permission questions are gone, the rest is there beside our rules; so is the user's own CLAUDE.md."""
    launch, settings, standing = _started(tmp_path, json.dumps(THEIRS))
    assert _after(launch, "--setting-sources") == ""
    rules = settings.pop("permissions")
    allowed, denied = _rules(launch, "--allowedTools"), _rules(launch, "--disallowedTools")
    assert {"Edit(HANDOFF.md)", "Bash(make test)"} <= set(allowed) and "Edit(.git/**)" in denied
    assert rules == {
        "allow": [*allowed, "Read(~/notes/**)", "WebFetch(domain:a.org)"],
        "deny": [*denied, "Read(.env)"],
        "ask": ["Bash(curl *)"],
        "additionalDirectories": ["../other"],
    }
    assert settings == {
        "sandbox": {"enabled": True, "autoAllowBashIfSandboxed": False},
        "env": {"A": "1"},
        "apiKeyHelper": "my-key",
        "includeCoAuthoredBy": False,
        "hooks": {"PreToolUse": []},
    }
    assert standing.index("USER-SAYS") < standing.index("REPOSITORY-SAYS")


def test_who_returns_a_value_is_held_the_same_way(tmp_path: Path) -> None:
    """A client that owes a value instead of a handoff gets no leave of the user's either."""
    launch, settings, _ = _started(tmp_path, json.dumps(THEIRS), read_only=False, schema="{}")
    assert _after(launch, "--setting-sources") == ""
    assert settings["permissions"]["allow"] == ["Read(~/notes/**)", "WebFetch(domain:a.org)"]
    assert "Write" in _rules(launch, "--disallowedTools") and "Write" in settings["permissions"]["deny"]


def test_who_may_write_has_the_users_settings_as_they_are(tmp_path: Path) -> None:
    """Elsewhere the client reads them itself, and nothing of them is copied."""
    launch, settings, standing = _started(tmp_path, json.dumps(THEIRS), read_only=False)
    assert _after(launch, "--setting-sources") == "user"
    assert (
        set(settings) == {"permissions", "includeCoAuthoredBy"} and "Bash(rm *)" not in settings["permissions"]["allow"]
    )
    assert "USER-SAYS" not in standing and not _rules(launch, "--allowedTools")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', "[" * 100_000, "\xff", '{"permissions": []}', '{"permissions": {"allow": 1, "deny": {}}}'],
    ids=["empty", "cut off", "a list", "null", "a text", "deep", "no JSON", "no rules", "no lists"],
)  # fmt: skip
def test_settings_that_cannot_be_used_stop_no_start(tmp_path: Path, text: str) -> None:
    """Whatever lies there, our own rules are what the client gets."""
    launch, settings, _ = _started(tmp_path, text)
    assert settings["permissions"]["allow"] == _rules(launch, "--allowedTools")
    assert settings["permissions"]["deny"] == _rules(launch, "--disallowedTools")


def test_a_user_without_settings_is_one_who_allows_nothing(tmp_path: Path) -> None:
    """No file, a folder in its place and a pipe nobody writes to are the same, and hold up nothing."""
    folder = tmp_path / ".claude"
    folder.mkdir()
    nothing = {"permissions": {"allow": [], "deny": []}, "sandbox": {"autoAllowBashIfSandboxed": False}}
    ours: dict[str, Any] = {"permissions": {"allow": [], "deny": []}}
    assert readers_settings(ours, {"HOME": str(tmp_path)}) == nothing
    (folder / "settings.json").mkdir()
    assert readers_settings(ours, {"HOME": str(tmp_path)}) == nothing
    (folder / "settings.json").rmdir()
    os.mkfifo(folder / "settings.json")
    assert readers_settings(ours, {"HOME": str(tmp_path)}) == nothing
