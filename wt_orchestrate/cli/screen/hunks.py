"""Conflicts of a file as lines of text, hunk by hunk: the base, each side, the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wt_orchestrate.cli.screen.style import symbol

_HUNKS, _LINES = 5, 8


def hunk_lines(file: Mapping[str, Any], *, ours: str, theirs: str) -> Iterator[str]:
    """The first conflicts of a resolved file (`ResolvedFile` as a mapping); `ours` and `theirs` under the given names."""
    for hunk in file["hunks"][:_HUNKS]:
        yield from _hunk(hunk, {"it was": "base", ours: "ours", theirs: "theirs", "became": "result"})
        yield from _gone(hunk, {ours: "dropped_ours", theirs: "dropped_theirs"})
    left = len(file["hunks"]) - _HUNKS
    if left > 0:
        yield f"and {left} more; see --json"


def _hunk(hunk: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    yield f"at line {hunk['line']}" + (f": {symbol('warning')} one side was dropped" if hunk["took"] else "")
    width = max(map(len, names))
    for name, key in names.items():
        lines: Sequence[str] = hunk[key]
        for number, line in enumerate(lines[:_LINES]):
            yield f"  {name if number == 0 else '':<{width}} | {line}"
        if not lines:
            yield f"  {name:<{width}} | (nothing)"
        elif len(lines) > _LINES:
            yield f"  {'':<{width}} | ... {len(lines) - _LINES} more"


def _gone(hunk: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    for name, key in names.items():
        for line in hunk[key][:_LINES]:
            yield f"  {symbol('warning')} removed by {name}: {line}"
