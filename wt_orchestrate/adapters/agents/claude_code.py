"""The Claude Code client as an agent: how it is started, sent messages, and asked for its version.

It is started detached and steerable: session id chosen by us, stream-json both ways, permission questions and questions
to the user as control requests on its output, answered by lines on its input. Its settings are a file we wrote and know
to be valid (the client silently ignores a file with one wrong value). Settings, hooks and MCP servers in a worktree
never take effect (`--setting-sources user`, `--strict-mcp-config`). An agent that may only read gets no settings source
at all, and only the part of the user's settings that `claude_settings.py` keeps. The workstream's role and the
repository's CLAUDE.md, as it was at the base, are added as an appended system prompt. Facts about the client are in
docs/reference/claude-code.md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from wt_orchestrate.adapters.agents.claude_settings import readers_settings, users_instructions
from wt_orchestrate.adapters.agents.claude_stream import ClaudeStream
from wt_orchestrate.adapters.agents.environment import IDENTITY, guarded, own_tmpdir
from wt_orchestrate.domain.fold.accounts import DEFAULT
from wt_orchestrate.domain.plan.model import AgentSpec
from wt_orchestrate.domain.plan.permissions import (
    SERVER,
    WRITING,
    allow_rules,
    deny_rules,
    granted_rules,
    offered_tools,
    own_rules,
    reading_rules,
    refused_rules,
)
from wt_orchestrate.domain.plan.roles import INHERIT
from wt_orchestrate.errors import AgentUnavailable
from wt_orchestrate.ports.engine import AgentStart, AgentVersion, Launch, VersionCommand

OLDEST = (2, 1, 197)
NEWEST_TRIED = (2, 1, 330)
_PASSED = frozenset(
    {
        "PATH", "HOME", "LANG", "TERM", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
        "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_USE_FOUNDRY", "CLOUD_ML_REGION", "GOOGLE_APPLICATION_CREDENTIALS", "NODE_EXTRA_CA_CERTS",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
        "VIRTUAL_ENV", *IDENTITY,
    }
)  # fmt: skip
_PASSED_PREFIXES = ("LC_", "ANTHROPIC_", "AWS_")
_CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
_FIXED = {
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_MAX_RETRIES": "3",
}
_WAITS_FOR_TOOLS = {"MCP_CONNECTION_NONBLOCKING": "0", "MCP_CONNECT_TIMEOUT_MS": "60000", "MCP_TIMEOUT": "60000"}
"""On a busy machine our server takes longer to start than the client would wait (2.1.197: some seconds, `alwaysLoad` or
not)."""
_STOP_GRACE_S = 4.0
_INSTALL = "npm install -g @anthropic-ai/claude-code"


class ClaudeCode:
    """The client. `environment` is the user's; the client gets the variables named above and in `passed`, and those of
    its account. An account has its own credentials, or none: never the user's beside its own."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        passed: tuple[str, ...],
        accounts: Mapping[str, Mapping[str, str]],
        sandboxed: bool = False,
    ) -> None:
        self._environment = environment
        self._sandboxed = sandboxed
        self._also = passed
        self._accounts = accounts

    # ------------------------------------------------------------ starting

    def launch(self, start: AgentStart) -> Launch:
        """The process to start, with its settings written into `start.folder`. Raises AgentUnavailable."""
        binary = shutil.which(start.spec.binary, path=self._environment.get("PATH", os.defpath))
        if binary is None:
            raise AgentUnavailable(
                f"the Claude Code client {start.spec.binary!r} was not found",
                hint="npm install -g @anthropic-ai/claude-code, or set binary: of the agent",
            )
        env = self._env(start)
        standing = _standing(start, env)
        files = _write_files(start, env, standing)
        session = ("--resume", start.session) if start.resume else ("--session-id", start.session)
        argv = [
            binary, "-p", "--output-format", "stream-json", "--verbose", "--input-format", "stream-json",
            "--replay-user-messages", *session, "--permission-mode", self._mode(start),
            "--permission-prompt-tool", "stdio", "--settings", files["settings"], "--setting-sources",
            "" if _only_reads(start) else "user", "--strict-mcp-config", "--mcp-config", files["mcp"],
        ]  # fmt: skip
        if _only_reads(start):
            argv += [f"--allowedTools={rule}" for rule in _allowed(start)]
            argv += [f"--disallowedTools={rule}" for rule in deny_rules(_refused(start))]
        if standing:
            argv += ["--append-system-prompt-file", files["instructions"]]
        if start.budget_usd is not None:
            argv += ["--max-budget-usd", f"{start.budget_usd:.4f}"]
        if start.schema:
            argv += ["--json-schema", start.schema]
        argv += _of_role(start)
        return Launch(
            id=start.process,
            argv=tuple(argv),
            cwd=start.worktree,
            env=env,
            input=True,
            lines=(_user_line(start.receipt, start.prompt),),
            ask=(_control("stop-1", "interrupt"), _control("stop-2", "end_session")),
            grace_s=_STOP_GRACE_S,
        )

    def _env(self, start: AgentStart) -> dict[str, str]:
        kept = {name: value for name, value in self._environment.items() if self._passes(name)}
        account = self._account(start.account)
        if account:
            kept = {name: value for name, value in kept.items() if name not in _CREDENTIALS} | dict(account)
        tmpdir = own_tmpdir(start.folder, self._environment)
        set_credentials = [name for name in _CREDENTIALS if kept.get(name)]
        for name in set_credentials[1:]:
            kept.pop(name)  # with two of them set, which one counts differs by version
        return {
            **guarded(kept),
            **_FIXED,
            **(_WAITS_FOR_TOOLS if start.tools else {}),
            "TMPDIR": tmpdir,
            "CLAUDE_CODE_TMPDIR": tmpdir,
            "WTO_HANDOFF": f"{start.worktree}/HANDOFF.md",
            **start.spec.env,
            **start.variables,
        }

    def _mode(self, start: AgentStart) -> str:
        """The client's mode. In a sandbox an agent for which nobody chose a mode may run what it likes."""
        mode = _mode(start)
        free = self._sandboxed and not _only_reads(start) and mode == AgentSpec().permission_mode
        return "bypassPermissions" if free else mode

    def _account(self, name: str) -> Mapping[str, str]:
        if name in ("", DEFAULT):
            return {}
        if name not in self._accounts:
            raise AgentUnavailable(f"there is no account {name!r} any more", hint="accounts: in the user's config.yaml")
        return self._accounts[name]

    def _passes(self, name: str) -> bool:
        return name in _PASSED or name in self._also or name.startswith(_PASSED_PREFIXES)

    # ------------------------------------------------------------ speaking

    def reader(self) -> ClaudeStream:
        """A reader for one process's stream."""
        return ClaudeStream()

    def message(self, *, receipt: str, text: str) -> str | None:
        """The line that gives a running agent a message."""
        return _user_line(receipt, text)

    def interrupt(self, *, request: str) -> str | None:
        """The line that ends the running turn."""
        return _control(request, "interrupt")

    def permission(self, *, ask: str, payload: str, allow: bool, reason: str) -> str:
        """The line that answers a permission question."""
        if allow:
            return _answer(ask, {"behavior": "allow", "updatedInput": json.loads(payload)})
        return _answer(ask, {"behavior": "deny", "message": reason})

    def answer(self, *, ask: str, payload: str, texts: Sequence[str]) -> str:
        """The line that answers the questions of the agent, each with its own answer."""
        given = json.loads(payload)
        questions = given.get("questions", []) if isinstance(given, dict) else []
        asked = [question.get("question", "") for question in questions if isinstance(question, dict)]
        answers = dict(zip(asked, texts, strict=False))
        return _answer(ask, {"behavior": "allow", "updatedInput": {**given, "answers": answers}})

    def version_command(self, spec: AgentSpec) -> VersionCommand:
        """How the client is asked for its version."""
        path = shutil.which(spec.binary, path=self._environment.get("PATH", os.defpath)) or ""
        kept = {name: value for name, value in self._environment.items() if self._passes(name)}
        return VersionCommand(argv=(path, "--version") if path else (), env={**kept, **_FIXED})

    def version(self, spec: AgentSpec, *, path: str, said: str) -> AgentVersion:
        """What the client's answer means; `path` is empty if there is no such program."""
        if not path:
            return AgentVersion(path="", version="", problem=f"{spec.binary} was not found", hint=_INSTALL)
        version = (said.split() or [""])[0]
        numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
        if len(numbers) != 3:
            return AgentVersion(path=path, version=version, problem="it does not report its version", hint=_INSTALL)
        if numbers < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            return AgentVersion(
                path=path, version=version, problem=f"older than {oldest}, the oldest tried", hint=_INSTALL
            )
        return AgentVersion(path=path, version=version)


