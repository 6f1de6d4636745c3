"""Change notices: watchdog where file events work, and a poll that alone gives the same result.

Only the folders of the watched files are watched, never below them. A notice is a hint; every poll interval each file whose
time, size or identity changed since the last poll is reported too, so that a lost notice costs at most one interval.
"""

from __future__ import annotations

import logging
import os
import threading
import time

from watchdog.events import FileSystemEvent
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from wt_orchestrate.ports import Watched

_COALESCE_S = 0.004
logging.getLogger("watchdog").addHandler(logging.NullHandler())  # it warns of ordinary races when a watch ends
_Stamp = tuple[int, int, int] | None


class WatchdogFeed:
    """Tells which watched files may have changed. `degraded` says why file events are not used, where they are not."""

    def __init__(self, poll_s: float, *, use_events: bool = True) -> None:
        self._poll_s = poll_s
        self._keys: dict[str, set[str]] = {}
        self._stamps: dict[str, _Stamp] = {}
        self._watches: dict[str, ObservedWatch] = {}
        self._changed: set[str] = set()
        self._woken = False
        self._condition = threading.Condition()
        self._polled_at = time.monotonic()
        self.degraded = "" if use_events else "switched off"
        self._observer: BaseObserver | None = None
        if use_events:
            self._observer = Observer()
            self._observer.start()

    def watch(self, wanted: frozenset[Watched]) -> None:
        """Watch exactly these from now on."""
        keys: dict[str, set[str]] = {}
        for each in wanted:
            keys.setdefault(each.path, set()).add(each.key)
        if keys == self._keys and all(os.path.dirname(path) in self._watches for path in keys):
            return
        fresh = set(keys) - set(self._keys)
        with self._condition:
            self._stamps = {path: self._stamps.get(path) for path in keys}
            self._keys = keys
        self._adjust({os.path.dirname(path) for path in keys})
        with self._condition:
            # only now: what was written before the watch began is told as a change too
            for path in fresh:
                self._stamps[path] = _stamp(path)
                if self._stamps[path] is not None:
                    self._changed |= keys[path]

    def wait(self, timeout_s: float) -> frozenset[str]:
        """Keys of files that may have changed since the last call; empty when time ran out."""
        until = time.monotonic() + timeout_s
        with self._condition:
            while not (self._changed or self._woken):
                now = time.monotonic()
                due = self._polled_at + self._poll_s
                if now >= due:
                    self._poll(now)
                    continue
                if now >= until:
                    return frozenset()
                self._condition.wait(min(until, due) - now)
            if self._changed and not self._woken:
                self._condition.wait(_COALESCE_S)
            changed, self._changed, self._woken = frozenset(self._changed), set(), False
            return changed

    def wake(self) -> None:
        """End a `wait` now; safe from any thread."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def close(self) -> None:
        """Stop watching; no thread is left."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    # ------------------------------------------------------------ events

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take a notice; called by watchdog in a thread of its own."""
        paths = {os.fsdecode(event.src_path), os.fsdecode(event.dest_path)}
        with self._condition:
            keys = {key for path in paths for key in self._keys.get(path, ())}
            if keys and event.event_type not in {"opened", "closed_no_write"}:
                self._changed |= keys
                self._condition.notify_all()

    def _adjust(self, folders: set[str]) -> None:
        """Watch these folders and no others; what cannot be watched is left to the poll."""
        if self._observer is None:
            return
        for folder in set(self._watches) - folders:
            try:
                self._observer.unschedule(self._watches.pop(folder))
            except (KeyError, OSError):
                continue  # the folder is gone, and its watch with it
        for folder in folders - set(self._watches):
            if not os.path.isdir(folder):
                continue
            try:
                self._watches[folder] = self._observer.schedule(self, folder, recursive=False)  # type: ignore[arg-type]
            except OSError as error:
                self.degraded = f"file events cannot be had for {folder}: {error.strerror}"

    # ------------------------------------------------------------ polling

    def _poll(self, now: float) -> None:
        self._polled_at = now
        for path, keys in self._keys.items():
            stamp = _stamp(path)
            if stamp != self._stamps.get(path):
                self._stamps[path] = stamp
                self._changed |= keys


def _stamp(path: str) -> _Stamp:
    try:
        facts = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return (facts.st_mtime_ns, facts.st_size, facts.st_ino)
