"""Parse a unified diff into values: files, hunks, lines.

Names come from the patch text and are for display; decisions by path use the changes of `Commits.changes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from unidiff.patch import PatchSet

from wt_orchestrate.domain.text.diff import DiffLine
from wt_orchestrate.errors import WtError


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One hunk: its place in both files, the line git printed above it, and what it adds and removes."""

    old_start: int
    new_start: int
    heading: str
    added: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePatch:
    """What a diff does to one file."""

    path: str
    added: int
    removed: int
    hunks: tuple[Hunk, ...]


def parse_diff(diff: bytes) -> Sequence[FilePatch]:
    """The files of a diff in its order. Raises WtError if it has content but no file can be read from it."""
    patches = PatchSet(diff.decode("utf-8", "surrogateescape").splitlines(keepends=True))
    if diff.strip() and not patches:
        raise WtError("the diff cannot be read", hint="git diff shows it")
    return tuple(
        FilePatch(
            path=patch.path,
            added=patch.added,
            removed=patch.removed,
            hunks=tuple(
                Hunk(
                    old_start=hunk.source_start,
                    new_start=hunk.target_start,
                    heading=hunk.section_header,
                    added=hunk.added,
                    removed=hunk.removed,
                )
                for hunk in patch
            ),
        )
        for patch in patches
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The added lines of a file by their numbers in the new file, and the removed ones by theirs in the old one."""

    added: tuple[tuple[int, str], ...]
    removed: tuple[tuple[int, str], ...]
    hunks: tuple[tuple[str, tuple[DiffLine, ...]], ...] = ()
    """All lines of the diff, below what git printed above each hunk."""


def changed_lines(diff: bytes) -> Sequence[Changes]:
    """The changed lines of each file of a diff, in its order. Raises WtError if no file can be read from it."""
    patches = PatchSet(diff.decode("utf-8", "surrogateescape").splitlines(keepends=True))
    if diff.strip() and not patches:
        raise WtError("the diff cannot be read", hint="git diff shows it")
    return tuple(
        Changes(
            added=tuple((line.target_line_no, line.value.rstrip("\n")) for line in _lines(patch) if line.is_added),
            removed=tuple((line.source_line_no, line.value.rstrip("\n")) for line in _lines(patch) if line.is_removed),
            hunks=tuple((hunk.section_header, tuple(map(_shown, hunk))) for hunk in patch),
        )
        for patch in patches
    )


def _shown(line: Any) -> DiffLine:
    return DiffLine(line.source_line_no or 0, line.target_line_no or 0, line.value.rstrip("\n"))


def _lines(patch: Any) -> Iterator[Any]:
    for hunk in patch:
        yield from hunk
