"""Faults of the machine and of people around a real run: locks, disks, signals, git killed in the middle, orphans.

docs/reliability.md lists them all with what is expected.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, HANDOFF, Project, default_signals
from tests.support.waiting import wait_until

PLAIN = "goal: Do it\nchecks: [{run: 'true'}]\n" + COMMAND_AGENT
GATE = 'touch "$TEST_FOLDER/begun"\nwhile [ ! -e "$TEST_FOLDER/open" ]; do sleep 0.05; done\n'


def _open(project: Project) -> None:
    (project.folder / "open").touch()


def _begun(project: Project) -> None:
    wait_until((project.folder / "begun").exists, what="the agent having begun", timeout_s=20)


def _require_one(project: Project) -> None:
    assert project.stages() == {"a": "integrated"}
    log = project.repository.git(
        "log", "--first-parent", "--format=%(trailers:key=Wto-Workstream,valueonly,separator=)", "wto/r1/integration"
    )
    assert log.split() == ["a"]
    assert project.processes() == []


# ---------------------------------------------------------------- git


def _killing_git(project: Project, number: int, *, after: bool) -> None:
    """Put a git on the path whose n-th call is killed with -9: before it does anything, or right after it did it all."""
    folder = project.folder / "bin"
    folder.mkdir()
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    count = project.folder / "count"
    die = f'"{real}" "$@"\nkill -9 $$' if after else "kill -9 $$"
    (folder / "git").write_text(
        f'#!/bin/sh\necho x >> {count}\nif [ "$(wc -l < {count})" -eq {number} ]; then\n{die}\nfi\nexec "{real}" "$@"\n'
    )
    (folder / "git").chmod(0o755)
    project.environment["PATH"] = f"{folder}:{project.environment['PATH']}"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 32, 36, 40, 44])
def test_a_git_killed_in_the_middle_changes_nothing_in_the_end(project: Project, number: int, after: bool) -> None:
    """Whichever git command dies, before or after its work: the run goes on by itself, or `resume` ends it, once."""
    work = "echo a > a.txt\ngit add -A\ngit diff --cached --quiet || git commit -qm 'Add a'\n"
    plan = project.plan(PLAIN + "workstreams: {a: {brief: x}}\n", {"a": work})
    _killing_git(project, number, after=after)
    first = project.wto("run", plan)
    assert "Traceback" not in first.err and first.code != 70, first.err
    if first.code != 0:
        begun = project.wto("status").code == 0
        again = project.wto("retry", "a") if begun and project.stages()["a"] == "failed" else None
        if again is None or again.code != 0:
            again = project.wto("resume") if begun else project.wto("run", plan)
        assert again.code == 0, first.out + first.err + again.out + again.err
    _require_one(project)


def test_R2_a_stale_index_lock_of_a_killed_agent_is_removed_before_the_next(project: Project) -> None:
    """A git of the agent's that was killed left its lock: once nobody of ours is there and it is not young, it goes."""
    lock = 'p="$(git rev-parse --git-path index.lock)"; touch -d "1 minute ago" "$p"\nkill -9 $$'
    plan = project.plan(PLAIN + "workstreams: {a: {brief: x}}\n", {"a.1": lock, "a.2": COMMIT})
    ended = project.wto("run", plan)
    assert ended.code == 0, ended.out
    assert project.status()["workstreams"][0]["attempts"] == 2


def test_R2_a_lock_on_a_ref_of_the_user_is_left_and_told(project: Project) -> None:
    """Whose lock it is cannot be known in the user's repository: it stays, the message names it, and `resume` goes on."""
    plan = project.plan(PLAIN + "workstreams: {a: {brief: x}}\n", {"a": GATE + COMMIT})
    child = project.start("run", plan)
    _begun(project)
    lock = Path(project.repository.path) / ".git" / "refs" / "heads" / "wto" / "r1" / "integration.lock"
    lock.touch()
    _open(project)
    assert child.wait(timeout=60) != 0
    said = (project.folder / "out-0.txt").read_text()
    assert "Traceback" not in said and lock.exists()
    assert "integration" in said and "wto resume" in said
    lock.unlink()
    resumed = project.wto("resume")
    assert resumed.code == 0, resumed.out + resumed.err
    _require_one(project)


