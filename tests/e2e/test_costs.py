"""What the program costs, counted: git processes of a run, of `status --dirty`, of a queue, and of a turn at rest.

Counts are exact on a busy machine, where times are not. Whoever adds a git process for each workstream makes one of these fail.
Every start is counted by a `git` of ours on PATH, whoever starts it; what agents start themselves is told apart by their
environment.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.support.project import COMMAND_AGENT, Project

WORK = "echo $WTO_WORKSTREAM > $WTO_WORKSTREAM.txt\ngit add -A\ngit commit -qm $WTO_WORKSTREAM\n"


class Counting:
    """Git starts of the tool and what it starts, by their first words."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "starts"
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        git = self.bin / "git"
        git.write_text(
            f'#!/bin/sh\necho "${{WTO_ATTEMPT:+agent }}$1 $2" >> {self._log}\nexec {shutil.which("git")} "$@"\n',
            encoding="utf-8",
        )
        git.chmod(0o755)

    def starts(self) -> Counter[str]:
        """Those of the tool since the last call."""
        told = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        self._log.write_text("", encoding="utf-8")
        return Counter(line.split()[0] for line in told if line and not line.startswith("agent "))


@pytest.fixture
def counting(project: Project, tmp_path: Path) -> Counting:
    """Counts from now on."""
    found = Counting(tmp_path / "counting")
    project.environment["PATH"] = f"{found.bin}:{project.environment['PATH']}"
    return found


def _plan(project: Project, names: list[str]) -> str:
    streams = "".join(f"  {name}: {{brief: x}}\n" for name in names)
    limits = f"limits: {{agents: {len(names)}}}\n"
    return project.plan(f"goal: g\n{limits}{COMMAND_AGENT}workstreams:\n{streams}", dict.fromkeys(names, WORK))


def test_git_processes_of_a_run_are_few(project: Project, counting: Counting) -> None:
    """One workstream from start to landed; and each further one costs little more than its own checkout, fetch and checks."""
    ended = project.wto("run", "--land", _plan(project, ["a"]))
    assert ended.code == 0, ended.err
    one = counting.starts()
    assert one.total() <= MOST_FOR_ONE, one
    more = [f"w{number}" for number in range(6)]
    ended = project.wto("run", "--land", _plan(project, more))
    assert ended.code == 0, ended.err
    six = counting.starts()
    assert six.total() <= MOST_FOR_ONE + 5 * MOST_FOR_MORE, six
    assert not {"for-each-ref", "show-ref"} & six.keys()


MOST_FOR_ONE = 31
MOST_FOR_MORE = 16
