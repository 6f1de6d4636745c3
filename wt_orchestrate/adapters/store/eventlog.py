"""The event log in SQLite: append-only rows, requests, and one view for each run.

Every write is one `BEGIN IMMEDIATE` transaction, durable on return (WAL, synchronous FULL) and in the journal before
(`journal.py`); readers never wait. The type of a row is the name of its event's class; unknown fields of a body are
ignored, missing ones get their defaults. A database that was deleted or is damaged can be made again from the journal
(`rebuild`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from wt_orchestrate.adapters.store import bodies, snapshots
from wt_orchestrate.adapters.store.journal import Journal, Row
from wt_orchestrate.adapters.store.migrations import migrate
from wt_orchestrate.adapters.store.rebuild import catch_up, forget_moved, hold
from wt_orchestrate.adapters.store.records import held, parse_event, read_records
from wt_orchestrate.adapters.store.views import opened_read_only
from wt_orchestrate.domain.events.log import Record, workstream_of
from wt_orchestrate.domain.events.requests import Request
from wt_orchestrate.domain.events.run import Actor, RunStarted
from wt_orchestrate.domain.fold.run import fold_all
from wt_orchestrate.domain.ids import RunId, WorkstreamId
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.status.view import render_view
from wt_orchestrate.errors import StoreUnreadable
from wt_orchestrate.ports.engine import Asked, RunLine, UsedKey

_VERSION = 1


class SqliteLog:
    """The log of one repository, in one file. Not for use from several threads at once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = 0
        self.journal = Journal(f"{os.path.dirname(path)}/journal.jsonl")
        opened: sqlite3.Connection | None = None
        try:
            if os.path.exists(path) and not os.access(os.path.dirname(path), os.W_OK):
                self._connection = opened_read_only(path)
                return
            opened = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
            self._connection = opened
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            migrate(self._connection, path)
            self._file = os.stat(path).st_ino
            if not self._agreed():
                with self._writing():
                    pass
        except BaseException as error:
            if opened is not None:
                opened.close()
            if isinstance(error, sqlite3.Error):
                raise _unreadable(path, error) from error
            raise

    def begin(
        self, event: RunStarted, *, actor: Actor, now: float, view: Callable[[Record], str], key: str = ""
    ) -> Record:
        """Append the first event of a new run, whose id is chosen here."""
        with self._writing() as connection:
            said = self.known(key)
            if said is not None:
                return self.read(said.begun_again(plan_path=event.plan_path, land=event.land))[0]
            cursor = connection.execute("INSERT INTO runs (started_at, goal) VALUES (?, ?)", (now, event.plan.goal))
            run = RunId(f"r{cursor.lastrowid}")
            record = Record(number=self.last_number() + 1, at=now, actor=actor, run=run, cause="", event=event)
            row: dict[str, Any] = {"kind": "run", "number": cursor.lastrowid, "at": now, "goal": event.plan.goal}
            body = bodies.encode(event)
            self._journal(connection, (*([{**row, "key": key}] if key else [row]), _row(record, body)))
            _remember(connection, key, run, None)
            self._insert(record, body)
            self._show(record, view(record))
        return record

    def append(self, records: Sequence[Record], *, taken: Sequence[int] = (), view: str | None = None) -> None:
        """Append records, mark requests as taken and replace the view, in one transaction."""
        if not records:
            return
        with self._writing() as connection:
            last = self.last_number()
            if [record.number for record in records] != list(range(last + 1, last + 1 + len(records))):
                raise StoreUnreadable("another process wrote to the event log", hint="wto status")
            marks = ({"kind": "taken", "numbers": list(taken)},) if taken else ()
            texts = [bodies.encode(record.event) for record in records]
            self._journal(connection, (*map(_row, records, texts), *marks))
            for record, body in zip(records, texts, strict=True):
                self._insert(record, body)
            connection.executemany("UPDATE requests SET taken = 1 WHERE number = ?", [(number,) for number in taken])
            if view is not None:
                self._show(records[-1], view)

    def last_number(self) -> int:
        """The number of the newest event of any run."""
        row = self._connection.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()
        return int(row[0])

    def read(
        self, run: RunId, *, after: int = 0, workstream: WorkstreamId | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        """The events of a run in order, after a number; with a workstream, those about it; at most `limit` of them."""
        try:
            return read_records(self._connection, run, after=after, workstream=workstream, limit=limit)
        except sqlite3.DatabaseError as error:
            raise _unreadable(self._path, error) from error

    def keep(self, state: RunState) -> None:
        """Save the state of a run, so that the next start need not fold everything."""
        with self._writing() as connection:
            snapshots.keep(connection, state)

    def kept(self, run: RunId) -> RunState | None:
        """The state that was saved by this very code; None if there is none."""
        return snapshots.kept(self._connection, run, newest=self.last_number())

    def runs(self) -> Sequence[RunLine]:
        """All runs, oldest first."""
        rows = self._connection.execute("SELECT number, started_at, goal FROM runs ORDER BY number")
        return [RunLine(id=RunId(f"r{number}"), started_at=at, goal=goal) for number, at, goal in rows]

    def view(self, run: RunId) -> str | None:
        """The run's view as JSON text."""
        row = self._connection.execute("SELECT body FROM views WHERE run = ?", (run,)).fetchone()
        return None if row is None else str(row[0])

    def known(self, key: str) -> UsedKey | None:
        """What a key was used for: the start of a run, or a request of one."""
        row = (
            self._connection.execute("SELECT run, request FROM keys WHERE key = ?", (key,)).fetchone() if key else None
        )
        if row is None:
            return None
        run, number = row
        wish = self._connection.execute(
            "SELECT type, body FROM events WHERE run = ? ORDER BY number LIMIT 1"
            if number is None
            else "SELECT type, body FROM requests WHERE number = ?",
            (run if number is None else number,),
        ).fetchone()
        if wish is None:  # a crash left the run's line in the journal, but not that of its first event
            return None
        return UsedKey(key=key, run=RunId(run), number=number, wish=parse_event(*wish))  # type: ignore[arg-type]

    def ask(self, run: RunId, request: Request, *, now: float, key: str = "") -> int:
        """Put a request; returns its number."""
        with self._writing() as connection:
            said = self.known(key)
            if said is not None:
                return said.again(run, request)
            cursor = connection.execute(
                "INSERT INTO requests (run, at, type, body) VALUES (?, ?, ?, ?)",
                (run, now, type(request).__name__, bodies.encode(request)),
            )
            number = int(cursor.lastrowid or 0)
            kind = type(request).__name__
            row: dict[str, Any] = {
                "kind": "request",
                "number": number,
                "run": run,
                "at": now,
                "type": kind,
                "body": request,
            }
            self._journal(connection, ({**row, "key": key} if key else row,))
            _remember(connection, key, run, number)
        with open(self.bell(), "w", encoding="ascii") as bell:
            bell.write(f"{number}\n")
        return number

    def damage(self) -> str:
        """What is wrong with the journal: an edit, a gap or a missing piece; empty if every line is right."""
        found = self.journal.damage()
        return found.reason if found is not None else ""

    def bell(self) -> str:
        """The path of a file that changes whenever a request is put."""
        return f"{self._path}.asked"

    def asked(self, run: RunId) -> Sequence[Asked]:
        """Requests that were not taken yet, oldest first."""
        rows = self._connection.execute(
            "SELECT number, at, type, body FROM requests WHERE run = ? AND taken = 0 ORDER BY number", (run,)
        )
        return [Asked(number=number, at=at, request=parse_event(kind, body)) for number, at, kind, body in rows]  # type: ignore[arg-type]

    def close(self) -> None:
        self._connection.close()

    def __del__(self) -> None:
        """A log that a fault left open is closed with the last reference to it."""
        with suppress(AttributeError):  # it could not be opened
            self._connection.close()

    def _insert(self, record: Record, body: bytes) -> None:
        event = record.event
        self._connection.execute(
            "INSERT INTO events (number, run, at, actor, workstream, cause, type, version, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.number,
                record.run,
                record.at,
                record.actor.value,
                workstream_of(event),
                record.cause,
                type(event).__name__,
                _VERSION,
                body,
            ),
        )

    def _show(self, last: Record, view: str) -> None:
        self._connection.execute(
            "INSERT INTO views (run, number, body) VALUES (?, ?, ?)"
            " ON CONFLICT (run) DO UPDATE SET number = excluded.number, body = excluded.body",
            (last.run, last.number, view),
        )

    def _journal(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """Write the journal first: what it holds has happened, even if we are killed before the rest of this
        transaction."""
        hold(connection, self.journal.append(rows))

    def _agreed(self) -> bool:
        """Whether journal and database end at the same place. They do not after a crash between the two, for a log
        without a journal, and after the journal was moved away."""
        size = self.journal.size()
        return size > 0 and held(self._connection) == size

    def _committed(self) -> bool:
        """Whether the database has all that the journal holds. Not where it cannot be read."""
        try:
            return self._agreed()
        except sqlite3.Error:
            return False

    def _agree(self) -> None:
        """Bring both to the same end, in transactions of its own, so that a later rollback does not undo it."""
        if forget_moved(self._connection, self.journal):
            self._begin_anew()
        if catch_up(self._connection, self.journal):
            self._refresh_views()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN IMMEDIATE")

    def _refresh_views(self) -> None:
        """Make the view of every run again: the journal has none."""
        for line in self.runs():
            records = self.read(line.id)
            state = fold_all(records)
            if state is not None:
                self._show(records[-1], render_view(state))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if not self._file:
            raise StoreUnreadable(f"{self._path} is on a read-only disk", hint="only reading is possible there")
        if not os.path.exists(self._path) or os.stat(self._path).st_ino != self._file:
            raise StoreUnreadable(
                f"{self._path} was deleted or replaced while in use", hint="wto doctor --rebuild, then wto resume"
            )
        try:
            before: int | None = None
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                if not self._agreed():
                    self._agree()
                before = self.journal.size()
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back by itself, or Ctrl-C came after COMMIT
                    self._connection.execute("ROLLBACK")
                if before is not None and not self._committed():
                    self.journal.cut(before)
                raise
        except sqlite3.Error as error:
            raise _unwritable(self._path, error) from error


def _unreadable(path: str, error: sqlite3.Error) -> StoreUnreadable:
    if isinstance(error, sqlite3.OperationalError):
        hint = "check permissions and free space there, or wait for the process that uses it, then run wto doctor"
        return StoreUnreadable(f"{path} cannot be read: {error}", hint=hint, passing=True)
    return StoreUnreadable(f"{path} is damaged: {error}", hint="wto doctor --rebuild restores it from the journal")


def _unwritable(path: str, error: sqlite3.Error) -> StoreUnreadable:
    if isinstance(error, sqlite3.OperationalError):  # locked, full, read-only
        hint = "check free space and permissions there, then run wto resume"
        return StoreUnreadable(f"{path} cannot be written: {error}", hint=hint, passing=True)
    return StoreUnreadable(f"{path} is damaged: {error}", hint="wto doctor --rebuild restores it from the journal")


def _row(record: Record, body: bytes) -> Row:
    """A record as a row of the journal; the body is the same text as in the database."""
    return {
        "kind": "event",
        "number": record.number,
        "run": record.run,
        "at": record.at,
        "actor": record.actor.value,
        "workstream": workstream_of(record.event),
        "cause": record.cause,
        "type": type(record.event).__name__,
        "version": _VERSION,
        "body": msgspec.Raw(body),
    }


def _remember(connection: sqlite3.Connection, key: str, run: RunId, request: int | None) -> None:
    if key:
        connection.execute("INSERT OR REPLACE INTO keys (key, run, request) VALUES (?, ?, ?)", (key, run, request))
