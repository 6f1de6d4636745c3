"""Losing a keeper, the supervisor, or the machine: the truth is told, and nobody else is harmed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from tests.support.processes import PYTHON, alive, carrying, kill_keeper, launch, numbers, python, started
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.executor.local import LocalExecutor
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.ports.engine import ProcessState

ID = ProcessId("r1.network.4")

FAMILY = python(
    """
import os, signal, sys
notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
program = "import os, signal, sys; os.write(int(sys.argv[1]), b'%d' % os.getpid() + bytes([10])); signal.pause()"
os.set_inheritable(notes, True)
for environment in (dict(os.environ), {}):
    if os.fork() == 0:
        os.setsid()
        os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", program, str(notes)], environment)
os.write(notes, b"%d\\n" % os.getpid())
while True:
    signal.pause()
"""
)
"""A process that ignores SIGTERM, with two children in sessions of their own; one of them dropped the mark."""

SUPERVISOR = """
import os, signal, sys
from wt_orchestrate.adapters.executor.local import LocalExecutor
from wt_orchestrate.ports.engine import Launch
executor = LocalExecutor(sys.argv[1])
executor.start(Launch(id=sys.argv[2], argv=("cat",), cwd="/", env={"PATH": os.environ["PATH"]}, input=True, lines=("one",)))
print("started", flush=True)
signal.pause()
"""


def test_R_a_killed_keeper_is_lost_at_the_next_poll(executor: LocalExecutor, tmp_path: Path) -> None:
    """The lock tells at once; then `end` leaves nobody, not even those who dropped the mark."""
    notes = str(tmp_path / "pids")
    executor.start(launch(ID, (*FAMILY, notes)))
    wait_until(lambda: len(numbers(notes)) == 3)
    kill_keeper(executor, ID)
    wait_until(lambda: executor.poll(ID).state is ProcessState.LOST, timeout_s=1.0)
    report = executor.poll(ID)
    assert [alive(pid) for pid in numbers(notes)] == [True, True, True]
    assert (report.exit_code, report.cause, report.ended_at) == (None, "", None)
    assert executor.end(ID) == report
    assert [pid for pid in numbers(notes) if alive(pid)] == []


def test_R1_a_process_outlives_its_supervisor_and_is_taken_up_again(tmp_path: Path, executor: LocalExecutor) -> None:
    """After kill -9 of the supervisor the child goes on; another one reads, steers and ends the same child."""
    program = [PYTHON, "-c", SUPERVISOR, str(tmp_path / "processes"), ID]
    with subprocess.Popen(program, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as supervisor:
        assert supervisor.stdout is not None and supervisor.stdout.readline() == b"started\n"
        supervisor.kill()
    before = executor.poll(ID)
    assert before.state is ProcessState.RUNNING
    assert executor.start(launch(ID, ("false",))).pid == before.pid
    executor.send(ID, message="m", line="two")
    wait_until(lambda: len(executor.read(ID, offset=0).lines) == 2)
    assert executor.read(ID, offset=0).lines == (b"one", b"two")
    report = executor.end(ID)
    assert (report.state, report.pid, report.cause) == (ProcessState.EXITED, before.pid, "stopped")


def test_R_a_reboot_is_recognised(executor: LocalExecutor) -> None:
    """A record of an earlier boot without an end is a lost process, and tells which boot it was."""
    folder = executor.folder(ID)
    record = {"keeper": 1, "ticks": 1, "boot": "an-earlier-boot", "child": 2, "started_at": 1_700_000_000.0}
    Path(folder, "started").write_text(json.dumps(record), encoding="ascii")
    Path(folder, "keeper.lock").touch()
    report = executor.poll(ID)
    assert (report.state, report.boot, report.pid) == (ProcessState.LOST, "an-earlier-boot", 2)
    assert executor.end(ID) == report


def test_D7_a_record_torn_by_a_power_cut_still_means_started(executor: LocalExecutor) -> None:
    """An unreadable `started` is no licence to start a second time."""
    Path(executor.folder(ID), "started").write_bytes(b"")
    assert executor.start(launch(ID, ("true",))).state is ProcessState.LOST


def test_P3_a_recorded_pid_that_belongs_to_somebody_else_is_left_alone(executor: LocalExecutor) -> None:
    """Numbers in our files prove nothing: a process that is not proven ours is never signalled."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={"WTO_PROCESS": f"{executor.folder(ID)}0"}) as stranger:
        record = {"keeper": stranger.pid, "ticks": 1, "boot": "", "child": stranger.pid, "started_at": 1.0}
        Path(executor.folder(ID), "started").write_text(json.dumps(record), encoding="ascii")
        Path(executor.folder(ID), "keeper.lock").touch()
        executor.stop(ID)
        assert executor.end(ID).state is ProcessState.LOST
        assert stranger.poll() is None and alive(stranger.pid)


def test_P3_a_namesake_in_another_repository_is_left_alone(executor: LocalExecutor, tmp_path: Path) -> None:
    """Two repositories may both have a run r1 with the same workstream: sweeping one's left-overs spares the other's."""
    namesake = LocalExecutor(str(tmp_path / "another"))
    for each in (executor, namesake):
        each.start(launch(ID, ("sh", "-c", "exec cat"), input=True))
    kill_keeper(executor, ID)
    assert executor.end(ID).state is ProcessState.LOST
    report = namesake.poll(ID)
    assert report.state is ProcessState.RUNNING and report.pid is not None and alive(report.pid)
    assert namesake.end(ID).state is ProcessState.EXITED


def test_P2_a_leftover_that_loses_its_proof_is_still_ended(executor: LocalExecutor, tmp_path: Path) -> None:
    """A child without the mark is proven by its parent; when that one dies first it stays proven."""
    notes = str(tmp_path / "pids")
    executor.start(launch(ID, (*FAMILY, notes)))
    wait_until(lambda: len(numbers(notes)) == 3)
    bare = [pid for pid in numbers(notes) if pid not in carrying(f"WTO_PROCESS={executor.folder(ID)}")]
    assert len(bare) == 1
    kill_keeper(executor, ID)
    executor.end(ID, timeout_s=0.0)
    assert [pid for pid in numbers(notes) if alive(pid)] == []


def test_P6_a_poll_never_disturbs_a_keeper_that_starts(executor: LocalExecutor) -> None:
    """While others look all the time whether a keeper lives, starts still succeed and the state never lies."""
    pid = os.fork()
    if pid == 0:
        while True:
            for number in range(12):
                executor.poll(ProcessId(f"r1.a.{number}"))
    try:
        for number in range(12):
            name = ProcessId(f"r1.a.{number}")
            states = [executor.poll(name).state, executor.start(launch(name, ("cat",), input=True)).state]
            assert states == [ProcessState.ABSENT, ProcessState.RUNNING]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert {executor.end(ProcessId(f"r1.a.{number}")).state for number in range(12)} == {ProcessState.EXITED}
    assert started(executor, "r1.a.0")["boot"] == executor.poll(ProcessId("r1.a.0")).boot
