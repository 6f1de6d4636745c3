"""Whether a keeper lives: it does while it holds the lock in its folder. Imports next to nothing, for commands that
must start fast."""

from __future__ import annotations

import fcntl
import os


def keeper_lives(folder: str) -> bool:
    """Whether the keeper of the process in this folder holds its lock; checked by sharing the lock for an instant."""
    return _held(f"{folder}/keeper.lock")


def _held(path: str) -> bool:
    """Whether somebody holds the lock; it is shared for an instant to see, which a starting keeper bears."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
