"""The ports between the engine and the outside world: log, processes, agents, files, workers, time.

Every method that changes something is safe to call twice with the same arguments: it first looks whether it is done
already. Paths are text (absolute, native); times are seconds: `now` since the epoch, durations by `elapsed`. A port
raises `WtError` if its caller cannot go on; expected outcomes (a conflict, a lost race) are return values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from wt_orchestrate.domain.agent.stream import Sign
from wt_orchestrate.domain.effects import EffectKey
from wt_orchestrate.domain.events.log import Event, Record
from wt_orchestrate.domain.events.requests import Request
from wt_orchestrate.domain.events.run import Actor, RunStarted
from wt_orchestrate.domain.ids import ProcessId, RunId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentSpec, Workstream
from wt_orchestrate.domain.plan.roles import Role
from wt_orchestrate.domain.schedule.admission import Room
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.errors import Refused

# ---------------------------------------------------------------- time


class Clock(Protocol):
    def now(self) -> float:
        """Wall time in seconds since the epoch: for records and for people, never for durations."""

    def elapsed(self) -> float:
        """Seconds on a clock that never jumps and counts sleep: for durations within this boot."""

    def boot(self) -> str:
        """The id of this boot of the machine."""


# ---------------------------------------------------------------- the machine


PORTS = 20
"""How many ports a check has for itself."""


class Machine(Protocol):
    def room(self) -> Room:
        """What is left for another agent. Cheap, for every poll; never raises."""

    def ports(self, slot: int) -> int:
        """The first of `PORTS` ports in a row that are free now; different slots never share one. Never raises."""


# ---------------------------------------------------------------- the event log


class Asked(Struct, frozen=True, kw_only=True):
    """A request of a face, waiting to be taken."""

    number: int
    at: float
    request: Request


class RunLine(Struct, frozen=True, kw_only=True):
    """One run in the list of runs."""

    id: RunId
    started_at: float
    goal: str


class UsedKey(Struct, frozen=True, kw_only=True):
    """What a caller's key was used for: a request with its number, or the start of a run (then there is no number)."""

    key: str
    run: RunId
    number: int | None
    wish: Request | RunStarted

    def again(self, run: RunId, request: Request) -> int:
        """The number of this very request. Raises Refused if the key was used for another one."""
        if self.number is None or (self.run, self.wish) != (run, request):
            raise self.used_elsewhere()
        return self.number

    def begun_again(self, *, plan_path: str, land: bool) -> RunId:
        """The run that this very request started. Raises Refused if the key was used for another one."""
        wish = self.wish
        if not isinstance(wish, RunStarted) or (wish.plan_path, wish.land) != (plan_path, land):
            raise self.used_elsewhere()
        return self.run

    def used_elsewhere(self) -> Refused:
        """The message to a caller whose key was used for another request."""
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self.wish).__name__.removesuffix("Requested")).lower()
        what = f"{self.run} was started" if self.number is None else f"{words!r} was sent to {self.run}"
        return Refused(
            f"the key {self.key!r} is already used: with it {what}",
            hint="use a new key for each request; repeat a key only with the same arguments",
        )


