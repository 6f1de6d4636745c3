"""The user's own settings of the Claude Code client, as far as they go for an agent that may only read.

Such a client is started without any source of settings, because rules of several sources add up: what a user allows it
everywhere (`permissions.allow` with `Edit` or `Bash`) it would not ask about. So the user's file is read here, and all of it but
what grants something is handed on with ours: environment, credentials helper, model, hooks, sandbox, what is denied or asked. A
file that is missing or cannot be read is as good as empty, to the client as to us. Nothing here is validated: should the client
drop the file for one wrong value, our rules hold all the same, being given as arguments too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from wt_orchestrate.domain.plan.roles import tool_of

_LARGEST = 1 << 20
_LOOKS = frozenset({"Read", "Grep", "Glob", "WebFetch", "WebSearch"})
"""Tools whose rules grant no write."""
_GRANTS = frozenset({"defaultMode"})
_PLUGINS = frozenset({"enabledPlugins", "extraKnownMarketplaces"})
"""They bring hooks of their own, which may grant."""


def readers_settings(ours: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Our settings over what the user's have without what grants; of rules both."""
    theirs = _users(environment)
    kept = {name: value for name, value in theirs.items() if name not in _PLUGINS}
    rules = {name: value for name, value in _object(theirs, "permissions").items() if name not in _GRANTS}
    rules["allow"] = [rule for rule in _list(rules, "allow") if isinstance(rule, str) and tool_of(rule) in _LOOKS]
    added = {name: [*value, *_list(rules, name)] for name, value in ours["permissions"].items()}
    kept |= {
        **ours,
        "permissions": {**rules, **added},
        "sandbox": {**_object(theirs, "sandbox"), "autoAllowBashIfSandboxed": False},
    }
    if "hooks" in theirs:  # but those that answer for us what the client asks
        kept["hooks"] = {name: each for name, each in _object(theirs, "hooks").items() if name != "PermissionRequest"}
    return kept


def users_instructions(environment: Mapping[str, str]) -> str:
    """The user's own CLAUDE.md, which goes with the source of settings; what it imports is not followed."""
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
    """A plain file's text; empty where there is none, or none of a sensible size."""
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
