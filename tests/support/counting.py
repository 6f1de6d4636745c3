"""Costs that are counted, for times differ on a busy machine and counts do not."""

from __future__ import annotations

import gc
import os
import shutil
from collections import Counter
from pathlib import Path

from tests.support.project import Project


def open_descriptors() -> int:
    """How many descriptors this process holds, without those that wait for Python to collect what nobody uses any more."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


class Counting:
    """Git starts of the tool and what it starts, by their first words."""

    def __init__(self, project: Project, folder: Path) -> None:
        """Count from now on what `project` starts; `folder` is made for the `git` that counts."""
        self._log = folder / "starts"
        folder.mkdir(parents=True)
        git = folder / "git"
        git.write_text(
            f'#!/bin/sh\necho "${{WTO_ATTEMPT:+agent }}$1 $2" >> {self._log}\nexec {shutil.which("git")} "$@"\n',
            encoding="utf-8",
        )
        git.chmod(0o755)
        project.environment["PATH"] = f"{folder}:{project.environment['PATH']}"

    def starts(self) -> Counter[str]:
        """Those of the tool since the last call."""
        told = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        self._log.write_text("", encoding="utf-8")
        return Counter(line.split()[0] for line in told if line and not line.startswith("agent "))
