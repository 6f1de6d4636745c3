"""Which worktrees, setups and attempts should start now.

A workstream is ready when everything it needs is integrated. Ready ones start in the order of the longest chain of work
that waits for them, then in the plan's order. A slot is taken from the moment a worktree is being made until the
attempt has ended; a workstream that waits for its retry takes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import lru_cache
from uuid import UUID, uuid5

from wt_orchestrate.domain.brief.brief import brief, resumed_brief
from wt_orchestrate.domain.effects import (
    CreateWorktree,
    Effect,
    EffectKind,
    RunSetup,
    StartAttempt,
    effect_key,
    of_kind,
    pins,
    start_key,
    worktree_key,
)
from wt_orchestrate.domain.ids import AttemptId, CommitId, ProcessId, WorkstreamId, attempt_id
from wt_orchestrate.domain.memory.recall import may_start
from wt_orchestrate.domain.plan.graph import dependents
from wt_orchestrate.domain.plan.model import Plan, seconds
from wt_orchestrate.domain.plan.stages import behind, stage_names
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.schedule.accounts import free_account, has_place
from wt_orchestrate.domain.schedule.budget import money_left, time_is_up, turns_left
from wt_orchestrate.domain.state.checks import awaits_base
from wt_orchestrate.domain.state.lifecycle import DONE, STUCK, Phase, Stage
from wt_orchestrate.domain.state.run import RunState, aboard, intended, is_starting, takes_messages
from wt_orchestrate.domain.state.stages import needs, waits_for_stage
from wt_orchestrate.domain.state.workstream import (
    WorkstreamState,
    integrated_order,
    is_reviewer,
    last_attempt,
    live_attempt,
    newest_of,
    to_carry,
)


def schedule(state: RunState, now: float) -> Sequence[Effect]:
    """The worktrees, setups and attempts that should be under way and are not."""
    if state.phase is not Phase.RUNNING or state.integration.commit is None:
        return ()
    if state.on_hold or state.room.full or time_is_up(state) or awaits_base(state):
        return ()
    effects: list[Effect] = []
    taken = sum(takes_place(state, ws) for ws in state.workstreams.values())
    free = _places(state, taken) - taken
    chain = _chain(state.plan)
    placed = state
    for workstream in sorted(state.workstreams.values(), key=lambda ws: -chain[ws.id]):
        effect = _next(placed, workstream, now, free=free)
        if effect is None:
            continue
        if not takes_place(state, workstream):
            free -= 1
        effects.append(effect)
        placed = _placed(placed, effect)
    return _staggered(state, effects, now)


def _placed(state: RunState, effect: Effect) -> RunState:
    """What the next start of the same decision sees: this one has taken its place on an account."""
    if not isinstance(effect, StartAttempt) or not effect.account:
        return state
    key = effect_key(effect)
    return replace(state, effects=intended(state.effects, key, pins(effect)))


def _places(state: RunState, taken: int) -> int:
    """How many agents there may be. If the machine has no room for more: those at work, and at least one."""
    return min(state.plan.limits.agents, max(1, taken)) if state.room.reason else state.plan.limits.agents


def takes_place(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether it counts against `limits.agents`."""
    if live_attempt(workstream) is not None:
        return True
    if workstream.stage is not Stage.PREPARING:
        return False
    return workstream.retry is None or is_starting(state, workstream)


def held_by(state: RunState, workstream: WorkstreamState) -> tuple[WorkstreamId, ...]:
    """Why a queued workstream can never start: the needs that cannot go on."""
    if workstream.stage is not Stage.QUEUED or not any(ws.stage in STUCK for ws in state.workstreams.values()):
        return ()
    held = _held(_Same(state))
    return tuple(need.id for need in needs(state, workstream) if need.stage in STUCK or need.id in held)


class _Same:
    """A state as a cache key: states never change, so the same one has the same answer. The view asks for every
    workstream."""

    __slots__ = ("state",)

    def __init__(self, state: RunState) -> None:
        self.state = state

    def __hash__(self) -> int:
        return id(self.state.workstreams)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same):
            return NotImplemented
        return self.state.workstreams is other.state.workstreams and self.state.plan is other.state.plan


