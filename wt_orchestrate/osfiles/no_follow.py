"""Reading below a folder that others write in: no link is followed at any step, only a regular file is read, nothing there
makes us wait, and no more is read than was asked for.

What lies there is looked at before it is opened, because opening a device can do something, and again after, because it may
have been exchanged. Everything else than a regular file raises `NotRegular`, an `OSError`; what is missing raises
`FileNotFoundError`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""For reading. What was opened so may still be a pipe, a socket or a device: `fstat` tells, before anything is read."""
WRITTEN_OVER = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""For a file that is there."""


class NotRegular(OSError):
    """Something else than a regular file lies there: a link, a folder, a pipe, a device, or a file with several names."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EINVAL, "it is not a regular file", path)


@contextmanager
def below(root: str | int, *names: str, make: bool = False) -> Iterator[int]:
    """A folder below another one, opened; no name on the way is a link. `root` itself may be reached by links when it is a
    path: whoever names it answers for it. With `make` missing folders are made. Raises NotADirectoryError where a link or a
    file is in the way."""
    current = os.dup(root) if isinstance(root, int) else os.open(root, FOLDER & ~os.O_NOFOLLOW)
    try:
        for name in names:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=current)
            above = current
            current = entered(name, above)
            os.close(above)
        yield current
    finally:
        os.close(current)


def entered(name: str, folder: int) -> int:
    """A folder in an open one, as a descriptor. Raises NotADirectoryError for a link."""
    try:
        return os.open(name, FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, "a link is in the way", name) from error
        raise


def open_regular(name: str, *, folder: int | None = None, one_name: bool = False) -> BufferedReader:
    """A regular file opened for reading, in an open folder or by its path. With `one_name` it may have no other name (a hard
    link to a file elsewhere)."""
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise NotRegular(name)
    try:
        descriptor = os.open(name, FILE, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:  # it was exchanged for a link meanwhile
            raise NotRegular(name) from error
        raise
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or (one_name and facts.st_nlink != 1):
        os.close(descriptor)
        raise NotRegular(name)
    return open(descriptor, "rb")


def read_regular(name: str, *, folder: int | None = None, limit: int, offset: int = 0, one_name: bool = False) -> bytes:
    """At most `limit` bytes of a regular file, from an offset."""
    with open_regular(name, folder=folder, one_name=one_name) as file:
        file.seek(offset)
        return file.read(limit)
