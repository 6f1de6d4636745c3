"""Operating-system file locks: freed by the kernel when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType

_TRIES, _PAUSE_S = 10, 0.005


class FileLock:
    """An exclusive lock on a file. `take` says whether it was free; the file's text is for people only."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take it unless somebody else holds it."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return True

    def held(self) -> bool:
        """Whether somebody holds it. Nothing is written, so it works on a read-only disk too."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def take_soon(self) -> bool:
        """Take it, waiting for others that only check for an instant whether it is held."""
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
