"""Parse a unified diff into values: files, hunks, lines.

Names come from the patch text and are for display; decisions by path use the changes of `Commits.changes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchSet

from wt_orchestrate.domain.text.diff import DiffLine, FileDiff, Hunk, Line
from wt_orchestrate.errors import WtError

_QUOTED = re.compile(r'"(?P<side>[ab]/)?(?P<name>(?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|.)")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def parse_diff(diff: bytes) -> Sequence[FileDiff]:
    """The files of a diff in its order, without what only git's raw output knows (status, mode, size). Raises WtError if it
    has content but no file can be read from it."""
    names: dict[str, str] = {}
    text = diff.decode("utf-8", "surrogateescape")
    try:
        patches = PatchSet(list(_plainly_named(re.findall("[^\n]*\n|[^\n]+", text), names)))
    except UnidiffParseError as error:
        raise WtError("the diff cannot be read", hint="git diff shows it") from error
    if diff.strip() and not patches:
        raise WtError("the diff cannot be read", hint="git diff shows it")
    return tuple(_file(patch, names) for patch in patches)


def _plainly_named(lines: Sequence[str], names: dict[str, str]) -> Iterator[str]:
    """The lines with every name that git quoted replaced by a plain one, which the parser can read; `names` gets which is
    which."""
    header = True
    for line in lines:
        header = line.startswith("diff --git ") or (header and not line.startswith("@@ "))
        yield _QUOTED.sub(lambda found: _plain_name(found, names), line) if header and '"' in line else line


def _plain_name(found: re.Match[str], names: dict[str, str]) -> str:
    name = _ESCAPE.sub(_unescaped, found["name"])
    known = next((plain for plain, each in names.items() if each == name), f"quoted-name-{len(names)}")
    names[known] = name
    return f"{found['side'] or ''}{known}"


def _unescaped(found: re.Match[str]) -> str:
    escape = found.group(1)
    if escape[0] in "01234567":
        return bytes([int(escape, 8)]).decode("utf-8", "surrogateescape")
    return _LETTERS.get(escape, escape)


def _file(patch: Any, names: Mapping[str, str]) -> FileDiff:
    lines = [line for hunk in patch for line in hunk]
    return FileDiff(
        path=names.get(patch.path, patch.path),
        status="",
        added=patch.added,
        deleted=patch.removed,
        new=tuple(Line(number=line.target_line_no, text=_text(line)) for line in lines if line.is_added),
        gone=tuple(Line(number=line.source_line_no, text=_text(line)) for line in lines if line.is_removed),
        hunks=tuple(Hunk(heading=hunk.section_header, lines=tuple(map(_shown, hunk))) for hunk in patch),
    )


def _shown(line: Any) -> DiffLine:
    return DiffLine(line.source_line_no or 0, line.target_line_no or 0, _text(line))


def _text(line: Any) -> str:
    return str(line.value).rstrip("\n")
