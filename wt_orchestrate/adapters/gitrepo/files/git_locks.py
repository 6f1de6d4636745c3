"""Git's own lock files, which a killed git leaves behind."""

from __future__ import annotations

import os
import time
from contextlib import suppress

YOUNG_S = 5.0
"""A lock file of git's that is younger than this may be somebody's who is at work."""


def removed_when_old(path: str) -> bool:
    """Remove a lock file of git's that is not young; whether it was removed. The caller knows that no git holds it."""
    with suppress(FileNotFoundError):
        if time.time() - os.lstat(path).st_mtime > YOUNG_S:
            os.unlink(path)
            return True
    return False