@lru_cache(maxsize=2)
def _held(same: _Same) -> Set[WorkstreamId]:
    """Every queued workstream that can never start as things are. Each stage is computed as a whole, because each of
    its workstreams needs all earlier stages: one by one, three stages of a hundred would be a million questions."""
    state = same.state
    known: dict[WorkstreamId, bool] = {}
    blocked: list[str] = []

    def cannot(ws: WorkstreamState, *, given_up: bool) -> bool:
        if ws.stage is not Stage.QUEUED:
            return ws.stage in STUCK and (given_up or ws.stage is not Stage.CANCELLED)
        if ws.id not in known:
            late = bool(ws.spec.stage) and ws.spec.stage in blocked
            named = (state.workstreams[WorkstreamId(name)] for name in ws.spec.needs)
            known[ws.id] = late or any(cannot(need, given_up=True) for need in named)
        return known[ws.id]

    for stage in stage_names(state.plan):
        own = [ws for ws in state.workstreams.values() if ws.spec.stage == stage]
        if not blocked and any(cannot(ws, given_up=False) for ws in own):
            blocked += behind(state.plan, stage)
            known.update({ws.id: True for ws in state.workstreams.values() if ws.spec.stage in blocked})
    for ws in state.workstreams.values():
        cannot(ws, given_up=False)
    return {name for name, stuck in known.items() if stuck}


