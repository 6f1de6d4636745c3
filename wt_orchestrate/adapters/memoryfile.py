"""Read and write the memory's Markdown file: without following links and bounded; written completely or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from wt_orchestrate.errors import Refused

LIMIT = 1 << 23


def read_text(path: str) -> str | None:
    """The text of a regular file; None if there is none. Raises Refused if it is not one, or too long."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", hint="put a regular file there") from error
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise Refused(f"{path} is not a regular file", hint="put a regular file there")
    with os.fdopen(descriptor, "rb") as file:
        if facts.st_size > LIMIT:
            raise Refused(f"{path} is longer than {LIMIT >> 20} MiB", hint="split it and import each part")
        return file.read(LIMIT).decode("utf-8", "replace")


def write_text(path: str, text: str) -> None:
    """Replace the file's text atomically. Raises Refused if something else is there, or nothing can be written."""
    beside = f"{path}.{os.getpid()}.new"
    try:
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise Refused(f"{path} is not a regular file", hint="move it, or name another file")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(beside, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(beside)
        raise Refused(
            f"{path} cannot be written: {error.strerror}", hint="check free space and permissions there"
        ) from error
