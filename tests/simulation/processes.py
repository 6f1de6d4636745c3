"""Simulated processes: agents that work, lie, hang, crash and ask, checks that judge a tree, keepers that may be killed.

A process lives on when the supervisor dies, and takes a step whenever the scheduler says so. What it prints is JSON lines
that `SimAgent.reader` turns into signs. How often an agent misbehaves is bounded by the world's mischief; an agent out of
mischief is honest, so that every history can come to rest.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.pipeline import synthesised
from wt_orchestrate.domain.agent import stream as s
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.ids import CommitId, ProcessId
from wt_orchestrate.domain.plan.model import AgentSpec, AgentType
from wt_orchestrate.ports.engine import (
    AgentStart,
    AgentVersion,
    Launch,
    Lines,
    ProcessReport,
    ProcessState,
    VersionCommand,
)

if TYPE_CHECKING:
    from tests.simulation.world import SimWorld

DONE = "---\nstatus: done\n---\n## Summary\nIt is done.\n"
BLOCKED = "---\nstatus: blocked\n---\n## Summary\nHalf.\n## Questions\nWhich one?\n"


@dataclass(slots=True)
class Process:
    """One kept process."""

    id: ProcessId
    launch: Launch
    started_at: float
    keeper: bool = True
    alive: bool = True
    ended: ProcessReport | None = None
    output: bytearray = field(default_factory=bytearray)
    inbox: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    stop_wished: bool = False
    begun: bool = False
    hung: bool = False
    notes: bytearray = field(default_factory=bytearray)
    """What it said by its tools."""
    waiting: set[str] = field(default_factory=set)
    """Questions whose call waits."""
    answered: dict[str, str] = field(default_factory=dict)
    idle: bool = False
    ask: str = ""
    begun_at: float = 0.0
    """Waking seconds of the world when it was started."""
    spoken: list[float] = field(default_factory=list)
    """Waking seconds of the world at which it gave a sign."""
    work: int = 0

    @property
    def workstream(self) -> str:
        return self.id.split(".")[1]

    @property
    def is_attempt(self) -> bool:
        return self.id.count(".") == 2


class SimExecutor:
    """The executor port over the simulated processes."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world
        self.processes: dict[ProcessId, Process] = {}

    def start(self, launch: Launch) -> ProcessReport:
        if launch.id not in self.processes:
            with self._world.faults.around(f"start {launch.id}"):
                made = Process(launch.id, launch, self._world.clock.now(), begun_at=self._world.clock.awake)
                made.unread = list(launch.lines)
                self.processes[launch.id] = made
                self._world.spawned.append(launch.id)
        return self.poll(launch.id)

    def poll(self, process: ProcessId) -> ProcessReport:
        kept = self.processes.get(process)
        if kept is None:
            return ProcessReport(id=process, state=ProcessState.ABSENT)
        if kept.ended is not None:
            return kept.ended
        state = ProcessState.RUNNING if kept.keeper else ProcessState.LOST
        return ProcessReport(id=process, state=state, started_at=kept.started_at)

    def alive(self, process: ProcessId) -> bool:
        kept = self.processes.get(process)
        return kept is not None and kept.keeper and kept.ended is None

    def send(self, process: ProcessId, *, message: str, line: str) -> None:
        kept = self.processes.get(process)
        if kept is None or message in kept.inbox:
            return
        with self._world.faults.around(f"send {message}"):
            kept.inbox[message] = line
            kept.unread.append(line)

    def read(self, process: ProcessId, *, offset: int, limit: int = 1 << 20) -> Lines:
        kept = self.processes.get(process)
        text = bytes(kept.output[offset:]) if kept is not None else b""
        end = text.rfind(b"\n") + 1
        return Lines(tuple(text[: end - 1].split(b"\n")), offset + end) if end else Lines((), offset)

    def output(self, process: ProcessId) -> str:
        return f"/state/processes/{process}/stream.jsonl"

    def errors(self, process: ProcessId) -> str:
        return f"/state/processes/{process}/stderr.log"

    def tail(self, process: ProcessId, *, errors: bool = False, limit: int = 8192) -> str:
        return ""

    def folder(self, process: ProcessId) -> str:
        return f"/state/processes/{process}"

    def tidy(self, process: ProcessId) -> None:
        pass

    def stop(self, process: ProcessId) -> None:
        kept = self.processes.get(process)
        if kept is not None and not kept.stop_wished:
            with self._world.faults.around(f"stop {process}"):
                kept.stop_wished = True

    def end(self, process: ProcessId, *, timeout_s: float = 10.0) -> ProcessReport:
        kept = self.processes.get(process)
        if kept is not None and kept.alive:
            with self._world.faults.around(f"end {process}"):
                if kept.keeper:
                    self._world.end(kept, code=-15, cause="stopped")
                kept.alive = False
        return self.poll(process)


