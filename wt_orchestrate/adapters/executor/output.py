"""Read a process's output from its file: whole lines from an offset, or the end as text.

Memory is bounded by the caller's limit, whatever the process prints.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.ports.engine import Lines

_CHUNK = 1 << 16


def read_lines(path: str, *, offset: int, limit: int) -> Lines:
    """Whole lines from a byte offset; a line over the limit is cut, once it has ended."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            text = file.read(limit)
            end = text.rfind(b"\n") + 1
            if end:
                return Lines(tuple(text[: end - 1].split(b"\n")), offset + end)
            behind = _line_end(file) if len(text) == limit else None
    except FileNotFoundError:
        return Lines((), offset)
    return Lines((), offset) if behind is None else Lines((text,), behind)


def read_tail(path: str, *, limit: int) -> str:
    """The end of a file as text; empty if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
            return file.read(limit).decode(errors="replace")
    except FileNotFoundError:
        return ""


def end_line(path: str) -> None:
    """Give a last line without an end its end, so that it is read like any other. For a process that has ended."""
    try:
        with open(path, "r+b") as file:
            if file.seek(0, os.SEEK_END) and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n":
                file.write(b"\n")
    except OSError:
        return  # there is no output, or no space; what was written stays


def shorten(path: str, *, limit: int) -> None:
    """Keep the head and the tail of a file, whole lines where there are any, and say how much is left out."""
    try:
        size = os.stat(path).st_size
        if size <= limit:
            return
        with open(path, "rb") as file:
            head = file.read(limit // 2)
            file.seek(size - limit // 2)
            tail = file.read()
        head = head[: head.rfind(b"\n") + 1] or head + b"\n"
        tail = tail[tail.find(b"\n") + 1 :] or tail
        note = f"[... {size - len(head) - len(tail)} of {size} bytes left out ...]\n"
        replace_file(path, head + note.encode() + tail)
    except OSError:
        return  # no output or no space


def _line_end(file: BinaryIO) -> int | None:
    """The offset after the next line end; None if there is none yet."""
    while chunk := file.read(_CHUNK):
        end = chunk.find(b"\n") + 1
        if end:
            return file.tell() - len(chunk) + end
    return None
