"""What this machine offers: file-watch limits, free space, copies that share their blocks."""

from __future__ import annotations

import fcntl
import os
import tempfile

_FICLONE = 0x40049409
_LIMITS = "/proc/sys/fs/inotify"


def watch_limits() -> tuple[int, int] | None:
    """How many files and how many instances may be watched; None where the system has no such limits."""
    try:
        return _number(f"{_LIMITS}/max_user_watches"), _number(f"{_LIMITS}/max_user_instances")
    except OSError:
        return None


def _number(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return int(file.read())


def free_bytes(path: str) -> int:
    """Space that is left for us on the file system of a path that may not exist yet."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    facts = os.statvfs(path)
    return facts.f_bavail * facts.f_frsize


def shares_blocks(path: str) -> bool:
    """Whether copies below this folder can share blocks with their originals (reflinks)."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    try:
        with tempfile.TemporaryFile(dir=path) as one, tempfile.TemporaryFile(dir=path) as other:
            one.write(b"x" * 4096)
            one.flush()
            fcntl.ioctl(other.fileno(), _FICLONE, one.fileno())
    except OSError:
        return False
    return True
