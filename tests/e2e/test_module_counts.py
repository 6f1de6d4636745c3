"""What each start loads, counted: modules of ours, and packages of others.

Counts are the same on a loaded machine, so a start that becomes heavier fails here and not in somebody's prompt months later. A
bound is what is loaded today; who needs more raises it knowingly, who needs less lowers it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence, Set
from pathlib import Path

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Project
from wt_orchestrate.adapters.executor import keeper

SLOW = {"typing", "dataclasses", "subprocess", "inspect", "shutil", "tempfile", "traceback", "hashlib", "platform"}
"""Modules of Python that take as long as a third of its own start, each of them."""
VALUES = {"msgspec", "typing_extensions"}
RUN = VALUES | {
    "click",
    "yaml",
    "watchdog",
    "platformdirs",
}
NEITHER = {"wt_orchestrate", "sitecustomize", "imported package", "org"}
"""What stands among packages and is none: ours, what a virtual environment adds, the heading, and a name that copy asks for."""
SDK = {"mcp", "pydantic", "anyio", "starlette"}
HELLO = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "count", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]


def _loaded(project: Project, program: Sequence[str], words: Sequence[str], said: str = "") -> set[str]:
    """Every module that a process has loaded when it ends."""
    ended = subprocess.run(
        [sys.executable, *program, "-X", "importtime", *words],
        cwd=project.repository.path,
        env=project.environment,
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    assert len(lines) > 20, ended.stdout + ended.stderr
    return {line.rpartition("|")[2].strip() for line in lines}


def _wto(project: Project, *words: str, said: str = "") -> set[str]:
    return _loaded(project, ["-P"], ["-m", "wt_orchestrate", *words], said)


def _require(loaded: set[str], *, ours: int, others: set[str], without: Set[str] = frozenset()) -> None:
    """At most so many modules of ours, no package of others but these, and none of those."""
    own = sorted(name for name in loaded if name.partition(".")[0] == "wt_orchestrate")
    tops = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - NEITHER
    foreign = {name for name in tops if not name.startswith("_")} - others
    assert len(own) <= ours, f"{len(own)} modules of ours instead of {ours}:\n" + "\n".join(own)
    assert foreign == set(), f"packages of others that this start did not load before: {sorted(foreign)}"
    assert loaded & without == set(), f"modules of Python that this start has no time for: {sorted(loaded & without)}"


@pytest.fixture
def ran(project: Project) -> Project:
    """A project with a run that has ended."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", plan).code == 0
    return project


def test_the_version_loads_the_program_alone(project: Project) -> None:
    """`wto --version` loads the package and its `__main__`, nothing else."""
    _require(_wto(project, "--version"), ours=1, others=set(), without=SLOW | {"re", "json", "sqlite3"})


def test_status_loads_what_reads_one_row(ran: Project) -> None:
    """`wto status` loads no package of others, and none of Python's own slow modules; with `--json` and a run's name, too."""
    for words in (("status",), ("status", "--json"), ("status", "--run", "r1")):
        _require(_wto(ran, *words), ours=26, others={"platformdirs"}, without=SLOW)


def test_the_story_of_a_workstream_loads_no_screen(ran: Project) -> None:
    """`wto status WS` loads the events and their sentences, but neither click nor rich nor what reads plans."""
    _require(_wto(ran, "status", "a"), ours=61, others=VALUES)


def test_a_run_loads_what_it_does(project: Project) -> None:
    """`wto run`, to its end."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    _require(_wto(project, "run", plan), ours=288, others=RUN)


def test_a_landing_loads_gitpython_for_a_hook_alone(project: Project) -> None:
    """Importing GitPython starts git twice, so a landing that none of the user's hooks sees does without it."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    landing = "wt_orchestrate.adapters.gitrepo.target.land"
    loaded = _wto(project, "run", "--land", plan)
    assert landing in loaded
    assert "git" not in loaded
    hook = Path(project.repository.path, ".git/hooks/reference-transaction")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n", encoding="utf-8")
    hook.chmod(0o755)
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {b: {brief: x}}\n", {"b": COMMIT})
    assert {landing, "git"} <= _wto(project, "run", "--land", plan)


def test_adding_to_the_train_loads_no_agents(project: Project) -> None:
    """`wto train add`, which people call branch by branch."""
    project.repository.git("branch", "topic")
    _require(_wto(project, "train", "add", "topic"), ours=235, others=RUN)


def test_a_hook_loads_what_it_looks_with(project: Project) -> None:
    """A hook of the main worktree, which runs at every commit of a person."""
    _require(_wto(project, "hook", "run", "pre-commit"), ours=82, others=VALUES | {"click"})


def test_a_keeper_loads_nothing_of_ours(project: Project) -> None:
    """A keeper, of which there is one for each agent, loads itself and what Python has in C, and nothing else."""
    _, *flags, start, code, where, folder = keeper.command(str(project.folder / "none"))
    loaded = _loaded(project, flags, [start, code, where, folder])
    without = SLOW | {"re", "json", "sqlite3", "contextlib", "enum", "signal", "ctypes", "struct", "collections"}
    _require(loaded, ours=0, others={"keeper"}, without=without)


def test_the_mcp_server_loads_little_beside_the_sdk(project: Project) -> None:
    """The MCP server up to its list of tools."""
    said = "".join(json.dumps(each) + "\n" for each in HELLO)
    loaded = _wto(project, "mcp", said=said)
    others = {name.partition(".")[0] for name in loaded}
    assert others >= SDK
    _require(loaded, ours=156, others=others, without=set())
