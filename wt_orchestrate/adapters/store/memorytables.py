"""The memory's tables, and their rows written and read: entries, the words and paths they are found by, uses and marks.

A row of the journal says what is so afterwards, never what changes, so replaying it twice is the same as once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from wt_orchestrate.adapters.store import bodies
from wt_orchestrate.adapters.store.journal import Row
from wt_orchestrate.adapters.store.migrations import Step
from wt_orchestrate.domain.memory.entries import MemoryEntry, MemoryId, fixed_part, normal, paths_of

_TABLES = (
    "CREATE TABLE entries (number INTEGER PRIMARY KEY, layer TEXT NOT NULL, kind TEXT NOT NULL, normal TEXT NOT NULL UNIQUE,"
    " topic TEXT, seen_at REAL NOT NULL, body BLOB NOT NULL)",
    "CREATE UNIQUE INDEX entries_of_topic ON entries (topic) WHERE topic IS NOT NULL",
    "CREATE INDEX entries_by_time ON entries (seen_at)",
    "CREATE TABLE places (path TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (path, number)) WITHOUT ROWID",
    "CREATE INDEX places_of_entry ON places (number)",
    "CREATE VIRTUAL TABLE words USING fts5 (text, paths, tokenize = 'porter unicode61')",
    "CREATE TABLE uses (number INTEGER NOT NULL, run TEXT NOT NULL, workstream TEXT NOT NULL,"
    " PRIMARY KEY (number, run, workstream))",
    "CREATE TABLE marks (run TEXT PRIMARY KEY, until INTEGER NOT NULL, entries INTEGER NOT NULL)",
    "CREATE TABLE forgotten (mark TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE keys (key TEXT PRIMARY KEY, numbers TEXT NOT NULL)",
    "CREATE TABLE kept (only INTEGER PRIMARY KEY CHECK (only = 1), next INTEGER NOT NULL, first TEXT NOT NULL,"
    " until INTEGER NOT NULL)",
    "INSERT INTO kept VALUES (1, 1, '', 0)",
)
_ROW = 100
"""About how many bytes a row of the journal has in addition to an entry's own."""
CONTENT = ("entries", "places", "words", "uses", "marks", "forgotten", "keys")


def _first(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


STEPS: tuple[Step, ...] = (_first,)


def clear(connection: sqlite3.Connection) -> None:
    """Empty the tables, so that the journal can be replayed."""
    for table in CONTENT:
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE kept SET next = 1, first = '', until = 0")


def play(connection: sqlite3.Connection, row: Row) -> None:
    """Replay one row of the journal."""
    match row["kind"]:
        case "begin":
            _reserve(connection, int(row["next"]))
        case "entry":
            put(connection, msgspec.convert(row["body"], type=MemoryEntry))
        case "forgotten":
            for number in row["numbers"]:
                drop(connection, int(number))
            connection.executemany("INSERT OR IGNORE INTO forgotten VALUES (?)", [(mark,) for mark in row["marks"]])
        case "used":
            rows = [(number, row["run"], row["workstream"]) for number in row["numbers"]]
            connection.executemany("INSERT OR IGNORE INTO uses (number, run, workstream) VALUES (?, ?, ?)", rows)
        case "learned":
            mark = (row["run"], row["until"], row["entries"])
            connection.execute("INSERT OR REPLACE INTO marks (run, until, entries) VALUES (?, ?, ?)", mark)
        case "key":
            numbers = " ".join(map(str, row["numbers"]))
            connection.execute("INSERT OR REPLACE INTO keys (key, numbers) VALUES (?, ?)", (row["key"], numbers))


def put(connection: sqlite3.Connection, entry: MemoryEntry) -> None:
    """Save an entry in place of its earlier version."""
    number, paths = number_of(entry.id), paths_of(entry)
    drop(connection, number, uses=False)
    connection.execute(
        "INSERT INTO entries (number, layer, kind, normal, topic, seen_at, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            entry.layer.value,
            entry.kind,
            normal(entry.text),
            entry.topic or None,
            entry.seen_at,
            bodies.encode(entry),
        ),
    )
    connection.execute("INSERT INTO words (rowid, text, paths) VALUES (?, ?, ?)", (number, entry.text, " ".join(paths)))
    rows = [(fixed_part(path), number) for path in paths]
    connection.executemany("INSERT OR IGNORE INTO places (path, number) VALUES (?, ?)", rows)
    _reserve(connection, number + 1)


