"""Events of a run as a whole: started, stopped, finished; its supervisor; effects intended and concluded; its budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wt_orchestrate.domain.ids import Branch, CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings


class Actor(StrEnum):
    """Who caused an event."""

    PERSON = "person"
    SUPERVISOR = "supervisor"
    AGENT = "agent"


# ---------------------------------------------------------------- the run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    plan: Plan
    settings: Settings
    plan_path: str
    target: Branch
    base: CommitId
    seed: str
    """Random text that makes the session ids of this run unique."""
    repository: str
    """The main worktree, or the common folder of a bare repository."""
    land: bool = False
    boot: str = ""
    accounts: Mapping[str, int] = field(default_factory=dict)
    """The names of the accounts for clients, each with its limit of agents at a time (0 for none)."""
    remotes: Mapping[str, str] = field(default_factory=dict)
    """The repository's remotes when the run started, without credentials: agents can write its configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseVaulted:
    """The vault holds the base and the integration branch starts there."""

    base: CommitId
    tree: TreeId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStopped:
    """Everything of the run has stopped, because a person asked for it or the time limit was reached."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """Nothing more can be done without a person or another request."""

    integrated: int
    unfinished: int
    gate: str = ""
    """The stage whose gate waits for a person's approval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorStarted:
    pid: int
    boot: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSkipped:
    """The machine slept or its clock was set: these seconds say nothing about anybody's progress."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectIntended:
    """An effect is about to be performed; `pins` are the choices that a restart must make the same way."""

    key: str
    effect: str
    pins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectConcluded:
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFailed:
    """The outside world refused an effect; nothing of it is half done."""

    key: str
    reason: str
    hint: str = ""
    final: bool = False
    """Another try would be refused the same way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionChanged:
    """The machine has room for another agent (no reason), or why it has none."""

    reason: str
    full: bool = False
    """There is not even room for a first one."""


# ---------------------------------------------------------------- requests


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused:
    """A request that was no longer possible when it was taken; nothing was changed."""

    workstream: WorkstreamId | None
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWarned:
    """Four fifths of a limit are used; `workstream` is None for the run's limit."""

    workstream: WorkstreamId | None
    what: str
    used: float
    cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReached:
    """A limit is used up: agents are asked to end with a handoff."""

    workstream: WorkstreamId | None
    what: str
    used: float
    cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamsAdded:
    """The handoff of a workstream added others."""

    by: WorkstreamId
    workstreams: Mapping[str, Workstream]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpansionRefused:
    """What a handoff wanted to add no longer fits the plan."""

    workstream: WorkstreamId
    problems: tuple[str, ...]
