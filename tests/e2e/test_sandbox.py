"""Agents, set-up commands and checks in a sandbox: they work as before, and what is not theirs is out of reach."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.claude_client import NEWEST, OLDEST, client, use_client
from tests.support.missing import missing
from tests.support.project import COMMAND_AGENT, COMMIT, Project
from tests.support.stub_model import Turn, serve
from tests.support.turns import bash, handoff, write
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.executor.sandbox.bubblewrap import Bubblewrap
from wt_orchestrate.adapters.executor.sandbox.probe import weakness
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import ExitCode
from wt_orchestrate.ports.engine import Launch

WORK = {
    "write": "echo a > a.txt",
    "commit": "git add -A && git commit -qm one",
    "amend": "git commit -q --amend -m two",
    "status": "git status && git log && git diff HEAD~1",
    "reset": "git reset -q --soft HEAD~1 && git commit -qm three",
    "rebase": "git add -A && git commit -qm before --allow-empty && git rebase -q --keep-empty HEAD~1",
    "reading history": "git show HEAD~1 && git cat-file -p HEAD",
    "configuration of its own": "git config --global x.y z && echo '{}' > ~/.claude/settings.json",
    "a file in /tmp": "echo x > /tmp/x && mktemp",
    "its TMPDIR": 'echo y > "${TMPDIR:-/tmp}/y"',
    "a cache": "mkdir -p ~/.cache/pip && echo x > ~/.cache/pip/x",
    "a new file at home": "echo y > ~/.newrc && mkdir -p ~/.npm/x",
    "a cargo home": "mkdir -p ~/.cargo && echo > ~/.cargo/.package-cache",
    "python": "python3 -c 'import ssl, subprocess; subprocess.run([\"true\"], check=True)'",
    "reading the home": "grep -q alias ~/.profile",
    "names": "getent hosts localhost",
    "devices": "echo x > /dev/null && head -c 3 /dev/urandom > /dev/shm/q",
    "a socket": "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind(\"sock\")' && rm sock",
    "a background process": "sleep 0.01 & wait",
    "ps": "ls /proc/self",
}
ATTACKS = {
    "a key": "cat ~/.ssh/key",
    "a token": "cat ~/.config/gh/hosts.yml",
    "the login script": "echo x >> ~/.profile",
    "the user's checkout": 'echo x > "$MAIN/evil"',
    "configuration": "git config core.fsmonitor x",
    "a hook": 'echo x > "$MAIN/.git/hooks/post-merge"',
    "attributes": 'echo x > "$MAIN/.git/info/attributes"',
    "the target": "git update-ref refs/heads/main HEAD",
    "the target as a file": 'git rev-parse HEAD > "$MAIN/.git/refs/heads/main"',
    "a tag": "git tag evil",
    "a replaced commit": "git replace HEAD HEAD~1",
    "packed history": 'touch "$MAIN/.git/objects/pack/x"',
    "alternates": 'echo x > "$MAIN/.git/objects/info/alternates"',
    "packed refs": "git pack-refs --all",
    "garbage collection": "git gc -q --prune=now",
    "its .git file": "echo x > .git",
    "its .git file moved": "mv .git q || rm -f .git",
    "its commondir": 'echo x > "$(git rev-parse --git-dir)/commondir"',
    "its gitdir": 'echo x > "$(git rev-parse --git-dir)/gitdir"',
    "another worktree": 'ls "$TREES/$OTHER"',
    "another worktree's files": 'echo x > "$TREES/$OTHER/evil"',
    "another worktree's index": 'echo x > "$MAIN/.git/worktrees/$OTHER/index"',
    "a new worktree": "git worktree add -q /tmp/w",
    "the journal": 'echo x >> "$STATE"/*/journal.jsonl',
    "the database": 'echo x >> "$STATE"/*/log.db',
    "the vault": 'echo x > "$STATE"/*/vault.git/config',
    "what is trusted": 'echo x > "$STATE"/*/trusted',
    "another process": "kill -9 $VICTIM",
    "seeing processes": "pgrep -f pytest || pgrep -f keeper",
    "the machine's sockets": "ls /run | grep .",
    "a mount": "mkdir -p m && mount -t tmpfs none m",
    "a device": "mknod disk b 8 0 && head -c 1 disk",
    "a setting of the kernel": ": >> /proc/sys/kernel/core_uses_pid",
    "everything": 'rm -rf "$MAIN/.." 2> /dev/null; ! test -e "$MAIN/README.md" || ! test -e "$MAIN/.git/config"',
}
OF_WORKTREES = (
    "configuration", "the target", "a tag", "a replaced commit", "packed refs", "garbage collection", "its .git file",
    "its .git file moved", "its commondir", "its gitdir", "a new worktree",
)  # fmt: skip
"""What a check may do, because its tree is a repository of its own."""


@pytest.fixture(scope="session")
def held(tmp_path_factory: pytest.TempPathFactory) -> str:
    """bubblewrap, on a kernel that lets it work."""
    binary = shutil.which("bwrap") or ""
    if not binary:
        missing("bubblewrap is not installed (make packages; on Debian: apt-get install bubblewrap)")
    words = weakness(
        lambda ground: Bubblewrap(binary, ground, network=True), scratch=str(tmp_path_factory.mktemp("p") / "x")
    )
    if words == "nothing can be started in it":
        pytest.skip("this kernel gives bubblewrap no namespaces")
    assert words == ""
    return binary


@pytest.fixture
def sandboxed(project: Project, held: str) -> Project:
    """A project whose settings require a sandbox, and whose user has secrets."""
    home = Path(project.environment["HOME"])
    for name, text in ((".ssh/key", "key"), (".config/gh/hosts.yml", "token"), (".profile", "alias x=y")):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"{text}\n")
    (home / ".claude").mkdir(exist_ok=True)
    project.repository.commit({".wto/config.yaml": "sandbox: required\n"})
    return project


@pytest.fixture
def victim() -> Iterator[int]:
    """A process outside that nobody in a sandbox may end."""
    child = subprocess.Popen(["sleep", "600"])
    yield child.pid
    assert child.poll() is None
    child.kill()
    child.wait()


def _script(project: Project, lines: Mapping[str, str], out: str, victim: int = 0) -> str:
    """A script that notes which of these lines succeed, in its own folder."""
    given = {
        "MAIN": project.repository.path,
        "STATE": str(project.folder / "state"),
        "TREES": str(project.folder / "repository.worktrees/r1"),
        "VICTIM": str(victim),
    }
    names = [f"export {name}='{value}'" for name, value in given.items()]
    tried = [f'( {line} ) > /dev/null 2>&1 && echo "{name}" >> {out}' for name, line in lines.items()]
    other = 'case "$PWD" in */b) OTHER=a ;; *) OTHER=b ;; esac'
    return "\n".join([*names, other, *tried, "true"]) + "\n"


def _plan(project: Project, agent: str, extra: str = "") -> str:
    plan = f"goal: g\n{COMMAND_AGENT}{extra}workstreams: {{a: {{brief: x, needs: [b]}}, b: {{brief: x}}}}\n"
    return _written(project, plan, {"a": agent, "b": COMMIT})


def _written(project: Project, plan: str, scripts: dict[str, str]) -> str:
    """A plan whose agents' scripts lie in the user's checkout, which can be read in a sandbox."""
    seen = Path(project.repository.path) / ".git" / "scripts"
    project.environment["SCRIPTS"] = str(seen)
    path = project.plan(plan, scripts)
    shutil.copytree(project.folder / "scripts", seen, dirs_exist_ok=True)
    return path


def test_S2_S3_agents_work_in_it_and_reach_nothing_else(sandboxed: Project, victim: int) -> None:
    """Everyday work succeeds; 33 attacks on the repository, the user's files, other work, the tool's state and the machine do
    not; what was committed lands, and the user's files are as before."""
    before = sandboxed.repository.git("status", "--porcelain")
    lines = {**{f"work: {name}": line for name, line in WORK.items()}, **ATTACKS}
    agent = (
        _script(sandboxed, lines, "/tmp/found", victim) + "cp /tmp/found found.txt; git add -A; git commit -qm found\n"
    )
    ended = sandboxed.wto("run", "--land", _plan(sandboxed, agent))
    assert ended.code == 0, ended
    assert "sandbox: bubblewrap, network: full" in sandboxed.wto("status").out
    found = sandboxed.repository.git("show", "main:found.txt").splitlines()
    assert [name for name in found if not name.startswith("work: ")] == []
    assert found == [f"work: {name}" for name in WORK]
    assert sandboxed.repository.git("status", "--porcelain") == before
    home = Path(sandboxed.environment["HOME"])
    assert not (home / ".newrc").exists() and not (home / ".claude" / "settings.json").exists()
    assert (home / ".profile").read_text() == "alias x=y\n" and not (home / ".gitconfig").exists()
    sandboxed.repository.git("fsck", "--full")  # though `rm -rf` removed what it could write


