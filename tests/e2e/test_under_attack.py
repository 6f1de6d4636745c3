"""What an agent planted, against every command: nothing of it runs outside of the agent, and only what was checked lands.

The payloads are those of `tests/support/attacks.py`; the same against every method of the ports is
`tests/integration/gitrepo/test_security.py`, which also shows that they are live.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import attacks
from tests.support.attacks import LANDING, Attack
from tests.support.every_command import CODES, WORDS
from tests.support.project import COMMAND_AGENT, Project, Running, make_project
from tests.support.waiting import wait_until
from wt_orchestrate.errors import ExitCode

Payload = Callable[[Attack], None]
PLAN = "goal: Do it\nchecks: [{run: 'true'}]\n" + COMMAND_AGENT + "workstreams: {evil: {brief: x}}\n"
WORK = """echo good > README.md
mkdir src
echo new > src/new.py
git rm -q app.py
git add -A
git commit -qm Work
"""
WAITING = 'touch "$TEST_FOLDER/works"\nwhile [ ! -e "$TEST_FOLDER/go" ]; do sleep 0.05; done\n'
BEFORE = {"README.md": "hello\n", "src/new.py": None, "app.py": "old\n"}
AFTER = {"README.md": "good\n", "src/new.py": "new\n", "app.py": None}
TOGETHER: dict[str, tuple[Payload, ...]] = {
    "hooks, drivers and remotes": (
        attacks.hooks, attacks.diff_drivers, attacks.merge_drivers, attacks.signatures, attacks.remotes, attacks.promisor,
    ),
    "monitors, includes and a led-away worktree": (
        attacks.hooks_path, attacks.included, attacks.fsmonitor, attacks.worktree_config, attacks.attributes_everywhere,
        attacks.nested, attacks.git_file,
    ),
    "helpers, aliases and a led-away repository": (
        attacks.alternates, attacks.others, attacks.merge_options, attacks.remote_helpers, attacks.instead_of,
        attacks.common_dir,
    ),
    "objects that are others": (attacks.replaced, attacks.rewritten_object, attacks.bare),
}  # fmt: skip
"""Payloads that do not hide one another."""
NAIVE = {
    "hooks, drivers and remotes": ("branch", "another"),
    "monitors, includes and a led-away worktree": ("status",),
    "helpers, aliases and a led-away repository": ("interpret-trailers", "--trailer", "x=1"),
}
"""What a git command without our care runs of them, in the user's checkout: the canaries are alive."""


def test_every_payload_meets_every_command() -> None:
    """A new payload joins a group. (`filters` is in those of the drivers.)"""
    assert {each for group in TOGETHER.values() for each in group} | {attacks.filters} == set(LANDING)


@dataclass(frozen=True, slots=True)
class Ready:
    """A project whose run is integrated, not landed; `marker` is what a payload writes if it runs outside of an agent."""

    project: Project
    attack: Attack
    running: Running
    marker: Path
    common_dir: Path

    def plant(self, *payloads: Payload) -> None:
        for payload in payloads:
            payload(self.attack)
        self.marker.unlink(missing_ok=True)  # our own git, with which it was planted, met the earlier ones

    def end(self) -> str:
        """Let the agent and its run end; the checked commit, empty if there is none."""
        (self.project.folder / "go").touch()
        self.running.wait(timeout=120)
        found = self.common_dir / "refs/heads/wto/r1/integration"
        return found.read_text().strip() if found.exists() else ""

    def shown(self) -> dict[str, str | None]:
        paths = {name: Path(self.project.repository.path, name) for name in BEFORE}
        return {name: path.read_text() if path.exists() else None for name, path in paths.items()}

    def landed(self) -> str:
        """The commit that main is at, by what git wrote to the disk."""
        loose = self.common_dir / "refs/heads/main"
        if loose.exists():
            return loose.read_text().strip()
        packed = (self.common_dir / "packed-refs").read_text().splitlines()
        return next(line.split()[0] for line in packed if line.endswith(" refs/heads/main"))


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[Ready]:
    project = make_project(tmp_path, {"README.md": "hello\n", "app.py": "old\n"})
    project.repository.commit({".wto/config.yaml": "admission: {disk_mb: 1}\n"})
    project.repository.git("branch", "topic")
    project.environment["EDITOR"] = "/bin/true"
    running = project.start("run", project.plan(PLAN, {"evil": WORK + WAITING}))
    wait_until((tmp_path / "works").exists, timeout_s=60, what="the agent's work")
    marker, canary = tmp_path / "marker", tmp_path / "canary"
    canary.write_text(f'#!/bin/sh\n[ -n "${{WTO_PROCESS:-}}" ] || tr "\\0" " " < /proc/$PPID/cmdline >> {marker}\n')
    canary.chmod(0o755)
    agent = project.repository.at(str(project.worktree("evil")))
    common_dir = Path(project.repository.common_dir)
    attack = Attack(project.repository, agent, str(project.state / "vault.git"), str(canary))
    yield Ready(project, attack, running, marker, common_dir)
    project.close()


