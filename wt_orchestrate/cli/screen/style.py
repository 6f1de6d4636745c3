"""Symbols, colours, ages, money, and plain tables that drop whole columns if there is no room.

A symbol never stands without its word. Nothing here knows what it shows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_SYMBOLS = {
    "done": ("✓", "+"),
    "working": ("◎", "*"),
    "running": ("▶", ">"),
    "nothing": ("○", "o"),
    "warning": ("▲", "!"),
    "hint": ("↳", "->"),
    "error": ("✗", "x"),
    "asks": ("?", "?"),
    "queued": ("·", "."),
    "held": ("‖", "="),
    "detail": (" ", " "),
    "touching": ("~", "~"),
    "apart": ("·", "."),
}


def symbol(name: str) -> str:
    """A symbol, in ASCII if the terminal's encoding or WTO_ASCII asks for it."""
    plain = (
        bool(os.environ.get("WTO_ASCII"))
        or (getattr(sys.__stdout__, "encoding", "") or "").lower().replace("-", "") != "utf8"
    )
    return _SYMBOLS[name][plain]


def age(seconds: float) -> str:
    """A duration in at most four characters, such as 12s, 5m, 3h or 2d."""
    whole = max(0, int(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def money(dollars: float) -> str:
    return f"${dollars:.2f}"


class Column:
    """A column; the one with the highest `priority` number is dropped first, 0 never. One that `grows` gets the remaining width,
    and is cut to it. Written out, because `wto status` has no time to import dataclasses."""

    __slots__ = ("grows", "priority", "right", "title")

    def __init__(self, title: str, *, priority: int = 0, right: bool = False, grows: bool = False) -> None:
        self.title = title
        self.priority = priority
        self.right = right
        self.grows = grows


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int | None) -> list[str]:
    """The lines of a table. With no width nothing is dropped or cut."""
    used = [number for number, column in enumerate(columns) if column.priority == 0 or any(row[number] for row in rows)]
    dropped = 0
    while width is not None and _natural(columns, rows, used) > width:
        candidates = [number for number in used if columns[number].priority > 0 and not columns[number].grows]
        if not candidates:
            break
        used.remove(max(candidates, key=lambda number: columns[number].priority))
        dropped += 1
    sizes = [max([len(columns[n].title), *(len(row[n]) for row in rows)]) for n in used]
    lines = [_line(columns, used, sizes, [column.title for column in columns], width)]
    lines += [_line(columns, used, sizes, row, width) for row in rows]
    if dropped:
        lines.append(f"({dropped} columns hidden; see --json)")
    return lines


def _natural(columns: Sequence[Column], rows: Sequence[Sequence[str]], used: Sequence[int]) -> int:
    total = 0
    for number in used:
        longest = max([len(columns[number].title), *(len(row[number]) for row in rows)])
        total += min(longest, 24) if columns[number].grows else longest
    return total + 2 * (len(used) - 1)


def _line(
    columns: Sequence[Column], used: Sequence[int], sizes: Sequence[int], row: Sequence[str], width: int | None
) -> str:
    cells = [
        row[number].rjust(size) if columns[number].right else row[number].ljust(size)
        for number, size in zip(used, sizes, strict=True)
    ]
    line = "  ".join(cells).rstrip()
    return line if width is None or len(line) <= width else line[: max(1, width - 1)] + "…"
