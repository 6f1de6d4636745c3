"""README.md does what it says: every line of its command blocks is run, in order, in one fresh repository.

Claude Code is the scripted stand-in, so that no line needs a key or a network. A line that cannot be run here stands in
`NOT_RUN` with the reason and the test that runs it instead; a line in neither place fails, and so does an entry for a line
that README no longer has.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import ROOT, Project, program, use_fake_client
from tests.support.waiting import wait_until

NOT_RUN = {
    "make demo": "installs from the network; tests/e2e/test_start.py runs its demo",
    "python3 -m venv ~/.wto && ~/.wto/bin/pip install '.[mcp]'": "installs from the network; tests/e2e/test_packaging.py",
    'export PATH="$HOME/.wto/bin:$PATH"': "belongs to the installation before it",
    "cd your-repository": "every line here is run in it",
    "make test": "runs this test",
    "make lint": "is run beside the tests",
    "make bench": "takes an hour; tests/integration/benchmarks",
    "make e2e-forge": "needs root and a Debian of its own",
    "make soak SECONDS=300": "takes minutes; tests/simulation",
}
INSTEAD = {'wto plan draft "GOAL"': "wto plan new plan.yaml"}
"""The other way that a line's comment names, where the first needs a model (tests/e2e/test_draft.py)."""
COMMIT = "do mkdir -p {0} && echo {1} > {0}/{1}.txt && git add -A && git commit -qm 'Add {1}'\n"
SCRIPTS = {
    "database": COMMIT.format("src/db", "database"),
    "scripts": COMMIT.format("scripts", "scripts"),
    "runbook": COMMIT.format("docs", "runbook"),
}
STEERED = {"database": "ask Which pool?|small|large\nhang\n", "scripts": "hang\n"}
MORE = "workstreams: {more: {brief: More of it.}}\n"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(heading: str) -> list[list[str]]:
    """The indented blocks under a heading."""
    section = re.split(r"^## ", README.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", section, flags=re.MULTILINE)
    return [[line[4:] for line in block.splitlines()] for block in found]


def _commands(heading: str) -> Iterator[str]:
    """The command lines under a heading, without their comments."""
    for block in _blocks(heading):
        for line in block:
            command = re.split(r"\s+# ", line)[0].strip()
            if command and command not in NOT_RUN:
                yield INSTEAD.get(command, command)


@pytest.fixture
def reader(project: Project) -> Project:
    """A project of somebody who reads README: `wto` is on the PATH, the editor writes the plan that README shows, `make test`
    exists."""
    tools = project.folder / "bin"
    tools.mkdir()
    (plan,) = _blocks("A plan")
    (project.folder / "shown.yaml").write_text("\n".join(plan) + "\n", encoding="utf-8")
    for name, line in (
        ("wto", f'exec {" ".join(program(project.environment))} "$@"'),
        ("editor", f'cp "{project.folder}/shown.yaml" "$1"'),
    ):
        (tools / name).write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    project.environment.update(PATH=f"{tools}{os.pathsep}{project.environment['PATH']}", EDITOR="editor")
    project.plan("", SCRIPTS, "unused.yaml")
    _scripted(project, SCRIPTS)
    project.repository.commit({"Makefile": "test:\n\t@true\n", ".wto/config.yaml": use_fake_client(project)})
    return project


def _scripted(project: Project, scripts: dict[str, str]) -> None:
    """What the stand-in does in each workstream."""
    for name, text in scripts.items():
        (project.folder / "scripts" / name).write_text(text, encoding="utf-8")


def _run(project: Project, command: str) -> str:
    """Run a line of README by a shell; what it printed. It has to succeed."""
    ended = subprocess.run(
        ["sh", "-ec", command],
        cwd=project.repository.path,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, f"{command}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def test_the_lines_for_your_own_repository_work(reader: Project) -> None:
    """From `wto doctor` to `wto clean`, with the plan that README shows: all is landed and tidied."""
    shown = {command: _run(reader, command) for command in _commands("Use it on your own repository")}
    assert list(shown)[-4:] == ["wto run plan.yaml", "wto land", "wto report", "wto clean"]
    assert "no problems" in shown["wto plan check plan.yaml"]
    assert "Landed " in shown["wto land"] and "Integrated: 3 of 3 workstreams" in shown["wto report"]
    assert Path(reader.repository.path, "docs", "runbook.txt").exists()
    assert not reader.worktree("runbook").exists()


def test_the_lines_for_branches_work(reader: Project) -> None:
    """The branches that README queues are merged, checked and landed."""
    start = reader.repository.git("rev-parse", "HEAD")
    for name in ("feature/login", "fix/timeout", "docs"):
        reader.repository.git("checkout", "-q", "-b", name, start)
        reader.repository.commit({f"{name.replace('/', '-')}.txt": name})
    reader.repository.git("checkout", "-q", "main")
    shown = [_run(reader, command) for command in _commands("Integrate branches, without a plan and without agents")]
    assert len(shown) == 3
    assert {"docs.txt", "feature-login.txt", "fix-timeout.txt"} <= set(os.listdir(reader.repository.path))


def test_the_lines_for_a_running_run_work(reader: Project) -> None:
    """Each steering line is accepted while the agents of README's plan work."""
    _scripted(reader, STEERED)
    (Path(reader.repository.path) / "more.yaml").write_text(MORE, encoding="utf-8")
    assert reader.wto("run", "--detach", str(reader.folder / "shown.yaml")).code == 0
    _until(reader, "database", "waiting for an answer")
    _until(reader, "scripts", "working")
    commands = list(_commands("While it runs"))
    for command in commands:
        if command.startswith(("wto interrupt", "wto cancel")):
            _until(reader, command.split()[2].rstrip(";"), "working")
        _run(reader, command)
    assert len(commands) == 10
    assert (reader.folder / "answer.database").read_text() == "large"


def _until(project: Project, workstream: str, condition: str) -> None:
    def there() -> bool:
        return any(ws["id"] == workstream and ws["condition"] == condition for ws in project.status()["workstreams"])

    wait_until(there, timeout_s=60.0, what=f"{workstream} being {condition}")


def test_every_line_is_run_or_says_why_not() -> None:
    """No block of commands stands under another heading, and each exception is a line that README has."""
    headings = re.findall(r"^## (.+)$", README, flags=re.MULTILINE)
    lines = {re.split(r"\s+# ", line)[0].strip() for each in headings for block in _blocks(each) for line in block}
    assert set(NOT_RUN) | set(INSTEAD) <= lines
    run = {
        "Use it on your own repository",
        "A plan",
        "Integrate branches, without a plan and without agents",
        "While it runs",
    }
    rest = {line for each in headings if each not in run for line in _commands(each)}
    assert rest == set()


def test_every_command_of_the_table_exists(project: Project) -> None:
    """Each command in the table of commands has a help of its own."""
    table = "\n".join(
        line
        for line in README.partition("\n## Commands\n")[2].partition("\n## ")[0].splitlines()
        if line.startswith("|")
    )
    named: set[tuple[str, ...]] = set()
    for code in re.findall(r"`([^`]+)`", table):
        words = code.split()
        if words[0] == "wto":
            words = words[1:]
        if not re.fullmatch(r"[a-z-]+", words[0]):
            continue
        kinds = words[1].split(r"\|") if len(words) > 1 and re.fullmatch(r"[a-z|\\]+", words[1]) else []
        named |= {(words[0], kind) for kind in kinds} or {(words[0],)}
    assert len(named) > 45
    assert {words: project.wto(*words, "--help").code for words in named} == dict.fromkeys(named, 0)
