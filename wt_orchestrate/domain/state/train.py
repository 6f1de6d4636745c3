"""Commits that may be published once every check passed on exactly their tree: the train's cars, suspects, the landing.

Pure values; `fold/train.py` makes them from events, `train/train.py` and `train/landing.py` decide about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wt_orchestrate.domain.events.train import CheckOutcome
from wt_orchestrate.domain.ids import CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a check said of a tree, over all its runs. Whoever passed once is not run again."""

    passed: int = 0
    failed: int = 0
    lost: int = 0
    """Runs that never told, since the last one that did."""
    last: CheckResult | None = None
    """The newest run that failed, else the one that passed (without its tail)."""

    @property
    def flaky(self) -> bool:
        """It failed and passed on the very same tree."""
        return self.passed > 0 and self.failed > 0


UNJUDGED = Judgement()


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """A claim merged onto what is below it: a commit that holds the integration head, the cars ahead and this work."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    commit: CommitId
    tree: TreeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """Claims merged one upon another, the first one onto the integration head."""

    cars: tuple[Car, ...] = ()
    waiting: Mapping[WorkstreamId, tuple[WorkstreamId, ...]] = field(default_factory=dict)
    """Claims that conflict with cars of this train, each with those: they ride once none of these is aboard."""

    @property
    def tip(self) -> CommitId | None:
        """What the next car is merged onto; None in an empty train."""
        return self.cars[-1].commit if self.cars else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A suspect's head merged onto an earlier integration commit, to find its partner; no commit where they conflict."""

    onto: CommitId
    commit: CommitId | None
    tree: TreeId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A claim put aside because a check failed where it joined: nobody is blamed before this is certain.

    `among` is what was integrated between its base and what it was merged onto, oldest first; the check passes on its
    work with `low` of them and fails with `high` of them, as far as that is known.
    """

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One check to run on one tree, and why. `ahead` are the workstreams whose work is in it beside the named one."""

    workstream: WorkstreamId | None
    commit: CommitId
    tree: TreeId
    check: Check
    purpose: str
    ahead: tuple[WorkstreamId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """What is certain about a failed check. `partner` is the one it fails only together with."""

    on_target: bool = False
    """The check fails on the target too, without this work."""
    alone: bool | None = None
    """It fails on this work alone; None where that was not tried."""
    partner: WorkstreamId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A commit that may be landed: the target combined with the run."""

    onto: CommitId
    commit: CommitId
    tree: TreeId
    checked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """A wish to land, on its way."""

    request: str
    at: float
    allow_protected: bool
    allow_secrets: tuple[str, ...] = ()
    allow_large: bool = False
    expected: CommitId | None = None
    commit: CommitId | None = None
    tries: int = 0
