"""A run's state as of some event, saved so that a start need not fold the whole log.

It is never used across versions: it counts only for the very code that made it, identified by a hash over the domain's
source. Deleting it costs a fold, nothing else.
"""

from __future__ import annotations

import os
import sqlite3
from functools import lru_cache
from hashlib import blake2b

import msgspec

from wt_orchestrate import domain
from wt_orchestrate.domain.ids import RunId
from wt_orchestrate.domain.state.run import RunState


def keep(connection: sqlite3.Connection, state: RunState) -> None:
    """Save a state in place of the one before; one with text that is not UTF-8 is folded at each start instead."""
    try:
        body = msgspec.msgpack.encode(state)
    except UnicodeEncodeError:
        return
    connection.execute(
        "INSERT INTO snapshots (run, number, made_by, body) VALUES (?, ?, ?, ?) ON CONFLICT (run) DO UPDATE"
        " SET number = excluded.number, made_by = excluded.made_by, body = excluded.body",
        (state.id, state.number, made_by(), body),
    )


def kept(connection: sqlite3.Connection, run: RunId, *, newest: int) -> RunState | None:
    """The saved state; None if there is none, or other code made it, or the log does not reach it."""
    row = connection.execute(
        "SELECT body FROM snapshots WHERE run = ? AND made_by = ? AND number <= ?", (run, made_by(), newest)
    ).fetchone()
    if row is None:
        return None
    try:
        return msgspec.msgpack.decode(row[0], type=RunState)
    except msgspec.MsgspecError:
        return None


@lru_cache(maxsize=1)
def made_by() -> str:
    """A hash of the domain's source: any change of any file, in any folder below, gives another one."""
    return hash_of_source(os.path.dirname(domain.__file__ or ""))


def hash_of_source(folder: str) -> str:
    """A hash over every Python file below a folder: relative path and content, in a fixed order."""
    found = blake2b(digest_size=16)
    for below, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(each for each in names if each.endswith(".py")):
            path = os.path.join(below, name)
            with open(path, "rb") as file:
                found.update(os.path.relpath(path, folder).encode() + b"\0" + file.read())
    return found.hexdigest()
