"""The memory as a Markdown file in the repository, which a team shares, edits by hand and merges with git.

One bullet for each entry, sorted by its words and without ids, so that two people's exports merge line by line. Reading
is tolerant: what cannot be read is reported with its line, everything else is taken. Agents can write the file, so its
text is as untrusted as any other, whoever it names as its source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

from msgspec import Struct, field

from wt_orchestrate.domain.memory.entries import (
    AGENT,
    KINDS,
    MOST_ENTRIES,
    WHO,
    MemoryEntry,
    MemoryLayer,
    Note,
    Source,
    normal,
    note,
)

_TOP = """\
# Memory of this repository

Kept by `wto memory export` and `wto memory import`. One bullet per entry: its kind, a colon, its text; below it the
from. Edit it freely; what cannot be read is reported and ignored.
"""
_HEADING = re.compile(r"#{1,6}\s+(.+)")
_BULLET = re.compile(r"[-*+]\s+(.*)$")
_SOURCE = re.compile(r"\s{1,8}[-*+] source: (.*)$")
_KIND = re.compile(r"([a-z]+):\s+(.*)$", re.DOTALL)
_WHERE = re.compile(
    r"(?P<who>\w+)(?: in (?P<run>[\w-]+)(?:/(?P<workstream>[\w-]+))?)?(?: at (?P<commit>[0-9a-f]+))?"
    r"(?: on (?P<on>[0-9T:Z+-]+))?(?:; files: (?P<files>.*))?$"
)
_MARKER = re.compile(r"(<{7}|={7}|>{7}|\|{7})( |$)")
_LONGEST = 8_000
"""How many characters of a line are read."""
_ESCAPED = re.compile(r"\\|[-*+] source: ")


class _Begun(Struct):
    line: int
    layer: MemoryLayer
    text: list[str]
    sources: list[Source] = field(default_factory=list)


class LineProblem(Struct, frozen=True, kw_only=True):
    """What cannot be read, and in which line, from 1."""

    line: int
    message: str


class MemoryFile(Struct, frozen=True, kw_only=True):
    """The content of a file."""

    notes: tuple[Note, ...]
    problems: tuple[LineProblem, ...] = ()


# ---------------------------------------------------------------- writing


def render_memory(entries: Iterable[MemoryEntry]) -> str:
    """The entries as a file; the same entries give the same file."""
    lines = [_TOP.rstrip()]
    ordered = sorted(entries, key=lambda each: (KINDS.index(each.kind), normal(each.text), each.text))
    for layer in MemoryLayer:
        chosen = [entry for entry in ordered if entry.layer is layer]
        if chosen:
            lines += ["", f"## {layer.value}", ""]
            lines += [line for entry in chosen for line in _entry_lines(entry)]
    return "\n".join(lines) + "\n"


def _entry_lines(entry: MemoryEntry) -> Iterator[str]:
    first, *rest = entry.text.splitlines()
    yield f"- {entry.kind}: {first}"
    for line in rest:
        yield f"  {_escaped(line)}" if line else ""
    for source in sorted(entry.sources, key=lambda each: (each.at, each.run, each.workstream, each.who)):
        yield f"  - source: {_source_words(source)}"


def _escaped(line: str) -> str:
    return f"\\{line}" if _ESCAPED.match(line) else line


def _source_words(source: Source) -> str:
    where = f" in {source.run}" if source.run else ""
    where += f"/{source.workstream}" if source.run and source.workstream else ""
    at = f" at {source.commit}" if source.commit else ""
    on = f" on {datetime.fromtimestamp(source.at, UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}" if source.at else ""
    files = f"; files: {', '.join(f'`{path}`' for path in source.paths)}" if source.paths else ""
    return f"{source.who}{where}{at}{on}{files}"


# ---------------------------------------------------------------- reading


def parse_memory(text: str) -> MemoryFile:
    """The content of a file, however malformed it is. Never raises."""
    problems: list[LineProblem] = []
    begun = list(
        islice(_begun(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), problems), MOST_ENTRIES + 1)
    )
    if len(begun) > MOST_ENTRIES:
        over = begun.pop()
        problems.append(
            LineProblem(line=over.line, message=f"{MOST_ENTRIES} entries are read; this one and the rest are ignored")
        )
    notes = [made for each in begun if (made := _note(each, problems)) is not None]
    return MemoryFile(notes=tuple(notes), problems=tuple(sorted(problems, key=lambda each: each.line)))


def _begun(lines: Sequence[str], problems: list[LineProblem]) -> Iterator[_Begun]:
    layer: MemoryLayer | None = None
    current: _Begun | None = None
    blanks = 0
    for number, whole in enumerate(lines, start=1):
        line = whole[:_LONGEST]
        heading, bullet, source = _HEADING.match(line), _BULLET.match(line), _SOURCE.match(line)
        if not line.strip():
            blanks += 1
            continue
        if _MARKER.match(line):
            problems.append(LineProblem(line=number, message="an unresolved merge; both sides are read"))
        elif heading:
            if current is not None:
                yield current
            current, layer = None, _layer(heading[1].strip().rstrip("#"), number, layer, problems)
        elif source and current is not None:
            found = _source(source[1])
            if found is None:
                problems.append(LineProblem(line=number, message=f"this source cannot be read: {source[1][:80]!r}"))
            else:
                current.sources.append(found)
        elif bullet:
            if current is not None:
                yield current
            current = _Begun(number, layer or MemoryLayer.SHARED, [bullet[1]])
            if layer is None:
                problems.append(LineProblem(line=number, message="it is under no layer; it is read as shared"))
        elif current is not None and line.startswith(" ") and not current.sources:
            current.text += [""] * blanks + [line.removeprefix("  ").removeprefix("\\")]
        elif layer is not None:
            problems.append(LineProblem(line=number, message=f"this is not part of an entry: {line.strip()[:80]!r}"))
        blanks = 0
    if current is not None:
        yield current


def _layer(name: str, number: int, before: MemoryLayer | None, problems: list[LineProblem]) -> MemoryLayer | None:
    try:
        return MemoryLayer(name.strip().lower())
    except ValueError:
        if before is None and number < 3:
            return None  # the file's own title
        known = ", ".join(MemoryLayer)
        message = f"unknown layer {name[:60]!r} (there are {known}); the entries below are read as shared"
        problems.append(LineProblem(line=number, message=message))
        return MemoryLayer.SHARED


def _source(text: str) -> Source | None:
    found = _WHERE.match(text.strip())
    if found is None or found["who"] not in WHO:
        return None
    try:
        on = datetime.fromisoformat(found["on"]) if found["on"] else None
    except ValueError:
        return None
    at = (on if on.tzinfo is not None else on.replace(tzinfo=UTC)).timestamp() if on is not None else 0.0
    return Source(
        who=found["who"] or AGENT,
        run=found["run"] or "",
        workstream=found["workstream"] or "",
        commit=found["commit"] or "",
        paths=tuple(re.findall(r"`([^`]+)`", found["files"] or "")),
        at=at,
        claimed=True,
    )


def _note(begun: _Begun, problems: list[LineProblem]) -> Note | None:
    text = "\n".join(begun.text).strip()
    found = _KIND.match(text)
    kind = found[1] if found is not None and found[1] in KINDS else "note"
    body = found[2] if found is not None and kind != "note" else text.removeprefix("note: ")
    try:
        return note(body, layer=begun.layer, kind=kind, sources=begun.sources)
    except ValueError as error:
        problems.append(LineProblem(line=begun.line, message=str(error)))
        return None
