"""The simulated world: everything outside, what agents do to it, and the supervisor that comes and goes."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import Any

from tests.simulation.faults import Crash, Faults
from tests.simulation.git import Objects, SimRepository, Site
from tests.simulation.parts import (
    SimClock,
    SimFeed,
    SimHandoffs,
    SimLog,
    SimMachine,
    SimNotes,
    SimPlans,
    SimWorkers,
)
from tests.simulation.processes import Process, SimAgent, SimExecutor
from tests.simulation.vault import SimVault
from tests.support.memories import sim_memories
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.fold.run import fold, fold_all
from wt_orchestrate.domain.ids import Branch, CommitId, ProcessId, RunId, TreeId, WorkstreamId, integration_branch
from wt_orchestrate.domain.plan.model import AgentType, Kind, Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.run import RunState, takes_messages
from wt_orchestrate.domain.status.view import render_view
from wt_orchestrate.engine.supervisor import Supervisor
from wt_orchestrate.engine.world import World, integration_ref
from wt_orchestrate.errors import WtError
from wt_orchestrate.ports.engine import ProcessState

RUN = RunId("r1")
_TOLD = re.compile(r"TELL-\d+")
_SAID = re.compile(r"SAID-\d+")


_MERGE = re.compile(r"Run `git merge ([0-9a-f]{40})`")


def _raised(error: BaseException) -> str:
    """In a simulation a fault of ours is a finding, wherever the program would keep it."""
    raise error


class SimWorld:
    """One machine with one repository and one run."""

    def __init__(
        self, plan: Plan, settings: Settings, *, chance: random.Random, mischief: int, aside: random.Random
    ) -> None:
        self.aside = aside
        self.chance = chance
        self.mischief = mischief
        self.faults = Faults()
        self.objects = Objects()
        self.site = Site(self.objects, self.faults)
        self.clock = SimClock()
        self.log = SimLog(self.faults)
        self.executor = SimExecutor(self)
        self.machine = SimMachine()
        self.repository, self.vault = SimRepository(self.site), SimVault(self.site)
        self.workers = SimWorkers()
        self.memories = sim_memories(random.Random(repr(plan)))
        self.supervisor: Supervisor | None = None
        self.plan, self.settings = plan, settings
        self.passed: set[tuple[TreeId, str]] = set()
        self.flaked: set[TreeId] = set()
        self.talkative = False
        """Agents say something by their tools."""
        self.crowded = False
        """Agents mostly make what fails or conflicts only together with others' work."""
        self.looks_first = False
        """The checks run on the base before the first agent."""
        self.spawned: list[ProcessId] = []
        self.heard: Counter[str] = Counter()
        self.told: dict[str, WorkstreamId] = {}
        self.read: set[str] = set()
        self.prompts: dict[str, str] = {}
        self.number = 0
        self.crashes = 0
        self.again = True
        """Whether a crash may be followed by others at once, by chance."""
        self._known: RunState | None = None
        self.slept_at = -1.0
        self.base = self.objects.add({"README": "hello", "shared.txt": "shared"}, (), "first")
        self.site.refs["main"] = self.base

    def crowd(self, *, red: bool) -> None:
        """Let agents make what meets in the train; with `red` the checks fail on the target until somebody mends it."""
        self.crowded = True
        if red:
            tree = {**self.objects.tree(self.base), "target.txt": "BROKEN"}
            self.base = self.site.refs["main"] = self.objects.add(tree, (), "first")

    # ------------------------------------------------------------ the supervisor

    def begin(self) -> None:
        """Write the run down, as `wto run` does."""
        started = e.RunStarted(
            plan=self.plan,
            settings=self.settings,
            plan_path="plan.yaml",
            target=Branch("main"),
            base=self.base,
            seed="00000000-0000-0000-0000-000000000000",
            repository="/r",
            accounts={"one": 2, "two": 0},
            base_checks=tuple(check.run for check in self.plan.checks) if self.looks_first else (),
        )
        self.log.begin(
            started, actor=e.Actor.PERSON, now=self.clock.now(), view=lambda record: render_view(fold(None, record))
        )

    def open(self) -> None:
        """Take the run up with a new supervisor, which knows nothing but the log and the world."""
        self.workers = SimWorkers()
        if self.supervisor is not None and self.chance.random() < 0.5:
            self.log.keep(fold_all(self.log.records) or self.supervisor.state)
        self.supervisor = None
        supervisor = Supervisor(self._engine(), RUN, show=lambda record: None, warn=lambda text: None)
        supervisor.open()
        self.supervisor = supervisor

    def _engine(self) -> World:
        return World(
            clock=self.clock,
            machine=self.machine,
            log=self.log,
            repository=self.repository,
            vault=self.vault,
            executor=self.executor,
            agents={kind: SimAgent(kind) for kind in AgentType},
            handoffs=SimHandoffs(self),
            notes=SimNotes(self),
            plans=SimPlans(),
            memories=self.memories,
            feed=SimFeed(self.clock, self.chance),
            workers=self.workers,
            command_env={},
            withheld=(),
            recorded=None,
            common_dir="/r/.git",
            indexes="/state/indexes",
            hooks="/state/hooks",
            version="0",
            tools=("tools",),
            site={"start": "/r", "common_dir": "/r/.git", "state_dir": "/state"},
            pid=1,
            boot=self.clock.boot(),
            reached=lambda point: None,
            fault=_raised,
        )

    def crashed(self) -> None:
        """Forget everything but the outside world, and take the run up again; that may be cut off as well."""
        self.crashes += 1
        self.supervisor = None
        self.faults.armed = frozenset(step for step in self.faults.armed if step > self.faults.step)
        while self.supervisor is None:
            if self.again and self.chance.random() < 0.3:
                self.faults.armed = frozenset({self.faults.step + self.chance.randint(1, 8)})
            try:
                self.open()
            except Crash:
                self.crashes += 1
                self.faults.armed = frozenset(step for step in self.faults.armed if step > self.faults.step)
            except WtError:
                self.log.full = False

    @property
    def known(self) -> RunState | None:
        """The last state that a supervisor had."""
        if self.supervisor is not None:
            self._known = self.supervisor.state
        return self._known

    @property
    def state(self) -> RunState:
        assert self.supervisor is not None
        return self.supervisor.state

    @property
    def integration(self) -> CommitId | None:
        return self.site.vault.get(integration_ref(RUN))

    # ------------------------------------------------------------ what agents do

    def speaks(self, workstream: str) -> bool:
        return (self._spec(workstream).agent or self.plan.defaults.agent) == "client"

    def is_research(self, workstream: str) -> bool:
        return self._spec(workstream).kind is Kind.RESEARCH

    def is_synthesis(self, workstream: str) -> bool:
        return bool(self._spec(workstream).synthesises)

    def is_reviewer(self, workstream: str) -> bool:
        return self._spec(workstream).role == "reviewer"

    def _spec(self, workstream: str) -> Workstream:
        """What the run knows of it: workstreams may be added and edited."""
        state = self.known
        found = state.workstreams.get(WorkstreamId(workstream)) if state is not None else None
        return found.spec if found is not None else self.plan.workstreams[workstream]

    def branch(self, workstream: str) -> Branch:
        return Branch(f"wto/r1/{workstream}")

    def say(self, process: Process, sign: str, **values: Any) -> None:
        process.output += json.dumps({"sign": sign, **values}).encode() + b"\n"
        self.sign_of_life(process)

    def sign_of_life(self, process: Process) -> None:
        process.spoken.append(self.clock.awake)

    def hear(self, process: Process, text: str) -> None:
        self.prompts[process.workstream] = text
        self.heard.update(_TOLD.findall(text))
        self.read.update(_SAID.findall(text))

    def end(self, process: Process, *, code: int, cause: str) -> None:
        """The process is gone, and its keeper, if it lives, has written down how."""
        process.alive = False
        if process.keeper and process.ended is None:
            report = self.executor.poll(process.id)
            process.ended = replace(
                report, state=ProcessState.EXITED, exit_code=code, cause=cause, ended_at=self.clock.now()
            )

    def files(self, process: Process) -> dict[str, str] | None:
        found = self.site.worktrees.get(process.launch.cwd)
        return None if found is None else found.files

    def commit(self, process: Process, changes: dict[str, str], *parents: CommitId) -> None:
        """Commit the worktree's files with some changes."""
        files, branch = self.files(process), self.branch(process.workstream)
        head = self.site.refs.get(branch)
        if files is None or head is None:
            return
        with self.faults.aside():
            files.update(changes)
            self.site.move("agent", branch, self.objects.add(files, (head, *parents), f"work of {process.id}"))
        self.sign_of_life(process)

    def mend(self, process: Process) -> None:
        """Do the work, and whatever else was asked: resolve a conflict, mend what is broken, leave nothing behind."""
        files = self.files(process)
        if files is None:
            return
        self.number += 1
        files.pop("left.txt", None)
        files.pop(f"{process.workstream}.half", None)
        told = "it fails on the target too" in self.prompts.get(process.workstream, "").lower()
        if files.get("target.txt") == "BROKEN" and (told or process.workstream == "w0" or self.number > 20):
            files["target.txt"] = "mended"
        parents: tuple[CommitId, ...] = ()
        prompt = self.prompts.get(process.workstream, "")
        named = _MERGE.search(prompt)
        if named is not None:
            parents = self._resolve(process, files, CommitId(named[1]))
        elif "conflicts with the integration branch" in prompt:
            parents = self._resolve(process, files, self.site.refs.get(integration_branch(RUN)))
        if self._spec(process.workstream).serves:
            self.commit(process, {}, *parents)
            return
        self.commit(process, {f"{process.workstream}.txt": f"work {self.number}"}, *parents)

    def _resolve(self, process: Process, files: dict[str, str], theirs: CommitId | None) -> tuple[CommitId, ...]:
        head = self.site.refs.get(self.branch(process.workstream))
        if head is None or theirs is None:
            return ()
        base = self.objects.tree(self.objects.base(head, theirs))
        other = self.objects.tree(theirs)
        for path in {*base, *other}:
            if other.get(path) == base.get(path):
                continue
            mine = files.get(path)
            files[path] = other[path] if mine in {base.get(path), other.get(path)} else f"{mine}+{other.get(path)}"
        return (theirs,)

    def reset(self, process: Process) -> None:
        """Throw the branch's own history away."""
        found = self.site.worktrees.get(process.launch.cwd)
        branch = self.branch(process.workstream)
        if found is None or found.files is None or branch not in self.site.refs:
            return
        with self.faults.aside():
            self.number += 1
            found.files = dict(self.objects.tree(self.base))
            self.site.move("agent", branch, self.objects.add(found.files, (self.base,), f"anew {self.number}"))

    def hand_off(self, process: Process, text: str) -> None:
        found = self.site.worktrees.get(process.launch.cwd)
        if found is not None and found.files is not None:
            found.handoff = text
        self.say(process, "tool", target="HANDOFF.md")

    def finish(self, process: Process) -> None:
        if not self.speaks(process.workstream):
            self.end(process, code=0, cause="exit")
            return
        self.say(process, "spent", cost=0.01)
        self.say(process, "ended", outcome=TurnOutcome.COMPLETED.value)
        self.say(process, "idle")
        process.idle = True

    # ------------------------------------------------------------ looking

    def living(self) -> list[Process]:
        """Every process that is alive, its keeper or not."""
        return [each for each in self.executor.processes.values() if each.alive]

    def told_to(self, name: WorkstreamId) -> bool:
        return takes_messages(self.state, self.state.workstreams[name])
