"""Configuration files of MCP clients: one entry put in or taken out, everything else kept as it is.

What is no JSON, or has another shape than a client would read, is refused with its place and left alone. A change is written
whole or not at all, with a copy of the file as it was beside it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wt_orchestrate.errors import Refused

_SERVERS = "mcpServers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of a file: its text before (None: not there) and after."""

    path: str
    before: str | None
    after: str

    @property
    def changes(self) -> bool:
        return self.before != self.after


def planned(path: str, name: str, entry: Mapping[str, Any] | None) -> Edit:
    """The change that puts in a server, or with None takes it out. Raises Refused where the file is not as clients have it."""
    real = os.path.realpath(path)
    try:
        with open(real, encoding="utf-8-sig") as file:
            before: str | None = file.read()
    except FileNotFoundError:
        before = None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}", hint="nothing was changed") from error
    whole = _parsed(path, before)
    servers = whole.get(_SERVERS, {})
    if not isinstance(servers, dict):
        raise Refused(f"{path}: {_SERVERS} is no object", hint="mend it first; nothing was changed")
    if servers.get(name) == entry:
        return Edit(path=real, before=before, after=before or "")
    kept = {key: value for key, value in servers.items() if key != name or entry is not None}
    changed = {**whole, _SERVERS: {**kept, **({name: dict(entry)} if entry is not None else {})}}
    return Edit(path=real, before=before, after=json.dumps(changed, indent=2, ensure_ascii=False) + "\n")


def _parsed(path: str, text: str | None) -> dict[str, Any]:
    if text is None or not text.strip():
        return {}
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise Refused(f"{where}: this is no JSON: {error.msg}", hint="mend it first; nothing was changed") from None
    if not isinstance(value, dict):
        raise Refused(f"{path}:1:1: there is no object", hint="mend it first; nothing was changed")
    return value


def write(edit: Edit) -> str:
    """Write a change; where the file as it was is kept (empty: there was none)."""
    kept = ""
    os.makedirs(os.path.dirname(edit.path), exist_ok=True)
    mode = 0o600
    if edit.before is not None:
        mode = os.stat(edit.path).st_mode & 0o777
        kept = f"{edit.path}.{time.strftime('%Y%m%d-%H%M%S')}.bak"
        _whole(kept, edit.before, mode)
    _whole(edit.path, edit.after, mode)
    return kept


def _whole(path: str, text: str, mode: int) -> None:
    beside = f"{path}.{os.getpid()}.new"
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(beside, mode)
    os.replace(beside, path)