@pytest.mark.parametrize("name", TOGETHER)
def test_S1_S2_no_command_runs_what_was_planted(ready: Ready, name: str) -> None:
    """Every command of ours in a repository full of traps: no canary outside of agents, no crash, and main is where it was or
    where the checked work is, with the checked files."""
    old = ready.landed()
    ready.plant(*TOGETHER[name])
    checked = ready.end()
    wrong = [f"the run ran {ready.marker.read_text()}"] if ready.marker.exists() else []
    for words in WORDS:
        if words == ("trust",):
            continue  # with it the user says that all of this is his own
        plan, folder = ready.project.folder / "plan.yaml", ready.project.folder
        ended = ready.project.wto(*(each.format(plan=plan, folder=folder) for each in words), stdin="")
        said = ended.out + ended.err
        if ended.code not in CODES or "Traceback" in said or "a bug in" in said:
            wrong.append(f"{' '.join(words)}: {ended.code}: {said[-300:]}")
        if ready.marker.exists():
            wrong.append(f"{' '.join(words)} ran {ready.marker.read_text()}")
            ready.marker.unlink()
    assert not wrong, "\n".join(wrong)
    assert (ready.landed(), ready.shown()) in [(old, BEFORE), (checked, AFTER)]
    if name in NAIVE:
        checkout, env = ready.project.repository.path, ready.project.environment
        subprocess.run(["git", *NAIVE[name]], cwd=checkout, env=env, input=b"x\n", capture_output=True, check=False)
        assert ready.marker.exists(), f"git {NAIVE[name]} ran nothing"


def test_S1_D3_landing_writes_what_was_checked_or_nothing(ready: Ready) -> None:
    """`land -n` and `land` agree on each payload; what lands is the checked commit with the checked files, else all is as it
    was, with words that name what is in the way."""
    old = ready.landed()
    checked = ready.end()
    kept = ready.project.folder.parent / f"{ready.project.folder.name}-kept"
    subprocess.run(["cp", "-a", ready.project.folder, kept], check=True)
    wrong: list[str] = []
    outcomes: set[int] = set()
    for payload in LANDING:
        ready.plant(payload)
        told = ready.project.wto("land", "-n")
        ended = ready.project.wto("land")
        found = (ready.landed(), ready.shown())
        right = (checked, AFTER) if ended.code == 0 else (old, BEFORE)
        said = f"{payload.__name__}: {told.code} {ended.code} {told.out + told.err}\n{ended.out + ended.err}"
        if found != right or ready.marker.exists() or ended.code not in CODES or (told.code == 0) != (ended.code == 0):
            wrong.append(f"{said}\n{found} {ready.marker.exists() and ready.marker.read_text()}")
        if ended.code and "↳" not in ended.err:
            wrong.append(f"no remedy: {said}")
        outcomes.add(ended.code)
        _put_back(kept, ready.project.folder)
    shutil.rmtree(kept)
    assert not wrong, "\n\n".join(wrong)
    assert outcomes >= {int(ExitCode.OK), int(ExitCode.CONFLICT)}  # some are harmless to a landing, some stop it


def _put_back(kept: Path, folder: Path) -> None:
    for each in folder.iterdir():
        shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else os.unlink(each)
    subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
