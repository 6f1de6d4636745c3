"""Roles: what an agent is asked to be, as its file says.

A role's file has Claude Code's own format for agents (front matter, then text), so that the client can read it too;
`adapters/planfile/roles.py` parses it. The roles in force are recorded when a run starts (`Settings.roles`), so an edit
of the file changes no running run. What a role may do follows from its tools (`permissions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

ARBITER, REVIEWER, SYNTHESISER = "arbiter", "reviewer", "synthesiser"
"""The roles of workstreams that the tool adds by itself."""
INHERIT = "inherit"
MODES = ("default", "acceptEdits", "plan", "dontAsk", "auto")
"""Permission modes that a role may ask for. `bypassPermissions` can only be set for an agent, in the plan or in
settings."""
CLIENT_ONLY = (
    "skills", "mcpServers", "hooks", "isolation", "background", "memory", "color", "effort", "initialPrompt",
)  # fmt: skip
"""Keys that the client knows in an agent's file and that have no effect here."""
_RULE = re.compile(r"[A-Za-z_][\w-]*(?:\*|\([^()\n]+\))?")
_MODEL = re.compile(r"[A-Za-z0-9][\w.:/@\[\]-]{0,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One role. `source` is its file, from the repository's root; empty for a built-in role."""

    name: str
    description: str
    prompt: str
    """The role's instructions to the agent."""
    tools: tuple[str, ...] | None = None
    """The client's tools that it gets, some limited by a rule such as `Bash(git log *)`; None for all."""
    disallowed_tools: tuple[str, ...] = ()
    model: str = INHERIT
    permission_mode: str = ""
    max_turns: int | None = None
    handoff: tuple[str, ...] = ()
    """Sections of HANDOFF.md that must not be empty before its work counts as done."""
    source: str = ""


def tool_of(rule: str) -> str:
    """The tool that a rule is about."""
    return rule.partition("(")[0].strip()


def listed(text: str) -> tuple[str, ...]:
    """The entries of a list as the client writes it: separated by commas outside of parentheses."""
    found, depth, begun = list[str](), 0, 0
    for at, char in enumerate(text):
        depth = max(0, depth + (char == "(") - (char == ")"))
        if char == "," and not depth:
            found.append(text[begun:at])
            begun = at + 1
    return tuple(part.strip() for part in (*found, text[begun:]) if part.strip())


def misfits(role: Role) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a role whose types are right: the key, the problem, and what to do."""
    for key, rules in (("tools", role.tools or ()), ("disallowedTools", role.disallowed_tools)):
        for rule in rules:
            if not _RULE.fullmatch(rule):
                yield key, f"{rule!r} is not a tool or a tool rule", "write it as Read or Bash(git log *)"
    if role.permission_mode and role.permission_mode not in MODES:
        known = ", ".join(MODES)
        yield "permissionMode", f"a role cannot ask for {role.permission_mode!r}", f"write one of {known}"
    if role.max_turns is not None and role.max_turns < 1:
        yield "maxTurns", "maxTurns must be more than 0", "remove it for no limit"
    for section in role.handoff:
        if not re.fullmatch(r"[A-Za-z][\w /-]{0,60}", section):
            yield "handoff", f"{section!r} is not a section title", "write it as in HANDOFF.md, such as Findings"
    if not role.description.strip():
        yield "description", "description is empty", "say what it is for"
    if not _MODEL.fullmatch(role.model):
        yield "model", f"{role.model!r} is not a model name", "write inherit, an alias such as haiku, or a full name"
    if not role.prompt.strip():
        yield "", "there is no text under the front matter", "describe there what the agent does and how"
