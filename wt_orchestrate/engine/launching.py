"""Commands of a plan as processes to start: by `sh -c`, with their errors in their output, under a deadline."""

from __future__ import annotations

from collections.abc import Mapping

from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.ports import Launch


def shell(process: ProcessId, script: str, *, cwd: str, env: Mapping[str, str], timeout_s: float) -> Launch:
    """A setup command or a check."""
    return Launch(
        id=process,
        argv=("/bin/sh", "-c", f"exec 2>&1\n{script}"),
        cwd=cwd,
        env=dict(env),
        deadline_s=timeout_s,
        grace_s=2.0,
    )
