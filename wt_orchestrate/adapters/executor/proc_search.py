"""Find marked processes in /proc (Linux). Each is held by a pidfd first, and its proof is read after that."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator, Mapping

from wt_orchestrate.adapters.executor.held import Held
from wt_orchestrate.adapters.executor.keeper import stat_fields


class PidfdHeld:
    """A process held by a pidfd."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, number: signal.Signals) -> None:
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except (ProcessLookupError, PermissionError):
            pass  # it ended, or became another user's: `ended` says so

    def ended(self) -> bool:
        poller = select.poll()
        poller.register(self._descriptor, select.POLLIN)
        return bool(poller.poll(0))

    def close(self) -> None:
        os.close(self._descriptor)


def find_marked(mark: str, *, known: Mapping[int, Held]) -> Iterator[tuple[int, PidfdHeld]]:
    """Living processes with the mark, and descendants of these or of the known ones, without the known ones."""
    children = _children()
    proven = dict(known)
    for pid in [pid for family in children.values() for pid in family]:
        process = hold(pid) if pid not in proven and _has_mark(pid, mark) else None
        if process is None:
            continue
        if _has_mark(pid, mark):
            proven[pid] = process
            yield pid, process
        else:
            process.close()
    yield from _descendants(proven, children)


def hold_exactly(pid: int, *, ticks: int, mark: str) -> PidfdHeld | None:
    """Hold a process if it has the mark and was started at that tick."""
    process = hold(pid)
    if process is None:
        return None
    fields = stat_fields(pid)
    if fields and int(fields[19]) == ticks and _has_mark(pid, mark):
        return process
    process.close()
    return None


def hold(pid: int) -> PidfdHeld | None:
    """Hold the process that has this number now; None if there is none."""
    try:
        return PidfdHeld(os.pidfd_open(pid))
    except OSError:
        return None


def _descendants(proven: dict[int, Held], children: Mapping[int, list[int]]) -> Iterator[tuple[int, PidfdHeld]]:
    """Descendants of what is held: a child counts if its parent has not ended after the child was held and checked."""
    waiting = list(proven)
    while waiting:
        parent = waiting.pop()
        for pid in children.get(parent, ()):
            process = hold(pid) if pid not in proven else None
            if process is None:
                continue
            if stat_fields(pid)[1:2] == [str(parent).encode()] and not proven[parent].ended():
                proven[pid] = process
                waiting.append(pid)
                yield pid, process
            else:
                process.close()


def _children() -> dict[int, list[int]]:
    """Every living process but this one, by its parent."""
    found: dict[int, list[int]] = {}
    for pid in {int(name) for name in os.listdir("/proc") if name.isdigit()} - {os.getpid()}:
        fields = stat_fields(pid)
        if fields and fields[0] not in (b"Z", b"X"):
            found.setdefault(int(fields[1]), []).append(pid)
    return found


def _has_mark(pid: int, mark: str) -> bool:
    """Whether a process was started with `NAME=value` in its environment; False if we may not look."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark.encode() in file.read().split(b"\0")
    except OSError:
        return False