class SimAgent:
    """An agent adapter whose lines are plain JSON; `kind` says whether it can be spoken to."""

    def __init__(self, kind: AgentType) -> None:
        self._speaks = kind is AgentType.CLAUDE_CODE

    def launch(self, start: AgentStart) -> Launch:
        prompt = json.dumps({"message": start.receipt, "text": start.prompt})
        return Launch(id=start.process, argv=("agent",), cwd=start.worktree, env={}, input=True, lines=(prompt,))

    def reader(self) -> _Reader:
        return _Reader()

    def message(self, *, receipt: str, text: str) -> str | None:
        return json.dumps({"message": receipt, "text": text}) if self._speaks else None

    def interrupt(self, *, request: str) -> str | None:
        return json.dumps({"interrupt": request}) if self._speaks else None

    def permission(self, *, ask: str, payload: str, allow: bool, reason: str) -> str:
        return json.dumps({"answer": ask, "text": reason})

    def answer(self, *, ask: str, payload: str, texts: Sequence[str]) -> str:
        return json.dumps({"answer": ask, "text": texts[0]})

    def version_command(self, spec: AgentSpec) -> VersionCommand:
        return VersionCommand(argv=("agent",), env={})

    def version(self, spec: AgentSpec, *, path: str, said: str) -> AgentVersion:
        return AgentVersion(path=path, version="1")


_SIGNS: dict[str, Callable[[dict[str, Any]], s.Sign]] = {
    "started": lambda v: s.Started(session="s"),
    "tool": lambda v: s.ToolUsed(tool="Bash", target=v["target"]),
    "failed": lambda v: s.ToolFailed(tool="Bash", target="make", error="no"),
    "taken": lambda v: s.MessageTaken(message=v["id"]),
    "spent": lambda v: s.Spent(cost_usd=v["cost"], turns=1),
    "ended": lambda v: s.TurnEnded(outcome=TurnOutcome(v["outcome"]), text="so"),
    "idle": lambda v: s.Idle(),
    "limited": lambda v: s.UsageLimited(resets_at=v["at"]),
    "asks": lambda v: s.QuestionAsked(ask=v["ask"], question="Which?", options=("a", "b"), payload="{}"),
    "leave": lambda v: s.PermissionAsked(ask=v["ask"], tool="Bash", target="rm", payload="{}"),
}


class _Reader:
    def read(self, line: bytes) -> Sequence[s.Sign]:
        value = json.loads(line)
        return (_SIGNS[value["sign"]](value),)


# ---------------------------------------------------------------- what agents do


def step(world: SimWorld, process: Process, chance: random.Random) -> None:
    """Let a living process do one thing."""
    if process.stop_wished and process.keeper and chance.random() < 0.7:
        world.end(process, code=-15, cause="stopped")
    elif not process.is_attempt:
        _judge(world, process, chance)
    elif not process.begun:
        _begin(world, process)
    elif not _heard(world, process) and not (process.hung or process.idle or process.ask):
        _act(world, process, chance)


def _begin(world: SimWorld, process: Process) -> None:
    process.begun = True
    if world.speaks(process.workstream):
        world.say(process, "started")
    _heard(world, process)


def _heard(world: SimWorld, process: Process) -> bool:
    """Take in one line of the input; whether there was any."""
    if not process.unread:
        return False
    line = json.loads(process.unread.pop(0))
    if "interrupt" in line:
        if not process.idle:
            process.hung, process.ask, process.idle = False, "", True
            world.say(process, "ended", outcome=TurnOutcome.INTERRUPTED.value)
            world.say(process, "idle")
    elif "answer" in line:
        if process.ask == line["answer"]:
            process.ask = ""
    else:
        world.hear(process, line["text"])
        process.idle, process.hung, process.work = False, False, 0
        if world.speaks(process.workstream):
            world.say(process, "taken", id=line["message"])
    return True


def _judge(world: SimWorld, process: Process, chance: random.Random) -> None:
    """A check or a setup command ends."""
    commit = world.site.slots.get(process.launch.cwd)
    bad = commit is not None and (broken(world.objects.tree(commit)) or _flakes(world, commit))
    if commit is not None and not bad:
        world.passed.add((world.objects.tree_id(commit), process.launch.argv[-1].splitlines()[-1]))
    world.end(process, code=1 if bad else 0, cause="exit")


def broken(tree: Mapping[str, str]) -> bool:
    """Whether checks fail on a tree: something in it is broken, or two halves of a pair that only fail together."""
    contents = list(tree.values())
    return "BROKEN" in contents or contents.count("HALF OF A PAIR") > 1


def _flakes(world: SimWorld, commit: CommitId) -> bool:
    """A check fails on a good tree, once on each at most."""
    tree = world.objects.tree_id(commit)
    if world.mischief <= 0 or tree in world.flaked or world.aside.random() > 0.1:
        return False
    world.flaked.add(tree)
    return True


def _act(world: SimWorld, process: Process, chance: random.Random) -> None:
    if world.mischief > 0 and chance.random() < (0.6 if world.crowded else 0.35):
        world.mischief -= 1
        _misbehave(world, process, chance)
    else:
        _work(world, process)


def _talk(process: Process) -> None:
    """Say by its tools how far it is, and what another one should know."""
    said: tuple[dict[str, object], ...] = (
        {"say": "progress", "percent": 50, "note": "half"},
        {"say": "finding", "kind": "risk", "text": f"{process.workstream} found it", "for": ["a", "b"]},
    )
    process.notes += b"".join(json.dumps(note).encode() + b"\n" for note in said)