def _of_role(start: AgentStart) -> list[str]:
    """Model, turns and tools: the agent in the plan comes before its role, and the tighter limit holds."""
    role, words = start.role, list[str]()
    model = start.spec.model or (role.model if role is not None and role.model != INHERIT else "")
    turns = [cap for cap in (start.turns, role.max_turns if role is not None else None) if cap is not None]
    tools = offered_tools(role, read_only=start.read_only)
    if turns:
        words += ["--max-turns", str(min(turns))]
    if model:
        words += ["--model", model]
    if tools is not None:
        words += ["--tools", ",".join(tools)]
    return words


def _only_reads(start: AgentStart) -> bool:
    """Whether the user's own permission rules for the client are ignored."""
    return start.read_only or bool(start.schema)


def _standing(start: AgentStart, environment: Mapping[str, str]) -> str:
    """What is appended to the client's own system prompt: the user's CLAUDE.md if the client does not read it by
    itself, the role, then the repository's instructions."""
    parts = []
    if start.role is not None:
        parts.append(f"Your role in this session is `{start.role.name}`:\n\n{start.role.prompt.strip()}")
    users = users_instructions(environment) if _only_reads(start) else ""
    if users:
        parts.append(f"The user's instructions (CLAUDE.md):\n\n{users}")
    if start.instructions:
        parts.append(f"The repository's instructions (CLAUDE.md):\n\n{start.instructions}")
    return "\n\n".join(parts)


