"""The smaller simulated ports: clock, disk, notices, workers, handoffs, machine."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tests.simulation.faults import Crash, Faults
from wt_orchestrate.domain.effects import EffectKey
from wt_orchestrate.domain.events.log import Event, Record, workstream_of
from wt_orchestrate.domain.events.requests import Request
from wt_orchestrate.domain.events.run import Actor, RunStarted
from wt_orchestrate.domain.ids import ProcessId, RunId, WorkstreamId
from wt_orchestrate.domain.plan.model import Kind, Workstream
from wt_orchestrate.domain.schedule.admission import Room
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.errors import StoreUnreadable
from wt_orchestrate.ports.engine import PORTS, Asked, FurtherRead, HandoffFile, Lines, RunLine, UsedKey, Watched

if TYPE_CHECKING:
    from tests.simulation.world import SimWorld


class SimClock:
    """Wall time that may be set, elapsed time that counts sleep, and waking time, which only the simulation knows."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.boottime = 1_000.0
        self.awake = 0.0
        self.boots = 1

    def now(self) -> float:
        return self.wall

    def elapsed(self) -> float:
        return self.boottime

    def boot(self) -> str:
        return f"boot-{self.boots}"

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.boottime += seconds
        self.awake += seconds

    def sleep(self, seconds: float) -> None:
        """The machine sleeps."""
        self.wall += seconds
        self.boottime += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock."""
        self.wall += seconds


class SimLog:
    """The event log: what was appended survives, everything else does not."""

    def __init__(self, faults: Faults) -> None:
        self.records: list[Record] = []
        self.requests: list[Asked] = []
        self.taken: set[int] = set()
        self.stored_view = ""
        self.snapshot: RunState | None = None
        self.full = False
        self._faults = faults

    def begin(
        self, event: RunStarted, *, actor: Actor, now: float, view: Callable[[Record], str], key: str = ""
    ) -> Record:
        record = Record(number=1, at=now, actor=actor, run=RunId("r1"), cause="", event=event)
        self.records.append(record)
        self.stored_view = view(record)
        return record

    def append(self, records: Sequence[Record], *, taken: Sequence[int] = (), view: str | None = None) -> None:
        if self.full:
            raise StoreUnreadable("the disk is full", passing=True)
        if records and records[0].number != self.last_number() + 1:
            raise StoreUnreadable("another process wrote")
        with self._faults.around("append"):
            self.records.extend(records)
            self.taken.update(taken)
            self.stored_view = view or self.stored_view

    def last_number(self) -> int:
        return self.records[-1].number if self.records else 0

    def read(
        self, run: RunId, *, after: int = 0, workstream: WorkstreamId | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        found = self.records[after:]
        about = [each for each in found if workstream is None or workstream_of(each.event) == workstream]
        return about[:limit]

    def keep(self, state: RunState) -> None:
        self.snapshot = state

    def kept(self, run: RunId) -> RunState | None:
        return self.snapshot

    def runs(self) -> Sequence[RunLine]:
        return [RunLine(id=RunId("r1"), started_at=0.0, goal="g")]

    def view(self, run: RunId) -> str | None:
        return self.stored_view

    def known(self, key: str) -> UsedKey | None:
        return None

    def ask(self, run: RunId, request: Request, *, now: float, key: str = "") -> int:
        number = len(self.requests) + 1
        self.requests.append(Asked(number=number, at=now, request=request))
        return number

    def asked(self, run: RunId) -> Sequence[Asked]:
        return [asked for asked in self.requests if asked.number not in self.taken]

    def damage(self) -> str:
        return ""

    def bell(self) -> str:
        return "/state/bell"

    def close(self) -> None:
        pass


class SimFeed:
    """Notices that may come, be lost, or come for nothing; a wait passes some of its time."""

    def __init__(self, clock: SimClock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self._wanted: frozenset[Watched] = frozenset()

    def watch(self, wanted: frozenset[Watched]) -> None:
        self._wanted = wanted

    def wait(self, timeout_s: float) -> frozenset[str]:
        self._clock.pass_time(self._chance.choice((0.01, 0.2, 1.0, 6.0)))
        told = sorted(each.key for each in self._wanted)
        match self._chance.randrange(3):
            case 0:
                return frozenset()
            case 1:
                return frozenset(told)
            case _:
                return frozenset(key for key in told if self._chance.random() < 0.5)

    def wake(self) -> None:
        pass

    def close(self) -> None:
        pass


class SimWorkers:
    """Work that is done when the scheduler says so, one piece at a time and in any order."""

    def __init__(self) -> None:
        self.waiting: dict[EffectKey, Callable[[], Sequence[Event]]] = {}
        self._done: list[tuple[EffectKey, Sequence[Event] | BaseException]] = []

    def submit(self, key: EffectKey, work: Callable[[], Sequence[Event]]) -> None:
        self.waiting[key] = work

    def work(self, key: EffectKey) -> None:
        """Do one piece."""
        work = self.waiting.pop(key)
        try:
            self._done.append((key, work()))
        except Crash:
            raise
        except Exception as error:  # noqa: BLE001 - as the real workers do
            self._done.append((key, error))

    def done(self) -> Sequence[tuple[EffectKey, Sequence[Event] | BaseException]]:
        found, self._done = self._done, []
        return found

    def close(self) -> None:
        pass


class SimHandoffs:
    """HANDOFF.md in the simulated worktrees."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world

    def read(self, worktree: str) -> HandoffFile:
        found = self._world.site.worktrees.get(worktree)
        return HandoffFile(text=found.handoff if found is not None and found.files is not None else None)


class SimNotes:
    """What simulated agents say by their tools, and the answers to those that still wait."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world

    def prepare(self, folder: str, texts: Mapping[str, str]) -> str:
        return f"{folder}/said"

    def drop_file(self, folder: str) -> str:
        return f"{folder}/said/notes.jsonl"

    def read(self, folder: str, *, offset: int, limit: int) -> Lines:
        kept = self._world.executor.processes.get(ProcessId(folder.rpartition("/")[2]))
        text = bytes(kept.notes[offset : offset + limit]) if kept is not None else b""
        end = text.rfind(b"\n") + 1
        return Lines(tuple(text[: end - 1].split(b"\n")), offset + end) if end else Lines((), offset)

    def answer(self, folder: str, *, ask: str, text: str) -> bool:
        kept = self._world.executor.processes[ProcessId(folder.rpartition("/")[2])]
        with self._world.faults.around(f"answer {ask}"):
            if ask in kept.waiting:
                kept.answered[ask] = text
        return ask in kept.waiting


class SimMachine:
    """A machine whose room the scheduler changes."""

    def __init__(self) -> None:
        self.found = Room(memory_mb=8_000.0, load=0.5, disk_mb={"state": 8_000.0})

    def room(self) -> Room:
        return self.found

    def ports(self, slot: int) -> int:
        return 20_000 + slot * PORTS


class SimPlans:
    """Workstreams in handoffs are JSON here; what is none is a problem, as with the real reader."""

    def further(self, text: str) -> FurtherRead:
        try:
            given = json.loads(text)
        except ValueError:
            return FurtherRead(workstreams={}, problems=("this is not valid YAML",))
        return FurtherRead(
            workstreams={
                name: Workstream(
                    **{**spec, "kind": Kind(spec.get("kind", "change")), "needs": tuple(spec.get("needs", ()))}
                )
                for name, spec in given.items()
            }
        )
