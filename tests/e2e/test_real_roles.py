"""Roles held against the real Claude Code clients: words, tools, model and leave, and their files as the client's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.claude_client import NEWEST, OLDEST, client, use_client
from tests.support.project import Project
from tests.support.stub_model import StubModel, serve
from tests.support.turns import bash, write
from wt_orchestrate.resources import resource

pytestmark = pytest.mark.real_client

SMITH = """---
name: smith
description: Ours.
tools: Read, Edit, Write, Bash, WebFetch
disallowedTools: WebFetch
model: haiku
handoff: Verification
---

SMITH-IS-TOLD-THIS
"""
FOUND = "---\nstatus: done\n---\n## Summary\nIt says zero.\n## Findings\n- fact: f.txt:1 says zero\n"
BUILT = "---\nstatus: done\n---\n## Summary\nBuilt.\n## Verification\nNone.\n"


def _bodies(stub: StubModel, script: str) -> list[Any]:
    return [entry["body"] for entry in stub.requests if entry["script"] == script]


def _tools(body: Any) -> set[str]:
    """The client's own tools that it offers: ours come along whatever a role names."""
    names = {tool["name"] for tool in body["tools"]} - {"DeferredToolPlaceholder"}
    return {name for name in names if not name.startswith("mcp__wto__")}


def _results(body: Any) -> list[str]:
    blocks = [
        block for message in body["messages"] if isinstance(message["content"], list) for block in message["content"]
    ]
    return [json.dumps(block["content"]) for block in blocks if block.get("type") == "tool_result"]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_role_is_told_held_to_its_tools_and_cannot_write_where_it_only_reads(project: Project, version: str) -> None:
    """A researcher's edits, redirections, commits and options of git that write are denied by the client, its look at history
    and its handoff are not; a repository's own role brings its words, tools and model, and its work lands."""
    stub = serve(
        {
            "find": [
                write("mine.txt", "mine\n"),
                bash("echo mine > more.txt"),
                bash("git commit --allow-empty -m Mine"),
                bash("rm f.txt"),
                bash("git log --output=mine.log"),
                bash("git grep -Otouch zero"),
                bash("git log -p --format=%s -- f.txt"),
                bash("git ls-tree -r HEAD"),
                write("HANDOFF.md", FOUND),
                {"text": "It is found."},
            ],
            "build": [
                write("new.txt", "new\n"),
                bash("git add new.txt && git commit -m New"),
                write("HANDOFF.md", BUILT),
                {"text": "It is built."},
            ],
        }
    )
    try:
        use_client(project, stub)
        project.repository.commit({"f.txt": "zero\n", "CLAUDE.md": "REPOSITORY-SAYS\n", ".wto/roles/smith.md": SMITH})
        agent = f"{{binary: {json.dumps(client(version))}, allow: ['Bash(echo *)', 'Bash(rm *)', Edit]}}"
        plan = project.plan(
            f"goal: Do it\nagents: {{claude-code: {agent}}}\nworkstreams:\n"
            "  find: {brief: 'Look. [[script:find]]', role: researcher, kind: research}\n"
            "  build: {brief: 'Build. [[script:build]]', role: smith}\n"
        )
        ended = project.wto("run", "--land", plan)
    finally:
        stub.close()
    assert ended.code == 0, ended.out + ended.err
    found = {ws["id"]: (ws["stage"], ws["attempts"]) for ws in project.status()["workstreams"]}
    assert found == {"find": ("landed", 1), "build": ("landed", 1)}
    finder, builder = _bodies(stub, "find")[-1], _bodies(stub, "build")[-1]
    assert _tools(finder) == {"Read", "Grep", "Glob", "Bash", "Edit", "Write", "AskUserQuestion"}
    assert _tools(builder) == {"Read", "Bash", "Edit", "Write", "AskUserQuestion"}
    system = json.dumps(builder["system"])
    assert system.index("SMITH-IS-TOLD-THIS") < system.index("REPOSITORY-SAYS")
    assert "You find out facts, so that others can decide" in json.dumps(finder["system"])
    assert "haiku" in builder["model"] and "haiku" not in finder["model"]
    *denied, history, tree, _ = _results(finder)
    assert len(denied) == 6
    assert all("you may write only HANDOFF.md" in said for said in denied)
    assert "Not allowed" not in history and "f.txt" in tree
    worktree = project.worktree("find")
    assert (worktree / "f.txt").read_text(encoding="utf-8") == "zero\n" and not list(worktree.glob("m*.txt"))
    assert project.repository.git("show", "main:new.txt") == "new"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("wrong", [{}, {"cleanupPeriodDays": "soon"}], ids=["sound", "one wrong value"])
