"""The trash beside the worktrees, and how much space things take.

What was moved to the trash is deleted after a week, or when a person says so; only what carries the time of its move in its
name is ours. Who deletes looks first that nothing in it is nowhere else (`wiring/tidy.py`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress

WEEK_S = 7 * 86400.0
_GOING = ".wto-deleting"


def lying(folder: str, *, now: float, older_than_s: float = WEEK_S) -> Sequence[str]:
    """The entries of a trash folder that were moved there longer ago than that, in order."""
    if os.path.islink(folder) or not os.path.isdir(folder):
        return ()
    return tuple(sorted(each.path for each in os.scandir(folder) if now - _moved_at(each) > older_than_s))


def set_aside(path: str) -> str:
    """Give an entry that is about to be deleted a name that says so: a deletion that is cut off is finished by the next one."""
    gone = f"{path}{_GOING}"
    os.rename(path, gone)
    return gone


def going(path: str) -> bool:
    """Whether somebody looked at this entry already and was deleting it."""
    return path.endswith(_GOING)


def who_is_in(path: str) -> int:
    """A process that has its working folder in there, such as a shell that somebody left open; 0 if none is seen."""
    real = os.path.realpath(path)
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        if name.isdigit():
            with suppress(OSError):
                at = os.readlink(f"/proc/{name}/cwd")
                if at == real or at.startswith(f"{real}/"):
                    return int(name)
    return 0


def discard(path: str) -> None:
    """Delete a folder of ours for good, also parts that nobody may write to; a link is removed, its target stays."""
    if os.path.islink(path) or not os.path.isdir(path):
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    for folder, names, _ in os.walk(path):
        for each in (folder, *(f"{folder}/{name}" for name in names)):
            if not os.path.islink(each):
                with suppress(OSError):
                    os.chmod(each, 0o700)
    shutil.rmtree(path, ignore_errors=True)


def size(path: str) -> int:
    """The bytes that a file or folder takes on the disk: a file with several names counts once, links are not followed."""
    seen: set[tuple[int, int]] = set()
    taken = _blocks(path, seen)
    for folder, names, files in os.walk(path):
        taken += sum(_blocks(f"{folder}/{name}", seen) for name in (*names, *files))
    return taken


def _blocks(path: str, seen: set[tuple[int, int]]) -> int:
    try:
        facts = os.lstat(path)
    except OSError:
        return 0
    known = (facts.st_dev, facts.st_ino)
    if known in seen:
        return 0
    seen.add(known)
    return facts.st_blocks * 512


def _moved_at(entry: os.DirEntry[str]) -> float:
    """When it was moved here: the time at the end of its name; anything without one is kept."""
    if going(entry.name):
        return float("-inf")
    ending = entry.name.rpartition("-")[2]
    return float(ending) if ending.isdigit() else float("inf")
