"""Ctrl-C while a supervisor works: it counts between two turns, never inside one.

A turn reads, folds and writes the log; an exception in the middle would leave the state in memory and the log apart. So
SIGINT raises KeyboardInterrupt only where the supervisor waits for something to happen. A third one raises at once, as a
kill would end it: what is on the disk is made for that.
"""

from __future__ import annotations

import signal
import threading
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import Any

_AT_ONCE = 3


class Interrupts:
    """Holds SIGINT back while it is entered, but for `waiting`. Does nothing outside the main thread, and where somebody
    else handles SIGINT."""

    def __init__(self) -> None:
        self.waiting = _Waiting(self)
        self.may_raise = False
        self._asked = 0
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
            if error is None:
                self.raise_if_asked()

    def raise_if_asked(self) -> None:
        if self._asked:
            raise KeyboardInterrupt

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1
        if self.may_raise or self._asked >= _AT_ONCE:
            raise KeyboardInterrupt


class _Waiting(AbstractContextManager[None]):
    """Entered while the supervisor waits."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def __enter__(self) -> None:
        self._interrupts.may_raise = True
        self._interrupts.raise_if_asked()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interrupts.may_raise = False
