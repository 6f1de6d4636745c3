"""Read a process's output from its file: whole lines from an offset, or the end as text.

Memory is bounded by the caller's limit, whatever the process prints.
"""

from __future__ import annotations

import os
from typing import BinaryIO

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


def _line_end(file: BinaryIO) -> int | None:
    """The offset after the next line end; None if there is none yet."""
    while chunk := file.read(_CHUNK):
        end = chunk.find(b"\n") + 1
        if end:
            return file.tell() - len(chunk) + end
    return None
