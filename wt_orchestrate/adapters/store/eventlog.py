"""The event log in SQLite: append-only rows, requests of faces, and one view a run for those who only look.

Every write is one `BEGIN IMMEDIATE` transaction, durable on return (WAL, synchronous FULL); readers never wait. The type
of a row is the name of its event's class; unknown fields in a body are ignored, missing ones get their defaults.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import get_args

import msgspec

from wt_orchestrate.adapters.store.migrations import migrate
from wt_orchestrate.domain.events import Actor, Event, Record, Request, RunStarted, workstream_of
from wt_orchestrate.domain.ids import RunId
from wt_orchestrate.errors import StoreUnreadable
from wt_orchestrate.ports import Asked, RunLine

_TYPES: dict[str, type] = {kind.__name__: kind for kind in get_args(Event)}
_VERSION = 1


class SqliteLog:
    """The log of one repository, in one file. Not for use from several threads at once."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            migrate(self._connection, path)
        except sqlite3.Error as error:
            raise StoreUnreadable(f"{path} cannot be read: {error}", hint="wto doctor") from error

    def begin(self, event: RunStarted, *, actor: Actor, now: float, view: Callable[[Record], str]) -> Record:
        """Append the first event of a new run, whose id is chosen here."""
        with self._writing() as connection:
            cursor = connection.execute("INSERT INTO runs (started_at, goal) VALUES (?, ?)", (now, event.plan.goal))
            run = RunId(f"r{cursor.lastrowid}")
            record = Record(number=self.last_number() + 1, at=now, actor=actor, run=run, cause="", event=event)
            self._insert(record)
            self._show(record, view(record))
        return record

    def append(self, records: Sequence[Record], *, taken: Sequence[int] = (), view: str | None = None) -> None:
        """Append records, mark requests as taken and replace the view, in one transaction."""
        if not records:
            return
        with self._writing() as connection:
            for record in records:
                self._insert(record)
            connection.executemany("UPDATE requests SET taken = 1 WHERE number = ?", [(number,) for number in taken])
            if view is not None:
                self._show(records[-1], view)

    def last_number(self) -> int:
        """The number of the newest event of any run."""
        row = self._connection.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()
        return int(row[0])

    def read(self, run: RunId, *, after: int = 0) -> Sequence[Record]:
        """The events of a run in order, from behind a number."""
        rows = self._connection.execute(
            "SELECT number, at, actor, cause, type, body FROM events WHERE run = ? AND number > ? ORDER BY number",
            (run, after),
        )
        return [
            Record(number=number, at=at, actor=Actor(actor), run=run, cause=cause, event=_decode(kind, body))
            for number, at, actor, cause, kind, body in rows
        ]

    def runs(self) -> Sequence[RunLine]:
        """All runs, oldest first."""
        rows = self._connection.execute("SELECT number, started_at, goal FROM runs ORDER BY number")
        return [RunLine(id=RunId(f"r{number}"), started_at=at, goal=goal) for number, at, goal in rows]

    def view(self, run: RunId) -> str | None:
        """The run's view as JSON text."""
        row = self._connection.execute("SELECT body FROM views WHERE run = ?", (run,)).fetchone()
        return None if row is None else str(row[0])

    def ask(self, run: RunId, request: Request, *, now: float) -> int:
        """Put a request; returns its number."""
        with self._writing() as connection:
            cursor = connection.execute(
                "INSERT INTO requests (run, at, type, body) VALUES (?, ?, ?, ?)",
                (run, now, type(request).__name__, msgspec.json.encode(request)),
            )
            number = int(cursor.lastrowid or 0)
        with open(self.bell(), "w", encoding="ascii") as bell:
            bell.write(f"{number}\n")
        return number

    def bell(self) -> str:
        """The path of a file that changes whenever a request was put."""
        return f"{self._path}.asked"

    def asked(self, run: RunId) -> Sequence[Asked]:
        """Requests that were not taken yet, oldest first."""
        rows = self._connection.execute(
            "SELECT number, at, type, body FROM requests WHERE run = ? AND taken = 0 ORDER BY number", (run,)
        )
        return [Asked(number=number, at=at, request=_decode(kind, body)) for number, at, kind, body in rows]  # type: ignore[arg-type]

    def close(self) -> None:
        self._connection.close()

    def _insert(self, record: Record) -> None:
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
                msgspec.json.encode(event),
            ),
        )

    def _show(self, last: Record, view: str) -> None:
        self._connection.execute(
            "INSERT INTO views (run, number, body) VALUES (?, ?, ?)"
            " ON CONFLICT (run) DO UPDATE SET number = excluded.number, body = excluded.body",
            (last.run, last.number, view),
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreUnreadable(
                f"{self._path} cannot be written: {error}",
                hint="look at free space and permissions there, then wto resume",
            ) from error


def _decode(kind: str, body: bytes) -> Event:
    known = _TYPES.get(kind)
    if known is None:
        raise StoreUnreadable(f"the log holds an event of the unknown type {kind}", hint="install the newer release")
    return msgspec.json.decode(body, type=known)
