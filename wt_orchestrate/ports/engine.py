"""The seams between the engine and the outside world, readable at one sitting.

Every method that changes something is safe to call twice with the same arguments: it first looks whether the thing is
already so. Paths cross a port as text (absolute, native); times as seconds: `now` since the epoch, durations by `elapsed`.
A port raises `WtError` for what its caller cannot go on from; foreseen ends (a conflict, a lost race) are return values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from wt_orchestrate.domain.agent.stream import Sign
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


class Machine(Protocol):
    def room(self) -> Room:
        """What is left for another agent. Cheap, for every poll; never raises."""


# ---------------------------------------------------------------- the event log


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request of a face, waiting to be taken."""

    number: int
    at: float
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run as the list of runs has it."""

    id: RunId
    started_at: float
    goal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a caller's key was used for: a request with its number, or a run that was begun (then there is no number)."""

    key: str
    run: RunId
    number: int | None
    wish: Request | RunStarted

    def again(self, run: RunId, request: Request) -> int:
        """The number that this very wish has already. Raises Refused when the key was used for another one."""
        if self.number is None or (self.run, self.wish) != (run, request):
            raise self.used_elsewhere()
        return self.number

    def begun_again(self, *, plan_path: str, land: bool) -> RunId:
        """The run that this very wish began already. Raises Refused when the key was used for another one."""
        wish = self.wish
        if not isinstance(wish, RunStarted) or (wish.plan_path, wish.land) != (plan_path, land):
            raise self.used_elsewhere()
        return self.run

    def used_elsewhere(self) -> Refused:
        """What is said to a caller whose key names another wish already."""
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self.wish).__name__.removesuffix("Requested")).lower()
        what = f"{self.run} was begun" if self.number is None else f"{words!r} was put to {self.run}"
        return Refused(
            f"the key {self.key!r} names another wish already: with it {what}",
            hint="give every wish a key of its own, and the same words to the same wish",
        )


