"""Watch files for changes: file events if possible, and a poll that alone gives the same result.

Only the folders of the watched files are watched, never below them; for a folder that does not exist yet, the nearest
existing one above it is watched. An event is a hint. Every poll interval, and whenever folders came or went, each file
whose time, size or identity changed since the last hint is hinted at; so a lost event costs one interval at most, and a
file that existed when it was first watched is hinted at once, because it may have changed before.

On Linux watchdog's reader of one inotify descriptor is used, without its observer: that one starts a thread for every
folder, and delays events after an unmatched half of a rename by half a second. Elsewhere the observer is used.

`watch` and `wait` belong to one thread; `wake` may be called from any, and events come in a thread of watchdog's.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from wt_orchestrate.ports.engine import Watched

if sys.platform == "linux":
    from watchdog.observers.inotify_c import (
        CallbackId,
        InotifyConstants,
        InotifyEvent,
        InotifyFD,
        Mask,
        WatchDescriptor,
    )

_COALESCE_S = 0.005
_Stamp = tuple[int, int, int] | None

Tell = Callable[[str, str], None]
"""Called with the folder and the name in it that an event is about; no name if the folder itself came or went."""


class Notices(Protocol):
    """File events of single folders."""

    def add(self, folder: str) -> None:
        """Start watching a folder. Raises OSError if that is not possible."""

    def drop(self, folder: str) -> None:
        """Stop watching it; it may be gone."""

    def close(self) -> None: ...


class WatchdogFeed:
    """Says which watched files may have changed. `degraded`: why file events are not used, if they are not. `waiting` is
    entered for as long as a `wait` lasts."""

    def __init__(
        self,
        poll_s: float,
        *,
        use_events: bool = True,
        notices: Callable[[Tell], Notices] | None = None,
        waiting: AbstractContextManager[None] | None = None,
    ) -> None:
        self._poll_s = poll_s
        self._waiting = waiting if waiting is not None else nullcontext()
        self._poll_due = 0.0
        self._wanted: frozenset[Watched] = frozenset()
        self._paths: dict[str, set[str]] = {}
        self._stamps: dict[str, _Stamp] = {}
        self._watched: dict[str, tuple[int, int]] = {}
        self._condition = threading.Condition()
        self._keys: Mapping[tuple[str, str], set[str]] = {}
        self._above: frozenset[str] = frozenset()
        self._changed: set[str] = set()
        self._woken = False
        self._moved = True
        self._notices: Notices | None = None
        self.degraded = "" if use_events else "file events are turned off"
        if use_events:
            try:
                self._notices = (notices or native_notices)(self._tell)
            except OSError as error:
                self.degraded = f"file events are not available: {error.strerror}"

    def watch(self, wanted: frozenset[Watched]) -> None:
        """Watch exactly these from now on."""
        if wanted == self._wanted:
            return
        paths: dict[str, set[str]] = {}
        keys: dict[tuple[str, str], set[str]] = {}
        for each in wanted:
            paths.setdefault(each.key, set()).add(each.path)
            keys.setdefault(_split(each.path), set()).add(each.key)
        self._wanted, self._paths = wanted, paths
        self._stamps = {each.path: self._stamps.get(each.path) for each in wanted}
        with self._condition:
            self._keys, self._above = keys, _above(folder for folder, _ in keys)
            self._changed &= paths.keys()
            self._moved = True

    def wait(self, timeout_s: float) -> frozenset[str]:
        """Keys of files that may have changed since the last call; empty if time ran out."""
        with self._waiting:
            return self._wait(timeout_s)

    def _wait(self, timeout_s: float) -> frozenset[str]:
        until = time.monotonic() + timeout_s
        while True:
            if self._moved or time.monotonic() >= self._poll_due:
                self._look()
            with self._condition:
                if self._changed or self._woken:
                    break
                now = time.monotonic()
                if now >= until:
                    return frozenset()
                if not self._moved:
                    self._condition.wait(max(0.0, min(until, self._poll_due) - now))
        return self._take()

    def wake(self) -> None:
        """End a `wait` now; safe from any thread."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def close(self) -> None:
        """Stop watching; no thread is left."""
        if self._notices is not None:
            self._notices.close()
            self._notices = None

    # ------------------------------------------------------------ hints

    def _tell(self, folder: str, name: str) -> None:
        """Take an event."""
        with self._condition:
            keys = self._keys.get((folder, name))
            if keys is not None:
                self._changed |= keys
            elif not name or os.path.join(folder, name) in self._above:
                self._moved = True
            else:
                return
            self._condition.notify_all()

    def _take(self) -> frozenset[str]:
        """The hints so far and those of the next moment, which probably belong together."""
        with self._condition:
            if not self._woken:
                self._condition.wait_for(lambda: self._woken, _COALESCE_S)
            changed, self._changed, self._woken = frozenset(self._changed), set(), False
        # Before the caller looks: what changes from here on differs from this.
        for path in {path for key in changed for path in self._paths.get(key, ())}:
            self._stamps[path] = _stamp(path)
        return changed

    # ------------------------------------------------------------ looking

    def _look(self) -> None:
        """Watch the folders that exist now, then compare every file with the last hint about it."""
        self._poll_due = time.monotonic() + self._poll_s
        with self._condition:
            self._moved = False
            folders = {folder for folder, _ in self._keys}
        self._adjust(folders)
        changed = {path for path, stamp in self._stamps.items() if _stamp(path) != stamp}
        with self._condition:
            for path in changed:
                self._changed |= self._keys.get(_split(path), set())

    def _adjust(self, folders: set[str]) -> None:
        """Watch these folders, or the nearest above them, and no others; what cannot be watched is left to the poll."""
        if self._notices is None:
            return
        nearest = dict(_nearest(folder) for folder in folders)
        for folder in [folder for folder, identity in self._watched.items() if nearest.get(folder) != identity]:
            self._notices.drop(folder)
            del self._watched[folder]
        self.degraded = ""
        for folder in nearest.keys() - self._watched.keys():
            try:
                self._notices.add(folder)
                self._watched[folder] = nearest[folder]
            except OSError as error:
                self.degraded = f"no file events for {folder}: {error.strerror}"
        if any(_nearest(folder)[0] not in self._watched for folder in folders) and not self.degraded:
            self._moved = True  # a folder came while we looked


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder or "/", name


