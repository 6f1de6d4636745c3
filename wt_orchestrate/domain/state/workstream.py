"""The state of one workstream, in parts that each have one lifetime, and questions answered from it alone.

What an event ends, it ends as a whole: a claim lives until it is withdrawn, a conflict until the next one, faults until the
next claim, tries until a person says that it can go on. Making one of them again is one assignment, so that nothing of a
former life is forgotten in it. `Stage` says where it is in its life. `held` is not a stage: a queued workstream is held while
something it needs cannot go on, and that is computed, never stored.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from wt_orchestrate.domain.agent.handoff import Handoff
from wt_orchestrate.domain.agent.review_findings import Review
from wt_orchestrate.domain.events.memory import MemoryRecalled
from wt_orchestrate.domain.events.pull_requests import PullRequest
from wt_orchestrate.domain.events.worktree import CommitLine
from wt_orchestrate.domain.ids import Branch, CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream
from wt_orchestrate.domain.plan.retry_ladder import Cause
from wt_orchestrate.domain.plan.roles import ARBITER, REVIEWER
from wt_orchestrate.domain.plan.settings import TRY_UNION
from wt_orchestrate.domain.state.attempt import Attempt, Message, MessageKind
from wt_orchestrate.domain.state.comments import Comment
from wt_orchestrate.domain.state.lifecycle import Stage
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


class Approval(Struct, frozen=True, kw_only=True):
    """What a person has to let through before it is integrated. Paths; `.` for all of them."""

    asked: tuple[str, ...] = ()
    """What it is held for now, or was held for last."""
    given: tuple[str, ...] = ()
    """What a person let through."""


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
    why: Mapping[str, str] = field(default_factory=dict)
    """Why not, by path, where a rule was tried."""
    arbiter: WorkstreamId | None = None
    """The arbiter that was called to resolve it."""
    settled_by: Mapping[str, str] = field(default_factory=dict)
    """How each path was resolved."""
    resolved: CommitId | None = None
    """The merge commit in which it was resolved."""


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
    held: bool = False
    """They only wait for a person's word."""
    failed_check: CheckResult | None = None
    blame: Blame | None = None
    """What is certain about its failed check."""


class Outcome(Struct, frozen=True, kw_only=True):
    """Why it failed, was cancelled or needs a person, and what a person can do; empty once it goes on."""

    reason: str = ""
    hint: str = ""
    commands: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()


class WorkstreamState(Struct, frozen=True, kw_only=True):
    """The state of one workstream."""

    id: WorkstreamId
    spec: Workstream
    stage: Stage = Stage.QUEUED
    since: float = 0.0
    """When it entered this stage."""
    since_order: int = 0
    """The number of the event that moved it there."""
    base: CommitId | None = None
    worktree: str | None = None
    branch: Branch | None = None
    allowed: tuple[str, ...] = ()
    """Rules that a person added for its agents."""
    checkout: Checkout = Checkout()
    setup: Setup = Setup()
    attempts: tuple[Attempt, ...] = ()
    retry: Retry | None = None
    head: CommitId | None = None
    head_at: float | None = None
    commits: int = 0
    history: tuple[CommitLine, ...] = ()
    handoff: Handoff | None = None
    handoffs: Handoffs = Handoffs()
    claims: int = 0
    """How many claims were made."""
    claim: Claim | None = None
    """The claim that is verified, or was integrated; None before the first one and once it is withdrawn."""
    looked_at: CommitId | None = None
    """The head of the last claim that was verified, whatever the result."""
    change: Change = Change()
    approval: Approval = Approval()
    faults: Faults = Faults()
    conflict: Conflict | None = None
    """The last conflict of its work, resolved or not."""
    checks: tuple[CheckResult, ...] = ()
    tries: Tries = Tries()
    messages: tuple[Message, ...] = ()
    comments: tuple[Comment, ...] = ()
    """Comments of reviewers, oldest first."""
    reviewer: WorkstreamId | None = None
    """The reviewer that was called last."""
    review: Review | None = None
    """The last review."""
    pull_request: PullRequest | None = None
    on_hold: bool = False
    stopped_in: Stage | None = None
    """The stage in which it was stopped."""
    cancelling: str = ""
    redirected: bool = False
    """Its brief changed since its running agent got it."""
    usage: Usage = Usage()
    further: Mapping[str, Workstream] = field(default_factory=dict)
    """Workstreams that its accepted handoff adds."""
    outcome: Outcome = Outcome()
    answer: str | None = None
    stopping: bool = False
    merged: Merged | None = None
    """How it was integrated; None until then."""
    started_at: float | None = None
    added_by: WorkstreamId | None = None
    """The workstream whose handoff added it."""
    recalled: MemoryRecalled | None = None
    """What the memory has for its brief; None until it was asked."""


