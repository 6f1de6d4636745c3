"""End what a killed keeper left: processes found by the mark in their environment, and their descendants.

A process is held before it is looked at and signalled through the handle, so that a reused process number is never
signalled. Once proven ours it stays so, even when it loses the parent by which it was found.

What escapes: a process that removed the mark from its environment and lost its parent before the first look. While its
keeper lives nothing escapes, because the keeper is the subreaper of all of them.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable

from wt_orchestrate.adapters.executor.held import Held

if sys.platform == "linux":
    from wt_orchestrate.adapters.executor.proc_search import find_marked, hold_exactly
else:
    from wt_orchestrate.adapters.executor.psutil_search import find_marked, hold_exactly

_LIMIT_S = 5.0
_LOOK_S = 0.01


def sweep(mark: str, *, gentle_s: float) -> tuple[int, ...]:
    """End every process with the mark: SIGTERM once, later SIGKILL; returns the pids that are left when time ran out."""
    began = time.monotonic()
    held: dict[int, Held] = {}
    try:
        while True:
            for pid in [pid for pid, process in held.items() if process.ended()]:
                held.pop(pid).close()
            fresh = dict(find_marked(mark, known=held))
            held |= fresh
            waited = time.monotonic() - began
            if not held or waited > gentle_s + _LIMIT_S:
                return tuple(sorted(held))
            if waited >= gentle_s:
                _send(held.values(), signal.SIGKILL)
            else:
                _send(fresh.values(), signal.SIGTERM, signal.SIGCONT)
            time.sleep(_LOOK_S)
    finally:
        for process in held.values():
            process.close()


def kill_exactly(pid: int, *, ticks: int, mark: str) -> None:
    """Kill one process if it has the mark and was started then; otherwise it is another process."""
    process = hold_exactly(pid, ticks=ticks, mark=mark)
    if process is not None:
        process.send(signal.SIGKILL)
        process.close()


def _send(processes: Iterable[Held], *numbers: signal.Signals) -> None:
    for process in processes:
        for number in numbers:
            process.send(number)
