"""The stored view of a run, read with sqlite3 alone, for commands that must start fast.

Works on a read-only disk, where a database in WAL mode opens only as immutable.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress

from wt_orchestrate.errors import StoreUnreadable


def read_view(path: str, run: str | None) -> tuple[str, str] | None:
    """The run's id (the newest by default) and its view as JSON text; None if there is no such run."""
    if not os.path.exists(path):
        return None
    connection = None
    try:
        connection = opened_read_only(path)
        if run is None:
            row = connection.execute("SELECT max(number) FROM runs").fetchone()
            if row is None or row[0] is None:
                return None
            run = f"r{row[0]}"
        found = connection.execute("SELECT body FROM views WHERE run = ?", (run,)).fetchone()
        return None if found is None else (run, str(found[0]))
    except sqlite3.DatabaseError as error:
        hint = "wto doctor --rebuild restores it from the journal"
        raise StoreUnreadable(f"{path} cannot be read: {error}", hint=hint) from error
    finally:
        if connection is not None:
            connection.close()


def views_with(path: str, text: str) -> list[tuple[str, str]]:
    """Each run whose view has this text in it, oldest first, with the view as JSON text; nothing where none can be read."""
    if not os.path.exists(path):
        return []
    with suppress(sqlite3.DatabaseError), closing(opened_read_only(path)) as connection:
        found = "SELECT run, body FROM views WHERE instr(body, ?) ORDER BY number"
        return [(str(run), str(body)) for run, body in connection.execute(found, (text,))]
    return []


def opened_read_only(path: str) -> sqlite3.Connection:
    """The database for reading only, without waiting for a writer."""
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    with suppress(sqlite3.OperationalError):
        connection = sqlite3.connect(f"file:{quoted}?mode=ro", uri=True, timeout=2.0)
        try:
            connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection
    return sqlite3.connect(f"file:{quoted}?immutable=1", uri=True)
