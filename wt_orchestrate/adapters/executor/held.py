"""A handle on a process for signals, so that another process with the same number is never hit."""

from __future__ import annotations

import signal
from typing import Protocol


class Held(Protocol):
    """A process that stays the same one while it is held."""

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended is fine."""

    def ended(self) -> bool: ...

    def close(self) -> None: ...