def live_attempt(workstream: WorkstreamState) -> Attempt | None:
    """The attempt whose process may be alive; None if there is none."""
    last = workstream.attempts[-1] if workstream.attempts else None
    return last if last is not None and last.ended_at is None else None


def last_attempt(workstream: WorkstreamState) -> Attempt | None:
    return workstream.attempts[-1] if workstream.attempts else None


def newest_of(workstream: WorkstreamState) -> CommitId | None:
    """The newest accepted commit of its work, conflict resolutions included."""
    return accepted(workstream) or workstream.looked_at or workstream.head


def acceptance(workstream: WorkstreamState) -> Accepted | None:
    """That its claim was accepted; None while nothing is."""
    return workstream.claim.accepted if workstream.claim is not None else None


def accepted(workstream: WorkstreamState) -> CommitId | None:
    """The commit of its accepted claim, resolutions of conflicts included; None while nothing is accepted."""
    found = acceptance(workstream)
    return found.commit if found is not None else None


def integrated_as(workstream: WorkstreamState) -> CommitId | None:
    """The merge commit that holds its work; None before, and if it had no commits."""
    return workstream.merged.commit if workstream.merged is not None else None


def integrated_order(workstream: WorkstreamState) -> int:
    """The number of the event that integrated its commits; 0 before, and if it had none."""
    return workstream.merged.order if workstream.merged is not None else 0


def claimed_by_person(workstream: WorkstreamState) -> bool:
    """Whether a person says that it is finished, not its agent."""
    return workstream.claim is not None and workstream.claim.by_person


def open_conflict(workstream: WorkstreamState) -> Conflict | None:
    """The conflict that somebody or something must still resolve."""
    found = workstream.conflict
    return found if found is not None and found.open else None


def conflict_paths(workstream: WorkstreamState) -> tuple[str, ...]:
    """Where its work conflicts with the integration head now."""
    found = open_conflict(workstream)
    return found.paths if found is not None else ()


def settlement(workstream: WorkstreamState) -> Mapping[str, str]:
    """How each path of its conflict was resolved, in the merge that stands for its claim now; empty if it had none."""
    found, head = workstream.conflict, accepted(workstream)
    if found is None or found.open or head is None or head not in {found.head, found.resolved}:
        return {}
    return found.settled_by


def guessed_paths(workstream: WorkstreamState) -> tuple[str, ...]:
    """Where union was tried on its conflict."""
    return tuple(path for path, how in settlement(workstream).items() if how == TRY_UNION)


def is_arbiter(workstream: WorkstreamState) -> bool:
    """Whether it resolves the conflict of the workstream it serves."""
    return bool(workstream.spec.serves) and workstream.spec.role == ARBITER


def is_reviewer(workstream: WorkstreamState) -> bool:
    """Whether it reviews the claims of the workstream it serves."""
    return bool(workstream.spec.serves) and workstream.spec.role == REVIEWER


def cost_usd(workstream: WorkstreamState) -> float:
    return sum(attempt.cost_usd for attempt in workstream.attempts)


def progress_at(workstream: WorkstreamState, attempt: Attempt) -> float:
    """When it last made progress: output, a commit, a handoff, the start, or a nudge."""
    signs = (attempt.started_at, attempt.seen_at, attempt.nudged_at, workstream.head_at, workstream.handoffs.at)
    return max(at for at in signs if at is not None)


def undelivered(workstream: WorkstreamState) -> tuple[Message, ...]:
    """Messages from people that have not been proved to have arrived, oldest first."""
    return tuple(
        message
        for message in workstream.messages
        if message.delivered_at is None and message.kind is MessageKind.PERSON and message.text
    )


def to_carry(workstream: WorkstreamState) -> tuple[Message, ...]:
    """What the next attempt's prompt adds to its brief, oldest first: messages from people, and findings of other
    agents."""
    kinds = {MessageKind.PERSON, MessageKind.SHARED}
    return tuple(each for each in workstream.messages if each.delivered_at is None and each.kind in kinds and each.text)
