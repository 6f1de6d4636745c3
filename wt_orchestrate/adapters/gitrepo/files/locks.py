"""File locks of ours, which the kernel frees however their holder ends; and git's own lock files, which a killed git
leaves."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from wt_orchestrate.adapters.gitrepo.files.no_follow import FOLDER

YOUNG_S = 5.0
"""A lock file of git's that is newer may belong to a running git."""


def removed_when_old(path: str) -> bool:
    """Remove a lock file of git's unless it is recent; whether it was removed. The caller knows that no git holds it."""
    with suppress(FileNotFoundError):
        if time.time() - os.lstat(path).st_mtime > YOUNG_S:
            os.unlink(path)
            return True
    return False


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the exclusive lock on a file or folder; a missing file is made."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def one_of(paths: tuple[str, ...]) -> Iterator[None]:
    """Hold one of several locks: the first free one, else wait for the one that this thread's id selects."""
    descriptors = [_opened(path) for path in paths]
    try:
        if not any(_taken(descriptor) for descriptor in descriptors):
            fcntl.flock(descriptors[threading.get_native_id() % len(descriptors)], fcntl.LOCK_EX)
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
        return os.open(path, FOLDER)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
