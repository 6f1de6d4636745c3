"""The instructions that a repository gives agents, as one text: `CLAUDE.md`, else `.claude/CLAUDE.md`, else `AGENTS.md`.

The client itself does not read them where we run it, so what it would read is put together here: a link is followed to its
target, and a line or word `@path` is replaced by that file, as deep as the client does it. Only files of the repository at
the given commit count: nothing above its top, in a home folder or at an address is read.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from msgspec import Struct

PLACES = ("CLAUDE.md", ".claude/CLAUDE.md", "AGENTS.md")
"""Where instructions are looked for; the first that there is counts."""
_IMPORT = re.compile(r"(?<![\w`@])@([\w./~-]*[\w/-])")
_FENCE = re.compile(r"\s*(```|~~~)")
_DEEPEST = 5
_LONGEST = 1 << 18


class TextAt(Struct, frozen=True):
    """What is at a path of a commit: a file's text, or with `link` where a symbolic link points."""

    text: str
    link: bool = False


Read = Callable[[str], TextAt | None]


def instructions(read: Read) -> str:
    """The repository's instructions with all they import; empty if it has none."""
    for place in PLACES:
        found = _followed(read, place)
        if found is not None:
            path, text = found
            return _expanded(read, path, text, seen=(path,))[:_LONGEST]
    return ""


def _followed(read: Read, path: str) -> tuple[str, str] | None:
    """The file at a path, where links lead to one inside of the repository."""
    for _ in range(_DEEPEST):
        at = read(path)
        if at is None:
            return None
        if not at.link:
            return path, at.text
        inside = _inside(path, at.text)
        if inside is None:
            return None
        path = inside
    return None


def _inside(path: str, named: str) -> str | None:
    """The path that a file at `path` names; None where that is not in the repository."""
    if named.startswith(("/", "~")):
        return None
    whole = posixpath.normpath(posixpath.join(posixpath.dirname(path), named))
    return None if whole == ".." or whole.startswith("../") else whole


def _expanded(read: Read, path: str, text: str, *, seen: tuple[str, ...]) -> str:
    """A text with the files that it imports in place of their names; code blocks are left as they are."""
    if len(seen) > _DEEPEST:
        return text
    lines, fenced = list[str](), False
    for line in text.splitlines(keepends=True):
        if _FENCE.match(line):
            fenced = not fenced
        lines.append(line if fenced else _IMPORT.sub(lambda found: _imported(read, path, found, seen), line))
    return "".join(lines)


def _imported(read: Read, path: str, found: re.Match[str], seen: tuple[str, ...]) -> str:
    inside = _inside(path, found[1])
    at = _followed(read, inside) if inside is not None else None
    if at is None or at[0] in seen:
        return found[0]
    return _expanded(read, at[0], at[1], seen=(*seen, at[0]))
