"""The state of one run, as values that `fold/run.py` makes from events, and questions about it.

What is known of each workstream is in `state/workstream.py`. What is unknown is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from wt_orchestrate.domain.agent.notes import SharedFinding
from wt_orchestrate.domain.effects import EffectKey, EffectKind, advance_key
from wt_orchestrate.domain.events.forecast import BlindSpot, Clash
from wt_orchestrate.domain.events.run import RepositoryChange
from wt_orchestrate.domain.ids import Branch, CommitId, ProcessId, RunId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import AgentType, Plan
from wt_orchestrate.domain.plan.permissions import reads_only
from wt_orchestrate.domain.plan.settings import Settings, agent_spec, role_of
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import Account
from wt_orchestrate.domain.state.lifecycle import Phase
from wt_orchestrate.domain.state.train import Candidate, Judgement, Landing, Suspect, Train
from wt_orchestrate.domain.state.workstream import Usage, WorkstreamState, cost_usd, is_reviewer


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


class ForecastState(Struct, frozen=True, kw_only=True):
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


class Failure(Struct, frozen=True, kw_only=True):
    """An effect that the outside world refused, and how often in a row."""

    count: int
    at: float
    reason: str
    hint: str
    final: bool


class BranchHead(Struct, frozen=True, kw_only=True):
    """Where a branch of ours is; all of it changes with each move."""

    commit: CommitId | None = None
    tree: TreeId | None = None
    order: int = 0
    """The number of the event that moved it there."""


class EffectsState(Struct, frozen=True, kw_only=True):
    """Effects that are intended and not concluded, and what came of those that were refused."""

    open: frozenset[EffectKey] = frozenset()
    """Keys of effects that are intended and not concluded."""
    pins: Mapping[EffectKey, Mapping[str, str]] = field(default_factory=dict)
    """What was decided for each when it was intended, until it is concluded."""
    failures: Mapping[EffectKey, Failure] = field(default_factory=dict)
    """Refusals, until the effect is concluded or a person acts."""


def intended(effects: EffectsState, key: EffectKey, pins: Mapping[str, str]) -> EffectsState:
    """The effects with one more that is under way."""
    return replace(effects, open=effects.open | {key}, pins={**effects.pins, key: pins} if pins else effects.pins)


class ChecksState(Struct, frozen=True, kw_only=True):
    """What checks have shown, and the slots they run in. It lives as long as the run."""

    judged: Mapping[TreeId, Mapping[str, Judgement]] = field(default_factory=dict)
    """Results, by tree and command: the same tree is never checked twice."""
    begun: int = 0
    """How many checks were started."""
    slots: Mapping[int, CommitId] = field(default_factory=dict)
    """The commit that is checked out in each slot."""


class BaseChecks(Struct, frozen=True, kw_only=True):
    """The checks that run on the base before the first agent starts."""

    wanted: tuple[str, ...] = ()
    """Their commands; none where nobody asked for them."""
    tree: TreeId | None = None
    known: Mapping[TreeId, tuple[str, ...]] = field(default_factory=dict)
    """Commands that passed on trees of the run before this one."""
    judged: bool = False
    """Agents may start: they passed, or a person released the run."""
    red: str = ""
    """The command that fails on the base."""
    log: str = ""


class Rides(Struct, frozen=True, kw_only=True):
    """How many claims the train integrated, and how many it rejected."""

    integrated: int = 0
    rejected: int = 0


class LandedHead(Struct, frozen=True, kw_only=True):
    """What was landed last, and when; None before."""

    commit: CommitId | None = None
    at: float | None = None
    integration: CommitId | None = None
    """The integration head of then: `commit`, or a merge of it and what it was made from."""


class Wishes(Struct, frozen=True, kw_only=True):
    """What people asked to be done with worktrees; each wish lives until it is done or refused."""

    cleaning: Mapping[WorkstreamId, bool] = field(default_factory=dict)
    """Worktrees to remove; True: by force."""
    restoring: frozenset[WorkstreamId] = frozenset()
    taking_over: Mapping[WorkstreamId, str] = field(default_factory=dict)
    """Workstreams whose commits made elsewhere are to be taken over, each with the branch that was named."""


class MachineRoom(Struct, frozen=True, kw_only=True):
    """Whether the machine has room for agents, as it was found last."""

    reason: str = ""
    """Why there is none for another one."""
    full: bool = False
    """There is not even room for a first one."""


class ClockJumps(Struct, frozen=True, kw_only=True):
    """Times at which nothing could happen."""

    skipped_s: float = 0.0
    """How many seconds since the start the machine slept or its clock was moved."""
    woke_at: float = 0.0
    """When that last happened: silence is counted from there."""


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
    integration: BranchHead = BranchHead()
    """The head of the integration branch in the vault."""
    published: BranchHead = BranchHead()
    """The integration head in the user's repository; its tree is not looked at."""
    workstreams: Mapping[WorkstreamId, WorkstreamState] = field(default_factory=dict)
    effects: EffectsState = EffectsState()
    commands: Mapping[ProcessId, Command] = field(default_factory=dict)
    checks: ChecksState = ChecksState()
    train: Train = field(default_factory=Train)
    suspects: tuple[Suspect, ...] = ()
    gates: Mapping[str, GateState] = field(default_factory=dict)
    """The gates of stages, by stage."""
    base_checks: BaseChecks = field(default_factory=BaseChecks)
    rides: Rides = Rides()
    candidate: Candidate | None = None
    landing: Landing | None = None
    landed: LandedHead = LandedHead()
    land_refusal: str = ""
    wishes: Wishes = Wishes()
    accounts: Mapping[str, Account] = field(default_factory=dict)
    sandbox: str = "none"
    """What the newest supervisor starts processes in."""
    remotes: Mapping[str, str] = field(default_factory=dict)
    """The repository's remotes when the run started."""
    author: str = ""
    """Whose the merge commits are, as `Name <address>`; empty for the tool's own."""
    changed: Mapping[str, RepositoryChange] = field(default_factory=dict)
    """What differs in the user's repository from what it was when the run started, by name."""
    on_hold: bool = False
    room: MachineRoom = MachineRoom()
    usage: Usage = Usage()
    """What is known of the run's limits."""
    clock: ClockJumps = ClockJumps()
    forecast: ForecastState = field(default_factory=ForecastState)
    """The forecast conflicts."""
    shared: tuple[SharedFinding, ...] = ()
    """Findings that agents shared, oldest first."""
    number: int = 0
    """The number of the last event folded in."""
    at: float = 0.0


