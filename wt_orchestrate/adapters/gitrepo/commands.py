"""A command of the repository's settings, run in a throwaway tree: under a deadline, and with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress

from wt_orchestrate.domain.plan import seconds


def ran(command: str, *, cwd: str, env: Mapping[str, str], timeout: str) -> bool:
    """Whether it ended with 0 within its time; its process group is gone afterwards."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(timeout=seconds(timeout) or 600.0) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
