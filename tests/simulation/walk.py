"""A seeded walk: at each step one thing happens, anywhere in the world; then every promise is checked.

The same seed gives the same history, always. A walk has a wild part, in which agents misbehave, people ask for things, the
world moves and the supervisor crashes, and a calm part, in which everybody is fair: then the run has to come to rest.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation import processes
from tests.simulation.faults import Crash
from tests.simulation.invariants import Watch, at_rest
from tests.simulation.pipeline import staged_plan
from tests.simulation.timekeeping import misfits
from tests.simulation.world import RUN, SimWorld
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.machine import quiet
from wt_orchestrate.domain.plan.model import (
    AgentSpec,
    AgentType,
    Budget,
    Check,
    Defaults,
    Kind,
    Limits,
    Plan,
    Workstream,
)
from wt_orchestrate.domain.plan.retry_ladder import Action, Recovery, Rung
from wt_orchestrate.domain.plan.settings import LandingStyle, Settings
from wt_orchestrate.domain.plan.stages import is_pipeline, stage_names
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.schedule.admission import Room
from wt_orchestrate.domain.state.lifecycle import Phase
from wt_orchestrate.domain.state.stages import synthesis_of, waiting_gate
from wt_orchestrate.domain.state.workstream import live_attempt
from wt_orchestrate.domain.steering import refusal
from wt_orchestrate.errors import StoreUnreadable

_CALM = 4_000
BUSY_STEPS = 300


@dataclass(slots=True)
class Outcome:
    """How a walk went."""

    seed: int
    steps: int = 0
    crashes: int = 0
    checked: int = 0
    breaches: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)


def crowded_plan(chance: random.Random) -> Plan:
    """Up to eight workstreams at once, whose work meets in the train."""
    names = [f"w{number}" for number in range(chance.randint(4, 8))]
    return Plan(
        goal="g",
        workstreams={name: Workstream(brief="x", agent=chance.choice(("command", "client"))) for name in names},
        checks=(Check(run="check 0"),),
        limits=Limits(agents=8, checks=chance.randint(1, 4)),
        agents={"client": AgentSpec(), "command": AgentSpec(type=AgentType.COMMAND, run="x")},
        defaults=Defaults(agent="client", retries=2, idle="40s"),
    )


def random_plan(chance: random.Random, *, checks: int = 1) -> Plan:
    """Up to five workstreams with needs among them, of both types of agents and kinds."""
    names = [f"w{number}" for number in range(chance.randint(1, 5))]
    streams = {
        name: Workstream(
            brief="x",
            needs=tuple(need for need in names[:number] if chance.random() < 0.25),
            agent=chance.choice(("client", "client", "command")),
            kind=Kind.RESEARCH if chance.random() < 0.15 else Kind.CHANGE,
            limits=Budget(budget_usd=5.0) if chance.random() < 0.2 else Budget(),
        )
        for number, name in enumerate(names)
    }
    return Plan(
        goal="g",
        workstreams=streams,
        checks=tuple(Check(run=f"check {n}") for n in range(chance.randint(1, 2))),
        limits=Limits(agents=chance.randint(1, 3), checks=checks, budget_usd=8.0 if chance.random() < 0.1 else None),
        agents={"client": AgentSpec(), "command": AgentSpec(type=AgentType.COMMAND, run="x")},
        defaults=Defaults(agent="client", retries=chance.randint(0, 2), idle="40s"),
    )


STYLES = (LandingStyle.MERGE, LandingStyle.SQUASH, LandingStyle.REBASE)


def quick_settings(chance: random.Random, *, landing: LandingStyle = LandingStyle.MERGE) -> Settings:
    """Settings whose pauses are short and whose bounds are low."""
    recovery = Recovery(
        overload=(Rung(times=6, waits=("2s", "8s")),),
        limit=(Rung(times=6, waits=("5s",)),),
        crash=(Rung(), Rung(action=Action.FRESH)),
        attempts=8,
        wrap_up="10s",
        move=chance.random() < 0.3,
    )
    return Settings(stagger="0s", poll="5s", worktrees="/w/{run}/{workstream}", recovery=recovery, landing=landing)


class Walk:
    """One walk. `plan` and how it lands are random unless given; without `wild` nothing goes wrong by itself."""

    def __init__(
        self, seed: int, *, wild: bool = True, plan: Plan | None = None, landing: LandingStyle | None = None
    ) -> None:
        self.outcome = Outcome(seed)
        self.chance = random.Random(seed)
        self.aside = aside = random.Random(
            f"train {seed}"
        )  # what came later draws from here, so that older seeds keep their histories
        self.reviewer = random.Random(f"review {seed}")
        self.reviewed = wild and self.reviewer.random() < 0.25
        by_agents = plan is None and self.reviewer.random() < 0.2
        crowded = plan is None and aside.random() < 0.2
        chosen = plan or (crowded_plan(aside) if crowded else random_plan(self.chance, checks=aside.randint(1, 3)))
        if by_agents:
            chosen = replace(
                chosen, defaults=replace(chosen.defaults, review=self.reviewer.choice(("client", "command")))
            )
        mischief = self.chance.randint(0, 12) if wild else 0
        landing = landing or random.Random(f"landing {seed}").choice(STYLES)
        settings = quick_settings(self.chance, landing=landing)
        self.world = SimWorld(chosen, settings, chance=self.chance, mischief=mischief, aside=aside)
        self.watch = Watch(self.world)
        self.world.again = wild
        self.world.looks_first = wild and plan is None and random.Random(f"base {seed}").random() < 0.25
        if crowded:
            self.world.crowd(red=aside.random() < 0.3)
        self.stages = random.Random(f"stages {seed}")
        self.staged = is_pipeline(chosen)
        self.crashing = wild and self.chance.random() < 0.8
        self.number = 0
        # every walk has its own tempo: some are full of requests, some of crashes, some of outside moves
        self.tempo = [self.chance.choice((0.2, 1.0, 1.0, 5.0)) for _ in range(7)]

    # ------------------------------------------------------------ the walk

    def run(self, wild_steps: int = 150) -> Outcome:
        """Walk to the end, or to the first breach."""
        world, outcome = self.world, self.outcome
        world.begin()
        self._guarded("open", world.open)
        for _ in range(wild_steps):
            if outcome.breaches:
                break
            self._wild_step()
            if self.reviewed and self.reviewer.random() < 0.15:
                self._review()
            if self.staged and wild_steps and self.stages.random() < 0.15:
                self._steer_stages()
        self._calm()
        outcome.crashes, outcome.checked = world.crashes, self.watch.checked
        return outcome

    def _guarded(self, what: str, act: Callable[[], object]) -> None:
        """Do one thing, survive a crash in it, and check every promise."""
        self.outcome.steps += 1
        self.outcome.history.append(what)
        world = self.world
        try:
            try:
                act()
            except Crash as crash:
                self.outcome.history.append(f"CRASH {crash}")
                world.crashed()
            except StoreUnreadable as error:
                self.outcome.history.append(f"the supervisor gives up after a long while: {error.message}")
                world.log.full = False
                world.crashed()
        except Exception as error:  # noqa: BLE001 - whatever the program raises here is a breach
            story = "; ".join(getattr(error, "story", ()))
            self.outcome.breaches.append(f"{type(error).__name__}: {error} {story}".strip())
            return
        self.outcome.breaches += self.watch.check()

    def _wild_step(self) -> None:
        kinds: list[tuple[float, Callable[[], None]]] = [
            (6.0, self._turn),
            (6.0, self._work),
            (6.0, self._process),
            (0.5, self._outside),
            (0.5, self._request),
            (0.3, self._time),
            (0.3 if self.crashing else 0.0, self._crash),
        ]
        weights = [weight * tempo for (weight, _), tempo in zip(kinds, self.tempo, strict=True)]
        self.chance.choices([kind for _, kind in kinds], weights)[0]()

    def _turn(self) -> None:
        supervisor = self.world.supervisor
        assert supervisor is not None
        self._guarded("turn", lambda: supervisor.turn(1.0))

    def _work(self) -> None:
        waiting = sorted(self.world.workers.waiting)
        if waiting:
            key = self.chance.choice(waiting)
            self._guarded(f"work {key}", lambda: self.world.workers.work(key))

    def _process(self) -> None:
        living = sorted(self.world.living(), key=lambda each: each.id)
        if living:
            process = self.chance.choice(living)
            self._guarded(f"step {process.id}", lambda: processes.step(self.world, process, self.chance))

    def _crash(self) -> None:
        if self.chance.random() < 0.4:
            self._guarded("crash between steps", self.world.crashed)
        else:
            faults = self.world.faults
            faults.armed = frozenset({faults.step + self.chance.randint(1, 10)})
            self.outcome.history.append(f"a crash is armed at step {sorted(faults.armed)[0]}")

    def _time(self) -> None:
        clock = self.world.clock
        match self.chance.randrange(3):
            case 0:
                self._guarded("the machine sleeps for hours", lambda: clock.sleep(3 * 3600.0))
            case 1:
                self._guarded("the clock is set", lambda: clock.jump(self.chance.choice((-3600.0, 7200.0))))
            case _:
                full = not self.world.log.full
                self._guarded(
                    f"the disk is {'' if full else 'no longer '}full", lambda: setattr(self.world.log, "full", full)
                )

    # ------------------------------------------------------------ the outside world

    def _outside(self) -> None:
        name, act = self.chance.choice(OUTSIDE)
        self._guarded(name, lambda: act(self))

    def human_push(self, chance: random.Random | None = None) -> None:
        """Somebody commits to the target."""
        chance = chance or self.chance
        self.number += 1
        world = self.world
        tree = {
            **world.objects.tree(world.site.refs["main"]),
            f"human{chance.randint(0, 2)}.txt": f"{self.number}",
        }
        commit = world.objects.add(tree, (world.site.refs["main"],), f"by hand {self.number}")
        world.site.move("human", "main", commit)

    def take_worktree(self) -> None:
        found = sorted(path for path, each in self.world.site.worktrees.items() if each.files is not None)
        if found:
            self.world.site.worktrees[self.chance.choice(found)].files = None

    def kill_keeper(self) -> None:
        living = sorted((each for each in self.world.living() if each.keeper), key=lambda each: each.id)
        if living:
            self.chance.choice(living).keeper = False

    def kill_agent(self) -> None:
        living = sorted((each for each in self.world.living() if each.keeper), key=lambda each: each.id)
        if living:
            self.world.end(self.chance.choice(living), code=-9, cause="exit")

    def reboot(self) -> None:
        """The machine goes down: every process is gone without a word, the supervisor too."""
        for process in self.world.living():
            process.keeper = process.alive = False
        self.world.clock.boots += 1
        self.world.clock.boottime = 10.0
        self.world.crashed()

    def crowd(self) -> None:
        free = self.chance.choice((100.0, 8_000.0))
        self.world.machine.found = Room(
            memory_mb=free, load=0.5, disk_mb={"state": self.chance.choice((10.0, 8_000.0))}
        )

    # ------------------------------------------------------------ requests

    def _request(self) -> None:
        world = self.world
        name = self.chance.choice(sorted(world.plan.workstreams))
        request = self.chance.choice(REQUESTS)(self, WorkstreamId(name))
        self.outcome.history.append(f"request {request}")
        self._ask(request)

    def _review(self) -> None:
        """A reviewer says something, sends it, or settles it."""
        name = self.reviewer.choice(sorted(self.world.plan.workstreams))
        request = self.reviewer.choice(COMMENTS)(self, WorkstreamId(name))
        self.outcome.history.append(f"request {request}")
        self._ask(request)

    def _steer_stages(self) -> None:
        """A person says something at a gate, or steers what only a pipeline has: syntheses and what they planned."""
        state = self.world.known
        if state is None:
            return
        name = self.stages.choice(sorted(state.workstreams))
        request = self.stages.choice(STEERING)(self, name)
        self.outcome.history.append(f"request {request}")
        self._ask(request)

    def _ask(self, request: e.Request) -> None:
        world = self.world
        if refusal(world.state, request, world.clock.now()) is None:
            if isinstance(request, e.TellRequested):
                world.told[request.text] = request.workstream
            world.log.ask(RUN, request, now=world.clock.now())

    def any_stage(self) -> str:
        return self.stages.choice(stage_names(self.world.plan))

    def fresh_word(self) -> str:
        """A text that is told at most once."""
        self.number += 1
        return f"TELL-{self.number}"

    def fresh_remark(self) -> str:
        """A comment's text; unlike what is told it may be said again, to a session that does not know it."""
        self.number += 1
        return f"SAID-{self.number}"

    # ------------------------------------------------------------ the end

    def _calm(self, *, armed: tuple[int, ...] = (), last: bool = True) -> None:
        """Everybody is fair now, and only armed crashes are left; the run has to come to rest. What its log tells of times is
        looked at when it rests for the last time."""
        world = self.world
        world.mischief, world.log.full, world.faults.armed = 0, False, frozenset(armed)
        world.machine.found = Room(memory_mb=8_000.0, load=0.1, disk_mb={"state": 8_000.0})
        for number in range(_CALM):
            if number % 500 == 499:
                world.clock.sleep(4 * 3600.0)  # a limit whose reset is hours away, because the clock was set
            if self.outcome.breaches:
                return
            if quiet(world.state) and not world.workers.waiting and not world.log.asked(RUN):
                gate = waiting_gate(world.state)
                if gate is None or world.state.phase is Phase.STOPPED:
                    break
                back = synthesis_of(world.state, gate.name) is not None and self.stages.random() < 0.2
                self._ask(e.ApproveRequested(stage=gate.name, no=self.fresh_word() if back else ""))
            self._help()
            self._turn()
            for key in sorted(world.workers.waiting):
                self._guarded(f"work {key}", lambda key=key: world.workers.work(key))  # type: ignore[misc]
            for process in world.living():
                if not process.hung or process.stop_wished or process.unread:
                    self._guarded(f"step {process.id}", lambda it=process: processes.step(world, it, self.chance))  # type: ignore[misc]
        else:
            stages = {ws.id: ws.stage.value for ws in world.state.workstreams.values()}
            self.outcome.breaches.append(f"O5: it does not come to rest: {world.state.phase} {stages}")
            return
        if self.aside.random() < 0.3:
            self._land_amid_pushes()
        if self.aside.random() < 0.3:
            self._clean_up()
        self.outcome.breaches += [f"at rest: {text}" for text in at_rest(self.watch)]
        if last:
            self.outcome.breaches += [f"time: {text}" for text in misfits(world.log.records, now=world.clock.now())]

    def _clean_up(self) -> None:
        """Somebody asks for the worktrees of what has ended, landed or not, and not one commit goes with them."""
        for ws in list(self.world.state.workstreams.values()):
            if ws.worktree is not None and live_attempt(ws) is None:
                self._ask(e.CleanRequested(workstreams=(ws.id,), force=False))
        self._until_quiet(pushes=0)

    def _land_amid_pushes(self) -> None:
        """What is integrated lands while somebody goes on pushing to the target."""
        pushes = self.aside.randint(1, 3)
        self._ask(e.LandRequested(allow_protected=True))
        self._until_quiet(pushes=pushes)

    def _until_quiet(self, *, pushes: int) -> None:
        """Turn until nothing is left to do, with so many pushes of a person while something lands."""
        world = self.world
        for _ in range(200):
            if self.outcome.breaches or (quiet(world.state) and not world.workers.waiting and not world.log.asked(RUN)):
                return
            if pushes and world.state.landing is not None and self.aside.random() < 0.2:
                pushes -= 1
                self._guarded("a human pushes while it lands", lambda: self.human_push(self.aside))
            self._turn()
            for key in sorted(world.workers.waiting):
                self._guarded(f"work {key}", lambda key=key: world.workers.work(key))  # type: ignore[misc]
            for process in world.living():
                self._guarded(f"step {process.id}", lambda it=process: processes.step(world, it, self.chance))  # type: ignore[misc]

    def _help(self) -> None:
        """What a person does in the end: answer, let go, tell whoever waits for a word."""
        state = self.world.state
        if state.on_hold or any(ws.on_hold for ws in state.workstreams.values()):
            self._ask(e.ReleaseRequested())
        for ws in state.workstreams.values():
            if ws.on_hold:
                self._ask(e.ReleaseRequested(workstream=ws.id))
            attempt = live_attempt(ws)
            if attempt is None or self.world.log.asked(RUN):
                continue
            if any(ask.question for ask in attempt.asks) and ws.answer is None:
                self._ask(e.AnswerRequested(workstream=ws.id, text="a"))
            if attempt.paused and not any(each.text and each.delivered_at is None for each in ws.messages):
                self._ask(e.TellRequested(workstream=ws.id, text=self.fresh_word()))
        if state.phase is Phase.STOPPED and self.chance.random() < 0.02:
            self._ask(e.ResumeRequested())