def test_who_only_reads_is_held_whatever_the_users_own_settings_allow(
    project: Project, tmp_path: Path, version: str, wrong: dict[str, Any]
) -> None:
    """A user lets the client do everything everywhere: a researcher's writes are denied all the same, and its handoff is not.
    The user's own credentials, environment and words are there as ever; a worktree's settings are not. One wrong value,
    for which the client drops the whole file, loses none of our rules."""
    other = tmp_path / "other"
    other.mkdir()
    answers = tmp_path / "yes.sh"
    decision = {"hookEventName": "PermissionRequest", "decision": {"behavior": "allow"}}
    answers.write_text(f"#!/bin/sh\necho '{json.dumps({'hookSpecificOutput': decision})}'\n", encoding="utf-8")
    answers.chmod(0o755)
    everything = {"allow": ["Edit", "Write", "Bash"], "defaultMode": "bypassPermissions"}
    looks = [bash("env"), bash("git log -p --format=%s -- f.txt")]
    writes = [write("mine.txt", "mine\n"), bash("echo mine > more.txt"), write(str(other / "mine.txt"), "mine\n")]
    stub = serve({"find": [*looks, *writes, write("HANDOFF.md", FOUND), {"text": "It is found."}]})
    try:
        use_client(project, stub)
        theirs = {
            "permissions": {**everything, "additionalDirectories": [str(other)]},
            "hooks": {"PermissionRequest": [{"hooks": [{"type": "command", "command": str(answers)}]}]},
            "env": {"FROM_USER": "users-own"},
            "apiKeyHelper": "echo sk-helped",
            **wrong,
        }
        if not wrong:
            del project.environment["ANTHROPIC_API_KEY"]
        config = Path(project.environment["CLAUDE_CONFIG_DIR"])
        config.mkdir()
        (config / "settings.json").write_text(json.dumps(theirs), encoding="utf-8")
        (config / "CLAUDE.md").write_text("USER-SAYS\n", encoding="utf-8")
        worktrees = {"permissions": everything, "env": {"FROM_USER": "WORKTREE-SAYS"}}
        project.repository.commit({"f.txt": "zero\n", ".claude/settings.json": json.dumps(worktrees)})
        ended = project.wto(
            "run",
            "--land",
            project.plan(
                f"goal: Look\nagents: {{claude-code: {{binary: {json.dumps(client(version))}}}}}\nchecks: [{{run: env}}]\n"
                "workstreams: {find: {brief: 'Look. [[script:find]]', role: researcher, kind: research}}\n"
            ),
        )
    finally:
        stub.close()
    assert ended.code == 0, ended.out + ended.err
    assert [(ws["stage"], ws["attempts"]) for ws in project.status()["workstreams"]] == [("landed", 1)]
    finder = _bodies(stub, "find")[-1]
    environment, history, *denied, _ = _results(finder)
    assert "WORKTREE-SAYS" not in environment
    assert ("FROM_USER=users-own" in environment) is (not wrong)
    assert "Not allowed" not in history
    assert len(denied) == 3 and all("you may write only HANDOFF.md" in said for said in denied)
    assert not list(other.iterdir()) and not list(project.worktree("find").glob("m*.txt"))
    assert "USER-SAYS" in json.dumps(finder["system"])


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_role_file_is_an_agents_file_of_the_client(tmp_path: Path, version: str) -> None:
    """All built-in roles lie under .claude/agents as they are, the client knows each and starts one, and ignores `handoff:`."""
    folder = tmp_path / "work"
    shutil.copytree(resource("templates", "roles"), folder / ".claude" / "agents")
    names = {each.stem for each in (folder / ".claude" / "agents").iterdir()}
    stub = serve({"default": [{"text": "ok"}]})
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLAUDE_CONFIG_DIR": str(tmp_path / "claude"),
        "ANTHROPIC_API_KEY": "sk-stub",
        "ANTHROPIC_BASE_URL": stub.url,
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    words = ("-p", "hello", "--output-format", "stream-json", "--verbose", "--agent", "debugger")
    try:
        ended = subprocess.run(
            (client(version), *words), cwd=folder, env=environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
    finally:
        stub.close()
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    (init,) = [line for line in lines if line.get("subtype") == "init"]
    assert names <= set(init["agents"]) and len(names) == 11
    assert {"Read", "Edit", "Write", "Bash"} <= set(init["tools"])
    body = stub.requests[-1]["body"]
    assert "You find out why something fails" in json.dumps(body["system"])
    assert "handoff:" not in json.dumps(body["system"])
