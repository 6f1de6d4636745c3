"""Where a run's time went, measured from its log: for each workstream, interval by interval, what it did or waited for.

While an agent is alive, its own output says: starting (until its program first answers), at work, blocked (on a
person's answer, on a limit), or ending (nothing left to do, until its process is gone). Otherwise the workstream's
stage says what it waits for (`status/activity.py`). Both are in the run's own time (`run_clock.py`), and intervals at
rest, when nothing could be done without a person, are left out. So the intervals of one workstream never overlap and
never add up to more than the wall time.

What nobody saw is not guessed. Without a supervisor agents go on, and what they did is read later: an agent's end from
its keeper, a turn's length from the agent's program. If neither says, the interval counts as work at most and as
nothing at least (`unsure_s`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from msgspec import Struct

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold.run import fold
from wt_orchestrate.domain.ids import AttemptId, ProcessId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType
from wt_orchestrate.domain.report.intervals import (
    Hole,
    Stretch,
    between,
    covered,
    joined,
    lengths,
    outside,
    shared,
    within,
    without,
)
from wt_orchestrate.domain.report.run_clock import RunTime
from wt_orchestrate.domain.state.attempt import Attempt
from wt_orchestrate.domain.state.lifecycle import Phase, Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt
from wt_orchestrate.domain.status.activity import (
    CHECKS,
    CONFLICT,
    LIMIT,
    NEEDS,
    PERSON,
    PLACE,
    PREPARATION,
    REVIEW,
    ROOM,
    SUPERVISOR,
    AgentPlaces,
    Waits,
    activity,
)

WORK, STARTING, ENDING = "work", "starting", "ending"
"""What an agent that is alive may be at, beside waiting."""
ACTIVE = frozenset({WORK, STARTING, ENDING})
_AWAY_S = 2.0
"""A supervisor that was gone for less was not away."""
_SETTLED_S = 2.0
"""How long after its return a supervisor still reads what happened meanwhile."""
_NEEDS_SUPERVISOR = frozenset({PREPARATION, PLACE, ROOM, CHECKS, REVIEW, CONFLICT})
_OWN = (e.AttemptObserved, e.HandoffSeen, e.CommitsSeen, e.MessageSent, e.AttemptAsked, e.AttemptAnswered)
"""Events that change nothing of what other workstreams wait for."""


class AttemptTime(Struct, frozen=True, kw_only=True):
    """One attempt in the run's time. `reason`: the cause of the retry, or why it was started."""

    id: AttemptId
    reason: str
    start: float
    end: float
    ended: bool
    at: Mapping[str, float]
    """Seconds at work, starting, ending, and waiting by cause."""
    unsure_s: float = 0.0
    """How much of its work nobody saw: it may have been waiting."""

    @property
    def work_s(self) -> float:
        return self.at.get(WORK, 0.0)

    @property
    def active_s(self) -> float:
        return sum(length for what, length in self.at.items() if what in ACTIVE)


class StreamTime(Struct, frozen=True, kw_only=True):
    """One workstream's time: intervals in order, and its attempts."""

    stretches: tuple[Stretch, ...]
    attempts: tuple[AttemptTime, ...]

    @property
    def waiting(self) -> dict[str, float]:
        return {what: length for what, length in lengths(self.stretches).items() if what not in ACTIVE}

    @property
    def active_s(self) -> float:
        return sum(attempt.active_s for attempt in self.attempts)


class CheckTime(Struct, frozen=True, kw_only=True):
    """One run of a check."""

    workstreams: tuple[WorkstreamId, ...]
    command: str
    tree: str
    outcome: e.CheckOutcome
    start: float
    end: float


class MeasuredRun(Struct, frozen=True, kw_only=True):
    """A run's time. `wall_s`: awake and not at rest; `rest_s` and `skipped_s`: the rest of the calendar's time."""

    state: RunState
    wall_s: float
    rest_s: float
    skipped_s: float
    unwatched_s: float
    """How long at most no supervisor ran while the run was not at rest."""
    streams: Mapping[WorkstreamId, StreamTime]
    checks: tuple[CheckTime, ...]

    @property
    def agents_s(self) -> float:
        """How long at least one agent was active."""
        found = (s for time in self.streams.values() for s in time.stretches if s.what in ACTIVE)
        return covered((each.start, each.end) for each in found)


