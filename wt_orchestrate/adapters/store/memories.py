"""One repository's memory in SQLite with full-text search, and a journal from which it can be made again.

Every call opens the database for itself, so any thread and any process may use it at any time. A write is one `BEGIN
IMMEDIATE` transaction and in the journal before (`journal.py`): what the journal holds has happened, and a database
that lacks it gets it when it is opened next. A journal is identified by its first line; another one is replayed from
its start. Forgetting writes a new journal without the forgotten rows, so that no copy of ours keeps them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Container, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from secrets import token_hex

import msgspec

from wt_orchestrate.adapters.store import memorytables as tables
from wt_orchestrate.adapters.store.journal import Journal, Row
from wt_orchestrate.adapters.store.migrations import migrate
from wt_orchestrate.adapters.store.rebuild import moved_aside
from wt_orchestrate.domain.memory.entries import (
    MOST_ENTRIES,
    Hit,
    MemoryEntry,
    MemoryId,
    MemoryLayer,
    Note,
    entry_of,
    known_as,
    normal,
    surplus,
)
from wt_orchestrate.errors import StoreUnreadable
from wt_orchestrate.osfiles.atomic import sync_folder
from wt_orchestrate.ports.memory import Kept, Learned

_WAIT_S = 10.0
_REMEDY = "wto doctor --rebuild restores it from the undamaged part"
_GENERAL = 50
_SLACK = 1 << 22
"""How many bytes of old rows the journal may have."""


class SqliteMemories:
    """The memory at a path; nothing is created before the first write. It holds `most` entries."""

    def __init__(self, path: str, *, most: int = MOST_ENTRIES) -> None:
        self._path = path
        self._most = most
        self._journal = Journal(f"{path.removesuffix('.db')}.jsonl")

    # ------------------------------------------------------------ writing

    def add(
        self, notes: Sequence[Note], *, now: float, key: str = "", mark: tuple[str, int] | None = None
    ) -> Sequence[Kept]:
        """Remember these notes; entries that exist already are updated."""
        if not notes and mark is None:
            return ()
        with self._writing() as connection:
            known = _of_key(connection, key)
            if known is not None:
                return [Kept(entry=entry, new=False, changed=False) for entry in known]
            wanted = [each for each in notes if mark is None or not _was_forgotten(connection, each)]
            kept = [_keep(connection, each, now) for each in wanted]
            changed = {each.entry.id: each.entry for each in kept if each.new or each.changed}
            rows: list[Row] = [{"kind": "entry", "body": msgspec.to_builtins(each)} for each in changed.values()]
            numbers = [tables.number_of(each.entry.id) for each in kept]
            rows += [{"kind": "key", "key": key, "numbers": numbers}] if key else []
            if mark is not None:
                rows.append({"kind": "learned", "run": mark[0], "until": mark[1], "entries": len(set(numbers))})
            gone = self._surplus(connection, besides=changed, now=now)
            rows += [{"kind": "forgotten", "numbers": gone, "marks": []}] if gone else []
            self._write(connection, rows)
            return kept

    def _surplus(self, connection: sqlite3.Connection, *, besides: Container[MemoryId], now: float) -> list[int]:
        """What to delete if there is more than it holds; not what was just added."""
        if tables.count(connection) <= self._most:
            return []
        bodies = connection.execute("SELECT body FROM entries")
        gone = surplus([tables.decoded(body) for (body,) in bodies], most=self._most, now=now)
        return [tables.number_of(name) for name in gone if name not in besides]

    def preview(self, notes: Sequence[Note], *, now: float) -> Sequence[Kept]:
        """What `add` would do; nothing of it is kept."""
        with self._reading() as connection:
            if connection is None:
                return [Kept(entry=entry_of(each, 1 + n, now), new=True, changed=True) for n, each in enumerate(notes)]
            connection.execute("BEGIN IMMEDIATE")
            try:
                return [_keep(connection, each, now) for each in notes]
            finally:
                connection.execute("ROLLBACK")

    def forget(self, names: Sequence[MemoryId]) -> Sequence[MemoryId]:
        """Forget these, and write the journal again without them."""
        with self._writing() as connection:
            numbers = [tables.number_of(name) for name in dict.fromkeys(names)]
            there = tables.with_numbers(connection, numbers)
            gone = [entry.id for entry in there.values()]
            marks = [mark for entry in there.values() for mark in tables.marks_of(entry.text, entry.topic)]
            tables.play(connection, {"kind": "forgotten", "numbers": list(there), "marks": marks})
            if gone:
                self._rewrite(connection)
        if gone:
            self._scrub()
        return gone

    def note_use(self, names: Sequence[MemoryId], *, run: str, workstream: str) -> None:
        """Record what went into a brief."""
        if not names:
            return
        with self._writing() as connection:
            numbers = [tables.number_of(name) for name in names]
            there = tables.with_numbers(connection, numbers)
            noted = connection.execute("SELECT number FROM uses WHERE run = ? AND workstream = ?", (run, workstream))
            known = {int(row[0]) for row in noted}
            fresh = [number for number in numbers if number in there and number not in known]
            if fresh:
                self._write(connection, [{"kind": "used", "numbers": fresh, "run": run, "workstream": workstream}])

    # ------------------------------------------------------------ reading

    def find(self, name: MemoryId) -> MemoryEntry | None:
        with self._reading() as connection:
            if connection is None:
                return None
            number = tables.number_of(name)
            return tables.with_numbers(connection, [number]).get(number)

    def entries(
        self, *, layer: MemoryLayer | None = None, kind: str = "", limit: int | None = None
    ) -> Sequence[MemoryEntry]:
        """The entries, newest first."""
        with self._reading() as connection:
            if connection is None:
                return []
            rows = connection.execute(
                "SELECT body FROM entries WHERE (? = '' OR layer = ?) AND (? = '' OR kind = ?)"
                " ORDER BY seen_at DESC, number DESC LIMIT ?",
                (layer or "", layer or "", kind, kind, -1 if limit is None else limit),
            )
            return [tables.decoded(body) for (body,) in rows]

    def search(self, terms: Sequence[str], *, paths: Sequence[str] = (), limit: int = 200) -> Sequence[Hit]:
        """What has some of the terms, then what is about the paths, then what holds everywhere."""
        with self._reading() as connection:
            if connection is None:
                return []
            fits = dict(tables.by_words(connection, terms, limit))
            numbers = dict.fromkeys((*fits, *tables.by_places(connection, paths, limit)))
            numbers.update(dict.fromkeys(tables.general(connection, _GENERAL)))
            found = tables.with_numbers(connection, list(numbers))
            return [Hit(entry=found[each], words=fits.get(each, 0.0)) for each in numbers if each in found]

    def count(self) -> int:
        with self._reading() as connection:
            return tables.count(connection) if connection else 0

    def names(self) -> Sequence[MemoryId]:
        with self._reading() as connection:
            rows = connection.execute("SELECT number FROM entries ORDER BY number") if connection else ()
            return [MemoryId(f"m{row[0]}") for row in rows]

    def uses(self, name: MemoryId) -> Sequence[tuple[str, str]]:
        """The runs and workstreams whose briefs had it, oldest first."""
        with self._reading() as connection:
            if connection is None:
                return []
            rows = connection.execute(
                "SELECT run, workstream FROM uses WHERE number = ? ORDER BY rowid", (tables.number_of(name),)
            )
            return [(str(run), str(workstream)) for run, workstream in rows]

    def learned(self, run: str) -> Learned:
        with self._reading() as connection:
            asked = "SELECT until, entries FROM marks WHERE run = ?"
            row = connection.execute(asked, (run,)).fetchone() if connection else None
            return Learned() if row is None else Learned(until=int(row[0]), entries=int(row[1]))

    def damage(self) -> str:
        """What is wrong with the database or its journal."""
        try:
            with self._reading() as connection:
                if connection is not None:
                    said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
                    if said != "ok":
                        return f"{self._path} is damaged: {said}"
        except StoreUnreadable as error:
            return error.message
        except sqlite3.Error as error:
            return f"{self._path} is damaged: {error}"
        found = self._journal.damage()
        return found.reason if found is not None else ""

    # ------------------------------------------------------------ repair

    def repair(self) -> Sequence[str]:
        """Repair it: the database from the journal if that is complete, else the journal from the database, else a new
        database of what is left of the journal. Nothing is deleted; returns where the damaged files went."""
        aside: list[str] = []
        journal_whole = self._begins_well()
        if not self._database_whole():
            if not journal_whole:
                aside += self._salvage()
            aside += filter(None, [moved_aside(self._path)])
        elif not journal_whole or self._lost_end():
            if os.path.exists(self._journal.path):
                aside += filter(None, [moved_aside(self._journal.path)])
            if os.path.exists(self._path):
                with closing(self._connected()) as connection, self._transaction(connection):
                    self._rewrite(connection)
        with self._reading():
            return aside

    def _database_whole(self) -> bool:
        """Whether the database can be read; a missing one cannot."""
        if not os.path.exists(self._path):
            return False
        try:
            with closing(self._connected()) as connection:
                return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
        except sqlite3.Error:
            return False

    def _lost_end(self) -> bool:
        with closing(self._connected()) as connection:
            first, until = _held(connection)
        return first == _first_hash(self._journal.path) and self._journal.size() < until

    def _salvage(self) -> list[str]:
        """A journal of the first complete lines."""
        if not os.path.exists(self._journal.path):
            return []
        rows: list[Row] = []
        with suppress(StoreUnreadable):
            rows.extend(self._journal.rows())
        aside = moved_aside(self._journal.path)
        self._journal.append(rows or [{"kind": "begin", "generation": token_hex(8), "next": 1}])
        return [aside] if aside else []

    # ------------------------------------------------------------ connections

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """The database, up to date with its journal; None if there is neither."""
        if not os.path.exists(self._path) and not os.path.exists(self._journal.path):
            yield None
            return
        with self._faults(), closing(self._connected()) as connection:
            self._catch_up(connection)
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._faults(), closing(self._connected()) as connection, self._transaction(connection):
            self._level(connection)  # under the lock: a writer may have been killed a moment ago
            yield connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Any fault of its files means that the memory cannot be used, and is reported so."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._failed(error) from error
        except OSError as error:
            hint = "check permissions there, then run wto doctor"
            message = f"{error.filename or self._path} cannot be used: {error.strerror}"
            raise StoreUnreadable(message, hint=hint, passing=True) from error
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise StoreUnreadable(f"{self._path} contains an invalid entry: {error}", hint=_REMEDY) from error

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE")
        before = self._journal.size()
        first = _first_hash(self._journal.path)
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself, or Ctrl-C came after COMMIT
                connection.execute("ROLLBACK")
            begun = not first  # by this very write: nothing in it has happened
            if (begun or _first_hash(self._journal.path) == first) and not self._committed(connection):
                self._journal.cut(before)
            raise

    def _committed(self, connection: sqlite3.Connection) -> bool:
        """Whether the database has all that the journal holds. Not where it cannot be read."""
        try:
            return _held(connection) == (_first_hash(self._journal.path), self._journal.size())
        except sqlite3.Error:
            return False

    def _connected(self) -> sqlite3.Connection:
        folder = os.path.dirname(self._path)
        if os.path.exists(self._path) and not os.access(folder, os.W_OK):
            quoted = self._path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
            return sqlite3.connect(f"file:{quoted}?immutable=1", uri=True, isolation_level=None)
        new = not os.path.exists(self._path)
        connection = sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None)
        try:
            if new:
                os.chmod(self._path, 0o600)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            migrate(connection, self._path, tables.STEPS)
        except BaseException:
            connection.close()
            raise
        return connection

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        """Give the database what only the journal has. Raises StoreUnreadable if the journal lost its end."""
        if _held(connection) == (_first_hash(self._journal.path), self._journal.size()):
            return
        if not os.access(os.path.dirname(self._path), os.W_OK):
            return
        with self._transaction(connection):
            self._level(connection)

    def _level(self, connection: sqlite3.Connection) -> None:
        """The same, under the lock."""
        first, until = _held(connection)
        there, size = _first_hash(self._journal.path), self._journal.size()
        if (first, until) == (there, size):
            return
        if not size:
            self._rewrite(connection)
        elif first != there and self._begins_well():
            tables.clear(connection)
            self._play(connection, after=0)
        elif first != there:
            raise StoreUnreadable(f"{self._journal.path} is damaged: it is not a memory journal", hint=_REMEDY)
        elif size < until:
            message = f"{self._journal.path} is cut off ({size} of {until} bytes are left)"
            raise StoreUnreadable(message, hint=_REMEDY)
        elif size > until:
            self._play(connection, after=until)

    def _begins_well(self) -> bool:
        """Whether the journal is one of a memory, from its first line to its last."""
        if self._journal.damage() is not None:
            return False
        return next((row.get("kind") for row in self._journal.rows()), "") == "begin"

    def _play(self, connection: sqlite3.Connection, *, after: int) -> None:
        for row in self._journal.rows(after=after):
            tables.play(connection, row)
        _hold(connection, _first_hash(self._journal.path), self._journal.append(()))

    def _write(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """First the journal, then the database: what the journal holds has happened."""
        if not rows:
            return
        if not self._journal.size():
            begin: Row = {"kind": "begin", "generation": token_hex(8), "next": 1}
            rows = [begin, *rows]
        end = self._journal.append(rows)
        for row in rows:
            if row["kind"] != "entry":  # those were put in when they were made
                tables.play(connection, row)
        _hold(connection, _first_hash(self._journal.path), end)
        if end > _SLACK and end > 4 * tables.weight(connection):
            self._rewrite(connection)

    def _rewrite(self, connection: sqlite3.Connection) -> None:
        """Replace the journal atomically by one of the database's content."""
        beside = Journal(f"{self._journal.path}.new")
        with suppress(FileNotFoundError):
            os.unlink(beside.path)
        end = beside.append(list(tables.rows_of(connection, token_hex(8))))
        os.replace(beside.path, self._journal.path)
        sync_folder(os.path.dirname(self._path))
        _hold(connection, _first_hash(self._journal.path), end)

    def _scrub(self) -> None:
        """Make sure that no page of the write-ahead log still has what was forgotten."""
        with suppress(sqlite3.Error), closing(self._connected()) as connection:
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _failed(self, error: sqlite3.Error) -> StoreUnreadable:
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            hint = "check free space and permissions there, or wait for the process that uses it, then run wto doctor"
            return StoreUnreadable(f"{self._path} cannot be used: {error}", hint=hint, passing=True)
        return StoreUnreadable(f"{self._path} is damaged: {error}", hint=_REMEDY)


