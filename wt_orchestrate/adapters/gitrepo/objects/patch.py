"""Parse a unified diff into values: files, hunks, lines.

Names come from the patch text and are for display; decisions by path use the changes of `Commits.changes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unidiff.patch import PatchSet

from wt_orchestrate.domain.text.diff import DiffLine, FileDiff, Hunk, Line
from wt_orchestrate.errors import WtError


def parse_diff(diff: bytes) -> Sequence[FileDiff]:
    """The files of a diff in its order, without what only git's raw output knows (status, mode, size). Raises WtError if it
    has content but no file can be read from it."""
    patches = PatchSet(diff.decode("utf-8", "surrogateescape").splitlines(keepends=True))
    if diff.strip() and not patches:
        raise WtError("the diff cannot be read", hint="git diff shows it")
    return tuple(_file(patch) for patch in patches)


def _file(patch: Any) -> FileDiff:
    lines = [line for hunk in patch for line in hunk]
    return FileDiff(
        path=patch.path,
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
