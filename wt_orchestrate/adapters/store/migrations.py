"""The log's tables, as numbered steps that are applied once and never edited.

A log of a newer release is refused and left untouched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from wt_orchestrate.errors import StoreUnreadable


def _first(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE runs (number INTEGER PRIMARY KEY, started_at REAL NOT NULL, goal TEXT NOT NULL)")
    connection.execute(
        "CREATE TABLE events (number INTEGER PRIMARY KEY, run TEXT NOT NULL, at REAL NOT NULL,"
        " actor TEXT NOT NULL, workstream TEXT, cause TEXT NOT NULL, type TEXT NOT NULL, version INTEGER NOT NULL,"
        " body BLOB NOT NULL)"
    )
    connection.execute("CREATE INDEX events_of_run ON events (run, number)")
    connection.execute(
        "CREATE TABLE requests (number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, at REAL NOT NULL,"
        " type TEXT NOT NULL, body BLOB NOT NULL, taken INTEGER NOT NULL DEFAULT 0)"
    )
    connection.execute("CREATE INDEX requests_waiting ON requests (run) WHERE taken = 0")
    connection.execute("CREATE TABLE views (run TEXT PRIMARY KEY, number INTEGER NOT NULL, body TEXT NOT NULL)")


def _journal(connection: sqlite3.Connection) -> None:
    """Up to which byte of the journal the database is up to date."""
    connection.execute("CREATE TABLE journal (only INTEGER PRIMARY KEY CHECK (only = 1), until INTEGER NOT NULL)")
    connection.execute("INSERT INTO journal VALUES (1, 0)")
    connection.execute("CREATE INDEX events_of_workstream ON events (run, workstream, number)")


def _snapshots(connection: sqlite3.Connection) -> None:
    """A run's state at some event, so that not every start folds everything. It can be deleted at any time."""
    connection.execute(
        "CREATE TABLE snapshots (run TEXT PRIMARY KEY, number INTEGER NOT NULL, made_by TEXT NOT NULL, body BLOB NOT NULL)"
    )


def _keys(connection: sqlite3.Connection) -> None:
    """Callers' keys of requests, so that the same request put twice is one."""
    connection.execute("CREATE TABLE keys (key TEXT PRIMARY KEY, run TEXT NOT NULL, request INTEGER)")


Step = Callable[[sqlite3.Connection], None]
_STEPS: tuple[Step, ...] = (_first, _journal, _snapshots, _keys)


def migrate(connection: sqlite3.Connection, path: str, steps: Sequence[Step] = _STEPS) -> None:
    """Bring the tables up to this release. Raises StoreUnreadable for a newer log."""
    version = _version(connection)
    if version > len(steps):
        raise StoreUnreadable(
            f"{path} was written by a newer wt-orchestrate (format {version}, this one knows {len(steps)})",
            hint="install the newer release; the file is unchanged",
        )
    if version == len(steps):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in steps[_version(connection) :]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the tables are exactly those of this release."""
    return _version(connection) == len(_STEPS)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
