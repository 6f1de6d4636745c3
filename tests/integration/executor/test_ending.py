"""Ending: whoever was started is gone when it is said to be gone, however it tries to get away."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.processes import alive, launch, numbers, python, started
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.executor.local import LocalExecutor
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.ports.engine import ProcessReport, ProcessState

ID = ProcessId("r1.config.3")

ESCAPING = python(
    """
import os, signal, sys
notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
for attempt in range(3):
    if os.fork() == 0:
        os.setsid()
        daemon = os.fork()
        if daemon == 0:
            os.setsid()
            while True:
                signal.pause()
        os.write(notes, b"%d\\n" % daemon)
        os._exit(0)
    os.wait()
os.write(notes, b"%d\\n" % os.getpid())
if sys.argv[2] == "stay":
    while True:
        signal.pause()
"""
)
"""A process that ignores SIGTERM and leaves three daemons, each with a session of its own, that ignore it too."""

RUNNING_AWAY = python(
    """
import os
os.write(1, b"up\\n")
while True:
    if os.fork():
        os._exit(0)
    os.setsid()
"""
)
"""A process that never is the same one for long."""


def _ended(executor: LocalExecutor) -> ProcessReport | None:
    report = executor.poll(ID)
    return report if report.state is ProcessState.EXITED else None


def _up(executor: LocalExecutor) -> bool:
    return bool(executor.read(ID, offset=0).lines)


def test_P2_nobody_is_left_when_stopping_returns(executor: LocalExecutor, tmp_path: Path) -> None:
    """Daemons that ignore SIGTERM, in sessions of their own, twice forked: all dead when `end` returns."""
    notes = str(tmp_path / "pids")
    executor.start(launch(ID, (*ESCAPING, notes, "stay"), grace_s=0.2))
    wait_until(lambda: len(numbers(notes)) == 4)
    report = executor.end(ID)
    assert [pid for pid in numbers(notes) if alive(pid)] == []
    assert (report.state, report.cause, report.exit_code, report.survivors) == (
        ProcessState.EXITED,
        "stopped",
        -signal.SIGKILL,
        3,
    )


def test_P2_nobody_is_left_after_a_normal_end(executor: LocalExecutor, tmp_path: Path) -> None:
    """What a process leaves when it ends by itself is killed and counted before the end is told."""
    notes = str(tmp_path / "pids")
    executor.start(launch(ID, (*ESCAPING, notes, "go")))
    report = wait_until(lambda: _ended(executor))
    assert [pid for pid in numbers(notes) if alive(pid)] == []
    assert (report.cause, report.exit_code) == ("exit", 0)
    assert report.survivors >= 3  # a helper on its way out may be counted too


def test_P2_a_process_that_forks_and_exits_all_the_time_is_caught(executor: LocalExecutor) -> None:
    """A chain of processes, none of which lives long enough to be looked up at leisure, comes to its end."""
    executor.start(launch(ID, RUNNING_AWAY))
    report = wait_until(lambda: _ended(executor), timeout_s=30.0)
    assert (report.cause, report.exit_code) == ("exit", 0)


def test_a_process_is_asked_before_it_is_signalled(executor: LocalExecutor) -> None:
    """The lines of `ask` come first, then the end of its input; a process that obeys is never signalled."""
    executor.start(launch(ID, ("sh", "-c", "echo up; cat; echo bye; exit 5"), input=True, ask=("finish", "now")))
    wait_until(lambda: _up(executor))
    report = executor.end(ID)
    assert executor.read(ID, offset=0).lines == (b"up", b"finish", b"now", b"bye")
    assert (report.cause, report.exit_code, report.survivors) == ("stopped", 5, 0)


def test_deadline_ends_a_process(executor: LocalExecutor) -> None:
    """A process that runs over its deadline is ended with that cause."""
    executor.start(launch(ID, ("sh", "-c", "exec cat"), input=True, deadline_s=0.3))
    report = wait_until(lambda: _ended(executor))
    assert (report.cause, report.exit_code) == ("deadline", -signal.SIGTERM)
    assert report.ended_at is not None and report.started_at is not None
    assert report.ended_at - report.started_at >= 0.29


def test_a_suspended_process_is_ended(executor: LocalExecutor) -> None:
    """A child stopped by SIGSTOP is woken to see SIGTERM, and dies of it."""
    executor.start(
        launch(ID, ("sh", "-c", "trap 'echo bye; exit 7' TERM; echo up; while :; do read x; done"), input=True)
    )
    wait_until(lambda: _up(executor))
    os.kill(started(executor, ID)["child"], signal.SIGSTOP)
    report = executor.end(ID)
    assert (report.cause, report.exit_code) == ("stopped", 7)
    assert executor.read(ID, offset=0).lines == (b"up", b"bye")


def test_a_suspended_keeper_does_not_save_its_child(executor: LocalExecutor, tmp_path: Path) -> None:
    """Where the keeper does not answer it is killed itself, once it is proven who it is, and all it left is swept."""
    notes = str(tmp_path / "pids")
    executor.start(
        launch(
            ID, python(f"import os, signal; print(os.getpid(), file=open({notes!r}, 'w'), flush=True); signal.pause()")
        )
    )
    wait_until(lambda: numbers(notes))
    os.kill(started(executor, ID)["keeper"], signal.SIGSTOP)
    report = executor.end(ID, timeout_s=0.3)
    assert report.state is ProcessState.LOST
    assert [pid for pid in numbers(notes) if alive(pid)] == []


def test_flood_ends_a_process(tmp_path: Path) -> None:
    """A process that prints more than the limit is ended before it fills the disk."""
    executor = LocalExecutor(str(tmp_path / "processes"), output_limit=4 << 20)
    flood = "while :; do head -c 1000000 /dev/zero; sleep 0.02; done"  # as much as tells, never a full disk
    executor.start(launch(ID, ("sh", "-c", flood)))
    report = wait_until(lambda: _ended(executor), timeout_s=30.0)
    assert (report.cause, report.exit_code) == ("flood", -signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_keeper_is_a_wish_to_stop(executor: LocalExecutor, number: signal.Signals) -> None:
    """A keeper that is told to go takes its child along and writes down how it ended."""
    executor.start(launch(ID, ("sh", "-c", "exec cat"), input=True))
    os.kill(started(executor, ID)["keeper"], signal.SIGHUP)
    os.kill(started(executor, ID)["keeper"], number)
    report = wait_until(lambda: _ended(executor))
    assert (report.cause, report.exit_code) == ("stopped", -signal.SIGTERM)


def test_a_wish_to_stop_is_durable(executor: LocalExecutor) -> None:
    """A stop that was wished for before the start ends the process at once."""
    executor.folder(ID)
    executor.stop(ID)
    executor.start(launch(ID, ("sh", "-c", "exec cat"), input=True))
    report = wait_until(lambda: _ended(executor))
    assert (report.cause, report.exit_code) == ("stopped", -signal.SIGTERM)


def test_ending_what_never_ran_or_has_ended_changes_nothing(executor: LocalExecutor) -> None:
    """`end` and `stop` are safe at any time."""
    executor.stop(ID)
    assert executor.end(ID) == ProcessReport(id=ID, state=ProcessState.ABSENT)
    executor.start(launch(ID, ("sh", "-c", "exit 2")))
    report = wait_until(lambda: _ended(executor))
    executor.stop(ID)
    assert executor.end(ID) == report


def test_a_removed_folder_ends_the_process(executor: LocalExecutor, tmp_path: Path) -> None:
    """Whoever deletes the state does not leave an agent behind that nobody knows of."""
    notes = str(tmp_path / "pids")
    executor.start(launch(ID, (*ESCAPING, notes, "stay"), grace_s=0.1, input=True))
    wait_until(lambda: len(numbers(notes)) == 4)
    os.rename(executor.folder(ID), tmp_path / "elsewhere")
    os.kill(numbers(notes)[0], 0)
    wait_until(lambda: [pid for pid in numbers(notes) if alive(pid)] == [])


def test_long_output_keeps_its_head_and_its_tail(executor: LocalExecutor) -> None:
    """A process started with a bound keeps so many bytes of its output once it has ended, and says what is left out."""
    loud = launch(ID, ("/bin/sh", "-c", "seq 1 400000; printf 'the last word'"), kept=10_000)
    executor.start(loud)
    wait_until(lambda: executor.poll(ID).state is ProcessState.EXITED)
    executor.tidy(ID)
    lines = Path(executor.output(ID)).read_text().splitlines()
    assert lines[:2] == ["1", "2"] and lines[-2:] == ["400000", "the last word"]
    assert sum("left out" in line for line in lines) == 1
    assert os.path.getsize(executor.output(ID)) < 10_200


def test_the_last_line_is_read_without_a_line_end(executor: LocalExecutor) -> None:
    """What a process said last is read like any other line once it has ended; nothing else of its output changes."""
    executor.start(launch(ID, ("/bin/sh", "-c", "printf 'one\ntwo'")))
    wait_until(lambda: executor.poll(ID).state is ProcessState.EXITED)
    assert executor.read(ID, offset=0).lines == (b"one",)
    executor.tidy(ID)
    executor.tidy(ID)
    assert executor.read(ID, offset=0).lines == (b"one", b"two")
