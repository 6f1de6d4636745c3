"""Our own three-way merge, independent of git's: both sides' edits applied to the base where they do not touch.

It checks merges, it does not make them: git's diff gives the edits, in line numbers of the base, and they are applied
here. Many files are compared in one call, by numbers as names in temporary trees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from wt_orchestrate.adapters.gitrepo.objects.blobs import contents
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git

ALGORITHMS = ("histogram", "myers", "patience", "minimal")
"""Diff algorithms to read edits with, the one of git's merge first."""
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NAME = re.compile(rb"diff --git a/(\d+) b/\d+\n")
MARKER = re.compile(rb"(<{7,}|\|{7,}|>{7,})( |$)")
"""A conflict marker: where a side starts or ends, or the base. `=======` does not count: texts underline with it."""
_NO_NEWLINE = b"\\ No newline at end of file\n"
_BINARY = 8000
"""git takes content for binary if there is a NUL in this many bytes."""


@dataclass(frozen=True, slots=True)
class Triple:
    """Blob ids of a file in the base (empty if it was not there) and on both sides."""

    base: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class LineEdit:
    """Lines `start` to `end` of the base (from 0, end excluded) replaced by others."""

    start: int
    end: int
    lines: tuple[bytes, ...]


def merged(git: Git, triples: Sequence[Triple], *, algorithm: str) -> Sequence[bytes | None]:
    """The merge of each; None if the sides' edits touch, or if content is binary."""
    empty = git.run("hash-object", "-w", "--stdin").decode().strip()
    bases = [triple.base or empty for triple in triples]
    ours = edits_between(git, bases, [triple.ours for triple in triples], algorithm)
    theirs = edits_between(git, bases, [triple.theirs for triple in triples], algorithm)
    stored = contents(git, sorted({*bases, *(name for triple in triples for name in (triple.ours, triple.theirs))}))
    found: list[bytes | None] = []
    for number, triple in enumerate(triples):
        if any(b"\0" in stored[name][:_BINARY] for name in (bases[number], triple.ours, triple.theirs)):
            found.append(None)
        else:
            found.append(_applied(stored[bases[number]], ours.get(number, ()), theirs.get(number, ())))
    return found


def _applied(base: bytes, ours: Sequence[LineEdit], theirs: Sequence[LineEdit]) -> bytes | None:
    """The base with the edits of both sides; an edit that both made counts once."""
    edits = sorted({*ours, *theirs}, key=lambda edit: (edit.start, edit.end))
    if any(before.end >= after.start for before, after in pairwise(edits)):
        return None
    lines = lines_of(base)
    result: list[bytes] = []
    at = 0
    for edit in edits:
        result += [*lines[at : edit.start], *edit.lines]
        at = edit.end
    return b"".join([*result, *lines[at:]])


def lines_of(content: bytes) -> list[bytes]:
    """Lines as git counts them: only a newline ends one."""
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def edits_between(
    git: Git, one: Sequence[str], other: Sequence[str], algorithm: str
) -> Mapping[int, tuple[LineEdit, ...]]:
    """The edits from each blob of one list to that of the other, by its place in the list."""
    output = git.run(
        "diff-tree", "-r", "-p", "-U0", "--text", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color",
        "--no-indent-heuristic", "--src-prefix=a/", "--dst-prefix=b/", f"--diff-algorithm={algorithm}",
        _tree(git, one), _tree(git, other), timeout_s=LONG_S,
    )  # fmt: skip
    return dict(_parsed(lines_of(output)))


def _tree(git: Git, blobs: Sequence[str]) -> str:
    entries = b"".join(f"100644 blob {name}\t{number}\n".encode() for number, name in enumerate(blobs))
    return git.run("mktree", stdin=entries).decode().strip()


def _parsed(lines: Sequence[bytes]) -> Iterator[tuple[int, tuple[LineEdit, ...]]]:
    name, at = -1, 0
    edits: list[LineEdit] = []
    while at < len(lines):
        hunk = _HUNK.match(lines[at])
        header = _NAME.fullmatch(lines[at])
        at += 1
        if header is not None:
            if name >= 0:
                yield name, tuple(edits)
            name, edits = int(header[1]), []
        elif hunk is not None:
            removed, added = (1 if count is None else int(count) for count in (hunk[2], hunk[4]))
            at = _skip(lines, at, removed)
            start = at
            at = _skip(lines, at, added)
            new = [line[1:] for line in lines[start:at] if line != _NO_NEWLINE]
            if at > start and lines[at - 1] == _NO_NEWLINE and new:
                new[-1] = new[-1].removesuffix(b"\n")
            # a hunk that removes nothing names the line before it
            first = int(hunk[1]) - (1 if removed else 0)
            edits.append(LineEdit(first, first + removed, tuple(new)))
    if name >= 0:
        yield name, tuple(edits)


def _skip(lines: Sequence[bytes], at: int, count: int) -> int:
    """The index after that many lines of a hunk, and after git's remark that the last has no newline."""
    at += count
    return at + 1 if count and at < len(lines) and lines[at] == _NO_NEWLINE else at