def agent_name(state: RunState, workstream: WorkstreamState) -> str:
    return workstream.spec.agent or state.plan.defaults.agent


def followers(state: RunState, name: WorkstreamId) -> tuple[WorkstreamState, ...]:
    """Those that continue its work, one after another."""
    found: list[WorkstreamState] = []
    after = {ws.spec.continues: ws for ws in state.workstreams.values() if ws.spec.continues}
    while name in after and len(found) < len(after):
        found.append(after[name])
        name = after[name].id
    return tuple(found)


def may_only_read(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether its agent may write nothing but its handoff: it reviews, summarises a stage, or its role only reads."""
    by_trade = is_reviewer(workstream) or bool(workstream.spec.synthesises)
    return by_trade or reads_only(role_of(workstream.spec.role, settings=state.settings))


def owes(state: RunState, workstream: WorkstreamState) -> Sequence[str]:
    """The sections that its role's handoff must have; for a review, its brief asks for them."""
    role = role_of(workstream.spec.role, settings=state.settings)
    return role.handoff if role is not None and not is_reviewer(workstream) else ()


def lands_on(state: RunState) -> Branch:
    """The branch that a landing moves: the run's target, or the one that the landing under way names instead."""
    return Branch(state.landing.onto) if state.landing is not None and state.landing.onto else state.target


def takes_messages(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether its agent can get messages while it runs."""
    spec = agent_spec(agent_name(state, workstream), plan_agents=state.plan.agents, settings=state.settings)
    return spec is not None and spec.type is AgentType.CLAUDE_CODE


def run_cost_usd(state: RunState) -> float:
    return sum(cost_usd(workstream) for workstream in state.workstreams.values())


def committed(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether an effect is under way for it that cannot be undone, so that its outcome must be awaited: an agent is
    being started, or the integration branch is being moved to its work."""
    return workstream.id in advancing(state) or is_starting(state, workstream)


def is_starting(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether an agent is just being started for it."""
    return any(key.kind == EffectKind.START and key.workstream == workstream.id for key in state.effects.open)


def advancing(state: RunState) -> frozenset[WorkstreamId]:
    """Workstreams to whose work the integration branch is being moved."""
    aboard: list[WorkstreamId] = []
    for car in state.train.cars:
        aboard.append(car.workstream)
        if advance_key(car.commit) in state.effects.open:
            return frozenset(aboard)
    return frozenset()


def aboard(state: RunState, workstream: WorkstreamId) -> bool:
    """Whether its claim is in the train, or set aside as a suspect."""
    names = (*(car.workstream for car in state.train.cars), *(suspect.workstream for suspect in state.suspects))
    return workstream in names
