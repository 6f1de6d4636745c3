"""The journal beside the event log: the same rows as lines of text, each bound to the one before by a hash.

SQLite is fast but can be damaged as a whole; an append-only text can be read up to the damage. So every write goes to
the journal first, is made durable there, and then to SQLite, under SQLite's write lock. After a crash between the two,
SQLite gets the rows it lacks when it is opened next: what the journal holds has happened.

A line is `HASH JSON`: the hash covers the hash before and the JSON. A last line without its end was cut off by a crash
and never acknowledged: it is removed. Any other mismatch (an edit, a gap, a missing piece) is damage and reported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from wt_orchestrate.adapters.store import bodies
from wt_orchestrate.errors import StoreUnreadable

_FIRST = "0" * 32
_BLOCK = 1 << 16
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Damage:
    """The first wrong line, from 1, and why."""

    line: int
    reason: str


class Journal:
    """One repository's journal. A writer holds SQLite's write lock."""

    def __init__(self, path: str) -> None:
        self.path = path

    def append(self, rows: Sequence[Row]) -> int:
        """Write rows after the last complete one; durable on return. Returns where they end. Raises StoreUnreadable and
        leaves no part of them."""
        descriptor = -1
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            end, last = _end(descriptor)
            os.ftruncate(descriptor, end)
            text = b"".join(_lines(rows, last))
            try:
                _write(descriptor, text, end)
                os.fsync(descriptor)
                return end + len(text)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        except OSError as error:
            raise StoreUnreadable(
                f"{self.path} cannot be written: {error.strerror}",
                hint="check free space and permissions there, then run wto resume",
                passing=True,
            ) from error
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def exists(self) -> bool:
        return os.path.exists(self.path)

    def size(self) -> int:
        """Its length in bytes; 0 if there is none."""
        try:
            return os.stat(self.path).st_size
        except FileNotFoundError:
            return 0

    def cut(self, end: int) -> None:
        """Remove what was written after a byte: the rest of its transaction failed."""
        if self.size() > end:
            with suppress(OSError):
                os.truncate(self.path, end)

    def rows(self, *, after: int = 0) -> Iterator[Row]:
        """Every row in order, or those after a byte. Raises StoreUnreadable at the first wrong line."""
        last = self._hash_at(after)
        for number, line in enumerate(self._whole_lines(after), start=1):
            row, last = _row(line, last, number, self.path)
            yield row

    def _hash_at(self, offset: int) -> str:
        """The hash of the line that ends at a byte."""
        if offset == 0:
            return _FIRST
        with open(self.path, "rb") as file:
            tail, at = b"", offset
            while at > 0 and tail.count(b"\n") < 2:
                at = max(0, at - _BLOCK)
                tail = os.pread(file.fileno(), offset - at, at)
        return tail[:-1].rpartition(b"\n")[2][:32].decode(errors="replace")

    def damage(self) -> Damage | None:
        """What is wrong with it; None if every line is right."""
        last, number = _FIRST, 0
        try:
            for number, line in enumerate(self._whole_lines(), start=1):
                _, last = _row(line, last, number, self.path)
        except StoreUnreadable as error:
            return Damage(number, error.message)
        return None

    def _whole_lines(self, after: int = 0) -> Iterator[bytes]:
        if not self.exists():
            return
        with open(self.path, "rb") as file:
            file.seek(after)
            for line in file:
                if line.endswith(b"\n"):
                    yield line[:-1]


def _lines(rows: Sequence[Row], last: str) -> Iterator[bytes]:
    for row in rows:
        body = bodies.encode(row)
        last = _hash(last, body)
        yield f"{last} ".encode() + body + b"\n"


def _hash(before: str, body: bytes) -> str:
    return blake2b(before.encode() + body, digest_size=16).hexdigest()


def _row(line: bytes, last: str, number: int, path: str) -> tuple[Row, str]:
    told, body = line[:32].decode(errors="replace"), line[33:]
    if line[32:33] != b" " or _hash(last, body) != told:
        raise StoreUnreadable(
            f"{path}:{number}: the journal was changed here, or part of it is missing",
            hint="restore it from a backup, or move it: it is rebuilt from an undamaged database",
        )
    row: Row = bodies.decode(body)
    return row, told


def _end(descriptor: int) -> tuple[int, str]:
    """Where the last complete line ends, and its hash."""
    size = os.fstat(descriptor).st_size
    line = _last_line(descriptor)
    if not line:
        return 0, _FIRST
    tail = os.pread(descriptor, _BLOCK, max(0, size - _BLOCK))
    end = size if tail.endswith(b"\n") else size - (len(tail) - (tail.rfind(b"\n") + 1))
    return end, line[:32].decode()


def _last_line(descriptor: int) -> bytes:
    """The last complete line, without its end; empty if there is none."""
    size = os.fstat(descriptor).st_size
    tail, at = b"", size
    while at > 0 and tail.count(b"\n") < 2:
        at = max(0, at - _BLOCK)
        tail = os.pread(descriptor, size - at, at)
    whole = tail[: tail.rfind(b"\n")] if b"\n" in tail else b""
    return whole[whole.rfind(b"\n") + 1 :]


def _write(descriptor: int, text: bytes, at: int) -> None:
    while text:
        count = os.pwrite(descriptor, text, at)
        text, at = text[count:], at + count
