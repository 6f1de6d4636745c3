"""The program without the price of its imports: a small server has them made once and forks a process for each command.

A forked process is the program in all that a test can see: a process with its own id, environment, folder, files, signals and
exit code, killed and waited for as any other. Only the interpreter's start is shared; so whoever tests that (`-X importtime`,
another `PYTHONPATH`, another encoding) starts a real one, which `usable` decides by the environment.

One server serves one worker of pytest and ends with it. It has a single thread, as whoever forks must.

usage: python -I -S tests/support/forkserver.py ADDRESS [WORD...]     (the program, for who starts it by a command line)
"""

from __future__ import annotations

import array
import atexit
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_READ_BY_PYTHON = ("PYTHON", "LC_", "LANG")
_OWN = {"PYTHONPATH": _ROOT, "LANG": "C.UTF-8"}
"""What the server's interpreter was started with, of the variables that an interpreter reads."""


def usable(environment: Mapping[str, str]) -> bool:
    """Whether a new interpreter in this environment would start as the server's did."""
    return {name: value for name, value in environment.items() if name.startswith(_READ_BY_PYTHON)} == _OWN


# ---------------------------------------------------------------- who asks


class Forked:
    """A process of the program; what `subprocess.Popen` offers, as far as tests need it."""

    def __init__(
        self,
        address: str,
        words: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        files: Sequence[int],
        descriptors: int = 0,
    ):
        self.args = list(words)
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(address)
        request = json.dumps({"words": self.args, "cwd": cwd, "env": dict(env), "descriptors": descriptors}).encode()
        self._connection.sendmsg(
            [len(request).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        )
        self._connection.sendall(request)
        self._answers = self._connection.makefile("r", encoding="ascii")
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._connection.close()
        return self.returncode


class ForkServer:
    """A server of one's own; it ends when its input does, so with whoever started it."""

    def __init__(self) -> None:
        environment = {"PATH": os.environ["PATH"], **_OWN}
        words = [sys.executable, "-P", "-m", "tests.support.forkserver"]
        self._server = subprocess.Popen(
            words,
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=_default_signals,
            text=True,
        )
        assert self._server.stdout is not None
        self.address = self._server.stdout.readline().rstrip("\n")
        assert self.address, "the fork server did not start"

    def start(
        self, words: Sequence[str], *, cwd: str, env: Mapping[str, str], files: Sequence[int], descriptors: int = 0
    ) -> Forked:
        """The program with these words, on the three files as its input, output and errors. With `descriptors` it may have
        only so many files open."""
        return Forked(self.address, words, cwd=cwd, env=env, files=files, descriptors=descriptors)

    @property
    def command(self) -> tuple[str, ...]:
        """What stands for the program on a command line."""
        return (sys.executable, "-I", "-S", os.path.abspath(__file__), self.address)


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _stand_in(address: str, words: list[str]) -> int:
    """Be the program for whoever started this by a command line: its files, its environment, its signals, its end."""
    child = Forked(address, words, cwd=os.getcwd(), env=os.environ, files=(0, 1, 2))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: child.send_signal(number))
    for each in (0, 1):
        os.close(each)
    code = child.wait()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


# ---------------------------------------------------------------- the server


def _serve(address: str) -> None:
    """Fork and reap until whoever started this has gone; a forked process never comes back here."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    wakeup, alarm = os.pipe()
    for end in (wakeup, alarm):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(alarm)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, socket.socket] = {}
    print(address, flush=True)
    while True:
        ready = select.select([listener.fileno(), wakeup, 0], [], [])[0]
        if wakeup in ready:
            os.read(wakeup, 4096)
            _reap(children)
        if listener.fileno() in ready:
            _fork(listener.accept()[0], children)
        if 0 in ready and not os.read(0, 1):
            return


def _reap(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        connection = children.pop(pid)
        try:
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        except OSError:
            pass  # who asked has gone
        connection.close()


def _fork(connection: socket.socket, children: dict[int, socket.socket]) -> None:
    head, rights, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    files = array.array("i")
    files.frombytes(rights[0][2])
    with connection.makefile("rb") as incoming:
        request = json.loads(incoming.read(int.from_bytes(head, "big")))
    pid = os.fork()
    if not pid:
        _become(request, list(files))
    for each in files:
        os.close(each)
    children[pid] = connection
    connection.sendall(f"{pid}\n".encode())


def _become(request: dict[str, Any], files: list[int]) -> None:
    """In the forked process: be the program, and end as an interpreter ends."""
    code = 1
    try:
        _dress(request, files)
        code = _main()
    except BaseException:  # noqa: BLE001 - as the interpreter itself would
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or 120
        os._exit(code)


def _dress(request: dict[str, Any], files: list[int]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    high = [os.dup(each) for each in files]
    for number, each in enumerate(high):
        os.dup2(each, number)
    os.closerange(3, 4096)
    os.chdir(request["cwd"])
    if request["descriptors"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (request["descriptors"], request["descriptors"]))
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.argv = ["wto", *request["words"]]
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def _main() -> int:
    from wt_orchestrate.__main__ import main

    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


def _import_all() -> None:
    """Have every module of the program, and what it needs, imported before anything is forked."""
    import gc
    import pkgutil
    from contextlib import suppress
    from importlib import import_module

    import wt_orchestrate

    for found in pkgutil.walk_packages(wt_orchestrate.__path__, "wt_orchestrate."):
        with suppress(ModuleNotFoundError):  # what another system's module needs
            import_module(found.name)
    from wt_orchestrate.adapters import machine

    machine._load = lambda: 0.0  # how busy the tests' machine is must not decide whether a second agent may start
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(_stand_in(sys.argv[1], sys.argv[2:]))
    _import_all()
    folder = tempfile.mkdtemp(prefix="wto-fork-")  # by hand: what cleans up at exit would also do so in each process
    try:
        _serve(f"{folder}/socket")
    finally:
        shutil.rmtree(folder)