def measured(records: Sequence[e.Record], *, now: float, watched: bool = True) -> MeasuredRun:
    """The time of a run up to `now` (wall seconds). `watched`: a supervisor is at work on it now."""
    recorder = Recorder()
    for record in records:
        recorder.take(record)
    return recorder.measured(now, watched=watched)


class _AttemptTime(Struct):
    """An attempt as far as it has been read."""

    ws: WorkstreamId
    reason: str
    start: float
    marks: list[tuple[float, str]]
    end: float | None = None
    sign: float = 0.0
    """Its last output."""
    unsure: list[Hole] | None = None
    turn: int | None = None
    """Which of its marks started the current turn."""
    turned: float | None = None
    """When its last turn ended, if nothing came after it."""
    missed: Hole | None = None
    """The interval in which nobody looked, until what happened there has been read."""


class Recorder:
    """A run's time as far as its log has been read: `take` its records in order, and ask for what was `measured` at any
    time, which changes nothing."""

    def __init__(self) -> None:
        self.state: RunState | None = None
        self.time = RunTime(0.0)
        self.rests: list[Hole] = []
        self.away: list[Hole] = []
        self.resting: float | None = None
        self.marks: dict[WorkstreamId, list[tuple[float, str]]] = {}
        self.waits: dict[WorkstreamId, tuple[float, Waits]] = {}
        self.free: dict[WorkstreamId, float] = {}
        self.reasons: dict[WorkstreamId, tuple[str, str]] = {}
        self.attempts: dict[AttemptId, _AttemptTime] = {}
        self.begun: dict[ProcessId, float] = {}
        self.checks: list[CheckTime] = []

    # ------------------------------------------------------------ reading

    def take(self, record: e.Record) -> None:
        before = self.state
        if before is None:
            self.time = RunTime(record.at)
        last, at = self.time.now, self.time.passed(record)
        if before is not None and isinstance(record.event, e.SupervisorStarted):
            self._returned(before, last, at)
        self.state = state = fold(before, record)
        self._rest(state, at)
        self._attempt(state, record.event, at, record.at)
        self._check(record.event, at)
        self._waiting(before, state, record, at)

    def _returned(self, state: RunState, last: float, at: float) -> None:
        """A supervisor is back: nobody looked since its predecessor's last record, as far as is known."""
        if at - last < _AWAY_S or _at_rest(state):
            return
        self.away.append((last, at))
        for ws in state.workstreams.values():
            live = live_attempt(ws)
            if live is not None and live.id in self.attempts:
                self.attempts[live.id].missed = (last, at)

    def _rest(self, state: RunState, at: float) -> None:
        if _at_rest(state) and self.resting is None:
            self.resting = at
        elif not _at_rest(state) and self.resting is not None:
            self.rests.append((self.resting, at))
            self.resting = None

    def _attempt(self, state: RunState, event: e.Event, at: float, wall: float) -> None:
        match event:
            case e.RetryDecided(workstream=name, reason=reason, cause=cause):
                self.reasons[name] = (reason, cause.value if cause is not None else reason)
            case e.AttemptStarted(workstream=name, attempt=attempt, reason=reason):
                start = max(self.time.place(event.started_at), self._free(name))
                what = STARTING if event.agent_type is AgentType.CLAUDE_CODE else WORK
                decided, why = self.reasons.pop(name, ("", ""))
                seen = _AttemptTime(name, why if decided == reason else reason, start, [(start, what)], sign=start)
                self.attempts[attempt] = seen
            case e.AttemptEnded(attempt=attempt) if attempt in self.attempts:
                self._ended(self.attempts[attempt], event, at)
            case e.CommitsSeen(workstream=name) | e.HandoffSeen(workstream=name):
                live = live_attempt(state.workstreams[name])
                if live is not None and live.id in self.attempts:
                    self.attempts[live.id].sign = at
            case _:
                self._sign(state, event, at, wall)

    def _free(self, name: WorkstreamId) -> float:
        """The earliest time at which an attempt of it can have started."""
        ends = [each.end or 0.0 for each in self.attempts.values() if each.ws == name]
        return max((*ends, self.free.get(name, 0.0)))

    def _ended(self, seen: _AttemptTime, event: e.AttemptEnded, at: float) -> None:
        seen.end = max(seen.start, self.time.place(event.ended_at))
        if event.cause == "lost" and seen.end > seen.sign:
            seen.unsure = [*(seen.unsure or ()), (seen.sign, seen.end)]

    def _sign(self, state: RunState, event: e.Event, at: float, wall: float) -> None:
        """What an agent does after an event about it."""
        name = getattr(event, "attempt", None)
        seen = self.attempts.get(name) if name is not None else None
        if seen is None or seen.end is not None:
            return
        attempt = next(each for each in state.workstreams[seen.ws].attempts if each.id == name)
        if seen.missed is not None and at > seen.missed[1] + _SETTLED_S:
            seen.missed = None
        if isinstance(event, e.AttemptObserved):
            seen.sign = at
        what, until = _doing(attempt, wall)
        while len(seen.marks) > 1 and seen.marks[-1][0] > at:
            seen.marks.pop()  # a pause that was to last longer
        if what != seen.marks[-1][1]:
            self._now_at(seen, event, what, at)
        if isinstance(event, e.AttemptObserved):
            self._turned(seen, event, at)
        if until is not None:
            seen.marks.append((self.time.reaches(until), WORK))

    def _now_at(self, seen: _AttemptTime, event: e.Event, what: str, at: float) -> None:
        """It does something else now; the start of that is known, unless nobody looked."""
        if what == WORK and seen.marks[-1][1] in {STARTING, ENDING}:
            seen.turn = len(seen.marks)
        if seen.missed is None:
            ended = seen.turned if what == ENDING and seen.turned is not None else at
            seen.marks.append((max(ended, seen.marks[-1][0]), what))
            return
        low, high = seen.missed
        began = seen.marks[-1][0]
        told = event.turn_s - event.lead_s if isinstance(event, e.AttemptObserved) else 0.0
        if what == ENDING and told > 0:
            seen.marks.append((min(max(low, began + told), high), ENDING))
            seen.turn = None
            return
        seen.unsure = [*(seen.unsure or ()), (low, high)]
        seen.marks.append((at, what))

    def _turned(self, seen: _AttemptTime, event: e.AttemptObserved, at: float) -> None:
        """A turn ended: if its program reports how long it worked, it started that long before."""
        if event.outcome is None:
            seen.turned = None if event.tool or event.said else seen.turned
            return
        seen.turned = at
        began = at - (event.turn_s - event.lead_s)
        if began >= at or seen.missed is not None:
            return
        if seen.turn is not None:
            high = seen.marks[seen.turn + 1][0] if seen.turn + 1 < len(seen.marks) else at
            seen.marks[seen.turn] = (max(seen.marks[seen.turn - 1][0], min(high, began)), WORK)
        elif seen.marks[-1] == (at, ENDING) or (seen.marks[-1][1] == ENDING and event.idle):
            if seen.marks[-1][0] == at:
                seen.marks.pop()  # its whole turn was read at once
            seen.marks += [(max(seen.marks[-1][0], began), WORK), (at, ENDING)]
        seen.turn = None

    def _check(self, event: e.Event, at: float) -> None:
        match event:
            case e.CommandStarted(process=process):
                self.begun[process] = at
            case e.CheckFinished(process=process, workstream=name, ahead=ahead):
                start = self.begun.pop(process, at)
                own = () if name is None else (name,)
                self.checks.append(
                    CheckTime(
                        workstreams=tuple(dict.fromkeys((*own, *ahead))),
                        command=event.command,
                        tree=event.tree,
                        outcome=event.outcome,
                        start=start,
                        end=min(start + max(0.0, event.duration_s), max(start, at)),
                    )
                )
            case _:
                pass

    # ------------------------------------------------------------ waiting

    def _waiting(self, before: RunState | None, state: RunState, record: e.Record, at: float) -> None:
        name = e.workstream_of(record.event)
        if before is not None and isinstance(record.event, _OWN) and name is not None:
            own = state.workstreams[name]
            beginning = own.stage in {Stage.QUEUED, Stage.PREPARING}
            self._mark(state, own, record.at, at, AgentPlaces.of(state) if beginning else AgentPlaces(0, full=False))
            return
        places = AgentPlaces.of(state)
        for ws in state.workstreams.values():
            same = before is not None and before.phase is state.phase and before.workstreams.get(ws.id) is ws
            unsettled = ws.stage in {Stage.QUEUED, Stage.PREPARING, Stage.VERIFYING}
            if not same or unsettled:
                self._mark(state, ws, record.at, at, places)

    def _mark(self, state: RunState, ws: WorkstreamState, wall: float, at: float, places: AgentPlaces) -> None:
        found = activity(state, ws, wall, places).waits
        since, known = self.waits.get(ws.id, (at, Waits("")))
        if known == found and ws.id in self.waits:
            return
        self.marks.setdefault(ws.id, []).extend(self._closed(since, known, at))
        self.waits[ws.id] = (at, found)
        if known.cause in {"", NEEDS}:
            self.free[ws.id] = at

    def _closed(self, since: float, known: Waits, at: float) -> list[tuple[float, str]]:
        """The marks of a wait that ends here."""
        marks = [(since, known.cause)]
        if known.until is not None:
            turns = self.time.reaches(known.until) if known.until >= self._wall() else self.time.place(known.until)
            if since <= turns < at:
                marks.append((turns, known.then))
        return marks

    def _wall(self) -> float:
        return self.state.at if self.state is not None else 0.0

    # ------------------------------------------------------------ the whole

    def measured(self, now: float, *, watched: bool) -> MeasuredRun:
        """The time up to `now`; changes nothing of what was read."""
        state = self.state
        assert state is not None
        end = self.time.reaches(now) if self.resting is None else self.resting
        alone: tuple[Hole, ...] = ()
        if self.resting is None and not watched and end - self.time.now >= _AWAY_S:
            alone = ((self.time.now, end),)
        rests, away = joined(self.rests), outside((*self.away, *alone), self.rests)
        still = rests  # an agent may start as the run stops, and outlive it
        if self.resting is not None:
            still = joined((*rests, (self.resting, inf)))
        return MeasuredRun(
            state=state,
            wall_s=end - covered(rests),
            rest_s=covered(rests),
            skipped_s=self.time.skipped,
            unwatched_s=covered(away),
            streams={name: self._stream(name, end, still, away, alone) for name in state.workstreams},
            checks=tuple(self.checks),
        )

    def _stream(
        self, name: WorkstreamId, end: float, rests: Sequence[Hole], away: Sequence[Hole], alone: Sequence[Hole]
    ) -> StreamTime:
        found: list[Stretch] = []
        times: list[AttemptTime] = []
        for attempt, seen in self.attempts.items():
            if seen.ws != name:
                continue
            until = end if seen.end is None else seen.end
            parts = list(without(between(seen.marks, seen.start, until), rests))
            worked = joined((each.start, each.end) for each in parts if each.what == WORK)
            unsure = joined((*(seen.unsure or ()), *(alone if seen.end is None else ())))
            times.append(
                AttemptTime(
                    id=attempt,
                    reason=seen.reason,
                    start=seen.start,
                    end=until,
                    ended=seen.end is not None,
                    at=lengths(parts),
                    unsure_s=sum(shared(each, unsure) for each in worked),
                )
            )
            found += parts
        alive = joined((each.start, each.end) for each in times)
        marks = [*self.marks.get(name, ()), *(self._closed(*self.waits[name], end) if name in self.waits else ())]
        idle = list(without(between(marks, 0.0, end), joined((*rests, *alive))))
        found += _unsupervised(idle, outside(away, self._judging(name)))
        return StreamTime(
            stretches=tuple(sorted(found, key=lambda each: each.start)),
            attempts=tuple(times),
        )

    def _judging(self, name: WorkstreamId) -> tuple[Hole, ...]:
        return joined((each.start, each.end) for each in self.checks if name in each.workstreams)


def _unsupervised(idle: Sequence[Stretch], away: Sequence[Hole]) -> list[Stretch]:
    """Waiting for what only a supervisor can do counts as waiting for a supervisor, if none is at work."""
    needing = [each for each in idle if each.what in _NEEDS_SUPERVISOR]
    others = [each for each in idle if each.what not in _NEEDS_SUPERVISOR]
    return [*others, *without(needing, away), *within(needing, away, what=SUPERVISOR)]


def _at_rest(state: RunState) -> bool:
    return state.phase in {Phase.STOPPED, Phase.FINISHED}


def _doing(attempt: Attempt, wall: float) -> tuple[str, float | None]:
    """What a living agent does, and until when (wall seconds) it waits, if known."""
    if attempt.asks:
        return PERSON if any(ask.question for ask in attempt.asks) else SUPERVISOR, None
    if attempt.waits:
        told = (until for until in (attempt.waits_until, attempt.resets_at or 0.0) if until > wall)
        return LIMIT, next(told, None)
    if attempt.paused:
        return PERSON, None
    if attempt.idle:
        return ENDING, None
    started = attempt.answered or attempt.agent_type is not AgentType.CLAUDE_CODE
    return WORK if started else STARTING, None