def _keep(connection: sqlite3.Connection, made: Note, now: float) -> Kept:
    """Save a note: replacing its topic, merged with the same words, or as a new entry."""
    topic = _one(connection, "topic = ?", made.topic) if made.topic else None
    same = _one(connection, "normal = ?", normal(made.text))
    known = known_as(topic, same, made, now)
    if known is None:
        entry = entry_of(made, tables.following(connection), now)
        tables.put(connection, entry)
        return Kept(entry=entry, new=True, changed=True)
    before, after = known
    if after is not before:
        tables.put(connection, after)
    return Kept(entry=after, new=False, changed=after is not before)


def _was_forgotten(connection: sqlite3.Connection, made: Note) -> bool:
    return tables.is_forgotten(connection, made.text, made.topic)


def _one(connection: sqlite3.Connection, where: str, value: str) -> MemoryEntry | None:
    row = connection.execute(f"SELECT body FROM entries WHERE {where}", (value,)).fetchone()
    return None if row is None else tables.decoded(row[0])


def _of_key(connection: sqlite3.Connection, key: str) -> list[MemoryEntry] | None:
    row = connection.execute("SELECT numbers FROM keys WHERE key = ?", (key,)).fetchone() if key else None
    if row is None:
        return None
    numbers = [int(number) for number in str(row[0]).split()]
    found = tables.with_numbers(connection, numbers)
    return [found[number] for number in numbers if number in found]


def _held(connection: sqlite3.Connection) -> tuple[str, int]:
    """Which journal the database holds, and up to which byte."""
    first, until = connection.execute("SELECT first, until FROM kept").fetchone()
    return str(first), int(until)


def _hold(connection: sqlite3.Connection, first: str, until: int) -> None:
    connection.execute("UPDATE kept SET first = ?, until = ?", (first, until))


def _first_hash(path: str) -> str:
    """The identity of a journal: the hash of its first line; empty if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(32).decode(errors="replace")
    except FileNotFoundError:
        return ""