def test_D1_gc_and_pack_refs_beside_working_agents_lose_no_commit(project: Project) -> None:
    """`git gc --prune=now` and `git pack-refs` in a loop, while an agent commits and amends: every head it had is kept. There
    is no gc while something is being committed or shown: it takes away objects that no ref holds yet, whoever made them."""
    commit = 'flock "$TEST_FOLDER/lock" sh -c "git add -A; git commit -q'
    work = "\n".join(
        f'echo {n} > a.txt; {commit} -m {n}"; git rev-parse HEAD >> "$TEST_FOLDER/heads"; sleep 0.3' for n in range(5)
    )
    plan = project.plan(PLAIN + "workstreams: {a: {brief: x}}\n", {"a": f'{work}\n{commit} --amend -m last"\n'})
    child = project.start("run", plan)
    wait_until((project.folder / "heads").exists, what="its first commit", timeout_s=20)
    with (project.folder / "lock").open("w") as lock:
        while child.poll() is None and project.stages().get("a") == "working":
            with suppress(Exception):
                project.repository.git("pack-refs", "--all")
            fcntl.flock(lock, fcntl.LOCK_EX)
            with suppress(Exception):
                project.repository.git("gc", "--prune=now", "-q")
            fcntl.flock(lock, fcntl.LOCK_UN)
    assert child.wait(timeout=60) == 0
    vault = project.state / "vault.git"
    kept = subprocess.run(
        ["git", "-C", str(vault), "log", "--all", "--format=%H"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set((project.folder / "heads").read_text().split()) <= set(kept)
    _require_one(project)


# ---------------------------------------------------------------- disks


@contextmanager
def _small_disk(path: Path, size: str) -> Iterator[None]:
    """A file system of its own at a folder; skips where mounting is not allowed."""
    path.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_D7_a_full_disk_pauses_the_run_and_it_goes_on_by_itself(project: Project) -> None:
    """The state folder's disk fills up while agents work: it is told once, nothing new begins, and with space it goes on."""
    project.repository.commit({".wto/config.yaml": "poll: 1s\nadmission: {disk_mb: 1}\n"})
    plan = project.plan(
        PLAIN + "workstreams: {a: {brief: x}, b: {brief: x, needs: [a]}}\n", {"a": GATE + COMMIT, "b": COMMIT}
    )
    with _small_disk(project.folder / "state", "24m"):
        child = project.start("run", plan)
        _begun(project)
        filler = project.folder / "state" / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:  # closing it may fail, too
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        _open(project)
        said = project.folder / "out-0.txt"
        wait_until(lambda: "retrying; nothing new" in said.read_text(), timeout_s=30, what="the full disk being told")
        assert child.poll() is None
        filler.unlink()
        assert child.wait(timeout=60) == 0
        assert "Traceback" not in said.read_text()
        assert project.stages() == {"a": "integrated", "b": "integrated"}
        assert project.wto("doctor").out.count("damaged") == 0


def test_O1_a_read_only_state_folder_can_be_looked_at_and_nothing_else(project: Project) -> None:
    """`status` works on a read-only disk; what would write says so plainly and changes nothing."""
    project.repository.commit({".wto/config.yaml": "admission: {disk_mb: 1}\n"})
    plan = project.plan(PLAIN + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    state = project.folder / "state"
    with _small_disk(state, "64m"):
        assert project.wto("run", plan).code == 0
        subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
        assert project.stages() == {"a": "integrated"}
        for words in (("land",), ("run", plan)):
            refused = project.wto(*words)
            assert refused.code not in {0, 70} and "Traceback" not in refused.err, refused.err
            assert "read" in refused.err.lower()
        subprocess.run(["mount", "-o", "remount,rw", str(state)], check=True)
        assert project.wto("land").code == 0


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signalled_supervisor_leaves_its_agents_at_work(project: Project, number: signal.Signals) -> None:
    """SIGTERM and SIGHUP end the one who watches, not the agents; `resume` takes them up."""
    child = project.start("run", project.plan(PLAIN + "workstreams: {a: {brief: x}}\n", {"a": GATE + COMMIT}))
    _begun(project)
    project.wait_for("a", "working")
    child.send_signal(number)
    child.wait(timeout=20)
    assert project.status()["workstreams"][0]["alive"] is True
    assert project.status()["next"][0] == "wto resume"
    _open(project)
    assert project.wto("resume").code == 0
    assert project.status()["workstreams"][0]["attempts"] == 1
    _require_one(project)


def test_two_interrupts_end_at_once_and_lose_nothing(project: Project) -> None:
    """Ctrl-C twice, also while the first is being obeyed: it ends within seconds, and the agents go on."""
    child = project.start("run", project.plan(PLAIN + "workstreams: {a: {brief: x}}\n", {"a": GATE + COMMIT}))
    _begun(project)
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=10) in {130, -signal.SIGINT}
    assert "Traceback" not in (project.folder / "out-0.txt").read_text()
    _open(project)
    assert project.wto("resume").code == 0
    _require_one(project)


def test_agents_survive_a_closed_terminal_and_a_logged_out_shell(project: Project) -> None:
    """The terminal goes away and with it the session that started the run: the agents work on and are taken up."""
    plan = project.plan(PLAIN + "workstreams: {a: {brief: x}}\n", {"a": GATE + COMMIT})
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "wt_orchestrate", "run", plan],
        cwd=project.repository.path,
        env={**project.environment, "TERM": "xterm"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=default_signals,
    )
    os.close(follower)
    _begun(project)
    project.wait_for("a", "working")
    os.close(leader)
    os.killpg(child.pid, signal.SIGHUP)
    child.wait(timeout=20)
    assert project.status()["workstreams"][0]["alive"] is True
    _open(project)
    assert project.wto("resume").code == 0
    assert project.status()["workstreams"][0]["attempts"] == 1
    _require_one(project)


# ---------------------------------------------------------------- orphans

SERVER = """
import os, signal, socket, sys, time
if os.fork(): sys.exit()
os.setsid()
if os.fork(): sys.exit()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 0)); s.listen()
open(os.environ["TEST_FOLDER"] + "/port", "w").write(str(s.getsockname()[1]))
open(os.environ["TMPDIR"] + "/left.txt", "w").write("x")
open(os.environ["TEST_FOLDER"] + "/tmpdir", "w").write(os.environ["TMPDIR"])
while True: signal.pause()
"""


def _daemon_script(project: Project) -> str:
    (project.folder / "server.py").write_text(SERVER)
    started = f"{sys.executable} $TEST_FOLDER/server.py\n"
    return started + 'while [ ! -e "$TEST_FOLDER/tmpdir" ]; do sleep 0.02; done\n'


def _require_released(project: Project) -> None:
    port = int((project.folder / "port").read_text())
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not Path((project.folder / "tmpdir").read_text()).exists()
    assert project.processes() == []


@pytest.mark.parametrize("way", ["finish", "stop", "cancel", "crash", "budget"])
def test_P2_daemons_ports_and_temporary_folders_are_gone_however_it_ends(project: Project, way: str) -> None:
    """An agent's double-forked server that ignores SIGTERM is ended, its port freed, its temporary folder removed."""
    script = _daemon_script(project)
    end = {"finish": COMMIT + HANDOFF, "crash": "kill -9 $$", "budget": GATE}.get(way, GATE)
    limits = ", limits: {wall: 2s}" if way == "budget" else ""
    again = {"a.2": COMMIT} if way == "crash" else {}
    plan = project.plan(PLAIN + f"workstreams: {{a: {{brief: x{limits}}}}}\n", {"a.1": script + end, **again})
    child = project.start("run", plan)
    wait_until((project.folder / "tmpdir").exists, what="the server running", timeout_s=20)
    if way in {"stop", "cancel"}:
        _begun(project)
        assert project.wto(way, *(("a",) if way == "cancel" else ())).code == 0
    child.wait(timeout=60)
    _require_released(project)


def test_nothing_of_a_run_can_be_read_by_others(project: Project) -> None:
    """The state folder is for its user alone."""
    plan = project.plan(PLAIN + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", plan).code == 0
    assert stat.S_IMODE(project.state.stat().st_mode) == 0o700
    assert time.time() - project.state.stat().st_mtime < 3600
