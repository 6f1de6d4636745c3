"""Whether we ourselves run inside a kept process: an agent's attempt, a check, a setup command.

A keeper is the subreaper of all that it starts, so it is an ancestor of whoever comes from it, through daemons and sessions of
their own; and it carries the mark in the environment that it was started with, which none of them can change. Without /proc
only our own environment tells.
"""

from __future__ import annotations

import os

MARK = "WTO_PROCESS"
"""The environment variable that says which process a process descends from. Its value is the path of that process's
folder: an id alone could also be that of the same workstream in another repository."""
_FAR = 64
"""Generations that are looked at: more than any shell script has."""


def process_around() -> str:
    """The folder of the kept process that we run in; empty if there is none."""
    own = os.environ.get(MARK, "")
    pid = os.getpid()
    for _ in range(_FAR):
        if own or pid <= 1:
            break
        own = _mark_of(pid)
        pid = _parent_of(pid)
    return own


def _parent_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _mark_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return ""  # another user's, or gone
    start = f"{MARK}=".encode()
    return next((os.fsdecode(entry.removeprefix(start)) for entry in entries if entry.startswith(start)), "")
