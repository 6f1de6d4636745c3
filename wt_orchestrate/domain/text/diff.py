"""Diffs as values: files with their added and removed lines, moved blocks, and busy areas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

_BLOCK = 3
"""How many lines must move together to count as moved."""


class Line(Struct, frozen=True, kw_only=True):
    """A line with its number: in the new file if it was added, in the old file if it was removed."""

    number: int
    text: str


class DiffLine(Struct, frozen=True):
    """A line of a diff with its number in both files; 0 where it is not in that file."""

    old: int
    new: int
    text: str


class Hunk(Struct, frozen=True, kw_only=True):
    """One hunk of a diff, with the line that git printed above it."""

    heading: str
    lines: tuple[DiffLine, ...]

    @property
    def old_start(self) -> int:
        """The first line of the old file in it; 0 if it holds none."""
        return next((line.old for line in self.lines if line.old), 0)

    @property
    def new_start(self) -> int:
        """The first line of the new file in it; 0 if it holds none."""
        return next((line.new for line in self.lines if line.new), 0)

    @property
    def added(self) -> int:
        """How many lines it adds."""
        return sum(bool(line.new and not line.old) for line in self.lines)

    @property
    def removed(self) -> int:
        """How many lines it removes."""
        return sum(bool(line.old and not line.new) for line in self.lines)


class FileDiff(Struct, frozen=True, kw_only=True):
    """The changes of one file. `lines_known` is False if the diff was too long to be read line by line."""

    path: str
    status: str
    old: str = ""
    mode: str = ""
    size: int = 0
    added: int = 0
    deleted: int = 0
    binary: bool = False
    new: tuple[Line, ...] = ()
    gone: tuple[Line, ...] = ()
    lines_known: bool = True
    hunks: tuple[Hunk, ...] = ()


def line_after(file: FileDiff, number: int) -> int | None:
    """The number that a line of the old file has in the new file; None if it was removed or changed."""
    gone = [line.number for line in file.gone]
    if number in gone:
        return None
    place = number - sum(each < number for each in gone)
    for each in sorted(line.number for line in file.new):
        if each > place:
            break
        place += 1
    return place


class Moved(Struct, frozen=True, kw_only=True):
    """A block of lines that was removed in one place and added unchanged in another."""

    from_path: str
    from_line: int
    to_path: str
    to_line: int
    lines: int


def areas(files: Sequence[FileDiff]) -> Mapping[str, tuple[int, int, int]]:
    """Files, added and removed lines by the first two parts of the path, the busiest area first."""
    found: dict[str, list[int]] = {}
    for file in files:
        parts = file.path.split("/")
        area = "/".join(parts[:2]) if len(parts) > 2 else parts[0] if len(parts) == 2 else "."
        counts = found.setdefault(area, [0, 0, 0])
        for number, count in enumerate((1, file.added, file.deleted)):
            counts[number] += count
    busiest = sorted(found.items(), key=lambda item: (-item[1][1] - item[1][2], item[0]))
    return {area: (files_, added, deleted) for area, (files_, added, deleted) in busiest}


def moves(files: Sequence[FileDiff]) -> Iterator[Moved]:
    """Blocks of at least three lines with content that were removed in one place and added in another."""
    sources: dict[str, tuple[str, int]] = {}
    for file in files:
        for block in _blocks(file.gone):
            for start in range(len(block) - _BLOCK + 1):
                sources.setdefault(_key(block[start : start + _BLOCK]), (file.path, block[start].number))
    for file in files:
        for block in _blocks(file.new):
            yield from _moved(file, block, sources)


def _moved(file: FileDiff, block: Sequence[Line], sources: Mapping[str, tuple[str, int]]) -> Iterator[Moved]:
    start = 0
    while start <= len(block) - _BLOCK:
        source = sources.get(_key(block[start : start + _BLOCK]))
        if source is None:
            start += 1
            continue
        length = _BLOCK
        while start + length < len(block):
            after = sources.get(_key(block[start + length - _BLOCK + 1 : start + length + 1]))
            if after != (source[0], source[1] + length - _BLOCK + 1):
                break
            length += 1
        yield Moved(
            from_path=source[0], from_line=source[1], to_path=file.path, to_line=block[start].number, lines=length
        )
        start += length


def _key(lines: Sequence[Line]) -> str:
    return "\n".join(line.text.strip() for line in lines)


def _blocks(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Runs of consecutive lines that hold more than white space and punctuation."""
    block: list[Line] = []
    for line in lines:
        if block and line.number != block[-1].number + 1:
            yield block
            block = []
        if len(line.text.strip()) > 3:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block
