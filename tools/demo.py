"""The demo: a sample repository, a plan of four workstreams, the embedded agent, real checks, real landing.

usage: python tools/demo.py [FOLDER]

Makes FOLDER (`demo-repository` by default) anew, runs the plan in it, lands it and prints the report. Nothing but git and
this project is needed: no keys, no network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
DEMO = HERE / "templates" / "demo"
IDENTITY = {"GIT_AUTHOR_NAME": "Demo", "GIT_AUTHOR_EMAIL": "demo@example.com"}
IDENTITY |= {"GIT_COMMITTER_NAME": "Demo", "GIT_COMMITTER_EMAIL": "demo@example.com"}


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-repository").resolve()
    worktrees = folder.with_name(f"{folder.name}.worktrees")
    for old in (folder, worktrees, folder.with_name(f"{folder.name}.state")):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(DEMO / "repository", folder)
    plan = (DEMO / "plan.yaml").read_text(encoding="utf-8")
    plan = plan.replace("{python}", sys.executable).replace("{agent}", str(DEMO / "agent.py"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    state = folder.with_name(f"{folder.name}.state")
    environment |= {"WTO_STATE_DIR": str(state)}
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Start the ledger"]):
        subprocess.run(["git", *command], cwd=folder, env=environment | IDENTITY, check=True)
    for key in ("name", "email"):
        subprocess.run(["git", "config", f"user.{key}", IDENTITY[f"GIT_AUTHOR_{key.upper()}"]], cwd=folder, check=True)
    (folder / ".git" / "plan.yaml").write_text(plan, encoding="utf-8")
    for words in (["plan", "show", ".git/plan.yaml"], ["run", ".git/plan.yaml"], ["land"], ["report"]):
        print(f"\n$ wto {' '.join(words)}", flush=True)
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "wt_orchestrate", *words], cwd=folder, env=environment, check=False
        )
        if ended.returncode:
            return ended.returncode
    print(f"\nWhere to look: {folder} (git log --graph), its worktrees in {worktrees},")
    print(f"the log and the agents' output in {environment['WTO_STATE_DIR']}.")
    return 0


sys.exit(main())
