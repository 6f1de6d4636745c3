"""Whether we ourselves run inside a kept process: an agent's attempt, a check, a setup command.

A keeper is the subreaper of all that it starts, so it is an ancestor of whoever comes from it, through daemons and sessions of
their own; and it carries the mark in the environment that it was started with, which none of them can change. Without /proc
only our own environment tells.
"""

from __future__ import annotations

import os

from wt_orchestrate.adapters.executor.keeper import LINUX, stat_fields
from wt_orchestrate.adapters.executor.local import MARK

_FAR = 64
"""Generations that are looked at: more than any shell script has."""


def process_around() -> str:
    """The folder of the kept process that we run in; empty if there is none."""
    own = os.environ.get(MARK, "")
    pid = os.getpid() if LINUX else 0
    for _ in range(_FAR):
        if own or pid <= 1:
            break
        own = _mark_of(pid)
        fields = stat_fields(pid)
        pid = int(fields[1]) if fields else 0
    return own


def _mark_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return ""  # another user's, or gone
    start = f"{MARK}=".encode()
    return next((os.fsdecode(entry.removeprefix(start)) for entry in entries if entry.startswith(start)), "")
