"""The same eight agents driven by `parallel-orchestra` from PyPI, where it is installed: WTO_BENCH_PEER names its program.

It starts Claude Code; a script of ours stands in for that (`--claude-exe`), which sleeps, writes and commits as our agents do. It
makes worktrees, runs the agents and merges branch by branch, without checks, a log that survives a crash, or a proof.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from measuring import Cost, environment, make_repository, run


def peer_agents(folder: Path, program: str, names: Sequence[str]) -> Cost:
    """One run of it, children included."""
    repository, env = folder / "repository", environment(folder)
    make_repository(repository, 200, env)
    agent = folder / "agent"
    agent.write_text(
        "#!/bin/sh\nname=$(git branch --show-current)\nname=$(basename $name)\n"
        "sleep 2; echo $name > $name.txt; git add $name.txt; git commit -qm $name\n"
    )
    agent.chmod(0o755)
    tasks = "".join(f"  - {{id: {name}, agent: a, read_only: false, prompt: x}}\n" for name in names)
    plan = repository / "plan.md"
    plan.write_text(f'---\npo_plan_version: "0.1"\nname: p\ncwd: "."\ntasks:\n{tasks}---\n')
    (repository / ".git" / "info" / "exclude").write_text("plan.md\n.po-worktrees\n.po-run-state*\n.claude\n")
    options = ["--claude-exe", str(agent), "--max-workers", str(len(names)), "--no-dashboard", "--no-log"]
    reaping = str(Path(__file__).with_name("reaping.py"))
    told = json.loads(
        run([sys.executable, reaping, program, "run", str(plan), *options], cwd=repository, env=env).splitlines()[-1]
    )
    landed = run(["git", "ls-tree", "--name-only", "main"], cwd=repository, env=env).decode().split()
    assert sum(name.endswith(".txt") for name in landed) == len(names), landed
    return Cost(told["wall"], told["cpu"])
