"""Measuring: whole processes, CPU seconds with children beside wall time, pairs taken in turn in one run, medians.

Ratios are what counts: machines differ and are noisy, so nothing here passes or fails.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of something took, in seconds."""

    wall: float
    cpu: float


def cost_of(work: Callable[[], object]) -> Cost:
    """Wall time, and the CPU time of this process and of all its children that were waited for."""
    before = _cpu()
    began = time.perf_counter()
    work()
    return Cost(time.perf_counter() - began, _cpu() - before)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def in_turn(one: Callable[[], Cost], other: Callable[[], Cost], *, rounds: int) -> tuple[Cost, Cost, float, float]:
    """Medians of both, and the medians of the ratios one/other of wall and CPU, pair by pair; one round is not counted."""
    pairs = [(one(), other()) for _ in range(rounds + 1)][1:]
    wall = median(a.wall / b.wall for a, b in pairs)
    cpu = median(a.cpu / max(b.cpu, 1e-4) for a, b in pairs)
    return _middle([a for a, _ in pairs]), _middle([b for _, b in pairs]), wall, cpu


def _middle(costs: Sequence[Cost]) -> Cost:
    return Cost(median(each.wall for each in costs), median(each.cpu for each in costs))


def run(words: Sequence[str], *, cwd: str | Path, env: Mapping[str, str]) -> bytes:
    """Run a command to its end; its output."""
    return subprocess.run(list(words), cwd=cwd, env=dict(env), check=True, capture_output=True).stdout


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one: a disk that was just cleaned lies."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="wto-bench-") as folder:
        yield Path(folder)


def environment(folder: Path) -> dict[str, str]:
    """An environment with nothing of this machine's settings."""
    (folder / "home").mkdir(exist_ok=True)
    people = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "B"), ("EMAIL", "b@x"))
    }
    own = {
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "WTO_STATE_DIR": str(folder / "state"),
    }
    return {"PATH": os.environ["PATH"], **people, **own}


def make_repository(path: Path, files: int, env: Mapping[str, str]) -> None:
    """A repository with this many small files in one commit on main, checked out."""
    path.mkdir(parents=True)
    run(["git", "init", "-q", "-b", "main"], cwd=path, env=env)
    for key, value in (("user.name", "Bench"), ("user.email", "bench@example.org")):
        run(["git", "config", key, value], cwd=path, env=env)
    parts = [b"commit refs/heads/main\ncommitter Bench <bench@example.org> 1700000000 +0000\ndata 5\nbegin\n"]
    for number in range(files):
        content = b"line %d\n" % number * 12
        parts.append(b"M 644 inline src/%03d/f%05d.txt\ndata %d\n%s\n" % (number // 100, number, len(content), content))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=path, env=dict(env), input=b"".join(parts), check=True)
    run(["git", "reset", "-q", "--hard"], cwd=path, env=env)