class Log(Protocol):
    """The event log of one repository. Only the holder of the supervisor's lock appends events; anybody may read and
    put requests."""

    def begin(
        self, event: RunStarted, *, actor: Actor, now: float, view: Callable[[Record], str], key: str = ""
    ) -> Record:
        """Append the first event of a new run, whose id is chosen here, with its first view; durable on return. `key`
        is the caller's name for this request: used again, it returns the first record of the run that it started.
        Raises Refused if the key was used for another request."""

    def known(self, key: str) -> UsedKey | None:
        """What a key was used for; None if it was not used."""

    def append(self, records: Sequence[Record], *, taken: Sequence[int] = (), view: str | None = None) -> None:
        """Append records of one run, mark requests as taken and replace the run's view: one transaction, durable on
        return. Their numbers follow `last_number`; raises StoreUnreadable if another process wrote."""

    def last_number(self) -> int:
        """The number of the newest event of any run; 0 in an empty log."""

    def read(
        self, run: RunId, *, after: int = 0, workstream: WorkstreamId | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        """The events of a run in order, after a number; with a workstream, those about it; at most `limit` of them."""

    def keep(self, state: RunState) -> None:
        """Save the state of a run as of its last event. Only to save time: it may be lost."""

    def kept(self, run: RunId) -> RunState | None:
        """The state that was saved; events after its number must still be folded. None if there is none."""

    def runs(self) -> Sequence[RunLine]:
        """All runs, oldest first."""

    def view(self, run: RunId) -> str | None:
        """The run's view as JSON text, as of its last turn."""

    def ask(self, run: RunId, request: Request, *, now: float, key: str = "") -> int:
        """Put a request; returns its number. Durable on return. A key puts a request once: used again, it returns the
        first number. Raises Refused if it was used for another request."""

    def asked(self, run: RunId) -> Sequence[Asked]:
        """Requests that were not taken yet, oldest first."""

    def damage(self) -> str:
        """What is wrong with the stored data, in words; empty if nothing is."""

    def bell(self) -> str:
        """The path of a file that changes whenever a request is put."""

    def close(self) -> None: ...


# ---------------------------------------------------------------- executor: kept processes


class Launch(Struct, frozen=True, kw_only=True):
    """A process to start and keep. `env` is the whole environment; nothing is inherited. `lines` are written to its
    input first, each with a newline. With `input`, the keeper holds the input open and passes on what `send` brings;
    without, it is /dev/null. `ask`: the lines that ask it to end, tried before any signal, and then the end of its
    input. Each step of stopping waits `grace_s`, but never more than a few seconds. `kept`: how many bytes of its output
    `tidy` leaves, its head and its tail; 0 for all."""

    id: ProcessId
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    input: bool = False
    lines: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deadline_s: float | None = None
    grace_s: float = 5.0
    kept: int = 0


class Sandbox(Protocol):
    """What a process is started in. `name` is what people read."""

    name: str

    def confined(self, launch: Launch, *, folder: str) -> Launch:
        """The same process inside; `folder` is where its keeper keeps what is known of it."""


class ProcessState(StrEnum):
    ABSENT = "absent"
    """Never started."""
    RUNNING = "running"
    """Its keeper holds its lock."""
    EXITED = "exited"
    """Its keeper wrote how it ended, after its last descendant was gone."""
    LOST = "lost"
    """Started, but its keeper is gone without a report (killed, or the machine rebooted): descendants may live."""


class ProcessReport(Struct, frozen=True, kw_only=True):
    """What is known of a kept process. Times are wall seconds; `cause` is exit, stopped, deadline, flood or
    unstartable."""

    id: ProcessId
    state: ProcessState
    pid: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    """The exit status, negative for a signal."""
    cause: str = ""
    detail: str = ""
    """Why it could not be started, if it could not."""
    survivors: int = 0
    """Descendants that had to be killed after it had ended."""
    boot: str = ""
    output_bytes: int = 0
    output_at: float | None = None
    """When its output last grew."""


class Lines(Struct, frozen=True):
    """Whole lines of a process's output, and the byte offset after them."""

    lines: tuple[bytes, ...]
    offset: int


class Executor(Protocol):
    """Starts processes that outlive us and reports their true state. Each has a folder named by its id."""

    def start(self, launch: Launch) -> ProcessReport:
        """Start it unless it was started before; returns when its keeper holds its lock (or has already ended)."""

    def poll(self, process: ProcessId) -> ProcessReport:
        """What is known now; cheap (a few file reads), never waits."""

    def alive(self, process: ProcessId) -> bool:
        """Whether its keeper holds its lock; one or two system calls."""

    def send(self, process: ProcessId, *, message: str, line: str) -> None:
        """Put one line in its durable inbox under the id `message`; written once, in order of the calls, even across
        crashes."""

    def read(self, process: ProcessId, *, offset: int, limit: int = 1 << 20) -> Lines:
        """Whole lines of its output from a byte offset; a line over the limit is cut."""

    def output(self, process: ProcessId) -> str:
        """The path of its output (stdout; stderr goes to `errors`)."""

    def errors(self, process: ProcessId) -> str:
        """The path of its stderr."""

    def tail(self, process: ProcessId, *, errors: bool = False, limit: int = 8192) -> str:
        """The end of its output (or of its stderr) as text."""

    def folder(self, process: ProcessId) -> str:
        """The path of its own folder, made if missing, for files it is started with."""

    def tidy(self, process: ProcessId) -> None:
        """Remove its temporary folder once it has ended; safe twice."""

    def stop(self, process: ProcessId) -> None:
        """Ask its keeper to end it (ask, terminate, kill); returns at once. A request before the start counts."""

    def end(self, process: ProcessId, *, timeout_s: float = 10.0) -> ProcessReport:
        """Stop it and wait until no descendant is left, even if its keeper is gone. Raises WtError if any is left."""


# ---------------------------------------------------------------- agents


class AgentStart(Struct, frozen=True, kw_only=True):
    """Everything an agent is started with. `resume`: resume the session instead of starting it."""

    process: ProcessId
    session: str
    resume: bool
    spec: AgentSpec
    prompt: str
    """The brief, or for a resumed session the message."""
    receipt: str
    """What `MessageTaken` will say once the prompt has arrived."""
    instructions: str
    """The repository's own instructions at the base (CLAUDE.md), possibly empty."""
    worktree: str
    folder: str
    """A folder outside the worktree for files the agent is started with."""
    checks: tuple[str, ...]
    """Commands it may run without asking."""
    variables: Mapping[str, str]
    """WTO_RUN, WTO_WORKSTREAM, WTO_ATTEMPT and other environment variables for it."""
    budget_usd: float | None = None
    turns: int | None = None
    """How many turns of the model it may take."""
    account: str = ""
    """The account whose environment it gets; empty for the user's own."""
    read_only: bool = False
    """Whether it may write nothing but its handoff, whatever its agent allows elsewhere."""
    role: Role | None = None
    """Its role."""
    needs: str = ""
    """The folder with the handoffs of what it builds on, which it may read."""
    tools: tuple[str, ...] = ()
    """The command that serves it our tools over MCP; empty if it gets none."""
    schema: str = ""
    """The JSON Schema of a value that it has to return; it then owes no handoff and may write nothing."""


class AgentVersion(Struct, frozen=True, kw_only=True):
    """What `doctor` says of an agent's program; `problem` is empty if it can be used."""

    path: str
    version: str
    problem: str = ""
    hint: str = ""


class VersionCommand(Struct, frozen=True, kw_only=True):
    """A command that prints a program's version; no words if the program was not found."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


class Agent(Protocol):
    """How one type of agent is started, and how its output is read."""

    def launch(self, start: AgentStart) -> Launch:
        """The process to start; writes what it needs into `start.folder`. Raises AgentUnavailable."""

    def reader(self) -> SignReader:
        """A reader for one process's stream, from its first line."""

    def message(self, *, receipt: str, text: str) -> str | None:
        """The line that sends a message to a running agent; `MessageTaken` will name this receipt. None if it takes
        none."""

    def interrupt(self, *, request: str) -> str | None:
        """The line that ends the running turn and leaves the process waiting; None if it cannot be interrupted."""

    def permission(self, *, ask: str, payload: str, allow: bool, reason: str) -> str:
        """The line that answers a permission question."""

    def answer(self, *, ask: str, payload: str, texts: Sequence[str]) -> str:
        """The line that answers the questions that the agent asked at once, in their order."""

    def version_command(self, spec: AgentSpec) -> VersionCommand:
        """How the agent's program is asked for its version."""

    def version(self, spec: AgentSpec, *, path: str, said: str) -> AgentVersion:
        """What its answer means; `path` is empty if there is no such program."""


class SignReader(Protocol):
    """Reads one process's output line by line; keeps what it must remember between lines."""

    def read(self, line: bytes) -> Sequence[Sign]:
        """The signs in a line; none if it is unknown. Never raises on bad input."""


# ---------------------------------------------------------------- handoff files


class HandoffFile(Struct, frozen=True, kw_only=True):
    """HANDOFF.md in a worktree; `text` is None if there is none; `problem`: why it cannot be read."""

    text: str | None
    problem: str = ""


class HandoffReader(Protocol):
    def read(self, worktree: str) -> HandoffFile:
        """Read the handoff without following links, bounded; never raises."""


class FurtherRead(Struct, frozen=True, kw_only=True):
    """Workstreams that a handoff adds; `problems`, one sentence each, if they cannot be read."""

    workstreams: Mapping[str, Workstream]
    problems: tuple[str, ...] = ()


class Plans(Protocol):
    def further(self, text: str) -> FurtherRead:
        """Read the section of a handoff that adds workstreams; never raises."""


class Notes(Protocol):
    """Notes that running agents write through their tools, in a file of the attempt's own folder, and the answers they
    wait for. The agent itself can write all of it: no link is followed, and reading is bounded."""

    def prepare(self, folder: str, texts: Mapping[str, str]) -> str:
        """Write texts by name into the attempt's folder before it starts; returns the folder's path. Safe twice."""

    def drop_file(self, folder: str) -> str:
        """The path of the file that changes when there is a new note."""

    def read(self, folder: str, *, offset: int, limit: int) -> Lines:
        """Whole lines from a byte offset; none if there is no regular file. Never raises."""

    def answer(self, folder: str, *, ask: str, text: str) -> bool:
        """Give the answer to the call that asked, once; False if it does not wait any more. Safe twice."""


# ---------------------------------------------------------------- work beside the turn


class Workers(Protocol):
    """Runs what would take too long for a turn. Results are returned by `done`, in the turn's own thread."""

    def submit(self, key: EffectKey, work: Callable[[], Sequence[Event]]) -> None:
        """Run it soon; the feed wakes up when it is done."""

    def done(self) -> Sequence[tuple[EffectKey, Sequence[Event] | BaseException]]:
        """The results since the last call, under the keys they were submitted with."""

    def close(self) -> None:
        """Wait for what is under way."""


# ---------------------------------------------------------------- watching


class Watched(Struct, frozen=True, kw_only=True):
    """A file to read again when it changes; `key` identifies it to the caller."""

    key: str
    path: str


class Feed(Protocol):
    """Says which watched files may have changed. Only a hint: the caller reads them itself."""

    def watch(self, wanted: frozenset[Watched]) -> None:
        """Watch exactly these from now on."""

    def wait(self, timeout_s: float) -> frozenset[str]:
        """Keys of files that may have changed since the last call, or before they were watched; empty if time ran out.
        A change whose notification was lost is reported within a poll interval."""

    def wake(self) -> None:
        """End a `wait` now; safe from any thread."""

    def close(self) -> None: ...
