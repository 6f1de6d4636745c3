"""The trash beside the worktrees: what was moved there is deleted after a week, and never before."""

from __future__ import annotations

import os
import shutil

WEEK_S = 7 * 86400.0


def sweep(folder: str, *, now: float, older_than_s: float = WEEK_S) -> int:
    """Delete entries that were moved here longer ago than that; returns how many."""
    if os.path.islink(folder) or not os.path.isdir(folder):
        return 0
    swept = 0
    for entry in os.scandir(folder):
        if now - _moved_at(entry) > older_than_s:
            shutil.rmtree(entry.path, ignore_errors=True)
            swept += 1
    return swept


def _moved_at(entry: os.DirEntry[str]) -> float:
    """When it was moved here: the time at the end of its name; anything without one is kept."""
    ending = entry.name.rpartition("-")[2]
    return float(ending) if ending.isdigit() else float("inf")