@pytest.mark.parametrize("where", ["setup", "checks"])
def test_S3_set_up_commands_and_checks_reach_nothing_else(sandboxed: Project, victim: int, where: str) -> None:
    """They run what agents wrote, so they are in the same sandbox."""
    lines = {name: line for name, line in ATTACKS.items() if where == "setup" or name not in OF_WORKTREES}
    script = _script(sandboxed, lines, "/tmp/found", victim) + "cat /tmp/found 2> /dev/null && exit 1\ntrue\n"
    sandboxed.repository.commit({"attack.sh": script})
    command = "sh attack.sh"
    extra = f"setup: [{command}]\n" if where == "setup" else f"checks: [{{run: {command}}}]\n"
    ended = sandboxed.wto("run", _plan(sandboxed, COMMIT, extra))
    assert ended.code == 0, ended.out + ended.err


def test_P2_nobody_outlives_the_sandbox(sandboxed: Project) -> None:
    """A daemon in a session of its own with an empty environment is gone with its agent."""
    mark = f"{os.getpid()}.77"
    agent = f"env -i setsid sleep {mark} > /dev/null 2>&1 &\nsleep 0.1\n" + COMMIT
    assert sandboxed.wto("run", _plan(sandboxed, agent)).code == 0
    assert subprocess.run(["pgrep", "-f", f"sleep {mark}"], capture_output=True, check=False).stdout == b""


