"""Insert, replace or remove one member of a JSON object as text; every other byte stays.

A person's settings file has its own indentation, line ends and order, which a parser would lose. The caller checks that
the text is valid JSON. `parse_line` reads one line of JSON that another program wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]  # documented by its use in subclasses of JSONDecoder
from typing import Any

from msgspec import Struct

_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


class Member(Struct, frozen=True, kw_only=True):
    """A member of an object: where its key starts, where its value starts and ends."""

    name: str
    key: int
    value: int
    end: int


class Found(Struct, frozen=True, kw_only=True):
    """An object in a text: its braces and its members."""

    start: int
    end: int
    members: tuple[Member, ...]


def parse_line(line: bytes) -> Any:
    """The value in a line of JSON. A lone surrogate (from a character that was cut in half) becomes `?`, because no log
    could hold it. Raises ValueError or RecursionError."""
    text = line.decode("utf-8", "replace")
    value = json.loads(text)
    if "\\ud" in text.lower():
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value


def object_at(text: str, start: int) -> Found:
    """The object whose opening brace is the first character at or after `start`. Raises ValueError if it has a name
    twice."""
    opening = _skip_space(text, start)
    at = _skip_space(text, opening + 1)
    members: list[Member] = []
    while text[at] != "}":
        key = at
        name, at = scanstring(text, at + 1)
        value = _skip_space(text, _skip_space(text, at) + 1)
        _, end = _DECODER.raw_decode(text, value)
        if any(each.name == name for each in members):
            raise ValueError(f"{name!r} appears twice in it")
        members.append(Member(name=name, key=key, value=value, end=end))
        at = _skip_space(text, end)
        at = _skip_space(text, at + 1) if text[at] == "," else at
    return Found(start=opening, end=at + 1, members=tuple(members))


def with_member(text: str, found: Found, name: str, value: Mapping[str, Any]) -> str:
    """The text with this member in the object: at its old place, or as the last one."""
    newline = "\r\n" if "\r\n" in text else "\n"
    outer = _indent(text, found.start)
    inner = _indent(text, found.members[0].key) if _own_line(text, found) else outer + _step(text)
    shown = json.dumps(value, indent=_step(text), ensure_ascii=False).replace("\n", newline + inner)
    for each in found.members:
        if each.name == name:
            return text[: each.value] + shown + text[each.end :]
    written = f"{newline}{inner}{json.dumps(name, ensure_ascii=False)}: {shown}"
    if found.members:
        last = found.members[-1].end
        return text[:last] + "," + written + text[last:]
    return text[: found.start + 1] + written + newline + outer + text[found.end - 1 :]


def without_member(text: str, found: Found, name: str) -> str:
    """The text without this member and its comma."""
    for number, each in enumerate(found.members):
        if each.name != name:
            continue
        if number:
            return text[: found.members[number - 1].end] + text[each.end :]
        if len(found.members) > 1:
            return text[: each.key] + text[found.members[1].key :]
        return text[: found.start + 1] + text[found.end - 1 :]
    return text


def _skip_space(text: str, at: int) -> int:
    """The first index from here on that is not white space."""
    while text[at] in _SPACE:
        at += 1
    return at


def _own_line(text: str, found: Found) -> bool:
    return bool(found.members) and "\n" in text[found.start : found.members[0].key]


def _indent(text: str, at: int) -> str:
    """The indentation of the line of this index."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _step(text: str) -> str:
    """One level of indentation: that of the first indented line, else two spaces."""
    for line in text.splitlines():
        inner = line[: len(line) - len(line.lstrip(" \t"))]
        if inner and line.strip():
            return inner
    return "  "
