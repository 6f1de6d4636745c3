"""Edit configuration files of MCP clients: one entry inserted or removed, every other byte kept.

A file that is not JSON, or not of the shape that a client reads, is refused with its place and left alone; so is a file
that somebody else changed meanwhile. A change is written completely or not at all, with a copy of the earlier file
beside it; no copy ever replaces another.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from wt_orchestrate.domain.text.json_edit import object_at, with_member, without_member
from wt_orchestrate.errors import Refused
from wt_orchestrate.osfiles.atomic import make_file, replace_file

_SERVERS = "mcpServers"
_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdit:
    """A change of a file: its text before (None: no file) and after. `raw` is what was read, byte by byte."""

    path: str
    before: str | None
    after: str
    raw: bytes | None

    @property
    def changes(self) -> bool:
        return self.before != self.after


def planned(path: str, name: str, entry: Mapping[str, Any] | None) -> FileEdit:
    """The change that inserts a server, or with None removes it. Raises Refused if the file is not as clients have it."""
    real = os.path.realpath(path)
    try:
        raw = _content(real)
        before = None if raw is None else raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}", hint="nothing was changed") from error
    mark, text = (_MARK, before[1:]) if before is not None and before.startswith(_MARK) else ("", before)
    whole = _parsed(path, text)
    servers = whole.get(_SERVERS, {})
    if not isinstance(servers, dict):
        raise Refused(f"{path}: {_SERVERS} is not an object", hint="fix it first; nothing was changed")
    if servers.get(name) == entry:
        return FileEdit(path=real, before=before, after=before or "", raw=raw)
    if text is None or not text.strip():
        text = "{\n}\n"
    try:
        after = _edited(text, name, entry)
        after.encode()
    except UnicodeEncodeError as error:
        raise Refused(
            f"{path}: the name of a folder is not UTF-8, so it cannot be written there",
            hint="rename it; nothing was changed",
        ) from error
    except ValueError as error:
        raise Refused(f"{path}: {error}", hint="fix it first; nothing was changed") from error
    _require_same(path, whole, json.loads(after), name, entry)
    return FileEdit(path=real, before=before, after=mark + after, raw=raw)


def _edited(text: str, name: str, entry: Mapping[str, Any] | None) -> str:
    """The text with the server inserted or removed. Raises ValueError if a name appears twice."""
    whole = object_at(text, 0)
    for each in whole.members:
        if each.name == _SERVERS:
            servers = object_at(text, each.value)
            return without_member(text, servers, name) if entry is None else with_member(text, servers, name, entry)
    return text if entry is None else with_member(text, whole, _SERVERS, {name: dict(entry)})


def _require_same(
    path: str, before: Mapping[str, Any], after: Mapping[str, Any], name: str, entry: Mapping[str, Any] | None
) -> None:
    """Check that all other values are unchanged: edited as text, read back as values. Raises Refused."""
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
        raise Refused(f"{where}: this is not JSON: {error.msg}", hint="fix it first; nothing was changed") from None
    if not isinstance(value, dict):
        raise Refused(f"{path}:1:1: expected a JSON object", hint="fix it first; nothing was changed")
    return value


def write(edit: FileEdit) -> str:
    """Write a change; returns where the earlier file is kept (empty: there was none). Raises Refused and leaves the
    file alone if it changed since it was read or cannot be written."""
    try:
        if _content(edit.path) != edit.raw:
            raise Refused(
                f"{edit.path} was changed in the meantime", hint="check the file, then try again; nothing was changed"
            )
        os.makedirs(os.path.dirname(edit.path), exist_ok=True)
        mode = 0o600 if edit.raw is None else os.stat(edit.path).st_mode & 0o777
        if not mode & 0o200:
            raise Refused(f"{edit.path} is read-only", hint=f"chmod u+w {edit.path}, if you want it changed")
        kept = "" if edit.raw is None else _copy(edit.path, edit.raw, mode)
        replace_file(edit.path, edit.after.encode(), mode=mode, exactly=True, durable=True)
    except OSError as error:
        raise Refused(
            f"{error.filename or edit.path} cannot be written: {error.strerror}",
            hint=f"check permissions and free space there; {edit.path} is unchanged",
        ) from error
    return kept


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _copy(path: str, content: bytes, mode: int) -> str:
    """Keep a copy of a file: `.bak`, or the first of `.bak.1`, `.bak.2`... that is free."""
    for number in count():
        kept = f"{path}.bak.{number}" if number else f"{path}.bak"
        try:
            make_file(kept, content, mode=mode, exactly=True, durable=True)
        except FileExistsError:
            continue
        return kept
    raise AssertionError("there is always another number")
