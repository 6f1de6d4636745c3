"""The state of one run, as values that `fold/run.py` makes from events, and questions about them.

`Stage` says where a workstream is in its life. `held` is not a stage: a queued workstream is held while something it
needs cannot go on, and that is computed, never stored. What is unknown is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from wt_orchestrate.domain.agent.handoff import Handoff
from wt_orchestrate.domain.agent.notes import SharedFinding
from wt_orchestrate.domain.agent.review_findings import Review
from wt_orchestrate.domain.effects import EffectKey, EffectKind, advance_key
from wt_orchestrate.domain.events.forecast import BlindSpot, Clash
from wt_orchestrate.domain.events.memory import MemoryRecalled
from wt_orchestrate.domain.events.pull_requests import PullRequest
from wt_orchestrate.domain.events.run import RepositoryChange
from wt_orchestrate.domain.events.worktree import CommitLine
from wt_orchestrate.domain.ids import Branch, CommitId, ProcessId, RunId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType, Plan, Workstream
from wt_orchestrate.domain.plan.permissions import reads_only
from wt_orchestrate.domain.plan.roles import ARBITER, REVIEWER
from wt_orchestrate.domain.plan.settings import Settings, agent_spec, role_of
from wt_orchestrate.domain.state.attempt import Account, Attempt, Message, MessageKind
from wt_orchestrate.domain.state.comments import Comment
from wt_orchestrate.domain.state.lifecycle import Phase, Stage
from wt_orchestrate.domain.state.train import Candidate, CheckResult, Judgement, Landing, Suspect, Train
from wt_orchestrate.domain.state.workstream import (
    Accepted,
    Change,
    Checkout,
    Claim,
    Conflict,
    Faults,
    Handoffs,
    Merged,
    Outcome,
    Retry,
    Setup,
    Tries,
    Usage,
)


class GateState(Struct, frozen=True, kw_only=True):
    """The state of one gate. `round` counts the endings of its stage: more work or another claim makes a new one. The
    round that a person is shown also counts `changes`."""

    round: int = 0
    reached_at: float = 0.0
    """When it started to wait for this round."""
    approved: bool = False
    approved_at: float = 0.0
    sent_back: int = 0
    """How often a person sent the synthesis back."""
    changes: int = 0
    """How often a person changed what waits for it, before it was passed."""


class Outlook(Struct, frozen=True, kw_only=True):
    """The last forecast. Times are wall seconds; a forecast is under way if it started after the last one ended."""

    conflicts: tuple[Clash, ...] = ()
    blind: tuple[BlindSpot, ...] = ()
    basis: tuple[str, ...] = ()
    """What it was made of: the integration head and each side."""
    begun_at: float = 0.0
    ended_at: float = 0.0
    seen_at: float = 0.0
    """When the forecast conflicts last changed."""
    told: frozenset[tuple[str, str, str]] = frozenset()
    """(workstream, other, path) of the warnings that were sent."""


class Command(Struct, frozen=True, kw_only=True):
    """A setup command or a check that runs as a kept process."""

    process: ProcessId
    workstream: WorkstreamId | None
    purpose: str
    command: str
    started_at: float
    commit: CommitId | None = None
    tree: TreeId | None = None
    """The tree that a check judges; None in old logs."""
    slot: int = 0
    """The slot of a check; 0 in old logs."""
    probe: str = ""
    ahead: tuple[WorkstreamId, ...] = ()


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


class Failure(Struct, frozen=True, kw_only=True):
    """An effect that the outside world refused, and how often in a row."""

    count: int
    at: float
    reason: str
    hint: str
    final: bool


class RunState(Struct, frozen=True, kw_only=True):
    """The state of one run."""

    id: RunId
    plan: Plan
    settings: Settings
    plan_path: str
    repository: str
    target: Branch
    base: CommitId
    seed: str
    land_when_done: bool
    started_at: float
    phase: Phase = Phase.RUNNING
    reason: str = ""
    ended_at: float | None = None
    integration: CommitId | None = None
    integration_order: int = 0
    """The number of the event that made it the integration head."""
    integration_tree: TreeId | None = None
    published: CommitId | None = None
    """The integration head in the user's repository."""
    published_order: int = 0
    workstreams: Mapping[WorkstreamId, WorkstreamState] = field(default_factory=dict)
    open: frozenset[EffectKey] = frozenset()
    """Keys of effects that are intended and not concluded."""
    pins: Mapping[EffectKey, Mapping[str, str]] = field(default_factory=dict)
    failures: Mapping[EffectKey, Failure] = field(default_factory=dict)
    commands: Mapping[ProcessId, Command] = field(default_factory=dict)
    judged: Mapping[TreeId, Mapping[str, Judgement]] = field(default_factory=dict)
    """Results of checks, by tree and command: the same tree is never checked twice."""
    checks_begun: int = 0
    slots: Mapping[int, CommitId] = field(default_factory=dict)
    """The commit that is checked out in each slot for checks."""
    train: Train = field(default_factory=Train)
    suspects: tuple[Suspect, ...] = ()
    gates: Mapping[str, GateState] = field(default_factory=dict)
    """The gates of stages, by stage."""
    rides: tuple[int, int] = (0, 0)
    """How many claims the train integrated, and how many it rejected."""
    candidate: Candidate | None = None
    landing: Landing | None = None
    landed: CommitId | None = None
    landed_at: float | None = None
    land_refusal: str = ""
    cleaning: Mapping[WorkstreamId, bool] = field(default_factory=dict)
    """Worktrees to remove; True: by force."""
    restoring: frozenset[WorkstreamId] = frozenset()
    taking_over: Mapping[WorkstreamId, str] = field(default_factory=dict)
    """Workstreams whose commits made elsewhere are to be taken over, each with the branch that was named."""
    accounts: Mapping[str, Account] = field(default_factory=dict)
    remotes: Mapping[str, str] = field(default_factory=dict)
    """The repository's remotes when the run started."""
    changed: Mapping[str, RepositoryChange] = field(default_factory=dict)
    """What differs in the user's repository from what it was when the run started, by name."""
    on_hold: bool = False
    admission: str = ""
    """Why the machine has no room for another agent."""
    full: bool = False
    """There is not even room for a first one."""
    usage: Usage = Usage()
    """What is known of the run's limits."""
    skipped_s: float = 0.0
    """How many seconds since the start the machine slept or its clock was moved."""
    woke_at: float = 0.0
    """When that last happened: silence is counted from there."""
    forecast: Outlook = field(default_factory=Outlook)
    """The forecast conflicts."""
    shared: tuple[SharedFinding, ...] = ()
    """Findings that agents shared, oldest first."""
    number: int = 0
    """The number of the last event folded in."""
    at: float = 0.0


