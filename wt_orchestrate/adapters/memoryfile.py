"""Read and write the memory's Markdown file: without following links and bounded; written completely or not at all."""

from __future__ import annotations

import os
import stat

from wt_orchestrate.errors import Refused
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.osfiles.no_follow import NotRegular, read_regular

LIMIT = 1 << 23


def read_text(path: str) -> str | None:
    """The text of a regular file; None if there is none. Raises Refused if it is not one, or too long."""
    try:
        found = read_regular(path, limit=LIMIT + 1)
    except FileNotFoundError:
        return None
    except NotRegular as error:
        raise Refused(f"{path} is not a regular file", hint="put a regular file there") from error
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", hint="put a regular file there") from error
    if len(found) > LIMIT:
        raise Refused(f"{path} is longer than {LIMIT >> 20} MiB", hint="split it and import each part")
    return found.decode("utf-8", "replace")


def write_text(path: str, text: str) -> None:
    """Replace the file's text atomically. Raises Refused if something else is there, or nothing can be written."""
    try:
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise Refused(f"{path} is not a regular file", hint="move it, or name another file")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        replace_file(path, text, durable=True)
    except OSError as error:
        raise Refused(
            f"{path} cannot be written: {error.strerror}", hint="check free space and permissions there"
        ) from error
