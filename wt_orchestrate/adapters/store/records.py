"""Rows of the log as records, and the quick way to those of one workstream: read only, without the state of a run and
without what writing needs.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import get_args

import msgspec

from wt_orchestrate.adapters.store import bodies
from wt_orchestrate.adapters.store.migrations import is_current
from wt_orchestrate.adapters.store.views import opened_read_only
from wt_orchestrate.domain.events.log import Event, Record
from wt_orchestrate.domain.events.run import Actor
from wt_orchestrate.domain.ids import RunId, WorkstreamId
from wt_orchestrate.errors import StoreUnreadable

_TYPES: dict[str, type] = {kind.__name__: kind for kind in get_args(Event)}


def read_records(
    connection: sqlite3.Connection, run: RunId, *, after: int, workstream: WorkstreamId | None, limit: int | None
) -> Sequence[Record]:
    """The events of a run in order, after a number; with a workstream, those about it; at most `limit` of them."""
    about = "" if workstream is None else " AND workstream = ?"
    rows = connection.execute(
        "SELECT number, at, actor, cause, type, body FROM events"
        f" WHERE run = ? AND number > ?{about} ORDER BY number LIMIT ?",
        (run, after, *(() if workstream is None else (workstream,)), -1 if limit is None else limit),
    )
    return [
        Record(number=number, at=at, actor=Actor(actor), run=run, cause=cause, event=parse_event(kind, body))
        for number, at, actor, cause, kind, body in rows
    ]


def quick_records(path: str, run: RunId, workstream: WorkstreamId) -> Sequence[Record] | None:
    """The events about a workstream; None where the log has to be opened for writing first: another release wrote it,
    its journal is ahead of it, or it cannot be read like this."""
    connection = None
    try:
        connection = opened_read_only(path)
        if not is_current(connection) or held(connection) != _size(f"{os.path.dirname(path)}/journal.jsonl"):
            return None
        return read_records(connection, run, after=0, workstream=workstream, limit=None)
    except sqlite3.Error:
        return None
    finally:
        if connection is not None:
            connection.close()


def held(connection: sqlite3.Connection) -> int:
    """Up to which byte of the journal the database is up to date."""
    return int(connection.execute("SELECT until FROM journal").fetchone()[0])


def parse_event(kind: str, body: bytes) -> Event:
    """An event from its stored type and body. Raises StoreUnreadable."""
    known = _TYPES.get(kind)
    if known is None:
        raise StoreUnreadable(f"the log contains an event of the unknown type {kind}", hint="install the newer release")
    try:
        found: Event = bodies.decode(body, known)
        return found
    except msgspec.MsgspecError as error:
        hint = "wto doctor --rebuild restores the log from the journal"
        raise StoreUnreadable(f"an event of the type {kind} cannot be read: {error}", hint=hint) from error


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