def drop(connection: sqlite3.Connection, number: int, *, uses: bool = True) -> bool:
    """Delete an entry; whether it existed."""
    found = connection.execute("DELETE FROM entries WHERE number = ?", (number,)).rowcount
    if found:
        connection.execute("DELETE FROM words WHERE rowid = ?", (number,))
        connection.execute("DELETE FROM places WHERE number = ?", (number,))
    if uses:
        connection.execute("DELETE FROM uses WHERE number = ?", (number,))
    return bool(found)


def marks_of(text: str, topic: str) -> tuple[str, ...]:
    """Hashes that identify a forgotten text or topic without revealing it."""
    return tuple(
        sha256(part.encode("utf-8", "surrogateescape")).hexdigest()[:32] for part in (normal(text), topic) if part
    )


def is_forgotten(connection: sqlite3.Connection, text: str, topic: str) -> bool:
    """Whether somebody asked to forget it."""
    found = (
        connection.execute("SELECT 1 FROM forgotten WHERE mark = ?", (m,)).fetchone() for m in marks_of(text, topic)
    )
    return any(row is not None for row in found)


def _reserve(connection: sqlite3.Connection, following: int) -> None:
    connection.execute("UPDATE kept SET next = max(next, ?)", (following,))


def following(connection: sqlite3.Connection) -> int:
    """The number of the next new entry."""
    return int(connection.execute("SELECT next FROM kept").fetchone()[0])


def rows_of(connection: sqlite3.Connection, generation: str) -> Iterator[Row]:
    """Everything, as the rows of a new journal."""
    yield {"kind": "begin", "generation": generation, "next": following(connection)}
    for (body,) in connection.execute("SELECT body FROM entries ORDER BY number"):
        yield {"kind": "entry", "body": bodies.decode(body)}
    for number, run, workstream in connection.execute("SELECT number, run, workstream FROM uses ORDER BY 1, 2, 3"):
        yield {"kind": "used", "numbers": [number], "run": run, "workstream": workstream}
    for run, until, entries in connection.execute("SELECT run, until, entries FROM marks ORDER BY run"):
        yield {"kind": "learned", "run": run, "until": until, "entries": entries}
    marks = [str(row[0]) for row in connection.execute("SELECT mark FROM forgotten ORDER BY mark")]
    yield {"kind": "forgotten", "numbers": [], "marks": marks}
    for key, numbers in connection.execute("SELECT key, numbers FROM keys ORDER BY key"):
        yield {"kind": "key", "key": key, "numbers": [int(number) for number in numbers.split()]}


def weight(connection: sqlite3.Connection) -> int:
    """About how many bytes the rows of a new journal would have."""
    entries = int(connection.execute("SELECT coalesce(sum(length(body)), 0) FROM entries").fetchone()[0])
    others = sum(int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in CONTENT)
    return entries + _ROW * others


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])


def number_of(name: MemoryId) -> int:
    return int(name[1:])


def decoded(body: bytes) -> MemoryEntry:
    found: MemoryEntry = bodies.decode(body, MemoryEntry)
    return found


# ---------------------------------------------------------------- finding


