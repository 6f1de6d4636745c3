"""Ending what a killed keeper left: processes found by the mark in their environment, and their descendants.

Each is held by a pidfd while its mark is read once more, so that a reused process number is never signalled. Where the
system has no /proc (macOS) psutil finds them.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from wt_orchestrate.adapters.executor.keeper import parents

_GENTLE_S = 2.0
_LOOK_S = 0.02


def sweep(mark: str, *, timeout_s: float) -> tuple[int, ...]:
    """End every process that carries the mark; the pids that are still left when time has run out."""
    began = time.monotonic()
    while True:
        left = marked(mark)
        if not left or time.monotonic() - began > timeout_s:
            return tuple(left)
        number = signal.SIGTERM if time.monotonic() - began < _GENTLE_S else signal.SIGKILL
        for pid in left:
            _signal(pid, mark, number, family=set(left))
        time.sleep(_LOOK_S)


def marked(mark: str) -> list[int]:
    """Living processes whose environment holds the mark, and their descendants."""
    if sys.platform != "linux":
        return _marked_elsewhere(mark)
    family = parents()
    roots = {pid for pid in family if _has(pid, mark)}
    grown = True
    while grown:
        more = {pid for pid, parent in family.items() if parent in roots and pid not in roots}
        roots |= more
        grown = bool(more)
    return sorted(pid for pid in roots if pid != os.getpid() and not _zombie(pid))


def _has(pid: int, mark: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark.encode() in file.read().split(b"\0")
    except OSError:
        return False


def _zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True


def _signal(pid: int, mark: str, number: signal.Signals, *, family: set[int]) -> None:
    """Signal one process, if it still is what was found."""
    if sys.platform != "linux":
        os.kill(pid, number)
        return
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _has(pid, mark) or parents().get(pid) in family:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _marked_elsewhere(mark: str) -> list[int]:
    import psutil  # only where the system has no /proc

    name, _, value = mark.partition("=")
    found: list[int] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(name) == value:
                found += [process.pid, *(child.pid for child in process.children(recursive=True))]
        except psutil.Error:
            continue
    return sorted(set(found) - {os.getpid()})
