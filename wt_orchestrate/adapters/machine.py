"""What this machine has: room for agents, file-watch limits, free space, copies that share blocks."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Mapping
from contextlib import suppress

from wt_orchestrate.domain.schedule.admission import Room
from wt_orchestrate.ports.engine import PORTS

_FICLONE = 0x40049409
_LIMITS = "/proc/sys/fs/inotify"
_FIRST_PORT = 20_000
_ROW = 64
_ROWS = _ROW * 9
"""Rows of ports below those that systems give out by themselves (from 32768)."""


class SystemMachine:
    """This machine; `disks` are the paths whose free space matters, by what they are for."""

    def __init__(self, disks: Mapping[str, str]) -> None:
        self._disks = disks

    def room(self) -> Room:
        """What is left for another agent."""
        disk_mb = {}
        for what, path in self._disks.items():
            with suppress(OSError):
                disk_mb[what] = free_bytes(path) / (1 << 20)
        return Room(memory_mb=_free_memory_mb(), load=_load(), disk_mb=disk_mb)

    def ports(self, slot: int) -> int:
        """The first of a row of ports on which nobody listens now. Slots differ modulo `_ROW`, so no two share a port; where
        the rows of a slot start depends on this process, so two repositories seldom meet either."""
        rows = [(os.getpid() * _ROW + slot + further * _ROW) % _ROWS for further in range(_ROWS // _ROW)]
        free = next((row for row in rows if _is_free(_FIRST_PORT + row * PORTS)), rows[0])
        return _FIRST_PORT + free * PORTS


def _is_free(first: int) -> bool:
    """Whether nobody has a port of the row that starts here."""
    for port in range(first, first + PORTS):
        with socket.socket() as found:
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def _free_memory_mb() -> float | None:
    """Memory that is available without swapping; None if unknown."""
    with suppress(OSError, ValueError), open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 1024
    return None


def _load() -> float | None:
    with suppress(OSError):
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    return None


def watch_limits() -> tuple[int, int] | None:
    """How many files and how many instances may be watched; None if the system has no such limits."""
    try:
        return _number(f"{_LIMITS}/max_user_watches"), _number(f"{_LIMITS}/max_user_instances")
    except OSError:
        return None


def _number(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return int(file.read())


def free_bytes(path: str) -> int:
    """Free space on the file system of a path that may not exist yet."""
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
