"""Known bugs, each put in on purpose: the simulation must find every one of them.

A plant replaces one function of the program, or one promise of a simulated port, for as long as its context lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from tests.simulation import vault
from tests.simulation.git import SimRepository
from tests.simulation.processes import SimExecutor
from tests.simulation.vault import SimCommits, SimMerges, SimRefs
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain import observation
from wt_orchestrate.domain.fold import messages
from wt_orchestrate.domain.fold import train as fold_train
from wt_orchestrate.domain.ids import Branch, CommitId, ProcessId
from wt_orchestrate.domain.plan.retry_ladder import Rung
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.schedule import accounts
from wt_orchestrate.domain.state.checks import TreeResult
from wt_orchestrate.domain.train import culprit, landing, order, train
from wt_orchestrate.domain.verdict import claim, verdict
from wt_orchestrate.engine import supervisor
from wt_orchestrate.engine.effects import worktree
from wt_orchestrate.ports.engine import ProcessReport
from wt_orchestrate.ports.git.merges import Merge
from wt_orchestrate.ports.git.repository import LandOutcome, LandResult

Plant = Callable[[], AbstractContextManager[Any]]


@contextmanager
def land_again_after_a_crash() -> Iterator[None]:
    """A restart does not look whether the branch holds the work already."""
    real = SimRefs.advance

    def advance(self: SimRefs, ref: str, *, new: CommitId, old: CommitId | None) -> bool:
        return self.resolve(ref) == old and real(self, ref, new=new, old=old)

    with patch.object(SimRefs, "advance", advance), patch.object(SimCommits, "trailers", lambda self, **given: {}):
        yield


@contextmanager
def no_compare_and_swap() -> Iterator[None]:
    """The target is moved wherever it is."""

    def land(self: SimRepository, *, target: Branch, new: CommitId, expected: CommitId) -> LandResult:
        with self._site.faults.around(f"land {target}"):
            self._site.move("tool", target, new)
        return LandResult(outcome=LandOutcome.MOVED)

    with patch.object(SimRepository, "land", land):
        yield


@contextmanager
def spawn_before_record() -> Iterator[None]:
    """Effects begin before their intentions are durable."""
    real = supervisor.Supervisor._decide

    def decide(self: supervisor.Supervisor) -> None:
        commit = self._commit
        with patch.object(self, "_commit", lambda: None):
            real(self)
        for key in sorted(self._world.workers.waiting):  # type: ignore[attr-defined]
            self._world.workers.work(key)  # type: ignore[attr-defined]
        commit()

    with patch.object(supervisor.Supervisor, "_decide", decide):
        yield


@contextmanager
def clean_up_before_archive() -> Iterator[None]:
    """Heads are not kept before branches are deleted or moved."""
    with patch.object(SimRefs, "archive", lambda self, name, commit: f"refs/wto/archive/{name}/1"):
        yield


@contextmanager
def take_our_side() -> Iterator[None]:
    """A conflict is settled by what is integrated already, and the proof believes it."""
    real = SimMerges.merge

    def merge(self: SimMerges, *, ours: CommitId, theirs: CommitId, message: str, at: float, pin: str) -> Merge:
        made = real(self, ours=ours, theirs=theirs, message=message, at=at, pin=pin)
        if made.commit is not None:
            return made
        tree = {**self._objects.tree(theirs), **self._objects.tree(ours)}
        commit = self._objects.add(tree, (ours, theirs), message)
        return Merge(commit=commit, tree=self._objects.tree_id(commit))

    with patch.object(SimMerges, "merge", merge), patch.object(vault, "lost_paths", _nothing):
        yield


@contextmanager
def send_twice() -> Iterator[None]:
    """The inbox forgets what it was given."""

    def send(self: SimExecutor, process: ProcessId, *, message: str, line: str) -> None:
        with self._world.faults.around(f"send {message}"):
            self.processes[process].unread.append(line)

    with patch.object(SimExecutor, "send", send):
        yield


@contextmanager
def leave_the_lost_alone() -> Iterator[None]:
    """An agent whose keeper was killed is given up without being ended."""
    real = SimExecutor.end

    def end(self: SimExecutor, process: ProcessId, *, timeout_s: float = 10.0) -> ProcessReport:
        kept = self.processes.get(process)
        return real(self, process) if kept is None or kept.keeper else self.poll(process)

    with patch.object(SimExecutor, "end", end):
        yield


@contextmanager
def forget_messages() -> Iterator[None]:
    """What did not arrive before an attempt ended is dropped."""
    real = messages._ended

    def ended(ws: Any, name: Any) -> Any:
        after = real(ws, name)
        return replace(after, messages=tuple(each for each in after.messages if each.delivered_at is not None))

    with patch.object(messages, "_ended", ended):
        yield


def _always(*args: object, **given: object) -> tuple[Rung, int]:
    return Rung(), 0


def _nothing(*args: object, **given: object) -> Sequence[Any]:
    return ()


def _no(*args: object, **given: object) -> bool:
    return False


def _yes(*args: object, **given: object) -> bool:
    return True


@contextmanager
def believe_everything() -> Iterator[None]:
    """Exit code 0, or a word in a handoff, is enough."""
    with patch.object(claim, "findings", _nothing):
        yield


@contextmanager
def retry_without_end() -> Iterator[None]:
    """The ladder has no last rung, and attempts have no bound."""
    with patch.object(verdict, "next_rung", _always), patch.object(verdict, "_worn_out", lambda *args: False):
        yield


@contextmanager
def unchecked_landing() -> Iterator[None]:
    """Every tree is called green."""
    with (
        patch.object(train, "word", lambda *args: TreeResult()),
        patch.object(landing, "word", lambda *args: TreeResult()),
    ):
        yield


def _no_target(state: Any, suspect: Any, **_: Any) -> Any:
    """Whoever rides first is to blame, also when the target is red by itself."""
    return culprit._blamed(suspect, alone=True)


@contextmanager
def land_a_longer_prefix() -> Iterator[None]:
    """One car more than what is green comes along."""
    real = train.prefixes

    def prefixes(state: Any) -> Any:
        found = real(state)
        return replace(found, green=min(found.green + 1, len(state.train.cars))) if found.green else found

    with patch.object(train, "prefixes", prefixes):
        yield


@contextmanager
def couple_onto_nothing() -> Iterator[None]:
    """Cars are taken aboard whatever they were merged onto, and whether anybody still waits for them or not."""
    real = fold_train._coupled

    def coupled(state: Any, made: Any) -> Any:
        return real(state, replace(made, onto=state.train.tip or state.integration.commit))

    with patch.object(fold_train, "_coupled", coupled), patch.object(fold_train, "_is_awaited", _yes):
        yield


@contextmanager
def remember_late_outcomes() -> Iterator[None]:
    """A check that ends late speaks for whatever is being checked by then."""
    real = observation._command_ended

    def ended(state: Any, command: Any, end: Any) -> e.Event:
        for car in state.train.cars if command.purpose == "check" else ():
            command = replace(command, commit=car.commit, tree=car.tree)
        return real(state, command, end)

    with patch.object(observation, "_command_ended", ended):
        yield


PLANTED: Mapping[str, Plant] = {
    "land again after a crash": land_again_after_a_crash,
    "no compare-and-swap": no_compare_and_swap,
    "unchecked landing": unchecked_landing,
    "blame at once": lambda: patch.object(culprit, "confirmed", lambda found: bool(found.failed)),
    "blame without asking the target": lambda: patch.object(culprit, "_target_is_red", _no_target),
    "land a longer prefix": land_a_longer_prefix,
    "couple onto nothing": couple_onto_nothing,
    "spawn before record": spawn_before_record,
    "clean-up before archive": clean_up_before_archive,
    "idle by wall clock": lambda: patch.object(supervisor.Supervisor, "_notice_skips", lambda self: None),
    "take our side": take_our_side,
    "send twice": send_twice,
    "leave the lost alone": leave_the_lost_alone,
    "forget messages": forget_messages,
    "believe everything": believe_everything,
    "retry without end": retry_without_end,
    "start into the limit": lambda: patch.object(accounts, "usable", _yes),
    "forget what was started": lambda: patch.object(supervisor, "recovered", _nothing),
    "late outcomes speak for others": remember_late_outcomes,
    "ride unreviewed": lambda: patch.object(order, "awaits_review", _no),
    "clean without looking": lambda: patch.object(worktree, "_integrated", _yes),
}
