"""The turn: hints and results become readings, readings become events, events fold into state, effects follow.

One thread turns; whatever may take long runs on workers whose results are readings of a later turn. All events of a
turn are one transaction, and an effect starts only after its intention is in the log. The supervisor may be killed at
any instruction: everything it knows is in the log, and everything it started is owned by a keeper.

Only the holder of the supervisor's lock may make one of these; it takes no lock itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import Effect, EffectKey, effect_key, pins
from wt_orchestrate.domain.fold.run import fold
from wt_orchestrate.domain.ids import ProcessId, RunId, WorkstreamId, request_cause, requested_as
from wt_orchestrate.domain.machine import decide, quiet
from wt_orchestrate.domain.observation import Reading, observe
from wt_orchestrate.domain.plan.model import seconds
from wt_orchestrate.domain.schedule.admission import admission
from wt_orchestrate.domain.state.changes import changes
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState, lands_on
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt
from wt_orchestrate.domain.status.view import render_view
from wt_orchestrate.domain.steering import refusal
from wt_orchestrate.engine.containment import contained, in_short, without_content
from wt_orchestrate.engine.effects.perform import perform
from wt_orchestrate.engine.elsewhere import read_elsewhere
from wt_orchestrate.engine.readings import (
    live_processes,
    primed,
    read_branches,
    read_end,
    read_handoff,
    read_notes,
    read_stream,
    read_worktrees,
    watched,
)
from wt_orchestrate.engine.recovery import recovered
from wt_orchestrate.engine.requests import load_state
from wt_orchestrate.engine.world import World
from wt_orchestrate.errors import GitFailed, InvariantBroken, NotFound, Refused, StoreUnreadable, WtError
from wt_orchestrate.ports.engine import SignReader

_STREAM_PAUSE_S = 0.25
"""A busy stream is read at most this often."""
_SHORT_S = 0.2
_LONG_S = 1.0
_REST_S = 10.0
"""So long after the last event a run is at rest."""
_RESTING_S = 3.0
"""How often it is decided then what only time brings about."""
_IDLE_S = 2.0
"""Git processes that were asked nothing for so long are stopped."""
_UNWRITTEN_S = 600.0
"""How long writing the log is retried."""
_KEEP_EVERY = 2_000
"""After how many events the state is saved, so that a start need not fold them."""
_SKIP_S = 30.0
"""A gap between two turns that no work of ours explains."""


class Supervisor:
    """Turns one run. `show` gets every record once it is durable, `warn` what keeps records from becoming durable."""

    def __init__(
        self, world: World, run: RunId, *, show: Callable[[e.Record], None], warn: Callable[[str], None]
    ) -> None:
        self._world = world
        self._show = show
        self._warn = warn
        self._unwritten_since: float | None = None
        self._run = run
        self._state = load_state(world.log, run)
        self._kept = self._state.number
        self._number = world.log.last_number()
        self._pending: list[e.Record] = []
        self._taken: list[int] = []
        self._under_way: set[EffectKey] = set()
        self._readers: dict[ProcessId, SignReader] = {}
        self._handoffs: dict[WorkstreamId, str] = {}
        self._names: dict[str, str] = {}
        self._streams_due: dict[ProcessId, float] = {}
        self._marks: Mapping[str, str] | None = None
        self._polled_at = 0.0
        self._decided: tuple[RunState, frozenset[EffectKey]] | None = None
        self._decided_at = 0.0
        self._happened_at = 0.0
        self._followed: RunState | None = None  # whose files are watched
        self._turned_at = (world.clock.elapsed(), world.clock.now())

    @property
    def state(self) -> RunState:
        return self._state

    def open(self) -> None:
        """Start: log what happened while nobody looked, then turn once."""
        world = self._world
        started = e.SupervisorStarted(pid=world.pid, boot=world.boot, version=world.version, sandbox=world.sandbox)
        self._note(started, actor=e.Actor.SUPERVISOR, cause="")
        for key, event in recovered(self._state, world):
            self._note(event, actor=e.Actor.SUPERVISOR, cause=key.text)
            self._conclude(key)
        if self._state.integration.commit is not None:
            world.vault.ensure()
            world.repository.finish_landing(target=lands_on(self._state))
        world.reached("open:recovered")
        self._look(everything=True, hints=frozenset())
        self._decide()

    def turn(self, timeout_s: float) -> None:
        """Wait for something to happen, at most so long, and do what follows."""
        hints = self._world.feed.wait(min(timeout_s, self._patience()))
        now = self._world.clock.elapsed()
        everything = now - self._polled_at >= (seconds(self._state.settings.poll) or _LONG_S)
        self._notice_skips()
        self._results()
        self._look(everything=everything, hints=hints)
        if self._may_decide_otherwise():
            self._decide()
        if everything:
            self._world.vault.rest(_IDLE_S)
            self._world.repository.rest(_IDLE_S)

    def run(self, until: Callable[[RunState], bool] = quiet) -> None:
        """Turn until this holds and nothing is left under way."""
        while not (until(self._state) and not self._under_way):
            self.turn(_LONG_S)

    def close(self) -> None:
        """Wait for the workers and log their results; agents go on."""
        self._world.workers.close()
        self._results()
        if self._commit():
            self._keep()

    # ------------------------------------------------------------ readings

    def _notice_skips(self) -> None:
        """Turns are a second apart: a long gap means that the machine slept, wall time that ran ahead that it was set."""
        elapsed, now = self._world.clock.elapsed(), self._world.clock.now()
        gap, ahead = elapsed - self._turned_at[0], now - self._turned_at[1]
        self._turned_at = (elapsed, now)
        if gap > _SKIP_S or abs(ahead - gap) > _SKIP_S:
            self._note(e.TimeSkipped(seconds=ahead), actor=e.Actor.SUPERVISOR, cause="")

    def _patience(self) -> float:
        streams = self._state.workstreams.values()
        if self._streams_due or self._state.effects.failures or any(ws.stage is Stage.PREPARING for ws in streams):
            return _SHORT_S
        return _LONG_S

    def _results(self) -> None:
        for key, result in self._world.workers.done():
            self._under_way.discard(key)
            if not isinstance(result, BaseException):
                for event in result:
                    self._note(event, actor=e.Actor.SUPERVISOR, cause=key.text)
                self._conclude(key)
            elif isinstance(result, WtError):
                final = isinstance(result, Refused | NotFound)
                failed = e.EffectFailed(key=key.text, reason=result.message, hint=result.hint, final=final)
                self._note(failed, actor=e.Actor.SUPERVISOR, cause=key.text)
            elif contained(result):
                words, where = in_short(result), self._world.fault(result)
                hint = f"the report is in {where}; wto retry tries again" if where else "wto retry tries again"
                self._note(
                    e.EffectFailed(key=key.text, reason=words, hint=hint), actor=e.Actor.SUPERVISOR, cause=key.text
                )
            else:
                raise result

    def _look(self, *, everything: bool, hints: frozenset[str]) -> None:
        """Read what was hinted at, or everything."""
        if everything:
            self._polled_at = self._world.clock.elapsed()
        if everything or "requests" in hints:
            self._requests()
        self._repository()
        ended = [name for name in live_processes(self._state) if f"exit:{name}" in hints or not self._alive(name)]
        for workstream in list(self._state.workstreams.values()):
            if everything or f"handoff:{workstream.id}" in hints:
                self._handoff(workstream)
        if everything:
            self._observe(tuple(read_worktrees(self._state, self._world)), actor=e.Actor.SUPERVISOR)
            self._admission()
        if everything or "branches" in hints:
            self._branches()
        self._streams(everything=everything, hints=hints)
        self._notes(everything=everything, hints=hints)
        for process in ended:
            self._end(process)

    def _alive(self, process: ProcessId) -> bool:
        return self._world.executor.alive(process)

    def _requests(self) -> None:
        for asked in self._world.log.asked(self._run):
            if asked.number in self._taken:
                continue
            self._taken.append(asked.number)
            self._note(self._accepted(asked.request), actor=e.Actor.PERSON, cause=request_cause(asked.number))

    def _accepted(self, request: e.Request) -> e.Event:
        """The request, or why it is no longer possible: the run went on since it was put."""
        why_not = refusal(self._state, request, self._world.clock.now())
        if why_not is None:
            return request
        return e.RequestRefused(workstream=None, reason=why_not.reason, hint=why_not.hint)

    def _admission(self) -> None:
        """Log when the machine has no room for another agent any more, or has it again."""
        state = self._state
        found = admission(state.settings.admission, self._world.machine.room(), refused=bool(state.room.reason))
        if bool(found.reason) != bool(state.room.reason) or found.full != state.room.full:
            self._note(
                e.AdmissionChanged(reason=found.reason, full=found.full), actor=e.Actor.SUPERVISOR, cause="machine"
            )

    def _repository(self) -> None:
        """Note what git would act on and is not as it was recorded; looked at before any end of an agent is taken in."""
        before = self._world.recorded
        if before is None:
            return
        try:
            now = self._world.repository.marks()
        except WtError:
            return  # the next look reads it again
        if now is self._marks:
            return
        state, self._marks = self._state, now
        found = changes(
            before,
            now,
            state.changed,
            target=state.target,
            during=[ws.id for ws in state.workstreams.values() if live_attempt(ws) is not None],
            since=self._world.clock.now(),
        )
        if {each.name: each for each in found} != state.changed:
            self._note(e.RepositoryChanged(changes=found), actor=e.Actor.SUPERVISOR, cause="")

    def _handoff(self, workstream: WorkstreamState) -> None:
        reading = read_handoff(workstream, self._world)
        if reading is not None:
            self._observe((reading,), actor=e.Actor.AGENT)

    def _branches(self) -> None:
        if all(ws.base is None and not ws.spec.branch for ws in self._state.workstreams.values()):
            return
        try:
            self._observe(list(read_branches(self._state, self._world)), actor=e.Actor.AGENT)
            self._observe(list(read_elsewhere(self._state, self._world)), actor=e.Actor.AGENT)
        except GitFailed:
            return  # a ref was locked or moved while it was read; the next look reads it again

    def _streams(self, *, everything: bool, hints: frozenset[str]) -> None:
        now = self._world.clock.elapsed()
        for workstream in list(self._state.workstreams.values()):
            attempt = live_attempt(workstream)
            if attempt is None:
                continue
            process = ProcessId(attempt.id)
            if everything or f"stream:{process}" in hints:
                self._streams_due.setdefault(process, now)
            if self._streams_due.get(process, now + 1) <= now:
                self._streams_due.pop(process)
                if self._stream(workstream.id):
                    self._streams_due[process] = now + _STREAM_PAUSE_S

    def _stream(self, name: WorkstreamId) -> bool:
        """Read new output of the live attempt; whether there was any."""
        workstream = self._state.workstreams[name]
        attempt = live_attempt(workstream)
        if attempt is None:
            return False
        process = ProcessId(attempt.id)
        if process not in self._readers:
            fresh = self._world.agents[attempt.agent_type].reader()
            self._readers[process] = primed(fresh, attempt, self._world)
        reading = read_stream(workstream, attempt, self._readers[process], self._world)
        if reading is None:
            return False
        self._observe((reading,), actor=e.Actor.AGENT)
        return True

    def _notes(self, *, everything: bool, hints: frozenset[str]) -> None:
        for name in list(self._state.workstreams):
            if everything or f"notes:{name}" in hints:
                self._note_file(name)

    def _note_file(self, name: WorkstreamId) -> None:
        """Read the notes of the live attempt of a workstream; no other attempt counts."""
        workstream = self._state.workstreams[name]
        attempt = live_attempt(workstream)
        reading = read_notes(workstream, attempt, self._world) if attempt is not None else None
        if reading is not None:
            self._observe((reading,), actor=e.Actor.AGENT)

    def _end(self, process: ProcessId) -> None:
        """Log a process's end, after everything it left has been read."""
        reading = read_end(process, self._world)
        if reading is None:
            return
        owner = next((ws for ws in self._state.workstreams.values() if _owns(ws, process)), None)
        if owner is not None:
            while self._stream(owner.id):
                pass
            self._note_file(owner.id)
            self._handoff(owner)
            self._branches()
            self._readers.pop(process, None)
        self._streams_due.pop(process, None)
        self._observe((reading,), actor=e.Actor.SUPERVISOR)

    def _observe(self, readings: Iterable[Reading], *, actor: e.Actor) -> None:
        for reading in readings:
            name = getattr(reading, "workstream", None)
            last = self._last_handoff(name) if name is not None else None
            for event in self._observed(reading, last):
                if isinstance(event, e.HandoffSeen) and not event.problem:
                    self._handoffs[event.workstream] = event.text
                self._note(event, actor=actor, cause="")

    def _observed(self, reading: Reading, last: str | None) -> Sequence[e.Event]:
        """What a reading means. Content that our own code cannot take costs that content, never the run."""
        try:
            return tuple(observe(self._state, reading, last_handoff=last))
        except Exception as error:
            without = without_content(reading, in_short(error))
            if not contained(error) or without is None:
                raise
            self._world.fault(error)
            return tuple(observe(self._state, without, last_handoff=last))

    def _last_handoff(self, name: WorkstreamId) -> str | None:
        """The newest handoff text in the log; the state only has its parsed form."""
        if name not in self._handoffs and self._state.workstreams[name].handoff is not None:
            for record in self._world.log.read(self._run):
                if isinstance(record.event, e.HandoffSeen) and not record.event.problem:
                    self._handoffs[record.event.workstream] = record.event.text
        return self._handoffs.get(name)

    # ------------------------------------------------------------ decisions

    def _may_decide_otherwise(self) -> bool:
        """Whether anything happened since the last decision, or not long ago; at rest, whether enough time passed."""
        now = self._world.clock.elapsed()
        if self._decided is None or self._state is not self._decided[0] or self._under_way != self._decided[1]:
            self._happened_at = now
        awake = now - self._happened_at < _REST_S or bool(self._pending) or self._patience() < _LONG_S
        return awake or now - self._decided_at >= _RESTING_S

    def _decide(self) -> None:
        now = self._world.clock.now()
        decision = decide(self._state, now, under_way=frozenset(self._under_way))
        for _ in range(10_000):
            if not decision.conclusions:
                break
            for event in decision.conclusions:
                self._note(event, actor=e.Actor.SUPERVISOR, cause="rule")
            decision = decide(self._state, now, under_way=frozenset(self._under_way))
        else:
            raise InvariantBroken("the rules never settle", story=[str(decision.conclusions[:3])])
        self._intend(decision.effects)
        if not self._commit():
            self._decided = None
            return  # nothing starts that is not in the log
        for effect in decision.effects:
            self._begin(effect)
        if self._state is not self._followed:
            self._world.feed.watch(watched(self._state, self._world))
            self._followed = self._state
        self._decided, self._decided_at = (self._state, frozenset(self._under_way)), self._world.clock.elapsed()

    def _intend(self, effects: Sequence[Effect]) -> None:
        wanted = {effect_key(effect) for effect in effects}
        for key in sorted(self._state.effects.open - self._under_way - wanted):
            self._conclude(key)
        for effect in effects:
            key = effect_key(effect)
            if key not in self._state.effects.open:
                intended = e.EffectIntended(key=key.text, effect=type(effect).__name__, pins=pins(effect))
                self._note(intended, actor=e.Actor.SUPERVISOR, cause="rule")

    def _conclude(self, key: EffectKey) -> None:
        """Note that an effect is over, or is not wanted any more."""
        self._note(e.EffectConcluded(key=key.text), actor=e.Actor.SUPERVISOR, cause=key.text)

    def _begin(self, effect: Effect) -> None:
        key, name = effect_key(effect), type(effect).__name__
        state, world = self._state, self._world
        self._under_way.add(key)
        self._names[key.text] = name
        world.reached(f"{name}:intended")

        def work() -> Sequence[e.Event]:
            outcome = perform(effect, state, world)
            world.reached(f"{name}:done")
            return outcome

        world.workers.submit(key, work)

    def _note(self, event: e.Event, *, actor: e.Actor, cause: str) -> None:
        """Fold an event in; it becomes durable with the turn."""
        self._number += 1
        record = e.Record(
            number=self._number, at=self._world.clock.now(), actor=actor, run=self._run, cause=cause, event=event
        )
        self._state = fold(self._state, record)
        self._pending.append(record)

    def _commit(self) -> bool:
        """Make the turn durable. False while the log cannot be written (full, or locked for long): the turn is kept and
        tried again, and given up only after a long while."""
        if not self._pending:
            return True
        now = self._world.clock.elapsed()
        try:
            self._world.log.append(self._pending, taken=self._taken, view=render_view(self._state))
        except StoreUnreadable as error:
            if not error.passing or now - (self._unwritten_since or now) > _UNWRITTEN_S:
                raise
            if self._unwritten_since is None:
                self._unwritten_since = now
                self._warn(f"{error.message}; retrying; nothing new starts until it succeeds")
            return False
        self._unwritten_since = None
        told, self._pending, self._taken = self._pending, [], []
        for record in told:
            self._show(record)
            self._passed(record)
        if self._number - self._kept > _KEEP_EVERY:
            self._keep()
        return True

    def _keep(self) -> None:
        """Save the state for the next start; a failure does not matter."""
        try:
            self._world.log.keep(self._state)
            self._kept = self._number
        except StoreUnreadable:
            return

    def _passed(self, record: e.Record) -> None:
        """Report the point that a durable record stands for."""
        match record.event:
            case e.EffectConcluded(key=key) | e.EffectFailed(key=key) if key in self._names:
                self._world.reached(f"{self._names.pop(key)}:logged")
            case _ if record.cause == "rule":
                self._world.reached("conclusion:logged")
            case _ if requested_as(record.cause) is not None:
                self._world.reached("request:logged")


def _owns(workstream: WorkstreamState, process: ProcessId) -> bool:
    attempt = live_attempt(workstream)
    return attempt is not None and ProcessId(attempt.id) == process
