"""Time from the operating system: wall time for records and people, a clock that never jumps for durations."""

from __future__ import annotations

import sys
import time

if sys.platform == "darwin":
    import ctypes

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class SystemClock:
    """The clock port on this machine."""

    def now(self) -> float:
        """Wall time in seconds since the epoch."""
        return time.time()

    def elapsed(self) -> float:
        """Seconds on a clock that counts sleep and never jumps (on macOS the monotonic one counts it)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC)

    def boot(self) -> str:
        """The id of this boot; empty if the system has none."""
        if sys.platform == "darwin":
            return _sysctl("kern.bootsessionuuid")
        try:
            with open(_BOOT_ID, encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            return ""


if sys.platform == "darwin":

    def _sysctl(name: str) -> str:
        text = ctypes.create_string_buffer(64)
        size = ctypes.c_size_t(len(text))
        failed = ctypes.CDLL(None).sysctlbyname(name.encode(), text, ctypes.byref(size), None, 0)
        return "" if failed else text.value.decode()
