"""Kept processes on this machine: started through a keeper, known by what the keeper leaves in their folders.

A process is started at most once: what to run is written down before its keeper is spawned, and a folder in which a keeper
ever began is never started again. Only processes that are proven ours are ever signalled: a keeper through its FIFO, which
has a reader only while that keeper lives, and left-overs of a killed keeper by the mark in their environment.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wt_orchestrate.adapters.executor import keeper as keeper_script
from wt_orchestrate.adapters.executor.sweeping import sweep
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.errors import InvariantBroken, WtError
from wt_orchestrate.ports import Launch, Lines, ProcessReport, ProcessState

_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,200}")
MARK = "WTO_PROCESS"
_LOOK_S = 0.02


class LocalExecutor:
    """The executor port on this machine; `root` holds one folder for each process."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._keepers: dict[ProcessId, subprocess.Popen[bytes]] = {}

    def start(self, launch: Launch) -> ProcessReport:
        """Start it unless it was ever started; returns when its keeper holds its lock and the child runs."""
        folder = self.folder(launch.id)
        with _locked(f"{folder}/start.lock"):
            report = self.poll(launch.id)
            if report.state is ProcessState.ABSENT:
                self._prepare(folder, launch)
                self._spawn(folder, launch)
        return self.poll(launch.id)

    def poll(self, process: ProcessId) -> ProcessReport:
        """What is known now; a few file reads."""
        folder = self._path(process)
        child = self._keepers.get(process)
        if child is not None and child.poll() is not None:
            self._keepers.pop(process)
        alive = _held(f"{folder}/keeper.lock")
        ended = _load(f"{folder}/exit.json")
        started = _load(f"{folder}/started")
        if ended is not None:
            state = ProcessState.EXITED
        elif alive:
            state = ProcessState.RUNNING
        else:
            state = ProcessState.ABSENT if started is None else ProcessState.LOST
        return _report(process, state, started or {}, ended or {}, f"{folder}/stream.jsonl")

    def alive(self, process: ProcessId) -> bool:
        """Whether its keeper holds its lock."""
        return _held(f"{self._path(process)}/keeper.lock")

    def send(self, process: ProcessId, *, message: str, line: str) -> None:
        """Put one line in its inbox under the id `message`, unless it is or was there."""
        inbox = f"{self._path(process)}/inbox"
        name = re.sub(r"[^A-Za-z0-9-]", "-", message)[:100]
        known = [entry for folder in (inbox, f"{inbox}/sent") for entry in os.listdir(folder) if entry != "sent"]
        if any(entry.partition("-")[2] == name for entry in known):
            return
        beside = f"{self._path(process)}/message.new"
        _write_durably(beside, line + "\n")
        os.rename(beside, f"{inbox}/{len(known) + 1:08d}-{name}")
        self._poke(process, b"m")

    def read(self, process: ProcessId, *, offset: int, limit: int = 1 << 20) -> Lines:
        """Whole lines of its output from a byte offset; a line over the limit comes cut."""
        try:
            with open(self.output(process), "rb") as file:
                file.seek(offset)
                chunk = file.read(limit)
                end = chunk.rfind(b"\n") + 1
                if end:
                    return Lines(tuple(chunk[: end - 1].split(b"\n")), offset + end)
                if len(chunk) < limit:
                    return Lines((), offset)
                rest = file.readline()
        except FileNotFoundError:
            return Lines((), offset)
        if not rest.endswith(b"\n"):
            return Lines((), offset)
        return Lines((chunk,), offset + len(chunk) + len(rest))

    def output(self, process: ProcessId) -> str:
        """The path of its output."""
        return f"{self._path(process)}/stream.jsonl"

    def errors(self, process: ProcessId) -> str:
        """The path of its stderr."""
        return f"{self._path(process)}/stderr.log"

    def tail(self, process: ProcessId, *, errors: bool = False, limit: int = 8192) -> str:
        """The end of its output (or of its stderr) as text."""
        path = self.errors(process) if errors else self.output(process)
        try:
            with open(path, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
                return file.read(limit).decode(errors="replace")
        except FileNotFoundError:
            return ""

    def folder(self, process: ProcessId) -> str:
        """The path of its own folder, made if missing."""
        path = self._path(process)
        os.makedirs(path, mode=0o700, exist_ok=True)
        return path

    def stop(self, process: ProcessId) -> None:
        """Ask its keeper to end it; returns at once. The wish is durable."""
        folder = self._path(process)
        if os.path.isdir(folder):
            _write_durably(f"{folder}/stop", "")
            self._poke(process, b"s")

    def end(self, process: ProcessId, *, timeout_s: float = 10.0) -> ProcessReport:
        """Stop it and wait until no descendant is left. Raises WtError if any is left."""
        until = time.monotonic() + timeout_s + 5.0
        report = self.poll(process)
        if report.state is ProcessState.RUNNING:
            self.stop(process)
        while report.state is ProcessState.RUNNING and time.monotonic() < until:
            time.sleep(_LOOK_S)
            report = self.poll(process)
        if report.state is ProcessState.LOST:
            left = sweep(f"{MARK}={process}", timeout_s=timeout_s)
            if left:
                raise WtError(
                    f"processes of {process} cannot be ended: {left}", hint="end them by hand, then wto resume"
                )
        elif report.state is ProcessState.RUNNING:
            raise WtError(f"{process} did not end within {timeout_s:.0f} s", hint="wto stop")
        return report

    def _path(self, process: ProcessId) -> str:
        if not _ID.fullmatch(process) or ".." in process:
            raise InvariantBroken(f"{process!r} is no process id")
        return f"{self._root}/{process}"

    def _prepare(self, folder: str, launch: Launch) -> None:
        os.makedirs(f"{folder}/inbox/sent", mode=0o700, exist_ok=True)
        for name in ("control", *(("stdin",) if launch.input else ())):
            if not os.path.exists(f"{folder}/{name}"):
                os.mkfifo(f"{folder}/{name}", 0o600)
        spec = {
            "id": launch.id,
            "argv": launch.argv,
            "cwd": launch.cwd,
            "input": launch.input,
            "lines": launch.lines,
            "ask": launch.ask,
            "deadline_s": launch.deadline_s,
            "grace_s": launch.grace_s,
        }
        _write_durably(f"{folder}/launch", json.dumps(spec))

    def _spawn(self, folder: str, launch: Launch) -> None:
        """Start the keeper and wait for its word; it answers even where the child cannot be started."""
        ready_read, ready_write = os.pipe()
        with open(f"{folder}/keeper.log", "ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper_script.__file__, folder, str(ready_write)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**launch.env, MARK: launch.id},
                start_new_session=True,
                pass_fds=(ready_write,),
            )
        os.close(ready_write)
        with os.fdopen(ready_read, "rb") as ready:
            answered = ready.read(1)
        self._keepers[launch.id] = child
        if not answered and self.poll(launch.id).state is ProcessState.ABSENT:
            raise WtError(f"the keeper of {launch.id} did not start", hint=f"its output is in {folder}/keeper.log")

    def _poke(self, process: ProcessId, byte: bytes) -> None:
        """Wake the keeper. Without one there is no reader, and nothing is signalled."""
        try:
            descriptor = os.open(f"{self._path(process)}/control", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return
            raise
        try:
            os.write(descriptor, byte)
        except BlockingIOError:
            pass  # the pipe is full of earlier pokes: it is awake anyhow
        finally:
            os.close(descriptor)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _held(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _load(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            loaded: dict[str, Any] = json.load(file)
            return loaded
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _write_durably(path: str, text: str) -> None:
    keeper_script.write_whole(path, text)


def _report(
    process: ProcessId, state: ProcessState, started: dict[str, Any], ended: dict[str, Any], output: str
) -> ProcessReport:
    try:
        facts = os.stat(output)
        size, at = facts.st_size, facts.st_mtime
    except FileNotFoundError:
        size, at = 0, None
    return ProcessReport(
        id=process,
        state=state,
        pid=started.get("child"),
        started_at=started.get("started_at"),
        ended_at=ended.get("ended_at"),
        exit_code=ended.get("exit_code"),
        cause=ended.get("cause", ""),
        detail=ended.get("detail", ""),
        survivors=ended.get("survivors", 0),
        boot=started.get("boot", ""),
        output_bytes=size,
        output_at=at,
    )
