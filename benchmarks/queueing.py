"""A queue of branches through `wto train` against `git merge` branch by branch, and the git processes that a run starts.

The two commands are whole programs, each with its start; the check is `true`, so that nothing but the train itself is measured.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from measuring import cost_of, environment, make_repository, run, scratch

HERE = Path(__file__).resolve().parent
WORK = "echo $WTO_WORKSTREAM > $WTO_WORKSTREAM.txt; git add -A; git commit -qm $WTO_WORKSTREAM"


def queueing() -> Iterator[tuple[str, str]]:
    """CPU of `train add` and `train run --land` over that of `git merge` in a loop."""
    for count in (2, 10):
        pairs = [_once(count) for _ in range(3)][1:]
        ours, git = median(a for a, _ in pairs), median(b for _, b in pairs)
        figure = f"{ours / git:.1f} ({ours * 1000:.0f} ms against {git * 1000:.0f} ms)"
        yield f"{count} branches through train add and train run --land: CPU / git merge one by one", figure


def _once(count: int) -> tuple[float, float]:
    with scratch() as folder:
        env = {**environment(folder), "PYTHONPATH": str(HERE.parent)}
        repository = folder / "repository"
        make_repository(repository, 200, env)
        names = [f"b{number}" for number in range(count)]
        for name in names:
            run(["git", "switch", "-q", "-c", name, "main"], cwd=repository, env=env)
            (repository / f"{name}.txt").write_text("x\n", encoding="utf-8")
            run(["git", "add", "-A"], cwd=repository, env=env)
            run(["git", "commit", "-q", "-m", name], cwd=repository, env=env)
        run(["git", "switch", "-q", "-c", "plain", "main"], cwd=repository, env=env)

        def merge() -> None:
            for name in names:
                run(["git", "merge", "-q", "--no-ff", "-m", name, name], cwd=repository, env=env)

        plain = cost_of(merge).cpu
        run(["git", "switch", "-q", "main"], cwd=repository, env=env)
        added = _reaped(repository, env, "train", "add", *names, "--check", "true")
        return added + _reaped(repository, env, "train", "run", "--land"), plain


def _reaped(repository: Path, env: Mapping[str, str], *words: str) -> float:
    """CPU seconds of a command and all that it leaves behind."""
    program = [sys.executable, str(HERE / "reaping.py"), sys.executable, "-m", "wt_orchestrate", *words]
    return float(json.loads(run(program, cwd=repository, env=env).splitlines()[-1])["cpu"])


def processes() -> Iterator[tuple[str, str]]:
    """Git processes of a run with its landing, counted by a `git` of ours on PATH; the agents' own are left out."""
    for count in (1, 8):
        with scratch() as folder:
            env = {**environment(folder), "PYTHONPATH": str(HERE.parent)}
            make_repository(folder / "repository", 200, env)
            log, git = folder / "starts", folder / "bin" / "git"
            git.parent.mkdir()
            real = shutil.which("git")
            git.write_text(
                f'#!/bin/sh\n[ -n "$WTO_ATTEMPT" ] || echo "$1" >> {log}\nexec {real} "$@"\n', encoding="utf-8"
            )
            git.chmod(0o755)
            streams = "\n".join(f"  w{number}: {{brief: x}}" for number in range(count))
            agent = f"limits: {{agents: {count}}}\nagents: {{a: {{type: command, run: '{WORK}'}}}}\n"
            plan = folder / "plan.yaml"
            plan.write_text(f"goal: g\n{agent}defaults: {{agent: a}}\nworkstreams:\n{streams}\n", encoding="utf-8")
            words = [sys.executable, "-m", "wt_orchestrate", "run", "--land", str(plan)]
            run(words, cwd=folder / "repository", env={**env, "PATH": f"{git.parent}:{env['PATH']}"})
            yield f"git processes of a run of {count} workstreams, landed", str(len(log.read_text().split()))
