"""Configuration files of MCP clients: one entry put in or taken out, every other byte kept as it is.

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

from wt_orchestrate.domain.jsontext import object_at, with_member, without_member
from wt_orchestrate.errors import Refused

_SERVERS = "mcpServers"
_MARK = "\ufeff"


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
        with open(real, encoding="utf-8", newline="") as file:
            before: str | None = file.read()
    except FileNotFoundError:
        before = None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}", hint="nothing was changed") from error
    mark, text = (_MARK, before[1:]) if before is not None and before.startswith(_MARK) else ("", before)
    whole = _parsed(path, text)
    servers = whole.get(_SERVERS, {})
    if not isinstance(servers, dict):
        raise Refused(f"{path}: {_SERVERS} is no object", hint="mend it first; nothing was changed")
    if servers.get(name) == entry:
        return Edit(path=real, before=before, after=before or "")
    if text is None or not text.strip():
        text = "{\n}\n"
    try:
        after = _edited(text, name, entry)
    except ValueError as error:
        raise Refused(f"{path}: {error}", hint="mend it first; nothing was changed") from error
    _require_same(path, whole, json.loads(after), name, entry)
    return Edit(path=real, before=before, after=mark + after)


def _edited(text: str, name: str, entry: Mapping[str, Any] | None) -> str:
    """The text with the server put in or taken out. Raises ValueError where a name stands twice."""
    whole = object_at(text, 0)
    for each in whole.members:
        if each.name == _SERVERS:
            servers = object_at(text, each.value)
            return without_member(text, servers, name) if entry is None else with_member(text, servers, name, entry)
    return text if entry is None else with_member(text, whole, _SERVERS, {name: dict(entry)})


def _require_same(
    path: str, before: Mapping[str, Any], after: Mapping[str, Any], name: str, entry: Mapping[str, Any] | None
) -> None:
    """That all other values are what they were: edited as text, read back as values. Raises Refused."""
    kept = {key: value for key, value in before.get(_SERVERS, {}).items() if key != name}
    expected = {**before, _SERVERS: {**kept, **({name: dict(entry)} if entry is not None else {})}}
    if after != expected:
        raise Refused(
            f"{path} is written in a way that cannot be changed safely", hint="add the entry by hand: -n shows it"
        )


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
    """Write a change; where the file as it was is kept (empty: there was none). Raises Refused where it may not be written, or
    is not as it was when the change was planned."""
    try:
        os.makedirs(os.path.dirname(edit.path), exist_ok=True)
        return _written(edit)
    except OSError as error:
        raise Refused(f"{edit.path} cannot be written: {error.strerror}", hint="nothing was changed") from error


def _written(edit: Edit) -> str:
    if edit.before is None:
        if os.path.lexists(edit.path):
            raise Refused(f"{edit.path} was made meanwhile", hint="once more; nothing was changed")
        _whole(edit.path, edit.after, 0o600)
        return ""
    mode = os.stat(edit.path).st_mode & 0o777
    if not mode & 0o200:
        raise Refused(f"{edit.path} is read-only", hint=f"chmod u+w {edit.path}, if it may be changed")
    with open(edit.path, encoding="utf-8", newline="") as file:
        if file.read() != edit.before:
            raise Refused(f"{edit.path} was changed meanwhile", hint="once more; nothing was changed")
    kept = f"{edit.path}.{time.strftime('%Y%m%d-%H%M%S')}.bak"
    _whole(kept, edit.before, mode)
    _whole(edit.path, edit.after, mode)
    return kept


def _whole(path: str, text: str, mode: int) -> None:
    beside = f"{path}.{os.getpid()}.new"
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(beside, mode)
    os.replace(beside, path)