OUTSIDE: tuple[tuple[str, Callable[[Walk], None]], ...] = (
    ("a human pushes", Walk.human_push),
    ("a human pushes", Walk.human_push),
    ("a worktree is taken away", Walk.take_worktree),
    ("a keeper is killed", Walk.kill_keeper),
    ("an agent is killed", Walk.kill_agent),
    ("the machine reboots", Walk.reboot),
    ("the machine fills or empties", Walk.crowd),
)

REQUESTS: tuple[Callable[[Walk, WorkstreamId], e.Request], ...] = (
    lambda walk, name: e.StopRequested(),
    lambda walk, name: e.StopRequested(workstream=name),
    lambda walk, name: e.ResumeRequested(),
    lambda walk, name: e.ResumeRequested(),
    lambda walk, name: e.ContinueRequested(workstream=name),
    lambda walk, name: e.AnswerRequested(workstream=name, text="b"),
    lambda walk, name: e.TellRequested(workstream=name, text=walk.fresh_word()),
    lambda walk, name: e.TellRequested(workstream=name, text=walk.fresh_word()),
    lambda walk, name: e.InterruptRequested(workstream=name),
    lambda walk, name: e.RedirectRequested(workstream=name, brief="otherwise"),
    lambda walk, name: e.RetryRequested(workstream=name, fresh=walk.chance.random() < 0.5),
    lambda walk, name: e.CancelRequested(workstream=name),
    lambda walk, name: e.HoldRequested(workstream=name if walk.chance.random() < 0.5 else None),
    lambda walk, name: e.ReleaseRequested(),
    lambda walk, name: e.LimitRequested(agents=walk.chance.randint(1, 4)),
    lambda walk, name: e.LimitRequested(budget_usd=50.0),
    lambda walk, name: e.AddRequested(workstreams={f"more{walk.number}": Workstream(brief="x", agent="command")}),
    lambda walk, name: e.EditRequested(workstream=name, spec=Workstream(brief="y", agent="client")),
    lambda walk, name: e.LandRequested(allow_protected=True),
    lambda walk, name: e.LandRequested(),
    lambda walk, name: e.CleanRequested(workstreams=(name,), force=walk.chance.random() < 0.3),
    lambda walk, name: e.RestoreRequested(workstream=name),
)
"""Everything a face may ask for; one line each."""

