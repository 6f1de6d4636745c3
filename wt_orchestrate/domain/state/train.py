"""The train in the state: merged claims ("cars"), results of checks, suspects, and the landing.

Pure values. `fold/train.py` makes them from events; `train/train.py` and `train/landing.py` decide about them.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from wt_orchestrate.domain.events.train import CheckFinished, CheckOutcome, MergeMade
from wt_orchestrate.domain.ids import CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Check


class CheckResult(Struct, frozen=True, kw_only=True):
    """One run of one check on one tree."""

    command: str
    outcome: CheckOutcome
    exit_code: int | None
    duration_s: float
    log: str
    tail: str
    commit: CommitId
    tree: TreeId
    at: float


def check_result(check: CheckFinished, at: float) -> CheckResult:
    """The result that an event at this time tells of."""
    return CheckResult(
        command=check.command,
        outcome=check.outcome,
        exit_code=check.exit_code,
        duration_s=check.duration_s,
        log=check.log,
        tail=check.tail,
        commit=check.commit,
        tree=check.tree,
        at=at,
    )


class Judgement(Struct, frozen=True, kw_only=True):
    """All runs of one check on one tree. A check that passed once is not run again."""

    passed: int = 0
    failed: int = 0
    lost: int = 0
    """Runs without a result since the last one that had one."""
    last: CheckResult | None = None
    """The newest run that failed, else the one that passed (without its output)."""

    @property
    def flaky(self) -> bool:
        """It failed and passed on the same tree."""
        return self.passed > 0 and self.failed > 0


UNJUDGED = Judgement()


class Train(Struct, frozen=True, kw_only=True):
    """Claims merged one on another, the first one onto the integration head."""

    cars: tuple[MergeMade, ...] = ()
    waiting: Mapping[WorkstreamId, tuple[WorkstreamId, ...]] = field(default_factory=dict)
    """Claims that conflict with cars of this train, each with those: they join once none of these is in the train."""

    @property
    def tip(self) -> CommitId | None:
        """What the next car is merged onto; None in an empty train."""
        return self.cars[-1].commit if self.cars else None


class Trial(Struct, frozen=True, kw_only=True):
    """A suspect's head merged onto an earlier integration commit, to find its partner; no commit if they conflict."""

    onto: CommitId
    commit: CommitId | None
    tree: TreeId | None


class Suspect(Struct, frozen=True, kw_only=True):
    """A claim set aside because a check failed where it joined. Nobody is blamed before the cause is certain. `among`:
    what was integrated between its base and what it was merged onto, oldest first. The check passes on its work with
    the first `low` of them and fails with the first `high`, as far as that is known."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    onto_tree: TreeId | None
    commit: CommitId
    tree: TreeId
    own_tree: TreeId | None
    command: str
    among: tuple[tuple[WorkstreamId, CommitId], ...] = ()
    trials: tuple[Trial, ...] = ()


class Probe(Struct, frozen=True, kw_only=True):
    """One check to run on one tree, and why. `ahead`: the other workstreams whose work is in it."""

    workstream: WorkstreamId | None
    commit: CommitId
    tree: TreeId
    check: Check
    purpose: str
    ahead: tuple[WorkstreamId, ...] = ()


class Blame(Struct, frozen=True, kw_only=True):
    """What is certain about a failed check. `partner`: the workstream with which alone it fails."""

    on_target: bool = False
    """The check fails on the target too, without this work."""
    alone: bool | None = None
    """It fails on this work alone; None if that was not tried."""
    partner: WorkstreamId | None = None


class Candidate(Struct, frozen=True, kw_only=True):
    """A commit that may be landed: the target merged with the run's work."""

    onto: CommitId
    commit: CommitId
    tree: TreeId
    checked: bool = False


class Landing(Struct, frozen=True, kw_only=True):
    """A request to land that is under way."""

    request: str
    at: float
    allow_protected: bool
    allow_secrets: tuple[str, ...] = ()
    allow_large: bool = False
    allow_changed: bool = False
    allow_held: bool = False
    onto: str = ""
    expected: CommitId | None = None
    commit: CommitId | None = None
    tries: int = 0
