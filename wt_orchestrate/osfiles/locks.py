"""Operating-system file locks: freed by the kernel when their holder dies, however it dies.

`FileLock` is for a holder that says who it is, `locked` and `one_of` wait for each other, `held` only looks. Who looks shares the
lock for an instant; who takes it must bear that.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import TracebackType

_TRIES, _PAUSE_S = 10, 0.005
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})
_LOCK_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_TURNS = count(os.getpid())


def held(path: str) -> bool:
    """Whether somebody holds the lock on a file. Nothing is written, so it can be asked on a read-only disk, too."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno in _NO_LOCKS:  # where nobody can take one, nobody holds one
            return False
        raise
    finally:
        os.close(descriptor)
    return False


def given(path: str) -> bool:
    """Whether the file system gives locks on this file, made if missing; some network file systems do not. It must be a file:
    a folder's lock never leaves the machine there."""
    try:
        descriptor = _opened(path)
    except OSError:
        return True  # that it cannot be written to is another matter
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        return error.errno not in _NO_LOCKS
    finally:
        os.close(descriptor)
    return True


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock on a file or folder alone; a missing file is made."""
    descriptor = _opened(path)
    try:
        with _named(path):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: str) -> Iterator[None]:
    """The system does not say which file it gives no lock on."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


@contextmanager
def one_of(paths: tuple[str, ...]) -> Iterator[None]:
    """Hold one of several locks: the first free one, else wait for one of them, in turn."""
    descriptors = [_opened(path) for path in paths]
    try:
        if not any(_taken(descriptor) for descriptor in descriptors):
            fcntl.flock(descriptors[next(_TURNS) % len(descriptors)], fcntl.LOCK_EX)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: str) -> int:
    if os.path.isdir(path):
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    return os.open(path, _LOCK_FILE, 0o600)


class FileLock:
    """An exclusive lock on a file. `take` answers whether it was free; the file's text is for people only."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take it unless somebody else holds it."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, _LOCK_FILE, 0o600)
        try:
            with _named(self._path):
                taken = _taken(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        if not taken:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return True

    def held(self) -> bool:
        """Whether somebody holds it. Nothing is written, so it can be asked on a read-only disk, too."""
        return held(self._path)

    def take_soon(self) -> bool:
        """Take it, past those who only look for an instant whether it is held."""
        for _ in range(_TRIES):
            if self.take():
                return True
            time.sleep(_PAUSE_S)
        return self.take()

    def holder(self) -> str:
        """The process id its holder wrote, for messages."""
        try:
            with open(self._path, encoding="ascii") as file:
                return file.read(20).strip()
        except OSError:
            return ""

    def free(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.free()