def _above(folders: Iterable[str]) -> frozenset[str]:
    """The folders and all above them."""
    found: set[str] = set()
    for folder in folders:
        while folder not in found:
            found.add(folder)
            folder = _split(folder)[0]
    return frozenset(found)


def _nearest(folder: str) -> tuple[str, tuple[int, int]]:
    """The folder, or the first one above it that exists, with its identity."""
    while True:
        try:
            facts = os.stat(folder)
            return folder, (facts.st_dev, facts.st_ino)
        except OSError:
            folder = _split(folder)[0]


def _stamp(path: str) -> _Stamp:
    try:
        facts = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return (facts.st_mtime_ns, facts.st_size, facts.st_ino)


# ---------------------------------------------------------------- file events


class ObserverNotices:
    """File events by watchdog's observer for this system: a thread for each folder."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._watches: dict[str, ObservedWatch] = {}
        self._observer = Observer()
        self._observer.start()

    def add(self, folder: str) -> None:
        self._watches[folder] = self._observer.schedule(_FolderHandler(folder, self._tell), folder, recursive=False)

    def drop(self, folder: str) -> None:
        try:
            self._observer.unschedule(self._watches.pop(folder))
        except (KeyError, OSError):
            pass  # the folder is gone, and its watch with it

    def close(self) -> None:
        self._observer.stop()
        self._observer.join()


class _FolderHandler(FileSystemEventHandler):
    """Events of one folder. Only names are compared: some systems report real paths where links were given."""

    def __init__(self, folder: str, tell: Tell) -> None:
        self._folder = folder
        self._tell = tell

    def dispatch(self, event: FileSystemEvent) -> None:
        if event.event_type not in {"opened", "closed_no_write"}:
            for path in {os.fsdecode(event.src_path), os.fsdecode(event.dest_path)} - {""}:
                self._tell(self._folder, os.path.basename(path))


if sys.platform == "linux":
    _MASK = Mask(
        InotifyConstants.IN_MODIFY
        | InotifyConstants.IN_ATTRIB
        | InotifyConstants.IN_MOVE
        | InotifyConstants.IN_CREATE
        | InotifyConstants.IN_DELETE
        | InotifyConstants.IN_DELETE_SELF
        | InotifyConstants.IN_MOVE_SELF
        | InotifyConstants.IN_ONLYDIR
    )

    class InotifyNotices:
        """File events by inotify: one descriptor and one thread for all folders."""

        def __init__(self, tell: Tell) -> None:
            self._tell = tell
            self._folders: dict[str, _InotifyFolder] = {}
            self._inotify = InotifyFD()
            self._inotify.start()

        def add(self, folder: str) -> None:
            watching = _InotifyFolder(folder, self._tell)
            path = os.fsencode(folder)
            watching.descriptor = self._inotify.add_callback(path, _MASK, watching, CallbackId(id(watching)))
            if watching.descriptor < 0:
                raise PermissionError(
                    errno.EACCES, os.strerror(errno.EACCES), folder
                )  # the one error it keeps silent on
            self._folders[folder] = watching

        def drop(self, folder: str) -> None:
            watching = self._folders.pop(folder)
            if not watching.gone:
                self._inotify.remove_callbacks([(watching.descriptor, CallbackId(id(watching)))])

        def close(self) -> None:
            self._inotify.stop()
            self._inotify.join()

    class _InotifyFolder:
        """Tells of one folder."""

        def __init__(self, folder: str, tell: Tell) -> None:
            self._folder = folder
            self._tell = tell
            self.descriptor = WatchDescriptor(-1)
            self.gone = False

        def on_event(self, event: InotifyEvent) -> None:
            itself = event.is_delete_self or event.is_move_self
            self._tell(self._folder, "" if itself else os.fsdecode(event.name))

        def on_watch_deleted(self, wd: WatchDescriptor) -> None:
            self.gone = True
            self._tell(self._folder, "")

        def on_queue_overflow(self) -> None:
            self._tell(self._folder, "")

    native_notices: Callable[[Tell], Notices] = InotifyNotices
else:
    native_notices = ObserverNotices
