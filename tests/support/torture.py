"""Real runs whose processes are killed at random: supervisor, keepers, agents. In the end all is landed, each once.

Real git, real keepers, scripted agents. What is killed and when comes from a seed; how it interleaves does not, so a
violation is told with what was killed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.support.project import COMMAND_AGENT, Project, Running, make_project

NAMES = ("a", "b", "c", "d")
SCRIPT = """sleep 0.3
echo "$WTO_WORKSTREAM" > "$WTO_WORKSTREAM.txt"
git add -A
git diff --cached --quiet || git commit -qm Work
sleep 0.2
"""
PLAN = (
    "goal: Do it\nchecks: [{run: 'test ! -e BROKEN'}]\n"
    + COMMAND_AGENT
    + "workstreams: {a: {brief: x}, b: {brief: x}, c: {brief: x, needs: [a]}, d: {brief: x, needs: [a, b]}}\n"
)
SETTINGS = "poll: 1s\nrecovery: {crash: [{times: 50}], attempts: 60}\n"
_SETTLE_S = 90.0


class Torture:
    """Runs, one after another, until time is up."""

    def __init__(self, scratch: Path, seed: int) -> None:
        self._scratch = scratch
        self._chance = random.Random(seed)
        self.runs = 0
        self.kills = 0
        self.checked = 0
        self.violations: list[str] = []

    def run_for(self, seconds: float) -> None:
        """Run and kill for so many seconds; a run that has begun is brought to its end."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.violations:
            folder = self._scratch / f"run-{self.runs}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self._one(make_project(folder))
            self.runs += 1
            shutil.rmtree(folder, ignore_errors=True)

    def _one(self, project: Project) -> None:
        project.repository.commit({".wto/config.yaml": SETTINGS})
        before = project.repository.git("rev-parse", "main").strip()
        plan = project.plan(PLAN, dict.fromkeys(NAMES, SCRIPT))
        told: list[str] = []
        child = project.start("run", "--land", plan)
        deadline = time.monotonic() + _SETTLE_S
        while time.monotonic() < deadline:
            if self._ended(child):
                if child.returncode == 0:
                    break
                begun = project.wto("status").code == 0
                child = project.start(*(("resume",) if begun else ("run", "--land", plan)))
            if len(told) < 25:
                told += self._kill_something(project, child)
        self._check(project, child, before, told)
        project.close()

    def _ended(self, child: Running) -> bool:
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=self._chance.uniform(0.05, 0.6))
        return child.poll() is not None

    def _kill_something(self, project: Project, child: Running) -> list[str]:
        kept = sorted(project.processes())
        targets = [("supervisor", child.pid)] + [("kept process", pid) for pid in kept]
        what, pid = self._chance.choice(targets)
        if child.poll() is not None and what == "supervisor":
            return []
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.kills += 1
        return [what]

    def _check(self, project: Project, child: Running, before: str, told: list[str]) -> None:
        """All integrated, each once, the target a descendant of what it was, nothing left alive."""
        if project.wto("land").code not in {0, 6}:
            self.violations.append(f"landing was refused after {told}")
        status = json.loads(project.wto("status", "--json").out)
        stages = {ws["id"]: ws["stage"] for ws in status["workstreams"]}
        trailers = project.repository.git(
            "log", "--first-parent", "--format=%(trailers:key=Wto-Workstream,valueonly,separator=)", "main"
        ).split()
        promises = {
            "L1: each is integrated once": sorted(trailers) == sorted(NAMES),
            "everything landed": set(stages.values()) == {"landed"},
            "L4: the target moved forward": project.repository.git("merge-base", before, "main").strip() == before,
            "D3: the checkout is clean": project.repository.git("status", "--porcelain").strip() == "",
            "P2: nobody is left": not project.processes(),
        }
        self.checked += len(promises)
        self.violations += [
            f"{text} does not hold after {told}: {stages}, {trailers}" for text, so in promises.items() if not so
        ]
