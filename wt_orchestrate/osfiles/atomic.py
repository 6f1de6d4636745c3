"""Files that appear whole or not at all: written beside their place and moved there in one step.

Whoever reads the file meanwhile sees the old content or the new; with `durable` so does whoever reads it after a crash of the
machine, and `sync_folder` makes certain that it is the new one. A link at the place is replaced, not written through. Where
it fails, the file is as it was and nothing is left beside it; only a killed process leaves its `.new` file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NUMBERS = count()


def replace_file(
    path: str, content: bytes | str, *, mode: int = 0o666, exactly: bool = False, durable: bool = False
) -> None:
    """Put the content there. `mode` is narrowed by the umask unless it is meant `exactly`; with `durable` the content is on
    the disk before it takes the place. Text is UTF-8; names of files in it survive whatever bytes they have."""
    beside = f"{path}.{os.getpid()}.{next(_NUMBERS)}.new"
    with suppress(FileNotFoundError):
        os.unlink(beside)  # of a process that had this number before
    make_file(beside, content, mode=mode, exactly=exactly, durable=durable)
    try:
        os.replace(beside, path)
    except OSError:
        with suppress(OSError):
            os.unlink(beside)
        raise


def make_file(
    path: str, content: bytes | str, *, mode: int = 0o666, exactly: bool = False, durable: bool = False
) -> None:
    """Make a file that was not there. Raises FileExistsError; nothing of it is left where it cannot be made whole."""
    written = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    descriptor = os.open(path, _NEW, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(written)
            file.flush()
            if exactly:
                os.fchmod(descriptor, mode)
            if durable:
                os.fsync(descriptor)
    except OSError as error:
        error.filename = error.filename or path  # writing does not say where
        with suppress(OSError):
            os.unlink(path)
        raise


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
