"""Kept processes on this machine: started through a keeper, and known by the files that the keeper leaves in their
folders.

A process is started at most once: what to run is written before its keeper is spawned, and a keeper that finds the
traces of another one does nothing (`keeper.py` specifies the folder). Nothing is remembered here but the pids of
keepers to reap, so any number of executors, in any process, give the same answers. Only processes that are proven ours
are signalled: a keeper through its FIFO, which has a reader only while that keeper lives; a keeper that hangs by a
pidfd, once its lock and its start time agree; what a killed keeper left by the mark in its environment.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import select
import shutil
import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from wt_orchestrate.adapters.executor import keeper as keeper_script
from wt_orchestrate.adapters.executor.liveness import keeper_lives
from wt_orchestrate.adapters.executor.output import end_line, read_lines, read_tail, shorten
from wt_orchestrate.adapters.executor.sweep import kill_exactly, sweep
from wt_orchestrate.adapters.executor.within import MARK
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.errors import InvariantBroken, WtError
from wt_orchestrate.osfiles.atomic import replace_file, sync_folder
from wt_orchestrate.osfiles.locks import locked
from wt_orchestrate.ports.engine import Launch, Lines, ProcessReport, ProcessState, Sandbox

OUTPUT_LIMIT = 512 << 20
_ID = re.compile(r"[a-z0-9]([a-z0-9.-]{0,199}[a-z0-9-])?")
_READY_S = 20.0
_LOOK_S = 0.01


class LocalExecutor:
    """The executor port on this machine; `root` has one folder for each process. A process that prints more than
    `output_limit` bytes is ended with the cause `flood`. With a sandbox, every process runs in it."""

    def __init__(self, root: str, *, output_limit: int = OUTPUT_LIMIT, sandbox: Sandbox | None = None) -> None:
        self._root = os.path.realpath(root)
        self._sandbox = sandbox
        self._output_limit = output_limit
        self._keepers: dict[ProcessId, int] = {}

    # ------------------------------------------------------------ life

    def start(self, launch: Launch) -> ProcessReport:
        """Start it unless it was started before; returns once it is known whether it runs. Raises WtError if its keeper
        could not be started; then nothing runs, and another try is allowed."""
        with _plainly(f"{launch.id} cannot be started"), locked(f"{self.folder(launch.id)}/start.lock"):
            folder = self.folder(launch.id)
            report = self.poll(launch.id)
            if report.state is ProcessState.ABSENT:
                launch = launch if self._sandbox is None else self._sandbox.confined(launch, folder=folder)
                self._write_launch(folder, launch)
                self._spawn(folder, launch)
                report = self.poll(launch.id)
        if report.state is ProcessState.ABSENT:
            last = read_tail(f"{folder}/keeper.log", limit=2_000).strip().splitlines()[-1:] or ["no output"]
            raise WtError(f"the keeper of {launch.id} did not start: {last[0]}", hint=f"see {folder}/keeper.log")
        return report

    def poll(self, process: ProcessId) -> ProcessReport:
        """What is known now; a few file reads."""
        folder = self._path(process)
        self._reap(process)
        # In this order: a keeper takes its lock, writes `started`, writes exit.json, lets go of the lock.
        started = _load(f"{folder}/started")
        alive = keeper_lives(folder)
        ended = _load(f"{folder}/exit.json")
        if ended:
            state = ProcessState.EXITED
        elif alive:
            state = ProcessState.RUNNING
        else:
            state = ProcessState.ABSENT if started is None else ProcessState.LOST
        if ended and self._was_signalled(folder, ended.get("exit_code")):
            ended = {**ended, "exit_code": 128 - ended["exit_code"]}
        return _report(process, state, started or {}, ended or {}, self.output(process))

    def _was_signalled(self, folder: str, code: object) -> bool:
        """Whether a process in a sandbox was ended by a signal: the sandbox passes that on as a shell does, as 128 and more."""
        if not isinstance(code, int) or not 128 < code <= 128 + signal.NSIG:
            return False
        with suppress(OSError):
            return "sandbox" in keeper_script.launch_fields(folder)
        return False

    def alive(self, process: ProcessId) -> bool:
        """Whether its keeper holds its lock."""
        return keeper_lives(self._path(process))

    def stop(self, process: ProcessId) -> None:
        """Ask its keeper to end it; returns at once. The request is durable; one before the start ends it at its start."""
        folder = self._path(process)
        if os.path.isdir(folder):
            os.close(os.open(f"{folder}/stop", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._poke(folder, b"s")

    def end(self, process: ProcessId, *, timeout_s: float = 10.0) -> ProcessReport:
        """Stop it and wait until no descendant is left, even if its keeper is gone or hangs. Raises WtError if any is
        left."""
        until = time.monotonic() + timeout_s
        report = self.poll(process)
        if report.state is ProcessState.RUNNING:
            self.stop(process)
        while report.state is ProcessState.RUNNING and time.monotonic() < until:
            time.sleep(_LOOK_S)
            report = self.poll(process)
        if report.state is ProcessState.RUNNING:
            self._kill_keeper(process)
            report = self.poll(process)
        if report.state is ProcessState.LOST or (report.state is ProcessState.EXITED and not keeper_script.LINUX):
            self._sweep(process, gentle_s=1.0 if time.monotonic() < until else 0.0)
        return report

    # ------------------------------------------------------------ input and output

    def send(self, process: ProcessId, *, message: str, line: str) -> None:
        """Put one line in its inbox under the id `message`, unless it is or was there; durable on return."""
        if "\n" in line:
            raise InvariantBroken(f"a message for {process} has more than one line")
        inbox = f"{self.folder(process)}/inbox"
        name = _message_name(message)
        os.makedirs(f"{inbox}/sent", mode=0o700, exist_ok=True)
        with _plainly(f"{process} cannot receive a message"), locked(f"{inbox}/.lock"):
            # First the inbox: a message that the keeper moves meanwhile is seen twice rather than never.
            known = [entry.partition("-") for folder in (inbox, f"{inbox}/sent") for entry in os.listdir(folder)]
            if all(its_name != name for _, _, its_name in known):
                number = max((int(number) for number, _, _ in known if number.isdigit()), default=0) + 1
                replace_file(f"{inbox}/.message", f"{line}\n".encode(), durable=True)
                os.rename(f"{inbox}/.message", f"{inbox}/{number:08d}-{name}")
                sync_folder(inbox)
        self._poke(self._path(process), b"m")

    def read(self, process: ProcessId, *, offset: int, limit: int = 1 << 20) -> Lines:
        """Whole lines of its output from a byte offset; a line over the limit comes cut."""
        return read_lines(self.output(process), offset=offset, limit=limit)

    def output(self, process: ProcessId) -> str:
        """The path of its output."""
        return f"{self._path(process)}/stream.jsonl"

    def errors(self, process: ProcessId) -> str:
        """The path of its stderr."""
        return f"{self._path(process)}/stderr.log"

    def tail(self, process: ProcessId, *, errors: bool = False, limit: int = 8192) -> str:
        """The end of its output (or of its stderr) as text."""
        return read_tail(self.errors(process) if errors else self.output(process), limit=limit)

    def folder(self, process: ProcessId) -> str:
        """The path of its own folder, made if missing."""
        path = self._path(process)
        if not os.path.isdir(path):  # asked for at every turn, for each agent
            os.makedirs(path, mode=0o700, exist_ok=True)
        return path

    def tidy(self, process: ProcessId) -> None:
        """After its end: finish its last line, keep only so much output as it was started with, and remove its temporary
        folder (`tmpdir` names it), if it is still ours alone."""
        end_line(self.output(process))
        with suppress(FileNotFoundError):
            for kept in keeper_script.launch_fields(self._path(process)).get("kept", ()):
                shorten(self.output(process), limit=int(kept))
        try:
            with open(f"{self._path(process)}/tmpdir", encoding="utf-8", errors="surrogateescape") as file:
                path = file.read()
            facts = os.lstat(path)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and os.path.basename(path).startswith("wto-"):
            shutil.rmtree(path, ignore_errors=True)

    # ------------------------------------------------------------ start

    def _path(self, process: ProcessId) -> str:
        if not _ID.fullmatch(process) or ".." in process:
            raise InvariantBroken(f"{process!r} is no process id")
        return f"{self._root}/{process}"

    def _write_launch(self, folder: str, launch: Launch) -> None:
        """Write everything but the environment's values. Its names are kept: Python adds some of its own to the
        keeper's."""
        entries = [("argv", word) for word in launch.argv]
        entries += [("env", name) for name in (*launch.env, MARK)]
        entries += [("cwd", launch.cwd), ("grace_s", str(launch.grace_s)), ("output_limit", str(self._output_limit))]
        entries += [("input", "")] if launch.input else []
        entries += [("sandbox", "")] if self._sandbox is not None else []
        entries += [("kept", str(launch.kept))] if launch.kept else []
        entries += [("deadline_s", str(launch.deadline_s))] if launch.deadline_s is not None else []
        if any("\0" in value for _, value in entries):
            raise InvariantBroken(f"the command of {launch.id} contains a NUL byte")
        os.makedirs(f"{folder}/inbox/sent", mode=0o700, exist_ok=True)
        for name in ("control", "stdin"):
            if not os.path.exists(f"{folder}/{name}"):
                os.mkfifo(f"{folder}/{name}", 0o600)
        replace_file(f"{folder}/first", os.fsencode("".join(f"{line}\n" for line in launch.lines)), durable=True)
        replace_file(f"{folder}/ask", os.fsencode("".join(f"{line}\n" for line in launch.ask)), durable=True)
        replace_file(
            f"{folder}/launch", os.fsencode("".join(f"{key}={value}\0" for key, value in entries)), durable=True
        )
        sync_folder(folder)

    def _spawn(self, folder: str, launch: Launch) -> None:
        """Start the keeper and wait for its report, or its end."""
        ready, ready_write = os.pipe()
        log = f"{folder}/keeper.log"
        try:
            self._keepers[launch.id] = os.posix_spawn(
                sys.executable,
                keeper_script.command(folder),
                {**launch.env, MARK: folder},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                    (os.POSIX_SPAWN_DUP2, ready_write, keeper_script.READY),
                ],
            )
        except OSError as error:
            raise WtError(f"the keeper of {launch.id} could not be started: {error.strerror}") from error
        finally:
            os.close(ready_write)
            if launch.id not in self._keepers:
                os.close(ready)
        with open(ready, "rb", buffering=0) as pipe:
            select.select([pipe], [], [], _READY_S)

    def _reap(self, process: ProcessId) -> None:
        """Reap a keeper of ours that has ended. Another thread may be doing the same."""
        pid = self._keepers.get(process)
        if pid is None:
            return
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            pass
        self._keepers.pop(process, None)

    # ------------------------------------------------------------ the end

    def _poke(self, folder: str, byte: bytes) -> None:
        """Wake the keeper. Without one there is no reader, and nothing is signalled."""
        try:
            descriptor = os.open(f"{folder}/control", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return
            raise
        try:
            os.write(descriptor, byte)
        except (BlockingIOError, BrokenPipeError):
            pass  # full of earlier pokes, so it is awake anyway; or it has just ended
        finally:
            os.close(descriptor)

    def _kill_keeper(self, process: ProcessId) -> None:
        """Kill a keeper that hangs, if its record, its start time and its lock agree on which process it is."""
        started = _load(f"{self._path(process)}/started") or {}
        if "keeper" in started and started.get("boot") == keeper_script.boot_id():
            kill_exactly(started["keeper"], ticks=started["ticks"], mark=f"{MARK}={self._path(process)}")
        until = time.monotonic() + 1.0
        while self.poll(process).state is ProcessState.RUNNING:
            if time.monotonic() > until:
                raise WtError(f"{process} cannot be stopped: its keeper does not respond", hint="wto stop")
            time.sleep(_LOOK_S)

    def _sweep(self, process: ProcessId, *, gentle_s: float) -> None:
        left = sweep(f"{MARK}={self._path(process)}", gentle_s=gentle_s)
        if left:
            raise WtError(
                f"processes of {process} cannot be stopped: {left}", hint="kill them by hand, then run wto resume"
            )


def _message_name(message: str) -> str:
    """A file name for a message's id, which may come from an agent: readable as far as it is safe, and unique."""
    readable = re.sub(r"[^A-Za-z0-9_]", "_", message)[:60]
    return f"{readable}-{hashlib.sha256(message.encode(errors='surrogateescape')).hexdigest()[:16]}"


@contextmanager
def _plainly(what: str) -> Iterator[None]:
    """Raise a failure of the system, such as a full disk, as an error that a person can fix and that may be tried
    again."""
    try:
        yield
    except OSError as error:
        raise WtError(f"{what}: {error.strerror}", hint="wto doctor") from error


def _load(path: str) -> dict[str, Any] | None:
    """A record of the keeper; None if there is none, empty if a crash of the machine left it unreadable."""
    try:
        with open(path, encoding="utf-8") as file:
            loaded: dict[str, Any] = json.load(file)
            return loaded
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


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
