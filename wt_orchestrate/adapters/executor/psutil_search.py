"""Find marked processes on systems without /proc (macOS): psutil compares start times before it signals."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping

import psutil

from wt_orchestrate.adapters.executor.held import Held


class PsutilHeld:
    """A process held by its number and start time."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process

    def send(self, number: signal.Signals) -> None:
        try:
            self._process.send_signal(number)
        except psutil.Error:
            pass  # it ended, or became another user's: `ended` says so

    def ended(self) -> bool:
        try:
            return not self._process.is_running() or self._process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def close(self) -> None:
        """Nothing is open."""


def find_marked(mark: str, *, known: Mapping[int, Held]) -> Iterator[tuple[int, PsutilHeld]]:
    """Living processes with the mark and their descendants, without the known ones."""
    seen = {*known, os.getpid()}
    for process in psutil.process_iter():
        try:
            family = (process, *process.children(recursive=True)) if _has_mark(process, mark) else ()
        except psutil.Error:
            continue
        for each in family:
            if each.pid not in seen:
                seen.add(each.pid)
                yield each.pid, PsutilHeld(each)


def hold_exactly(pid: int, *, ticks: int, mark: str) -> PsutilHeld | None:
    """Hold a process if it has the mark; there are no ticks to compare here."""
    try:
        process = psutil.Process(pid)
        return PsutilHeld(process) if _has_mark(process, mark) else None
    except psutil.Error:
        return None


def _has_mark(process: psutil.Process, mark: str) -> bool:
    name, _, value = mark.partition("=")
    environment: dict[str, str] = process.environ()
    return environment.get(name) == value