def _work(world: SimWorld, process: Process) -> None:
    if world.talkative and not process.notes:
        _talk(process)
    """Honest work, one step at a time: do it, hand it off, end."""
    process.work += 1
    name = process.workstream
    if process.work == 1:
        world.say(process, "tool", target="edit")
        if not world.is_research(name):
            world.mend(process)
    elif process.work == 2:
        world.hand_off(process, DONE + _owed(world, name))
    else:
        world.finish(process)


def _owed(world: SimWorld, name: str) -> str:
    """What its handoff holds beside the summary."""
    if world.is_synthesis(name):
        return synthesised(world, name)
    return _remarks(world) if world.is_reviewer(name) else ""


def _remarks(world: SimWorld) -> str:
    """What a reviewer says: mostly nothing, now and then that something must be changed."""
    remarks = ("none", "none", "- note: x", "- must f.txt:1: mend it")
    return f"## Review\n{world.aside.choice(remarks)}\n"


_FAILURES = (
    TurnOutcome.OVERLOADED,
    TurnOutcome.CONTEXT_EXHAUSTED,
    TurnOutcome.REFUSED,
    TurnOutcome.FAILED,
)


def _misbehave(world: SimWorld, process: Process, chance: random.Random) -> None:
    speaks = world.speaks(process.workstream)
    if world.aside.random() < (0.8 if world.crowded else 0.1):
        world.aside.choice((_pair, _pair, _break, _clash, _append))(world, process, chance)
        return
    bad = [_crash, _hang, _lie, _dirty, _break, _rewrite, _lose_branch, _clash, _clash, _clash, _flood]
    if speaks:
        bad += [_ask, _leave, _fail, _limit, _blocked, _loop, _spend]
    chance.choice(bad)(world, process, chance)


def _crash(world: SimWorld, process: Process, chance: random.Random) -> None:
    world.end(process, code=chance.choice((-9, 1)), cause="exit")


def _hang(world: SimWorld, process: Process, chance: random.Random) -> None:
    process.hung = True


def _lie(world: SimWorld, process: Process, chance: random.Random) -> None:
    """Claim done with whatever there is."""
    world.hand_off(process, DONE)
    world.finish(process)


def _dirty(world: SimWorld, process: Process, chance: random.Random) -> None:
    files = world.files(process)
    if files is not None:
        files["left.txt"] = f"{process.id} {chance.random()}"


def _break(world: SimWorld, process: Process, chance: random.Random) -> None:
    world.commit(process, {f"{process.workstream}.txt": "BROKEN"})


def _clash(world: SimWorld, process: Process, chance: random.Random) -> None:
    world.commit(process, {"shared.txt": f"by {process.id}"})


def _append(world: SimWorld, process: Process, chance: random.Random) -> None:
    """A line in a file that is merged by union."""
    world.commit(process, {"changes.txt": f"UNION of {process.id}"})


def _pair(world: SimWorld, process: Process, chance: random.Random) -> None:
    """Good by itself, and bad together with another of its kind."""
    world.commit(process, {f"{process.workstream}.half": "HALF OF A PAIR"})


def _rewrite(world: SimWorld, process: Process, chance: random.Random) -> None:
    """Throw its own history away and begin again from the base."""
    world.reset(process)


def _lose_branch(world: SimWorld, process: Process, chance: random.Random) -> None:
    with world.faults.aside():
        if world.branch(process.workstream) in world.site.refs:
            world.site.move("agent", world.branch(process.workstream), None)


def _flood(world: SimWorld, process: Process, chance: random.Random) -> None:
    world.end(process, code=-9, cause="flood")


def _ask(world: SimWorld, process: Process, chance: random.Random) -> None:
    process.ask = f"q{len(process.output)}"
    world.say(process, "asks", ask=process.ask)


def _leave(world: SimWorld, process: Process, chance: random.Random) -> None:
    process.ask = f"p{len(process.output)}"
    world.say(process, "leave", ask=process.ask)


def _fail(world: SimWorld, process: Process, chance: random.Random) -> None:
    world.say(process, "ended", outcome=chance.choice(_FAILURES).value)
    world.end(process, code=1, cause="exit")


def _limit(world: SimWorld, process: Process, chance: random.Random) -> None:
    world.say(process, "limited", at=world.clock.now() + chance.choice((5.0, 60.0)))
    world.say(process, "ended", outcome=TurnOutcome.RATE_LIMITED.value)
    world.end(process, code=1, cause="exit")


def _blocked(world: SimWorld, process: Process, chance: random.Random) -> None:
    world.hand_off(process, BLOCKED)
    world.finish(process)


def _loop(world: SimWorld, process: Process, chance: random.Random) -> None:
    for _ in range(7):
        world.say(process, "tool", target="make")
        world.say(process, "failed")
    process.hung = True


def _spend(world: SimWorld, process: Process, chance: random.Random) -> None:
    world.say(process, "spent", cost=chance.choice((0.1, 3.0)))
