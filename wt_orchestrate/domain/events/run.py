"""Events of a run as a whole: started, stopped, finished; its supervisor; effects intended and concluded; its budget."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from wt_orchestrate.domain.ids import Branch, CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings


class Actor(StrEnum):
    """Who caused an event."""

    PERSON = "person"
    SUPERVISOR = "supervisor"
    AGENT = "agent"


# ---------------------------------------------------------------- the run


class RunStarted(Struct, frozen=True, kw_only=True):
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
    author: str = ""
    """Whose the merge commits are: the user, as `Name <address>`; empty where git was not told."""
    base_checks: tuple[str, ...] = ()
    """The checks that must pass on the base before the first agent starts."""
    base_passed: Mapping[TreeId, tuple[str, ...]] = field(default_factory=dict)
    """Which checks passed on trees that the run before this one knew: on the same base they need not run again."""


class BaseVaulted(Struct, frozen=True, kw_only=True):
    """The vault holds the base and the integration branch starts there."""

    base: CommitId
    tree: TreeId | None = None


class RepositoryChange(Struct, frozen=True, kw_only=True):
    """One thing in the user's repository that is not as it was when the run started. `mark` stands for what it is now."""

    name: str
    mark: str
    words: str
    put_back: str
    stops: bool
    """Whether nothing lands until it is put back or allowed."""
    during: tuple[str, ...] = ()
    """The workstreams whose agents were at work when it changed; none: a person did it."""
    since: float = 0.0


class RepositoryChanged(Struct, frozen=True, kw_only=True):
    """All that differs now; nothing when everything is as it was."""

    changes: tuple[RepositoryChange, ...] = ()


class RunStopped(Struct, frozen=True, kw_only=True):
    """Everything of the run has stopped, because a person asked for it or the time limit was reached."""

    reason: str


class RunFinished(Struct, frozen=True, kw_only=True):
    """Nothing more can be done without a person or another request."""

    integrated: int
    unfinished: int
    gate: str = ""
    """The stage whose gate waits for a person's approval."""


class SupervisorStarted(Struct, frozen=True, kw_only=True):
    pid: int
    boot: str
    version: str
    sandbox: str = "none"
    """What it starts processes in, with the network that they have; `none` also in logs written before there were sandboxes."""


class TimeSkipped(Struct, frozen=True, kw_only=True):
    """The machine slept or its clock was set: these seconds say nothing about anybody's progress."""

    seconds: float


class EffectIntended(Struct, frozen=True, kw_only=True):
    """An effect is about to be performed; `pins` are the choices that a restart must make the same way."""

    key: str
    effect: str
    pins: Mapping[str, str] = field(default_factory=dict)


class EffectConcluded(Struct, frozen=True, kw_only=True):
    key: str


class EffectFailed(Struct, frozen=True, kw_only=True):
    """The outside world refused an effect; nothing of it is half done."""

    key: str
    reason: str
    hint: str = ""
    final: bool = False
    """Another try would be refused the same way."""


class AdmissionChanged(Struct, frozen=True, kw_only=True):
    """The machine has room for another agent (no reason), or why it has none."""

    reason: str
    full: bool = False
    """There is not even room for a first one."""


# ---------------------------------------------------------------- requests


class RequestRefused(Struct, frozen=True, kw_only=True):
    """A request that was no longer possible when it was taken; nothing was changed."""

    workstream: WorkstreamId | None
    reason: str
    hint: str = ""


class BudgetWarned(Struct, frozen=True, kw_only=True):
    """Four fifths of a limit are used; `workstream` is None for the run's limit."""

    workstream: WorkstreamId | None
    what: str
    used: float
    cap: float


class BudgetReached(Struct, frozen=True, kw_only=True):
    """A limit is used up: agents are asked to end with a handoff."""

    workstream: WorkstreamId | None
    what: str
    used: float
    cap: float


class WorkstreamsAdded(Struct, frozen=True, kw_only=True):
    """The handoff of a workstream added others."""

    by: WorkstreamId
    workstreams: Mapping[str, Workstream]


class ExpansionRefused(Struct, frozen=True, kw_only=True):
    """What a handoff wanted to add no longer fits the plan."""

    workstream: WorkstreamId
    problems: tuple[str, ...]
