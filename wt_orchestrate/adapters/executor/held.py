"""What a process is signalled through, so that never another one is hit that got its number."""

from __future__ import annotations

import signal
from typing import Protocol


class Held(Protocol):
    """A process that stays the same one for as long as it is held."""

    def send(self, number: signal.Signals) -> None:
        """Signal it; one that has ended is fine."""

    def ended(self) -> bool: ...

    def close(self) -> None: ...