def test_the_signal_that_ended_an_agent_is_told(sandboxed: Project) -> None:
    """What the sandbox passes on as a shell does is told as what it was."""
    plan = _written(
        sandboxed, f"goal: g\n{COMMAND_AGENT}workstreams: {{a: {{brief: x, retries: 0}}}}\n", {"a": "kill -9 $$\n"}
    )
    sandboxed.repository.commit({".wto/config.yaml": "sandbox: required\nrecovery: {crash: []}\n"})
    assert sandboxed.wto("run", plan).code != 0
    report = sandboxed.wto("report", "--format", "json").json
    assert report["workstreams"][0]["attempts"][0]["exit_code"] == -9


@pytest.mark.parametrize(("network", "reached"), [("full", True), ("off", False)])
def test_S4_without_a_network_nothing_is_reached(sandboxed: Project, network: str, reached: bool) -> None:
    """With `network: off` not even this machine's loopback answers."""
    sandboxed.repository.commit({".wto/config.yaml": f"sandbox: required\nnetwork: {network}\n"})
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        port = server.getsockname()[1]
        call = f"import socket; socket.create_connection((str(127) + '.0.0.1', {port}), 5)"
        agent = f'python3 -c "{call}" 2> /dev/null && echo yes > reached.txt\n' + COMMIT
        assert sandboxed.wto("run", _plan(sandboxed, agent)).code == 0
    files = sandboxed.repository.git("ls-tree", "--name-only", "wto/r1/a").splitlines()
    assert ("reached.txt" in files) is reached
    assert f"network: {network}" in sandboxed.wto("status").out


