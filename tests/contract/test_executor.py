"""The executor port: what every executor promises, asked of the real one and of the fake."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.fakes import FakeClock, FakeExecutor
from tests.support.processes import PYTHON, SCRIPTED, kill_keeper
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.executor.local import LocalExecutor
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.errors import InvariantBroken
from wt_orchestrate.ports.engine import Executor, Launch, ProcessReport, ProcessState

ID = ProcessId("r1.database.1")


class Stage(Protocol):
    """An executor, and the hand that moves its processes."""

    executor: Executor

    def launch(self, name: str = ID) -> Launch:
        """A process that takes input and does what it is told below."""

    def print(self, text: bytes, *, errors: bool = False) -> None: ...

    def exit(self, code: int) -> None: ...

    def lose(self) -> None: ...

    def received(self) -> list[str]:
        """The lines it has read."""

    def close(self) -> None: ...


class FakeStage:
    """The fake, moved by its own methods."""

    def __init__(self, folder: Path) -> None:
        self.fake = FakeExecutor(str(folder), FakeClock())
        self.executor: Executor = self.fake

    def launch(self, name: str = ID) -> Launch:
        return Launch(id=ProcessId(name), argv=("true",), cwd="/", env={}, input=True, lines=("brief",), grace_s=0.1)

    def print(self, text: bytes, *, errors: bool = False) -> None:
        self.fake.print(ID, text, errors=errors)

    def exit(self, code: int) -> None:
        self.fake.exit(ID, code)

    def lose(self) -> None:
        self.fake.lose(ID)

    def received(self) -> list[str]:
        return self.fake.process(ID).received

    def close(self) -> None: ...


class RealStage:
    """Real processes, moved through a FIFO."""

    def __init__(self, folder: Path) -> None:
        self._orders, self._received = folder / "orders", folder / "received"
        os.mkfifo(self._orders)
        self.local = LocalExecutor(str(folder / "processes"))
        self.executor: Executor = self.local
        self._folder = folder

    def launch(self, name: str = ID) -> Launch:
        argv = (PYTHON, "-I", "-S", "-c", SCRIPTED, str(self._orders), str(self._received))
        return Launch(id=ProcessId(name), argv=argv, cwd="/", env={}, input=True, lines=("brief",), grace_s=0.1)

    def print(self, text: bytes, *, errors: bool = False) -> None:
        self._order(f"{'errors' if errors else 'print'} {text!r}")

    def exit(self, code: int) -> None:
        self._order(f"exit {code}")

    def lose(self) -> None:
        kill_keeper(self.local, ID)

    def received(self) -> list[str]:
        return self._received.read_text(encoding="utf-8").splitlines() if self._received.exists() else []

    def close(self) -> None:
        for name in os.listdir(self._folder / "processes") if (self._folder / "processes").exists() else ():
            self.local.end(ProcessId(name))

    def _order(self, text: str) -> None:
        with open(self._orders, "w", encoding="ascii") as orders:
            orders.write(f"{text}\n")


@pytest.fixture(params=[FakeStage, RealStage], ids=["fake", "local"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """Each executor in turn."""
    make: Callable[[Path], Stage] = request.param
    stage = make(tmp_path)
    yield stage
    stage.close()


def _state(stage: Stage) -> ProcessState:
    return stage.executor.poll(ID).state


def _reach(stage: Stage, state: ProcessState) -> ProcessReport:
    wait_until(lambda: _state(stage) is state, what=f"it is {state}")
    return stage.executor.poll(ID)


def test_what_was_never_started_is_absent(stage: Stage) -> None:
    """Nothing is known of it, and nothing but that is said."""
    assert stage.executor.poll(ID) == ProcessReport(id=ID, state=ProcessState.ABSENT)
    assert stage.executor.read(ID, offset=0).lines == ()
    assert stage.executor.tail(ID) == ""
    assert stage.executor.end(ID) == ProcessReport(id=ID, state=ProcessState.ABSENT)


def test_P1_starting_twice_starts_once(stage: Stage) -> None:
    """The second start tells of the process of the first one."""
    first = stage.executor.start(stage.launch())
    second = stage.executor.start(stage.launch())
    assert (first.state, first.pid) == (ProcessState.RUNNING, second.pid)
    assert first.pid is not None and first.started_at is not None and first.boot


def test_its_output_comes_in_whole_lines(stage: Stage) -> None:
    """Half a line waits for its end; offsets lead on from where the last reading ended."""
    stage.executor.start(stage.launch())
    stage.print(b"one\ntwo\nhal")
    wait_until(lambda: stage.executor.poll(ID).output_bytes == 11)
    first = stage.executor.read(ID, offset=0)
    assert (first.lines, first.offset) == ((b"one", b"two"), 8)
    assert stage.executor.read(ID, offset=8).offset == 8
    stage.print(b"f\n")
    wait_until(lambda: stage.executor.poll(ID).output_bytes == 13)
    second = stage.executor.read(ID, offset=8)
    assert (second.lines, second.offset) == ((b"half",), 13)
    assert stage.executor.poll(ID).output_at is not None
    assert stage.executor.tail(ID, limit=5) == "half\n"


def test_a_line_over_the_limit_comes_cut(stage: Stage) -> None:
    """A reading never holds more than its limit, and goes on behind the line."""
    stage.executor.start(stage.launch())
    stage.print(b"a" * 50 + b"\nnext\n")
    wait_until(lambda: stage.executor.poll(ID).output_bytes == 56)
    first = stage.executor.read(ID, offset=0, limit=10)
    assert (first.lines, first.offset) == ((b"a" * 10,), 51)
    assert stage.executor.read(ID, offset=51, limit=10).lines == (b"next",)


def test_its_errors_are_kept_apart(stage: Stage) -> None:
    """What it says on stderr is no part of its output."""
    stage.executor.start(stage.launch())
    stage.print(b"oh\n", errors=True)
    wait_until(lambda: stage.executor.tail(ID, errors=True) == "oh\n")
    assert stage.executor.poll(ID).output_bytes == 0


def test_its_end_is_told_with_its_exit_status(stage: Stage) -> None:
    """How it ended stays known, and it is not started again."""
    stage.executor.start(stage.launch())
    stage.exit(3)
    report = _reach(stage, ProcessState.EXITED)
    assert (report.exit_code, report.cause, report.survivors) == (3, "exit", 0)
    assert report.ended_at is not None
    assert stage.executor.start(stage.launch()) == report
    stage.executor.stop(ID)
    assert stage.executor.end(ID) == report


def test_messages_come_once_and_in_order(stage: Stage) -> None:
    """Behind the lines it was started with; the same id a second time is the same message."""
    stage.executor.send(ID, message="early", line="zero")
    stage.executor.start(stage.launch())
    for message, line in (("a", "one"), ("b", "two"), ("a", "one again"), ("early", "zero again"), ("c", "three")):
        stage.executor.send(ID, message=message, line=line)
    wait_until(lambda: len(stage.received()) >= 5)
    assert stage.received() == ["brief", "zero", "one", "two", "three"]


def test_a_message_of_two_lines_is_refused(stage: Stage) -> None:
    """One message is one line."""
    with pytest.raises(InvariantBroken):
        stage.executor.send(ID, message="a", line="one\ntwo")


def test_a_wish_to_stop_is_carried_out(stage: Stage) -> None:
    """`stop` returns at once, and the process ends with that cause."""
    stage.executor.start(stage.launch())
    stage.executor.stop(ID)
    report = _reach(stage, ProcessState.EXITED)
    assert (report.exit_code, report.cause) == (-signal.SIGTERM, "stopped")


def test_a_wish_that_comes_before_the_start_counts(stage: Stage) -> None:
    """A stop and a start may pass each other: the process is stopped in either order."""
    stage.executor.folder(ID)
    stage.executor.stop(ID)
    stage.executor.start(stage.launch())
    assert _reach(stage, ProcessState.EXITED).cause == "stopped"


def test_ending_waits_for_the_end(stage: Stage) -> None:
    """When `end` returns it has ended."""
    stage.executor.start(stage.launch())
    assert stage.executor.end(ID).state is ProcessState.EXITED


def test_a_lost_process_stays_lost(stage: Stage) -> None:
    """Without its keeper nobody knows how it ended, not even after it was ended for sure; it is not started again."""
    stage.executor.start(stage.launch())
    stage.lose()
    lost = _reach(stage, ProcessState.LOST)
    assert (lost.exit_code, lost.ended_at, lost.cause) == (None, None, "")
    assert stage.executor.end(ID) == lost
    assert stage.executor.start(stage.launch()) == lost


def test_two_processes_do_not_mix(stage: Stage) -> None:
    """Each has a folder, an output and an end of its own."""
    other = ProcessId("r1.database.2")
    stage.executor.start(stage.launch())
    assert stage.executor.poll(other).state is ProcessState.ABSENT
    stage.executor.start(stage.launch(other))
    stage.executor.end(other)
    assert _state(stage) is ProcessState.RUNNING
    assert len({stage.executor.folder(ID), stage.executor.folder(other)}) == 2
    assert os.path.isdir(stage.executor.folder(other))
    assert len({stage.executor.output(ID), stage.executor.output(other), stage.executor.errors(ID)}) == 3


@pytest.mark.parametrize("name", ["", "..", "a/b", "../a", "A", "-a"])
def test_an_unsafe_id_is_refused(stage: Stage, name: str) -> None:
    """An id becomes a path component, so it must be a safe one."""
    with pytest.raises(InvariantBroken):
        stage.executor.poll(ProcessId(name))