class Log(Protocol):
    """The event log of one repository. Whoever appends facts holds the supervisor's lock; anybody may read and ask."""

    def begin(
        self, event: RunStarted, *, actor: Actor, now: float, view: Callable[[Record], str], key: str = ""
    ) -> Record:
        """Append the first event of a new run, whose id is chosen here, with its first view; durable on return. `key` is the
        caller's name for this wish: said again, the first record of the run that it began comes back. Raises Refused when it
        names another wish."""

    def known(self, key: str) -> Known | None:
        """What a key was used for; None when it was not used."""

    def append(self, records: Sequence[Record], *, taken: Sequence[int] = (), view: str | None = None) -> None:
        """Append records of one run, mark requests as taken and replace the run's view: one transaction, durable on
        return. Their numbers follow `last_number`; raises StoreUnreadable when another process wrote."""

    def last_number(self) -> int:
        """The number of the newest event of any run; 0 in an empty log."""

    def read(
        self, run: RunId, *, after: int = 0, workstream: WorkstreamId | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        """The events of a run in order, from behind a number; with a workstream, those about it; at most `limit` of them."""

    def keep(self, state: RunState) -> None:
        """Keep the state of a run as of its last event: only to save time, it may be forgotten."""

    def kept(self, run: RunId) -> RunState | None:
        """The state that was kept; the events behind its number are still to be folded in. None when there is none."""

    def runs(self) -> Sequence[RunLine]:
        """All runs, oldest first."""

    def view(self, run: RunId) -> str | None:
        """The run's view as JSON text, as of its last turn."""

    def ask(self, run: RunId, request: Request, *, now: float, key: str = "") -> int:
        """Put a request; returns its number. Durable on return. The same key asks once: the number of the first is returned.
        Raises Refused when it names another wish."""

    def asked(self, run: RunId) -> Sequence[Asked]:
        """Requests that were not taken yet, oldest first."""

    def damage(self) -> str:
        """What is wrong with what was written, in words; empty when all of it fits together."""

    def bell(self) -> str:
        """The path of a file that changes whenever a request was put."""

    def close(self) -> None: ...


# ---------------------------------------------------------------- executor: kept processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A process to start and keep. `env` is the whole environment; nothing is inherited.

    `lines` are written to its input first, each with a newline. With `input` the keeper holds the input open and passes
    on what `send` brings; without, it is /dev/null. `ask` are the lines that ask it to end, tried before any signal, with
    the end of its input behind them. Each step of the ending waits `grace_s`, but never more than a few seconds.
    """

    id: ProcessId
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    input: bool = False
    lines: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deadline_s: float | None = None
    grace_s: float = 5.0


class ProcessState(StrEnum):
    ABSENT = "absent"
    """Never started."""
    RUNNING = "running"
    """Its keeper holds its lock."""
    EXITED = "exited"
    """Its keeper wrote how it ended, after the last descendant was gone."""
    LOST = "lost"
    """Started, but its keeper is gone without a word (killed, or the machine rebooted): descendants may live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessReport:
    """What is known of a kept process. Times are wall seconds; `cause` is exit, stopped, deadline, flood or unstartable."""

    id: ProcessId
    state: ProcessState
    pid: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    """The exit status, negative for a signal."""
    cause: str = ""
    detail: str = ""
    """Why it could not be started, where that is the cause."""
    survivors: int = 0
    """Descendants that had to be killed after it had ended."""
    boot: str = ""
    output_bytes: int = 0
    output_at: float | None = None
    """When its output last grew."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of a process's output, and the byte offset behind them."""

    lines: tuple[bytes, ...]
    offset: int


class Executor(Protocol):
    """Starts processes that outlive us, and tells the truth about them. One folder each, named by the id."""

    def start(self, launch: Launch) -> ProcessReport:
        """Start it unless it was ever started; returns when its keeper holds its lock (or has already ended)."""

    def poll(self, process: ProcessId) -> ProcessReport:
        """What is known now; cheap (a few file reads), never waits."""

    def alive(self, process: ProcessId) -> bool:
        """Whether its keeper holds its lock: one system call or two, for every turn."""

    def send(self, process: ProcessId, *, message: str, line: str) -> None:
        """Put one line in its durable inbox under the id `message`; written once, in order of the call, even across crashes."""

    def read(self, process: ProcessId, *, offset: int, limit: int = 1 << 20) -> Lines:
        """Whole lines of its output from a byte offset; a line over the limit comes cut."""

    def output(self, process: ProcessId) -> str:
        """The path of its output (stdout; stderr goes to `errors`)."""

    def errors(self, process: ProcessId) -> str:
        """The path of its stderr."""

    def tail(self, process: ProcessId, *, errors: bool = False, limit: int = 8192) -> str:
        """The end of its output (or of its stderr) as text."""

    def folder(self, process: ProcessId) -> str:
        """The path of its own folder, made if missing: a place for files it is started with."""

    def tidy(self, process: ProcessId) -> None:
        """Remove the temporary folder it was given, once it has ended; safe twice."""

    def stop(self, process: ProcessId) -> None:
        """Ask its keeper to end it (ask, terminate, kill); returns at once. A wish that comes before the start counts."""

    def end(self, process: ProcessId, *, timeout_s: float = 10.0) -> ProcessReport:
        """Stop it and wait until no descendant is left, also when its keeper is gone. Raises WtError if any is left."""


# ---------------------------------------------------------------- agents


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStart:
    """All that an agent is started with. `resume`: go on with the session instead of beginning it."""

    process: ProcessId
    session: str
    resume: bool
    spec: AgentSpec
    prompt: str
    """The brief, or for a resumed session the message."""
    receipt: str
    """What `MessageTaken` is to tell when the prompt was taken."""
    instructions: str
    """The repository's own standing instructions at the base (CLAUDE.md), possibly empty."""
    worktree: str
    folder: str
    """A place outside the worktree for files the agent is started with."""
    checks: tuple[str, ...]
    """Commands it may run without asking."""
    variables: Mapping[str, str]
    """WTO_RUN, WTO_WORKSTREAM, WTO_ATTEMPT and whatever else it is told by environment."""
    budget_usd: float | None = None
    turns: int | None = None
    """How many turns of the model it may take."""
    account: str = ""
    """Whose environment it gets; empty for the user's own."""
    read_only: bool = False
    """Whether it may write nothing but its handoff, whatever its agent allows elsewhere."""
    role: Role | None = None
    """What it is asked to be."""
    needs: str = ""
    """The folder with the whole handoffs of what it builds on, which it may read."""
    tools: tuple[str, ...] = ()
    """The command that serves it our tools over MCP; empty where it gets none."""
    schema: str = ""
    """The JSON Schema of a value that it is to return; it then owes no handoff and may write nothing at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersion:
    """What `doctor` says of an agent's program; `problem` is empty when it can be used."""

    path: str
    version: str
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionCommand:
    """A command that tells a program's version; no words when the program was not found."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


class Agent(Protocol):
    """How one type of agent is called and its stream read."""

    def launch(self, start: AgentStart) -> Launch:
        """The process to start; writes what it needs into `start.folder`. Raises AgentUnavailable."""

    def reader(self) -> SignReader:
        """A reader for one process's stream, from its first line."""

    def message(self, *, receipt: str, text: str) -> str | None:
        """The line that gives a running agent a message, which `MessageTaken` will tell by this receipt; None when it takes
        none."""

    def interrupt(self, *, request: str) -> str | None:
        """The line that ends the running turn and leaves the process waiting; None when it cannot be interrupted."""

    def permission(self, *, ask: str, payload: str, allow: bool, reason: str) -> str:
        """The line that answers a permission question."""

    def answer(self, *, ask: str, payload: str, text: str) -> str:
        """The line that answers a question of the agent."""

    def version_command(self, spec: AgentSpec) -> VersionCommand:
        """How the agent's program is asked for its version."""

    def version(self, spec: AgentSpec, *, path: str, said: str) -> AgentVersion:
        """What its answer means; `path` is empty when there is no such program."""


class SignReader(Protocol):
    """Reads one process's stream line by line; keeps what must be subtracted or remembered between lines."""

    def read(self, line: bytes) -> Sequence[Sign]:
        """The signs in a line; none for what it does not know. Never raises on bad input."""


# ---------------------------------------------------------------- handoff files


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffFile:
    """HANDOFF.md as it lies in a worktree; `text` None when there is none; `problem` says why it cannot be read."""

    text: str | None
    problem: str = ""


class Handoffs(Protocol):
    def read(self, worktree: str) -> HandoffFile:
        """Read the handoff without following links, bounded; never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherRead:
    """Workstreams that a handoff wants to add; `problems` when they cannot be read, one sentence each."""

    workstreams: Mapping[str, Workstream]
    problems: tuple[str, ...] = ()


class Plans(Protocol):
    def further(self, text: str) -> FurtherRead:
        """Read the section of a handoff that adds workstreams; never raises."""


class Notes(Protocol):
    """What running agents say by their tools, in a drop file of the attempt's own folder, and the answers they wait for. All
    of it may be written by the agent itself: no link is followed, and only so much is read."""

    def prepare(self, folder: str, texts: Mapping[str, str]) -> str:
        """Lay texts by name into the attempt's folder before it starts; returns the path of the place. Safe twice."""

    def drop_file(self, folder: str) -> str:
        """The path of the file that changes when something was said."""

    def read(self, folder: str, *, offset: int, limit: int) -> Lines:
        """Whole lines from a byte offset; none where there is no proper file. Never raises."""

    def answer(self, folder: str, *, ask: str, text: str) -> bool:
        """Give the answer to the call that asked, once; False when it does not wait any more. Safe twice."""


# ---------------------------------------------------------------- work beside the turn


class Workers(Protocol):
    """Runs what would hold up the turn. Results come back by `done`, in the turn's own thread."""

    def submit(self, key: str, work: Callable[[], Sequence[Event]]) -> None:
        """Run it soon; whoever waits on the feed is woken when it is done."""

    def done(self) -> Sequence[tuple[str, Sequence[Event] | BaseException]]:
        """What was finished since the last call, under the key it was submitted with."""

    def close(self) -> None:
        """Wait for what is under way."""


# ---------------------------------------------------------------- watching


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A file to look at again when it changes; `key` says what it is to the one who asked."""

    key: str
    path: str


class Feed(Protocol):
    """Tells which watched files may have changed. A hint only: whoever asks looks for itself."""

    def watch(self, wanted: frozenset[Watched]) -> None:
        """Watch exactly these from now on."""

    def wait(self, timeout_s: float) -> frozenset[str]:
        """Keys of files that may have changed since the last call, or since before they were watched; empty when time ran
        out. A change whose notice was lost comes within a poll interval."""

    def wake(self) -> None:
        """End a `wait` now; safe from any thread."""

    def close(self) -> None: ...