def _mode(start: AgentStart) -> str:
    """An agent that may only read is asked about every edit, whatever its mode elsewhere; a role's mode holds if the
    agent has none."""
    if start.read_only:
        return "default"
    asked = start.role.permission_mode if start.role is not None else ""
    return asked if asked and start.spec.permission_mode == AgentSpec().permission_mode else start.spec.permission_mode


def _granted(start: AgentStart) -> tuple[str, ...]:
    """What it may do without asking; an agent that has to return a value gets no rule that allows a command."""
    if start.schema:
        return ()
    rules = reading_rules(start.checks) if start.read_only else allow_rules(start.checks, start.spec.allow)
    own = own_rules(needs=os.path.realpath(start.needs) if start.needs else "", tools=bool(start.tools))
    return (*rules, *granted_rules(start.role, read_only=start.read_only), *own)


def _allowed(start: AgentStart) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_granted(start)))


def _refused(start: AgentStart) -> tuple[str, ...]:
    """What it may not do, whatever else allows it."""
    refused = refused_rules(start.role, read_only=start.read_only)
    return (*start.spec.deny, *(WRITING if start.schema else ()), *refused)


def _write_files(start: AgentStart, environment: Mapping[str, str], standing: str) -> dict[str, str]:
    """Settings, MCP configuration and the repository's instructions, as files; their paths."""
    settings: dict[str, Any] = {
        "permissions": {"allow": list(_allowed(start)), "deny": list(deny_rules(_refused(start)))},
        "includeCoAuthoredBy": False,
    }
    if _only_reads(start):
        settings = readers_settings(settings, environment)
    paths = {name: f"{start.folder}/{name}.json" for name in ("settings", "mcp")}
    paths["instructions"] = f"{start.folder}/instructions.md"
    for name, text in (
        ("settings", json.dumps(settings, indent=1)),
        ("mcp", json.dumps({"mcpServers": _servers(start)}, indent=1)),
        ("instructions", standing),
    ):
        with open(paths[name], "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    with open(f"{start.folder}/brief.md", "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(start.prompt)
    return paths


def _servers(start: AgentStart) -> dict[str, Any]:
    """Our tools, available from the first turn (without `alwaysLoad` the client hides them behind a search, or does not
    wait)."""
    if not start.tools:
        return {}
    command, *words = start.tools
    return {SERVER: {"type": "stdio", "command": command, "args": words, "env": {}, "alwaysLoad": True}}


def _user_line(uuid: str, text: str) -> str:
    return json.dumps({"type": "user", "message": {"role": "user", "content": text}, "uuid": uuid})


def _control(request: str, subtype: str) -> str:
    return json.dumps({"type": "control_request", "request_id": request, "request": {"subtype": subtype}})


def _answer(ask: str, response: dict[str, Any]) -> str:
    body = {"subtype": "success", "request_id": ask, "response": response}
    return json.dumps({"type": "control_response", "response": body})
