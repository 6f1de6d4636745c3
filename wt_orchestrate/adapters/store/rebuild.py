"""Make the database from the journal (rows missing after a crash, or all of it after damage), or the journal from the
database (of a log that had none, or whose journal was moved away)."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence

from wt_orchestrate.adapters.store import bodies
from wt_orchestrate.adapters.store.journal import Journal, Row
from wt_orchestrate.adapters.store.records import held
from wt_orchestrate.errors import StoreUnreadable


def catch_up(connection: sqlite3.Connection, journal: Journal) -> bool:
    """Give the database the rows that only the journal has, or the journal those of a log without one. Returns whether
    the database got any. Raises StoreUnreadable if the journal is damaged, or shorter than it was."""
    until, size = held(connection), journal.size()
    if size < until:
        raise StoreUnreadable(
            f"{journal.path} is cut off ({size} of {until} bytes are left)",
            hint="restore it from a backup, or move it: it is rebuilt from the database",
        )
    rows = list(journal.rows(after=until))
    for row in rows:
        _insert(connection, row)
    hold(connection, journal.append(() if size else _older(connection)))
    return bool(rows)


def forget_moved(connection: sqlite3.Connection, journal: Journal) -> bool:
    """If the journal is gone although there was one, record that the database has to write it; whether that is so.
    After a crash before the new one is complete, the log looks like one that never had a journal."""
    if journal.exists() or not held(connection):
        return False
    hold(connection, 0)
    return True


def hold(connection: sqlite3.Connection, until: int) -> None:
    """Record up to which byte of the journal the database is up to date; part of the transaction that made it so."""
    connection.execute("UPDATE journal SET until = ?", (until,))


def set_aside(path: str, journal: Journal) -> str:
    """Move a database away, so that opening it makes it again from the journal; where it went (empty: there was none).
    Nothing is deleted. Raises StoreUnreadable if the journal could not make it again."""
    if not journal.exists():
        raise StoreUnreadable(f"there is no journal {journal.path}", hint="nothing was changed")
    damage = journal.damage()
    if damage is not None:
        raise StoreUnreadable(damage.reason, hint="restore the journal from a backup; nothing was changed")
    return moved_aside(path)


def moved_aside(path: str) -> str:
    """Move a file and what SQLite keeps beside it out of the way; where it went (empty: there was none)."""
    aside = f"{path}.damaged-{int(time.time())}"
    moved = [end for end in ("-wal", "-shm", "") if os.path.exists(f"{path}{end}")]
    for end in moved:
        os.replace(f"{path}{end}", f"{aside}{end}")
    return aside if "" in moved else ""


def _insert(connection: sqlite3.Connection, row: Row) -> None:
    match row["kind"]:
        case "run":
            connection.execute(
                "INSERT OR IGNORE INTO runs (number, started_at, goal) VALUES (?, ?, ?)",
                (row["number"], row["at"], row["goal"]),
            )
            _keep_key(connection, row, f"r{row['number']}", None)
        case "event":
            names = ("number", "run", "at", "actor", "workstream", "cause", "type", "version")
            connection.execute(
                "INSERT OR IGNORE INTO events (number, run, at, actor, workstream, cause, type, version, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*(row[name] for name in names), bodies.encode(row["body"])),
            )
        case "request":
            connection.execute(
                "INSERT OR IGNORE INTO requests (number, run, at, type, body) VALUES (?, ?, ?, ?, ?)",
                (row["number"], row["run"], row["at"], row["type"], bodies.encode(row["body"])),
            )
            _keep_key(connection, row, row["run"], row["number"])
        case "taken":
            connection.executemany("UPDATE requests SET taken = 1 WHERE number = ?", [(n,) for n in row["numbers"]])


def _older(connection: sqlite3.Connection) -> Sequence[Row]:
    """The database's rows, for a journal that has none."""
    keys = {
        (run, request): {"key": key} for key, run, request in connection.execute("SELECT key, run, request FROM keys")
    }
    runs = connection.execute("SELECT number, started_at, goal FROM runs ORDER BY number")
    rows: list[Row] = [
        {"kind": "run", "number": n, "at": at, "goal": goal, **keys.get((f"r{n}", None), {})} for n, at, goal in runs
    ]
    names = ("number", "run", "at", "actor", "workstream", "cause", "type", "version")
    events = connection.execute(f"SELECT {', '.join(names)}, body FROM events ORDER BY number")
    for *values, body in events:
        rows.append({"kind": "event", **dict(zip(names, values, strict=True)), "body": bodies.decode(body)})
    for number, run, at, kind, body, taken in connection.execute(
        "SELECT number, run, at, type, body, taken FROM requests ORDER BY number"
    ).fetchall():
        body = bodies.decode(body)
        row = {"kind": "request", "number": number, "run": run, "at": at, "type": kind, "body": body}
        rows.append({**row, **keys.get((run, number), {})})
        rows += [{"kind": "taken", "numbers": [number]}] if taken else []
    return rows


def _keep_key(connection: sqlite3.Connection, row: Row, run: str, request: int | None) -> None:
    if row.get("key"):
        connection.execute(
            "INSERT OR IGNORE INTO keys (key, run, request) VALUES (?, ?, ?)", (row["key"], run, request)
        )
