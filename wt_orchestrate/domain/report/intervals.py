"""Intervals of a run's time and what each was spent on: cutting, joining and adding them up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

Hole = tuple[float, float]


class Stretch(Struct, frozen=True):
    """An interval from `start` to `end`, in the run's time, spent on `what`."""

    start: float
    end: float
    what: str

    @property
    def length(self) -> float:
        return self.end - self.start


def between(marks: Sequence[tuple[float, str]], start: float, end: float) -> list[Stretch]:
    """The intervals between marks, each from its time to the next one's, within bounds. A mark without a word makes
    none."""
    found: list[Stretch] = []
    for number, (at, what) in enumerate(marks):
        until = marks[number + 1][0] if number + 1 < len(marks) else end
        one = Stretch(max(at, start), min(until, end), what)
        if what and one.end > one.start:
            found.append(one)
    return found


def without(stretches: Iterable[Stretch], holes: Sequence[Hole]) -> Iterator[Stretch]:
    """The parts of these intervals outside of these holes, which are sorted and disjoint."""
    for each in stretches:
        start = each.start
        for low, high in holes:
            if high <= start or low >= each.end:
                continue
            if low > start:
                yield Stretch(start, low, each.what)
            start = max(start, high)
        if start < each.end:
            yield Stretch(start, each.end, each.what)


def within(stretches: Iterable[Stretch], holes: Sequence[Hole], *, what: str) -> Iterator[Stretch]:
    """The parts of these intervals inside the holes, as spent on `what`."""
    for each in stretches:
        for low, high in holes:
            start, end = max(low, each.start), min(high, each.end)
            if end > start:
                yield Stretch(start, end, what)


def joined(holes: Iterable[Hole]) -> tuple[Hole, ...]:
    """The holes sorted, with touching ones joined."""
    found: list[Hole] = []
    for low, high in sorted(holes):
        if high <= low:
            continue
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def outside(holes: Iterable[Hole], others: Sequence[Hole]) -> tuple[Hole, ...]:
    """The holes without what others cover; sorted and disjoint."""
    left = without((Stretch(low, high, "x") for low, high in joined(holes)), joined(others))
    return tuple((each.start, each.end) for each in left)


def covered(holes: Iterable[Hole]) -> float:
    """The total length, with overlaps counted once."""
    return sum(high - low for low, high in joined(holes))


def shared(one: Hole, holes: Iterable[Hole]) -> float:
    """How much of one interval the others cover."""
    return covered((max(one[0], low), min(one[1], high)) for low, high in holes)


def lengths(stretches: Iterable[Stretch]) -> dict[str, float]:
    """How long was spent on each thing."""
    found: dict[str, float] = {}
    for each in stretches:
        found[each.what] = found.get(each.what, 0.0) + each.length
    return found
