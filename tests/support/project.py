"""A project under test: a real repository, plans with scripted agents, and the real program run as a user runs it.

The scripted agent is a shell script per workstream and attempt, run by the real `command` adapter under a real keeper.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol

from tests.support.forkserver import ForkServer, usable
from tests.support.repos import TestRepository, make_repository
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def default_signals() -> None:
    """Signals as a shell in a terminal leaves them: whoever started the tests may ignore some (nohup does)."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Running(Protocol):
    """A started program: a forked one or one with an interpreter of its own."""

    pid: int
    returncode: int | Any

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


PROGRAM = (sys.executable, "-P", "-m", "wt_orchestrate")
"""The program with an interpreter of its own."""


def program(env: Mapping[str, str]) -> tuple[str, ...]:
    """What starts the program by a command line, as cheaply as this environment allows."""
    return _fork_server().command if usable(env) else PROGRAM


@cache
def _fork_server() -> ForkServer:
    """The one of this worker; it ends with it."""
    return ForkServer()


def begin(
    words: tuple[str, ...],
    *,
    cwd: str,
    env: Mapping[str, str],
    files: tuple[IO[Any], IO[Any], IO[Any]],
    descriptors: int = 0,
) -> Running:
    """Start the program as a process of its own, on three files: its input, its output and its errors. `descriptors` is how
    many files it may have open (0: no limit of ours)."""
    if usable(env):
        return _fork_server().start(
            words, cwd=cwd, env=env, files=[each.fileno() for each in files], descriptors=descriptors
        )
    stdin, stdout, stderr = files
    return subprocess.Popen(
        [*PROGRAM, *words], cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, preexec_fn=default_signals
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(slots=True)
class Project:
    """A repository, its state folder, and the program."""

    folder: Path
    repository: TestRepository
    environment: dict[str, str] = field(default_factory=dict)
    started: list[Running] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """The repository's state folder."""
        return next(each for each in (self.folder / "state").iterdir() if each.is_dir())

    def worktree(self, workstream: str, run: str = "r1") -> Path:
        return self.folder / "repository.worktrees" / run / workstream

    def plan(self, text: str, scripts: Mapping[str, str] | None = None, name: str = "plan.yaml") -> str:
        """Write a plan; `scripts` are shell scripts of agents, by workstream or `workstream.attempt`."""
        for script, body in (scripts or {}).items():
            path = self.folder / "scripts" / script
            path.parent.mkdir(exist_ok=True)
            path.write_text("set -eu\n" + body, encoding="utf-8")
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def wto(
        self, *words: str, timeout: float = 120.0, stdin: str | None = None, cwd: str = "", descriptors: int = 0
    ) -> Ended:
        """Run the program to its end."""
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write((stdin or "").encode())
            given.seek(0)
            child = begin(
                words,
                cwd=cwd or self.repository.path,
                env=self.environment,
                files=(given, out, err),
                descriptors=descriptors,
            )
            try:
                code = child.wait(timeout)
            except BaseException:
                child.kill()
                child.wait()
                raise
            return Ended(code, _read(out), _read(err))

    def python(self, code: str) -> str:
        """Run code with the program's modules in its environment; what it prints."""
        return subprocess.run(
            [sys.executable, "-P", "-c", code],
            cwd=self.repository.path,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def start(self, *words: str) -> Running:
        """Start the program and go on; it is killed at the test's end if it still runs."""
        with (
            open(os.devnull, encoding="utf-8") as nothing,
            open(self.folder / f"out-{len(self.started)}.txt", "w", encoding="utf-8") as output,
        ):
            child = begin(words, cwd=self.repository.path, env=self.environment, files=(nothing, output, output))
        self.started.append(child)
        return child

    def status(self) -> Any:
        return self.wto("status", "--json").json

    def stages(self) -> dict[str, str]:
        ended = self.wto("status", "--json")
        return {ws["id"]: ws["stage"] for ws in ended.json["workstreams"]} if ended.code == 0 else {}

    def wait_for(self, workstream: str, stage: str, *, deadline_s: float = 30.0) -> None:
        wait_until(
            lambda: self.stages().get(workstream) == stage, timeout_s=deadline_s, what=f"{workstream} being {stage}"
        )

    def processes(self) -> list[int]:
        """Living processes that a keeper of this project's started, and the keepers themselves."""
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and self._is_kept(name)]

    def _is_kept(self, pid: str) -> bool:
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return False
        ours = os.fsencode(f"TEST_FOLDER={self.folder}") in environ and any(
            e.startswith(b"WTO_PROCESS=") for e in environ
        )
        return ours and stat.rpartition(b")")[2].split()[0] != b"Z"

    def close(self) -> None:
        """End what the test started; nothing of it may be left."""
        for child in self.started:
            if child.poll() is None:
                child.kill()
            child.wait()
        if (self.folder / "state").exists():
            self.wto("stop")
        wait_until(lambda: not self.processes(), timeout_s=15.0, what=f"no process of {self.folder} being left")


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="surrogateescape")


COMMAND_AGENT = """
agents:
  scripted:
    type: command
    run: 'f="$SCRIPTS/$WTO_WORKSTREAM.$WTO_ATTEMPT"; [ -e "$f" ] || f="$SCRIPTS/$WTO_WORKSTREAM"; exec sh "$f"'
defaults: {agent: scripted}
"""
"""The part of a plan that makes the scripted agent its default."""

COMMIT = 'echo "$WTO_WORKSTREAM" > "$WTO_WORKSTREAM.txt"\ngit add -A\ngit commit -qm "Add $WTO_WORKSTREAM"\n'
"""An agent's script that commits one file named after its workstream."""

HANDOFF = """cat > "$WTO_HANDOFF" <<'H'
---
status: done
progress: 100
---
## Summary
It is done.

## Findings
- risk: src/a.py:3 is slow
H
"""


def make_project(folder: Path, files: Mapping[str, bytes | str | None] | None = None) -> Project:
    """A project with one commit on main, in a sealed environment."""
    repository = make_repository(str(folder / "repository"), files or {"README.md": "hello\n"})
    repository.git("config", "user.name", "Ada")
    repository.git("config", "user.email", "ada@example.org")
    return Project(folder, repository, make_environment(folder, repository))


def make_environment(folder: Path, repository: TestRepository) -> dict[str, str]:
    """The sealed environment of a project's commands."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": repository.home,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "WTO_STATE_DIR": str(folder / "state"),
        "SCRIPTS": str(folder / "scripts"),
        "PYTHONPATH": str(ROOT),
        "GIT_CONFIG_NOSYSTEM": "1",
        "TEST_FOLDER": str(folder),
    }


def use_fake_client(project: Project) -> str:
    """The part of a plan that puts the scripted stand-in in place of the Claude Code client (`fake_client.py`)."""
    program = project.folder / "fake-client"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {ROOT}/tests/support/fake_client.py "$@"\n')
    program.chmod(0o755)
    project.environment["ANTHROPIC_API_KEY"] = "sk-stub"
    env = f"{{SCRIPTS: {project.folder}/scripts, TEST_FOLDER: {project.folder}}}"
    return f"agents: {{claude-code: {{binary: {program}, env: {env}}}}}\n"
