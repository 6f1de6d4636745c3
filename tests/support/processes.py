"""Processes for the tests of the executor: a scripted child, and ways to see who lives."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from wt_orchestrate.adapters.executor.local import LocalExecutor
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.ports.engine import Launch

PYTHON = sys.executable

SCRIPTED = r"""
import os, select, sys
orders = os.open(sys.argv[1], os.O_RDWR)
received = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
text = b""
sources = [orders, 0]
while True:
    for source in select.select(sources, [], [])[0]:
        chunk = os.read(source, 1 << 16)
        if source == 0:
            os.write(received, chunk)
            if not chunk:
                sources.remove(0)
            continue
        text += chunk
        while b"\n" in text:
            order, _, text = text.partition(b"\n")
            verb, _, value = order.partition(b" ")
            if verb == b"exit":
                os._exit(int(value))
            os.write(2 if verb == b"errors" else 1, eval(value))
"""
"""A child that does what its test writes into a FIFO, and keeps what it reads from its input."""


def python(source: str, *arguments: str) -> tuple[str, ...]:
    """The command line of a small Python program."""
    return (PYTHON, "-I", "-S", "-c", source, *arguments)


def launch(name: str, argv: tuple[str, ...], **more: Any) -> Launch:
    """A launch in an environment with a PATH and nothing else."""
    fields: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.environ["PATH"]}, **more}
    return Launch(id=ProcessId(name), argv=argv, **fields)


def started(executor: LocalExecutor, name: str) -> dict[str, Any]:
    """What the keeper wrote down of itself."""
    with open(f"{executor.folder(ProcessId(name))}/started", encoding="utf-8") as file:
        record: dict[str, Any] = json.load(file)
        return record


def kill_keeper(executor: LocalExecutor, name: str) -> None:
    """Kill a keeper in the way nobody can prevent, once its lock shows that the record is about a living one."""
    assert executor.poll(ProcessId(name)).state == "running"
    os.kill(started(executor, name)["keeper"], signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def carrying(mark: str) -> list[int]:
    """Living processes with `NAME=value` in their environment."""
    return [pid for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()) if _has(pid, mark)]


def _has(pid: int, mark: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark.encode() in file.read().split(b"\0") and alive(pid)
    except OSError:
        return False


def numbers(path: str) -> list[int]:
    """The numbers in a file, one a line, as far as they are there."""
    try:
        with open(path, encoding="ascii") as file:
            return [int(line) for line in file.read().split("\n")[:-1]]
    except FileNotFoundError:
        return []
