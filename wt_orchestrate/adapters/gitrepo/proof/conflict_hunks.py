"""The conflicts of a resolved file, one by one: the base, each side, and the result.

A conflict is where edits of both sides touch and differ, read from diffs against the base as in `three_way`. A side was
taken in one if everything the other side did there is undone and its own is complete, or if the result is the side's
text to the letter and does not contain the other's too. Each place is judged by itself: what a side changed elsewhere
in the file does not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.proof.three_way import LineEdit
from wt_orchestrate.ports.git.conflicts import ConflictHunk

_LISTED = 60
"""How many lines of each part of a hunk are listed."""
_HUNKS = 100


@dataclass(frozen=True, slots=True)
class Edits:
    """What the two sides, and the result, make of one base."""

    ours: Sequence[LineEdit]
    theirs: Sequence[LineEdit]
    result: Sequence[LineEdit]


@dataclass(frozen=True, slots=True)
class _Region:
    """Lines `start` to `end` of the base, where edits touch."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Work:
    """What a side did in one place: lines that it added, and lines of the base that it removed; blank ones do not
    count."""

    added: Counter[bytes]
    removed: Counter[bytes]

    def undone(self, result: Counter[bytes], near: Counter[bytes]) -> int:
        """How much of it is not in the result: added lines count anywhere in the file, removed ones here."""
        return (self.added - result).total() + (self.removed & near).total()

    def size(self) -> int:
        return self.added.total() + self.removed.total()


def hunks(base: Sequence[bytes], edits: Edits, result: Sequence[bytes]) -> tuple[ConflictHunk, ...]:
    """Each conflict of a file, in order; the first hundred."""
    found: list[ConflictHunk] = []
    whole = _counted(result)
    for core in _conflicts(edits):
        if len(found) == _HUNKS:
            break
        wide = _widened(core, (*edits.result, *edits.ours, *edits.theirs))
        found.append(_hunk(base, edits, core, wide, whole))
    return tuple(found)


def side_of(base: Sequence[bytes], ours: Sequence[bytes], theirs: Sequence[bytes], result: Sequence[bytes]) -> str:
    """Whose side a whole file is, judged like one conflict: everything the other did is undone, and its own is
    complete."""
    was, there = _counted(base), _counted(result)
    mine, yours = (_Work(_counted(side) - was, was - _counted(side)) for side in (ours, theirs))
    return _took(mine, yours, (ours, theirs, result), whole=there, near=there)


def _hunk(base: Sequence[bytes], edits: Edits, core: _Region, wide: _Region, whole: Counter[bytes]) -> ConflictHunk:
    near = _applied(base, edits.result, wide)
    one, other = (_applied(base, side, wide) for side in (edits.ours, edits.theirs))
    mine, yours = (_work(base, side, core) for side in (edits.ours, edits.theirs))
    there = _counted(near)
    shift = sum(len(edit.lines) - (edit.end - edit.start) for edit in edits.result if edit.end < wide.start)
    return ConflictHunk(
        line=wide.start + shift + 1,
        base=_told(base[wide.start : wide.end]),
        ours=_told(one),
        theirs=_told(other),
        result=_told(near),
        dropped_ours=_told(_in_order(one, mine.added - whole)),
        dropped_theirs=_told(_in_order(other, yours.added - whole)),
        took=_took(mine, yours, (one, other, near), whole=whole, near=there),
    )


def _took(
    mine: _Work, yours: _Work, texts: tuple[Sequence[bytes], ...], *, whole: Counter[bytes], near: Counter[bytes]
) -> str:
    one, other, result = ([line.rstrip() for line in text if line.strip()] for text in texts)
    gone_mine, gone_yours = mine.undone(whole, near), yours.undone(whole, near)
    if yours.size() and gone_yours == yours.size() and not gone_mine:
        return "ours"
    if mine.size() and gone_mine == mine.size() and not gone_yours:
        return "theirs"
    if one == other:
        return ""
    if result == one and not (yours.added and not gone_yours):
        return "ours"
    return "theirs" if result == other and not (mine.added and not gone_mine) else ""


# ---------------------------------------------------------------- places


def _conflicts(edits: Edits) -> Iterator[_Region]:
    """Where edits of both sides touch and differ."""
    both = [(edit, 0) for edit in edits.ours] + [(edit, 1) for edit in edits.theirs]
    both.sort(key=lambda pair: (pair[0].start, pair[0].end))
    for group in _touching(both):
        sides: tuple[set[LineEdit], set[LineEdit]] = (set(), set())
        for edit, side in group:
            sides[side].add(edit)
        if sides[0] and sides[1] and sides[0] != sides[1]:
            yield _Region(min(edit.start for edit, _ in group), max(edit.end for edit, _ in group))


def _touching(edits: Sequence[tuple[LineEdit, int]]) -> Iterator[list[tuple[LineEdit, int]]]:
    group: list[tuple[LineEdit, int]] = []
    reach = -1
    for edit, side in edits:
        if group and edit.start > reach:
            yield group
            group = []
        reach = max(reach, edit.end) if group else edit.end
        group.append((edit, side))
    if group:
        yield group


def _widened(part: _Region, edits: Sequence[LineEdit]) -> _Region:
    """The place extended to include every edit that reaches into it."""
    while True:
        within = [edit for edit in edits if edit.start <= part.end and edit.end >= part.start]
        wider = _Region(min(part.start, *(e.start for e in within)), max(part.end, *(e.end for e in within)))
        if wider == part:
            return part
        part = wider


def _applied(base: Sequence[bytes], edits: Sequence[LineEdit], part: _Region) -> list[bytes]:
    """The lines of a place after the edits that lie in it."""
    lines: list[bytes] = []
    at = part.start
    for edit in edits:
        if part.start <= edit.start and edit.end <= part.end:
            lines += [*base[at : edit.start], *edit.lines]
            at = edit.end
    return [*lines, *base[at : part.end]]


# ---------------------------------------------------------------- lines


def _work(base: Sequence[bytes], edits: Sequence[LineEdit], part: _Region) -> _Work:
    was, now = _counted(base[part.start : part.end]), _counted(_applied(base, edits, part))
    return _Work(now - was, was - now)


def _counted(lines: Sequence[bytes]) -> Counter[bytes]:
    """Lines without their indentation: a block that moved into another one is not gone."""
    return Counter(line.strip() for line in lines if line.strip())


def _in_order(lines: Sequence[bytes], wanted: Counter[bytes]) -> list[bytes]:
    left = Counter(wanted)
    found: list[bytes] = []
    for line in lines:
        key = line.strip()
        if left[key] > 0:
            left[key] -= 1
            found.append(line)
    return found


def _told(lines: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(line.rstrip(b"\r\n").decode("utf-8", "surrogateescape") for line in lines[:_LISTED])