COMMENTS: tuple[Callable[[Walk, WorkstreamId], e.Request], ...] = (
    lambda walk, name: e.CommentRequested(workstream=name, text=walk.fresh_remark(), path="a", line=1, end=1),
    lambda walk, name: e.CommentRequested(workstream=name, text=walk.fresh_remark()),
    lambda walk, name: e.CommentsSendRequested(workstream=name),
    lambda walk, name: e.CommentResolveRequested(workstream=name, comment=f"C{walk.reviewer.randint(1, 2)}"),
    lambda walk, name: e.CommentReopenRequested(workstream=name, comment=f"C{walk.reviewer.randint(1, 2)}"),
)
"""What reviewers ask for; they come in some walks only, so that the others keep their histories."""


STEERING: tuple[Callable[[Walk, WorkstreamId], e.Request], ...] = (
    lambda walk, name: e.ApproveRequested(stage=walk.any_stage()),
    lambda walk, name: e.ApproveRequested(stage=walk.any_stage()),
    lambda walk, name: e.ApproveRequested(stage=walk.any_stage(), no=walk.fresh_word()),
    lambda walk, name: e.ApproveRequested(stage=walk.any_stage(), round=walk.stages.randint(1, 6)),
    lambda walk, name: e.CancelRequested(workstream=name),
    lambda walk, name: e.RetryRequested(workstream=name),
    lambda walk, name: e.TellRequested(workstream=name, text=walk.fresh_word()),
    lambda walk, name: e.StopRequested(workstream=name),
    lambda walk, name: e.ContinueRequested(workstream=name),
    lambda walk, name: e.HoldRequested(workstream=name),
    lambda walk, name: e.EditRequested(
        workstream=name, spec=Workstream(brief="z", agent="command", stage=walk.any_stage())
    ),
    lambda walk, name: e.AddRequested(
        workstreams={
            f"late{walk.number}": Workstream(brief="x", agent="command", stage=walk.any_stage(), needs=(name,))
        }
    ),
)
"""What people ask for in walks through stages."""


def staged(seed: int) -> Walk:
    """A walk of that seed through a plan with syntheses and gates."""
    return Walk(seed, plan=staged_plan(random.Random(f"plan {seed}")))


def staged_walk(seed: int, *, wild_steps: int = 150) -> Outcome:
    return staged(seed).run(wild_steps)


def busy(seed: int) -> Walk:
    """A walk of that seed through a full train that people call claims back from all the time."""
    made = Walk(seed, plan=crowded_plan(random.Random(f"busy {seed}")))
    made.world.crowd(red=False)
    made.tempo = [1.0, 1.0, 1.0, 0.2, 5.0, 0.2, 0.2]
    return made


def busy_walk(seed: int) -> Outcome:
    return busy(seed).run(BUSY_STEPS)


def walk(seed: int, *, wild_steps: int = 150) -> Outcome:
    """One walk of that seed."""
    return Walk(seed).run(wild_steps)