def by_words(connection: sqlite3.Connection, terms: Sequence[str], limit: int) -> list[tuple[int, float]]:
    """Entries that have some of the terms, best first, with how well they match (1 for the best). Each term is taken
    literally."""
    quoted = [_quoted(term) for term in terms if any(char.isalnum() for char in term)]
    if not quoted:
        return []
    found = _matching(connection, " OR ".join(quoted), limit)
    if not found:  # the beginning of a word, then any part of the text
        found = _matching(connection, " OR ".join(f"{term}*" for term in quoted), limit)
    if not found:
        found = _containing(connection, [term for term in terms if len(term) > 1], limit)
    best = max((weight for _, weight in found), default=0.0) or 1.0
    return [(number, weight / best) for number, weight in found]


def _matching(connection: sqlite3.Connection, query: str, limit: int) -> list[tuple[int, float]]:
    rows = connection.execute(
        "SELECT rowid, -bm25(words, 1.0, 0.5) FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?", (query, limit)
    )
    return [(int(number), max(float(weight), 1e-9)) for number, weight in rows]


def _containing(connection: sqlite3.Connection, terms: Sequence[str], limit: int) -> list[tuple[int, float]]:
    if not terms:
        return []
    where = " OR ".join("instr(lower(text), ?) OR instr(paths, ?)" for _ in terms)
    given = [part for term in terms for part in (term.lower(), term)]
    rows = connection.execute(f"SELECT rowid FROM words WHERE {where} ORDER BY rowid DESC LIMIT ?", (*given, limit))
    return [(int(row[0]), 1.0) for row in rows]


def _quoted(term: str) -> str:
    """A term as FTS5 takes it literally."""
    escaped = "".join(char for char in term if char.isprintable()).replace('"', '""')
    return f'"{escaped}"'


def by_places(connection: sqlite3.Connection, paths: Sequence[str], limit: int) -> list[int]:
    """Entries about these paths, about something below them, or about a folder around them; newest first."""
    found: dict[int, None] = {}
    for glob in dict.fromkeys(paths):
        path = fixed_part(glob)
        if not path:
            found.update(dict.fromkeys(_globbed(connection, glob, limit)))
            continue
        around = [path.rsplit("/", depth)[0] for depth in range(path.count("/") + 1)]
        folder = path.rpartition("/")[0]
        marks = ", ".join("?" for _ in around)
        ranges = [(f"{below}/", f"{below}0") for below in dict.fromkeys((path, folder)) if below]  # '0' follows '/'
        where = f"path IN ({marks})" + " OR (path >= ? AND path < ?)" * len(ranges)
        given: list[Any] = [*around, *(end for pair in ranges for end in pair)]
        rows = connection.execute(
            f"SELECT DISTINCT number FROM places WHERE {where} ORDER BY number DESC LIMIT ?", (*given, limit)
        )
        found.update(dict.fromkeys(int(row[0]) for row in rows))
    return list(found)[: 2 * limit]


def _globbed(connection: sqlite3.Connection, glob: str, limit: int) -> list[int]:
    """Entries about what a glob with a leading wildcard covers, and maybe more; none for one that covers everything."""
    if not any(char.isalnum() for char in glob):
        return []
    wide = glob.replace("**/", "*").replace("**", "*").replace("[", "[[]")
    rows = connection.execute(
        "SELECT DISTINCT number FROM places WHERE path GLOB ? ORDER BY number DESC LIMIT ?", (wide, limit)
    )
    return [int(row[0]) for row in rows]


def general(connection: sqlite3.Connection, limit: int) -> list[int]:
    """Conventions without a place, newest first."""
    rows = connection.execute(
        "SELECT number FROM entries WHERE kind = 'convention' AND number NOT IN (SELECT number FROM places)"
        " ORDER BY seen_at DESC LIMIT ?",
        (limit,),
    )
    return [int(row[0]) for row in rows]


def with_numbers(connection: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, MemoryEntry]:
    """The entries of these numbers, in one query."""
    found: dict[int, MemoryEntry] = {}
    for start in range(0, len(numbers), 500):
        part = numbers[start : start + 500]
        marks = ", ".join("?" for _ in part)
        for number, body in connection.execute(f"SELECT number, body FROM entries WHERE number IN ({marks})", part):
            found[int(number)] = decoded(body)
    return found
