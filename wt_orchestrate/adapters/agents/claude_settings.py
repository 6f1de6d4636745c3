"""The part of the user's own Claude Code settings that an agent which may only read gets.

Such a client is started without any settings source, because rules of several sources add up: it would not ask about
what the user allows everywhere (`permissions.allow` with `Edit` or `Bash`). So the user's file is read here, and all of
it except what allows something is passed on with ours: environment, credentials helper, model, hooks, sandbox, rules
that deny or ask. A file that is missing or cannot be read counts as empty, for the client and for us. Nothing is
validated: if the client ignores the file because of one wrong value, our rules still hold, because they are arguments
too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from wt_orchestrate.domain.plan.roles import tool_of

_LARGEST = 1 << 20
_READING_TOOLS = frozenset({"Read", "Grep", "Glob", "WebFetch", "WebSearch"})
"""Tools whose rules allow no write."""
_GRANTS = frozenset({"defaultMode"})
_PLUGINS = frozenset({"enabledPlugins", "extraKnownMarketplaces"})
"""Keys of plugins, which bring hooks that may allow something."""


def readers_settings(ours: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Our settings over the user's without what allows something; rules of both."""
    theirs = _users(environment)
    kept = {name: value for name, value in theirs.items() if name not in _PLUGINS}
    rules = {name: value for name, value in _object(theirs, "permissions").items() if name not in _GRANTS}
    rules["allow"] = [
        rule for rule in _list(rules, "allow") if isinstance(rule, str) and tool_of(rule) in _READING_TOOLS
    ]
    added = {name: [*value, *_list(rules, name)] for name, value in ours["permissions"].items()}
    kept |= {
        **ours,
        "permissions": {**rules, **added},
        "sandbox": {**_object(theirs, "sandbox"), "autoAllowBashIfSandboxed": False},
    }
    if "hooks" in theirs:  # except hooks that would answer the client's questions in our place
        kept["hooks"] = {name: each for name, each in _object(theirs, "hooks").items() if name != "PermissionRequest"}
    return kept


def users_instructions(environment: Mapping[str, str]) -> str:
    """The user's own CLAUDE.md, which the client does not read without its settings source; its imports are not
    followed."""
    return _text(f"{_folder(environment)}/CLAUDE.md").strip()


def _users(environment: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        found = json.loads(_text(f"{_folder(environment)}/settings.json"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _folder(environment: Mapping[str, str]) -> str:
    home = environment.get("HOME") or os.path.expanduser("~")
    return environment.get("CLAUDE_CONFIG_DIR") or f"{home}/.claude"


def _text(path: str) -> str:
    """The text of a regular file; empty if there is none, or if it is too large."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _LARGEST:
            return ""
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _object(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = of.get(name)
    return value if isinstance(value, dict) else {}


def _list(of: Mapping[str, Any], name: str) -> list[Any]:
    value = of.get(name)
    return value if isinstance(value, list) else []