@pytest.mark.parametrize(("mode", "code"), [("required", ExitCode.CONFLICT), ("auto", ExitCode.OK)])
def test_S2_without_a_sandbox_a_required_one_refuses_and_a_wished_one_says_so(
    project: Project, tmp_path: Path, mode: str, code: int
) -> None:
    """Where there is no bubblewrap: with `required` nothing starts, with `auto` every status says that there is none."""
    few = tmp_path / "bin"
    few.mkdir()
    for name in ("git", "sh", "python3", "cat", "sleep", "env"):
        (few / name).symlink_to(shutil.which(name) or "/bin/false")
    project.environment["PATH"] = str(few)
    project.repository.commit({".wto/config.yaml": f"sandbox: {mode}\n"})
    ended = project.wto("run", _plan(project, COMMIT))
    assert ended.code == code, ended
    if mode == "required":
        assert "a sandbox is required, and there is none: bubblewrap is not installed" in ended.err
    else:
        assert "sandbox: none" in project.wto("status").out


def test_S2_a_sandbox_that_does_not_hold_counts_as_none(tmp_path: Path) -> None:
    """A program that only claims to confine is found out by what can be done in it, one in which nothing works as well."""

    class Open:
        name = "open"

        def confined(self, launch: Launch, *, folder: str) -> Launch:
            return launch

    class Closed:
        name = "closed"

        def confined(self, launch: Launch, *, folder: str) -> Launch:
            return replace(launch, argv=("/bin/sh", "-c", "echo end"))

    assert weakness(lambda ground: Open(), scratch=str(tmp_path / "x")) == "it does not protect the user's checkout"
    assert weakness(lambda ground: Closed(), scratch=str(tmp_path / "x")).startswith("inside it this does not work: ")
    assert not (tmp_path / "x").exists()


@pytest.mark.real_client
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_real_client_works_in_it_without_asking(sandboxed: Project, version: str) -> None:
    """Edits, commands that the narrow rules would deny, commits, and a session that continues after a kill: in the sandbox an
    agent may run what it likes, and its login and its sessions are where they were."""
    stub = serve({})
    try:
        use_client(sandboxed, stub)
        go = sandboxed.folder / "repository" / "go"
        turns: list[Turn] = [
            write("a.py", "A = 1\n"),
            bash("python3 -c 'print(41 + 1)' > out.txt && sed -i s/42/43/ out.txt && mkdir -p ~/.cache/x"),
            bash("cat ~/.ssh/key > key.txt || true"),
            bash(f"for i in $(seq 400); do test -e {go} && break; sleep 0.05; done"),
            bash("git add -A && git commit -m 'Add a'"),
            handoff("Added a."),
            {"text": "It is done."},
        ]
        stub.scripts = {"a": turns}
        binary = json.dumps(client(version))
        plan = sandboxed.plan(
            f"goal: g\nagents: {{claude-code: {{binary: {binary}}}}}\nworkstreams: {{a: {{brief: 'Do it. [[script:a]]'}}}}\n"
        )
        running = sandboxed.start("run", plan)
        wait_until(lambda: len(stub.requests) >= 4, timeout_s=90, what="the fourth request")
        running.kill()
        running.wait()
        go.touch()
        ended = sandboxed.wto("resume", timeout=180)
        assert ended.code == 0, ended.out + ended.err
    finally:
        stub.close()
    shown = sandboxed.repository.git("show", "wto/r1/a:out.txt")
    assert shown == "43" and sandboxed.repository.git("show", "wto/r1/a:key.txt") == ""
    assert "sandbox: bubblewrap" in sandboxed.wto("status").out
