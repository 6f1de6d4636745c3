"""Fakes of the ports to processes, file changes and time: in memory, moved by hand, held to the same contracts.

`tests/contract/` runs the same tests on these and on the real adapters.
"""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass, field

from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import InvariantBroken
from wt_orchestrate.ports.engine import Launch, Lines, ProcessReport, ProcessState, Watched

START = 1_700_000_000.0
_ID = re.compile(r"[a-z0-9]([a-z0-9.-]{0,199}[a-z0-9-])?")


class FakeClock:
    """Time that stands still until it is moved."""

    def __init__(self, now: float = START) -> None:
        self._now = now
        self._elapsed = 1_000.0
        self._boot = 1

    def now(self) -> float:
        return self._now

    def elapsed(self) -> float:
        return self._elapsed

    def boot(self) -> str:
        return f"boot-{self._boot}"

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._elapsed += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock; no time passes."""
        self._now += seconds

    def reboot(self) -> None:
        """Another boot: the elapsed time begins anew."""
        self._boot += 1
        self._elapsed = 0.0


class FakeFeed:
    """Hints that a test gives. A wait with nothing to tell lets its time pass on the clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._told: set[str] = set()
        self._woken = False
        self.watched: frozenset[Watched] = frozenset()
        self.closed = False

    def tell(self, path: str) -> None:
        """A file changed."""
        self._told |= {each.key for each in self.watched if each.path == path}

    def watch(self, wanted: frozenset[Watched]) -> None:
        self.watched = wanted
        self._told &= {each.key for each in wanted}

    def wait(self, timeout_s: float) -> frozenset[str]:
        if not (self._told or self._woken):
            self._clock.advance(timeout_s)
        told, self._told, self._woken = frozenset(self._told), set(), False
        return told

    def wake(self) -> None:
        self._woken = True

    def close(self) -> None:
        self.closed = True


@dataclass(slots=True)
class FakeProcess:
    """One process of the fake executor, for the test to look at."""

    launch: Launch | None = None
    report: ProcessReport | None = None
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)
    inbox: dict[str, str] = field(default_factory=dict)
    """Messages by their ids, in order, also those that nobody reads."""
    received: list[str] = field(default_factory=list)
    """The lines it has read from its input."""
    stop_wished: bool = False
    stubborn: bool = False
    """Whether it takes no notice of a wish to stop: then only `end` ends it."""


class FakeExecutor:
    """Processes whose output and end the test scripts. They read their input at once, and obey a wish to stop."""

    def __init__(self, root: str, clock: FakeClock) -> None:
        self._root = root
        self._clock = clock
        self._processes: dict[ProcessId, FakeProcess] = {}
        self._next_pid = 1000

    # ------------------------------------------------------------ the script

    def process(self, process: ProcessId) -> FakeProcess:
        """The process of that name, started or not."""
        if not _ID.fullmatch(process) or ".." in process:
            raise InvariantBroken(f"{process!r} is no process id")
        return self._processes.setdefault(process, FakeProcess())

    def started(self) -> tuple[ProcessId, ...]:
        """All that were ever started, in order."""
        began = [(kept.report.pid or 0, name) for name, kept in self._processes.items() if kept.report is not None]
        return tuple(name for _, name in sorted(began))

    def print(self, process: ProcessId, text: bytes, *, errors: bool = False) -> None:
        """Have it print something."""
        kept = self._running(process)
        if errors:
            kept.errors += text
            return
        kept.output += text
        assert kept.report is not None
        kept.report = replace(kept.report, output_bytes=len(kept.output), output_at=self._clock.now())

    def exit(self, process: ProcessId, code: int, *, cause: str = "exit", survivors: int = 0, detail: str = "") -> None:
        """Have it end."""
        kept = self._running(process)
        assert kept.report is not None
        kept.report = replace(
            kept.report,
            state=ProcessState.EXITED,
            ended_at=self._clock.now(),
            exit_code=code,
            cause=cause,
            survivors=survivors,
            detail=detail,
        )

    def lose(self, process: ProcessId) -> None:
        """Have its keeper killed."""
        kept = self._running(process)
        assert kept.report is not None
        kept.report = replace(kept.report, state=ProcessState.LOST)

    def _running(self, process: ProcessId) -> FakeProcess:
        kept = self.process(process)
        assert kept.report is not None and kept.report.state is ProcessState.RUNNING, f"{process} does not run"
        return kept

    # ------------------------------------------------------------ the port

    def start(self, launch: Launch) -> ProcessReport:
        kept = self.process(launch.id)
        if kept.report is None:
            self._next_pid += 1
            kept.launch = launch
            kept.report = ProcessReport(
                id=launch.id,
                state=ProcessState.RUNNING,
                pid=self._next_pid,
                started_at=self._clock.now(),
                boot=self._clock.boot(),
            )
            if launch.input:
                kept.received += [*launch.lines, *kept.inbox.values()]
            if kept.stop_wished:
                self.stop(launch.id)
        return self.poll(launch.id)

    def poll(self, process: ProcessId) -> ProcessReport:
        return self.process(process).report or ProcessReport(id=process, state=ProcessState.ABSENT)

    def alive(self, process: ProcessId) -> bool:
        return self.poll(process).state is ProcessState.RUNNING

    def send(self, process: ProcessId, *, message: str, line: str) -> None:
        if "\n" in line:
            raise InvariantBroken(f"a message for {process} has more than one line")
        kept = self.process(process)
        if message in kept.inbox:
            return
        kept.inbox[message] = line
        if kept.launch is not None and kept.launch.input and self.poll(process).state is ProcessState.RUNNING:
            kept.received.append(line)

    def read(self, process: ProcessId, *, offset: int, limit: int = 1 << 20) -> Lines:
        output = bytes(self.process(process).output)
        text = output[offset : offset + limit]
        end = text.rfind(b"\n") + 1
        if end:
            return Lines(tuple(text[: end - 1].split(b"\n")), offset + end)
        line_end = output.find(b"\n", offset) + 1
        return Lines((text,), line_end) if line_end else Lines((), offset)

    def output(self, process: ProcessId) -> str:
        return f"{self._root}/{process}/stream.jsonl"

    def errors(self, process: ProcessId) -> str:
        return f"{self._root}/{process}/stderr.log"

    def tail(self, process: ProcessId, *, errors: bool = False, limit: int = 8192) -> str:
        kept = self.process(process)
        return bytes(kept.errors if errors else kept.output)[-limit:].decode(errors="replace")

    def folder(self, process: ProcessId) -> str:
        self.process(process)
        path = f"{self._root}/{process}"
        os.makedirs(path, exist_ok=True)
        return path

    def tidy(self, process: ProcessId) -> None:
        self.process(process)

    def stop(self, process: ProcessId) -> None:
        kept = self.process(process)
        kept.stop_wished = True
        if self.poll(process).state is ProcessState.RUNNING and not kept.stubborn:
            self.exit(process, -signal.SIGTERM, cause="stopped")

    def end(self, process: ProcessId, *, timeout_s: float = 10.0) -> ProcessReport:
        self.stop(process)
        if self.poll(process).state is ProcessState.RUNNING:
            self.exit(process, -signal.SIGKILL, cause="stopped")
        return self.poll(process)
