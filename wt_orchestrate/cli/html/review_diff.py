"""The diff of a review as HTML: a table for each file, with anchors for flags, and comments below their lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from wt_orchestrate.cli.html.element import Markup, element
from wt_orchestrate.domain.text.clean import counted
from wt_orchestrate.domain.text.diff import DiffLine, FileDiff, Hunk
from wt_orchestrate.domain.text.secrets import without_secrets

_LINES = 6_000
"""How many lines of diffs a page has; the rest has only its numbers."""
_OPEN = 400
"""A longer file is folded at first."""
_WIDEST = 400


def diffs(
    files: Sequence[FileDiff], order: Sequence[str], anchors: dict[str, str], threads: Sequence[dict[str, Any]]
) -> Iterator[Markup]:
    """Each file's diff, in reading order, as far as there is room."""
    by_path = {file.path: file for file in files}
    room = _LINES
    for path in order:
        file = by_path[path]
        length = sum(len(hunk.lines) for hunk in file.hunks)
        shown = length if length <= room else 0
        room -= shown
        here = [each for each in threads if each["now"] and each["now"]["path"] == path]
        yield _file(file, anchors[path], here, shown=bool(shown))


def _file(file: FileDiff, anchor: str, threads: Sequence[dict[str, Any]], *, shown: bool) -> Markup:
    lines = "binary" if file.binary else f"+{file.added} −{file.deleted}"
    was = f" (was {file.old})" if file.old else ""
    summary = element("summary", element("code", file.path), element("span", f"{was} {lines}", of="soft"))
    if not shown:
        why = (
            "This file has no text to show."
            if not (file.added or file.deleted)
            else "Too long for this page; see wto review --diff."
        )
        return element("details", summary, element("pre", why), id=anchor)
    table = element(
        "div",
        element(
            "table",
            element("caption", f"Changes in {file.path}", of="hidden"),
            element("thead", _heads(), of="hidden"),
            element("tbody", (row for hunk in file.hunks for row in _hunk(hunk, anchor, threads))),
            of="diff",
        ),
        of="scroll",
        role="region",
        aria_label=f"Changes in {file.path}",
        tabindex="0",
    )
    length = sum(len(hunk.lines) for hunk in file.hunks)
    given = {"open": ""} if length <= _OPEN else {}
    return element("details", summary, table, id=anchor, **given)


def _heads() -> Markup:
    names = (("Old line", "old"), ("New line", "new"), ("Change", "sign"), ("Text", "text"))
    return element("tr", (element("th", name, scope="col", of=of) for name, of in names))


def _hunk(hunk: Hunk, anchor: str, threads: Sequence[dict[str, Any]]) -> Iterator[Markup]:
    first = next((line.new for line in hunk.lines if line.new), 0)
    where = f"line {first}" + (f" · {hunk.heading}" if hunk.heading else "")
    yield element("tr", element("td", where, colspan="4"), of="at")
    for line in hunk.lines:
        if not line.old and not line.new:
            continue
        yield _line(line, anchor)
        for each in threads:
            if line.new and line.new == each["now"]["end"]:
                text = f"{each['id']} ({each['status']}): {each['text']}"
                yield element("tr", element("td", text, colspan="4"), of="note")


def _line(line: DiffLine, anchor: str) -> Markup:
    kind, sign, word = (
        ("add", "+", "added") if not line.old else ("del", "−", "removed") if not line.new else ("", "", "")
    )
    text = without_secrets(line.text)
    more = f"… ({counted(len(text), 'character')})" if len(text) > _WIDEST else ""
    given = {"id": f"{anchor}-{line.new}"} if line.new else {}
    return element(
        "tr",
        element("td", str(line.old or ""), of="no old"),
        element("td", str(line.new or ""), of="no"),
        element("td", sign, element("span", word, of="hidden") if word else "", of="sign"),
        element("td", text[:_WIDEST] + more, of="text"),
        of=kind or "same",
        **given,
    )
