"""Make text that others wrote safe to show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

_UNSAFE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff"  # bidi, zero-width, tags, selectors
    "\u00ad\u115f\u1160\u180e\u3164\uffa0\ufff9-\ufffb"  # soft hyphens, fillers and annotations, which are invisible
    "\ud800-\udfff]"  # lone surrogates, which no file and no log can hold
)


def clean(text: str) -> str:
    """The text with every character that could act on a terminal or hide something written out as an escape."""
    if text.isascii() and text.isprintable():
        return text  # most texts are; the pattern takes longer to compile than a table of them to print
    return re.sub(
        _UNSAFE, lambda match: match.group().encode("unicode_escape").decode("ascii"), text.replace("\r\n", "\n")
    )


_ADDRESS = r"([@#](?=\w)|\bGH-(?=\d)|:(?=//))"
_JOINER = "\u2060"
"""Put behind `@`, `#`, `GH-` and before `//`, so that a forge mentions nobody and closes no issue because of an agent's
text."""


def addressless(text: str) -> str:
    """The text changed so that a forge finds no one to mention, no issue to close and no address to link to."""
    return re.sub(_ADDRESS, rf"\1{_JOINER}", text)


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as `1 commit` or `3 commits`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def in_units(size: int) -> str:
    """A number of bytes for people, such as `3.4 MiB`."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            return f"{size / (1 << shift):.3g} {unit}" if size < 1000 << shift else f"{size >> shift:,} {unit}"
    return f"{size} bytes"


def some_of(names: Sequence[str], most: int = 8, *, more: int = 0) -> str:
    """The first of these names and how many more there are, such as `a, b and 3 more`. `more`: names that were left out
    already."""
    left = more + max(0, len(names) - most)
    return ", ".join(names[:most]) + (f" and {left} more" if left else "")


def at_line(path: str, line: int | None) -> str:
    """A place as people write it: `path:line`, or the path where no line is known."""
    return f"{path}:{line}" if line else path


def time_of_day(at: float) -> str:
    """A wall time in seconds as text in UTC, such as `2026-01-31 14:05:09Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