def live_attempt(workstream: WorkstreamState) -> Attempt | None:
    """The attempt whose process may be alive; None if there is none."""
    last = workstream.attempts[-1] if workstream.attempts else None
    return last if last is not None and last.ended_at is None else None


def last_attempt(workstream: WorkstreamState) -> Attempt | None:
    return workstream.attempts[-1] if workstream.attempts else None


def agent_name(state: RunState, workstream: WorkstreamState) -> str:
    return workstream.spec.agent or state.plan.defaults.agent


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


def followers(state: RunState, name: WorkstreamId) -> tuple[WorkstreamState, ...]:
    """Those that continue its work, one after another."""
    found: list[WorkstreamState] = []
    after = {ws.spec.continues: ws for ws in state.workstreams.values() if ws.spec.continues}
    while name in after and len(found) < len(after):
        found.append(after[name])
        name = after[name].id
    return tuple(found)


def is_arbiter(workstream: WorkstreamState) -> bool:
    """Whether it resolves the conflict of the workstream it serves."""
    return bool(workstream.spec.serves) and workstream.spec.role == ARBITER


def is_reviewer(workstream: WorkstreamState) -> bool:
    """Whether it reviews the claims of the workstream it serves."""
    return bool(workstream.spec.serves) and workstream.spec.role == REVIEWER


def may_only_read(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether its agent may write nothing but its handoff: it reviews, summarises a stage, or its role only reads."""
    by_trade = is_reviewer(workstream) or bool(workstream.spec.synthesises)
    return by_trade or reads_only(role_of(workstream.spec.role, settings=state.settings))


def owes(state: RunState, workstream: WorkstreamState) -> Sequence[str]:
    """The sections that its role's handoff must have; for a review, its brief asks for them."""
    role = role_of(workstream.spec.role, settings=state.settings)
    return role.handoff if role is not None and not is_reviewer(workstream) else ()


def takes_messages(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether its agent can get messages while it runs."""
    spec = agent_spec(agent_name(state, workstream), plan_agents=state.plan.agents, settings=state.settings)
    return spec is not None and spec.type is AgentType.CLAUDE_CODE


def cost_usd(workstream: WorkstreamState) -> float:
    return sum(attempt.cost_usd for attempt in workstream.attempts)


def run_cost_usd(state: RunState) -> float:
    return sum(cost_usd(workstream) for workstream in state.workstreams.values())


def progress_at(workstream: WorkstreamState, attempt: Attempt) -> float:
    """When it last made progress: output, a commit, a handoff, the start, or a nudge."""
    signs = (attempt.started_at, attempt.seen_at, attempt.nudged_at, workstream.head_at, workstream.handoffs.at)
    return max(at for at in signs if at is not None)


def committed(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether an effect is under way for it that cannot be undone, so that its outcome must be awaited: an agent is
    being started, or the integration branch is being moved to its work."""
    return workstream.id in advancing(state) or is_starting(state, workstream)


def is_starting(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether an agent is just being started for it."""
    return any(key.kind == EffectKind.START and key.workstream == workstream.id for key in state.open)


def advancing(state: RunState) -> frozenset[WorkstreamId]:
    """Workstreams to whose work the integration branch is being moved."""
    aboard: list[WorkstreamId] = []
    for car in state.train.cars:
        aboard.append(car.workstream)
        if advance_key(car.commit) in state.open:
            return frozenset(aboard)
    return frozenset()


def aboard(state: RunState, workstream: WorkstreamId) -> bool:
    """Whether its claim is in the train, or set aside as a suspect."""
    names = (*(car.workstream for car in state.train.cars), *(suspect.workstream for suspect in state.suspects))
    return workstream in names


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
