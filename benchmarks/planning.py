"""Forecasting a plan of 20 workstreams from 2,000 commits of a repository of 20,000 files, against `git log --name-only` and
`git ls-tree` alone, which is what has to be read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from landing import FILES, FOLDERS, WHEN, path_of
from measuring import cost_of, in_turn, make_repository, run

from wt_orchestrate.adapters.gitrepo.vault import GitVault
from wt_orchestrate.domain.drafting.cochange import plan_forecast
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.plan.model import Plan, Workstream

_COMMITS = 2_000
_STREAMS = 20


def planning(folder: Path, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """CPU of the forecast over that of git reading the history."""
    os.environ.update({key: env[key] for key in ("HOME", "GIT_CONFIG_NOSYSTEM")})
    repository = folder / "repository"
    make_repository(repository, FILES, env)
    _make_history(repository, env)
    vault = GitVault(str(folder / "vault"), source=str(repository / ".git"), scratch=str(folder / "scratch"))
    vault.ensure()
    head = vault.refs.fetch({"refs/heads/main": "refs/wto/target/main"})["refs/wto/target/main"]
    plan = _plan()
    log = [
        "git",
        "log",
        "--no-merges",
        "--name-only",
        "-z",
        "--no-renames",
        f"--max-count={_COMMITS}",
        "--format=%x01",
        head,
    ]
    tree = ["git", "ls-tree", "-r", "--name-only", "-z", head]
    ours, git, _, cpu = in_turn(
        lambda: cost_of(lambda: plan_forecast(plan, vault.commits.past(head=CommitId(head), commits=_COMMITS))),
        lambda: cost_of(lambda: [run(words, cwd=vault.path, env=env) for words in (log, tree)]),
        rounds=3,
    )
    yield "plan forecast, CPU over git reading the history", f"{cpu:.2f} ({ours.cpu:.2f} s against {git.cpu:.2f} s)"


def _make_history(repository: Path, env: Mapping[str, str]) -> None:
    """Commits of 1 to 8 files, mostly of one folder."""
    random = Random(1)
    parts: list[bytes] = []
    for number in range(_COMMITS):
        home = random.randrange(FOLDERS)
        files = [100 * home + random.randrange(100) for _ in range(random.randint(1, 6))]
        files += [random.randrange(FILES) for _ in range(random.randint(0, 2))]
        parts.append(b"commit refs/heads/main\ncommitter B <b@x> %d +0000\ndata 4\nwork\n" % (WHEN + number))
        if number == 0:
            parts.append(b"from refs/heads/main^0\n")
        for file in dict.fromkeys(files):
            parts.append(b"M 644 inline %s\ndata %d\n%d\n" % (path_of(file), len(str(number)) + 1, number))
            parts.append(b"\n")
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repository, env=dict(env), input=b"".join(parts), check=True)


def _plan() -> Plan:
    """Each workstream writes ten folders."""
    folders = sorted({path_of(100 * folder).decode().rpartition("/")[0] for folder in range(FOLDERS)})
    share = len(folders) // _STREAMS
    return Plan(
        goal="g",
        workstreams={
            f"w{number}": Workstream(
                brief="x", scope=tuple(f"{name}/**" for name in folders[number * share : (number + 1) * share])
            )
            for number in range(_STREAMS)
        },
    )
