"""The parts of a workstream's state, each with one lifetime: what an event ends, it ends as a whole.

A claim lives until it is withdrawn, a conflict until the next one, faults until the next claim, tries until a person
says that it can go on. Making one of them again is one assignment, so that nothing of a former life is forgotten in it.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from wt_orchestrate.domain.ids import CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.retry_ladder import Cause
from wt_orchestrate.domain.state.train import Blame, CheckResult


class Elsewhere(Struct, frozen=True, kw_only=True):
    """Commits that its worktree's HEAD has and its branch does not."""

    head: CommitId
    branch: str = ""
    """The branch these are on; empty for a detached HEAD."""


class Checkout(Struct, frozen=True, kw_only=True):
    """The condition of its worktree."""

    removed: bool = False
    """It was removed by `clean`."""
    lost: str = ""
    """What was deleted: its worktree or its branch."""
    elsewhere: Elsewhere | None = None
    rescued: CommitId | None = None
    """Uncommitted work of the removed worktree, as a commit in the vault."""


class Setup(Struct, frozen=True, kw_only=True):
    """The setup commands in its worktree."""

    done: int = 0
    """How many of them passed."""
    tries: int = 0
    failure: str = ""
    log: str = ""
    """Where the output of the one that failed is."""


class Handoffs(Struct, frozen=True, kw_only=True):
    """How its handoff file was read. Times are wall seconds."""

    at: float | None = None
    versions: int = 0
    problem: str = ""
    """Why the newest one could not be read."""


class Accepted(Struct, frozen=True, kw_only=True):
    """An accepted claim: all evidence except the checks holds for this commit."""

    commit: CommitId
    at: float
    order: int
    """The number of the event that accepted it."""
    tree: TreeId | None = None
    """The tree of the head by itself."""


class Claim(Struct, frozen=True, kw_only=True):
    """A claim that its work is finished."""

    order: int
    """The number of the event that made it."""
    by_person: bool = False
    accepted: Accepted | None = None
    """None until its evidence was looked at."""


class Change(Struct, frozen=True, kw_only=True):
    """What its work changes, as of the last claim that was accepted."""

    files: int = 0
    added: int = 0
    deleted: int = 0
    paths: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()


class Conflict(Struct, frozen=True, kw_only=True):
    """A conflict of its work with the integration head. It stays, closed, until the next one: how it was resolved is
    judged and shown later."""

    paths: tuple[str, ...]
    head: CommitId
    """Its own head in the conflict, before anybody resolved it."""
    onto: CommitId
    open: bool = True
    """Nobody resolved it yet, and nobody is about to look at other work instead."""
    unsettled: bool = False
    """No automatic rule resolves it."""
    arbiter: WorkstreamId | None = None
    """The arbiter that was called to resolve it."""
    settled_by: Mapping[str, str] = field(default_factory=dict)
    """How each path was resolved."""


class Merged(Struct, frozen=True, kw_only=True):
    """Its integration."""

    at: float
    commit: CommitId | None = None
    """The merge commit; None if it had no commits of its own."""
    order: int = 0
    """The number of the event that integrated its commits; 0 if it had none."""


class Usage(Struct, frozen=True, kw_only=True):
    """What is known of a budget, of a workstream or of the run, since it was set."""

    limits: Mapping[str, bool] = field(default_factory=dict)
    """Limits that are nearly used up, by name; True: used up."""
    wrapping_since: float | None = None
    """When agents were asked to end because of a limit."""


class Retry(Struct, frozen=True, kw_only=True):
    """The next attempt: decided, and waiting for its time and a free slot."""

    reason: str
    message: str
    fresh: bool
    not_before: float


class Tries(Struct, frozen=True, kw_only=True):
    """What was tried since a person last said that it can go on, which resets all of it."""

    by_cause: Mapping[Cause, int] = field(default_factory=dict)
    """How often the retry ladder was used, by cause."""
    passed_most: int = 0
    """The most checks that ever passed on one tree with its work."""
    after: int = 0
    """How many attempts there were before."""
    called_for: int = 0
    """The claim that its reviewer was called for."""


class Faults(Struct, frozen=True, kw_only=True):
    """What is wrong with its claim; a new claim has none."""

    findings: tuple[str, ...] = ()
    failed_check: CheckResult | None = None
    blame: Blame | None = None
    """What is certain about its failed check."""


class Outcome(Struct, frozen=True, kw_only=True):
    """Why it failed, was cancelled or needs a person, and what a person can do; empty once it goes on."""

    reason: str = ""
    hint: str = ""
    commands: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