def rests(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether a person put it on hold and nothing of it is under way any more."""
    if not state.on_hold and not any(ws.on_hold for ws in state.workstreams.values()):
        return False
    on_hold = (state.on_hold or workstream.on_hold) and not aboard(state, workstream.id)
    waiting = {Stage.QUEUED, Stage.PREPARING} if state.on_hold else {Stage.QUEUED, Stage.PREPARING, Stage.VERIFYING}
    if on_hold and workstream.stage in waiting and live_attempt(workstream) is None:
        return True
    return workstream.stage is Stage.QUEUED and any(rests(state, need) for need in needs(state, workstream))


def waits_for(state: RunState, workstream: WorkstreamState) -> tuple[WorkstreamId, ...]:
    """The needs of a workstream that are not integrated, or not yet published in the user's repository."""
    return tuple(
        need.id
        for need in needs(state, workstream)
        if need.stage not in DONE or integrated_order(need) > state.published.order
    )


def may_begin(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether a queued workstream only waits for a slot: its needs are integrated, and the stages before it are over."""
    return not waits_for(state, workstream) and not waits_for_stage(state, workstream)


def _chain(plan: Plan) -> Mapping[str, int]:
    """For each workstream, the length of the longest chain that starts with it."""
    waiting = dependents(plan)
    lengths: dict[str, int] = {}

    def length(name: str) -> int:
        if name not in lengths:
            lengths[name] = 1 + max((length(after) for after in waiting[name]), default=0)
        return lengths[name]

    for name in plan.workstreams:
        length(name)
    return lengths


def _next(state: RunState, workstream: WorkstreamState, now: float, *, free: int) -> Effect | None:
    if workstream.stopping or workstream.cancelling or workstream.on_hold:
        return None
    if workstream.checkout.lost or workstream.checkout.removed:
        return None
    if workstream.id in state.wishes.cleaning:
        return None
    if free < 1 and not takes_place(state, workstream):
        return None
    match workstream.stage:
        case Stage.QUEUED if not workstream.spec.branch:
            return _worktree(state, workstream) if may_begin(state, workstream) else None
        case Stage.PREPARING:
            return _prepare(state, workstream, now)
        case _:
            return None


def _prepare(state: RunState, workstream: WorkstreamState, now: float) -> Effect | None:
    if workstream.worktree is None:
        return _worktree(state, workstream)
    commands = (*state.settings.setup, *state.plan.setup)
    if workstream.setup.done < len(commands):
        if any(command.workstream == workstream.id for command in state.commands.values()):
            return None
        return RunSetup(
            workstream=workstream.id,
            process=ProcessId(f"{state.id}.{workstream.id}.setup.{workstream.setup.tries + 1}"),
            command=commands[workstream.setup.done],
            worktree=workstream.worktree,
        )
    if workstream.retry is not None and now < workstream.retry.not_before:
        return None
    if workstream.retry is not None and state.published.commit != state.integration.commit:
        return None  # it may be told to merge the integration branch, so the published one must be current
    return _attempt(state, workstream, now) if may_start(state, workstream) else None


def _served_at(workstream: WorkstreamState, served: WorkstreamState) -> CommitId | None:
    """What a reviewer or an arbiter starts from: the claim to review, or the side of the conflict."""
    if is_reviewer(workstream):
        return served.looked_at
    return served.conflict.head if served.conflict is not None else None


def _worktree(state: RunState, workstream: WorkstreamState) -> Effect:
    assert state.published.commit is not None and workstream.branch is not None
    pinned = state.effects.pins.get(worktree_key(workstream.id), {})
    served = state.workstreams.get(WorkstreamId(workstream.spec.serves)) if workstream.spec.serves else None
    continued = state.workstreams.get(WorkstreamId(workstream.spec.continues)) if workstream.spec.continues else None
    begins = _served_at(workstream, served) if served is not None else None
    if continued is not None:
        begins = newest_of(continued)
    base = pinned.get("base") or begins or state.published.commit
    path = pinned.get("path") or state.settings.worktrees.replace("{run}", state.id).replace(
        "{workstream}", workstream.id
    )
    return CreateWorktree(workstream=workstream.id, path=path, branch=workstream.branch, base=CommitId(base))


def _attempt(state: RunState, workstream: WorkstreamState, now: float) -> Effect | None:
    """The next attempt: in the last session if possible, else in a new one; None while no account is free."""
    epoch = len(workstream.attempts) + 1
    name = attempt_id(state.id, workstream.id, epoch)
    place = _place(state, workstream, name, now)
    if place is None:
        return None
    account, resume = place
    last, retry = last_attempt(workstream), workstream.retry
    pinned = state.effects.pins.get(start_key(name), {}).get("carries")
    told = tuple(each for each in to_carry(workstream) if pinned is None or each.id in pinned.split())
    if resume and last is not None:
        session, prompt = last.session, resumed_brief(retry.message if retry else "", told)
    else:
        session = str(uuid5(UUID(state.seed), name))
        news = tuple(message for message in told if not message.interrupts)  # a new session gets the new brief anyway
        prompt = brief(state, workstream, message=retry.message if retry else "", told=news)
    return StartAttempt(
        workstream=workstream.id,
        attempt=name,
        epoch=epoch,
        session=session,
        resume=resume,
        reason=retry.reason if retry else "first",
        prompt=prompt,
        budget_usd=money_left(state, workstream, now),
        turns=turns_left(state, workstream, now),
        account=account,
        carries=tuple(message.id for message in told),
    )


def _place(state: RunState, workstream: WorkstreamState, name: AttemptId, now: float) -> tuple[str, bool] | None:
    """The account for an attempt, and whether it resumes the last session; None while it must wait. A session belongs
    to its account: it waits while that is paused, unless it may move (then it starts a new session elsewhere)."""
    pinned = state.effects.pins.get(start_key(name))
    if pinned is not None:
        return pinned.get("account", ""), bool(pinned.get("resume"))
    if not takes_messages(state, workstream):
        return "", False
    last, retry = last_attempt(workstream), workstream.retry
    if last is not None and last.answered and not (retry is not None and retry.fresh):
        if has_place(state, last.account, now):
            return last.account, True
        if not state.settings.recovery.move:
            return None
    account = free_account(state, now)
    return None if account is None else (account, False)


def _staggered(state: RunState, effects: Sequence[Effect], now: float) -> Sequence[Effect]:
    """At most one start of a Claude Code client per pause: sixteen at once occupy the machine for ten seconds each."""
    pause = seconds(state.settings.stagger) or 0.0
    started = [a.started_at for ws in state.workstreams.values() for a in ws.attempts if not a.ended_at]
    clear = now - max(started, default=0.0) >= pause and not of_kind(state.effects.open, EffectKind.START)
    kept: list[Effect] = []
    for effect in effects:
        if isinstance(effect, StartAttempt) and pause and takes_messages(state, state.workstreams[effect.workstream]):
            if not clear:
                continue
            clear = False
        kept.append(effect)
    return kept
