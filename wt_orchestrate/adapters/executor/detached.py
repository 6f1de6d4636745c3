"""Start a process of our own that outlives us: the supervisor of `--detach`, or a drafting."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from wt_orchestrate.errors import WtError

_DEADLINE_S = 20.0


def start_detached(argv: Sequence[str], *, log: str, ready: Callable[[], bool], what: str = "the supervisor") -> None:
    """Start it in a session of its own, with its output in `log`; returns when `ready` holds. `what` is its name in
    errors. Raises WtError with the end of its output if it ends before, or is not ready in time."""
    with open(log, "ab") as output:
        child = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, close_fds=True
        )
    deadline = time.monotonic() + _DEADLINE_S
    while not ready():
        if child.poll() is not None:
            if child.returncode == 0:
                return
            raise WtError(f"{what} exited at once: {_tail(log)}", hint=f"its output is in {log}")
        if time.monotonic() > deadline:
            raise WtError(f"{what} did not start within {_DEADLINE_S:.0f} s", hint=f"its output is in {log}")
        time.sleep(0.02)


def said(argv: Sequence[str], env: Mapping[str, str], *, timeout_s: float = 30.0) -> str:
    """The output of a short command; empty if it fails or hangs."""
    try:
        ended = subprocess.run(
            list(argv), env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.decode(errors="replace") if ended.returncode == 0 else ""


def _tail(path: str) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 1_000))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no output"
