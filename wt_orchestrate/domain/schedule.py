"""What may start now: needs, places, order.

A workstream is ready when everything it needs is integrated. Ready ones start in the order of the longest chain of work
that waits behind them, then in the plan's order. A place is taken from the moment a worktree is being made until the
attempt has ended; a workstream that waits for its retry takes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID, uuid5

from wt_orchestrate.domain.brief import brief, resumed_brief
from wt_orchestrate.domain.effects import CreateWorktree, Effect, RunSetup, StartAttempt
from wt_orchestrate.domain.graph import dependents, needs_of
from wt_orchestrate.domain.ids import CommitId, ProcessId, WorkstreamId, attempt_id
from wt_orchestrate.domain.plan import AgentType, Plan, seconds
from wt_orchestrate.domain.settings import agent_spec
from wt_orchestrate.domain.state import (
    DONE,
    Phase,
    RunState,
    Stage,
    WorkstreamState,
    agent_name,
    last_attempt,
    live_attempt,
    run_cost_usd,
)

_STUCK = frozenset({Stage.FAILED, Stage.ESCALATED, Stage.STOPPED})


def schedule(state: RunState, now: float) -> Sequence[Effect]:
    """The worktrees, setups and attempts that should be under way and are not."""
    if state.phase is not Phase.RUNNING or state.integration is None:
        return ()
    effects: list[Effect] = []
    free = state.plan.limits.agents - sum(takes_place(state, ws) for ws in state.workstreams.values())
    chain = _chain(state.plan)
    for workstream in sorted(state.workstreams.values(), key=lambda ws: -chain[ws.id]):
        effect = _next(state, workstream, now, free=free)
        if effect is None:
            continue
        if not takes_place(state, workstream):
            free -= 1
        effects.append(effect)
    return _staggered(state, effects, now)


def takes_place(state: RunState, workstream: WorkstreamState) -> bool:
    """Whether it counts against `limits.agents`."""
    if live_attempt(workstream) is not None:
        return True
    if workstream.stage is not Stage.PREPARING:
        return False
    return workstream.retry is None or any(key.startswith(f"start:{state.id}.{workstream.id}.") for key in state.open)


def held_by(state: RunState, workstream: WorkstreamState) -> tuple[WorkstreamId, ...]:
    """What keeps a queued workstream from ever starting: the needs that cannot go on."""
    if workstream.stage is not Stage.QUEUED:
        return ()
    needs = [state.workstreams[name] for name in needs_of(state.plan, workstream.id)]
    return tuple(need.id for need in needs if need.stage in _STUCK or held_by(state, need))


def waits_for(state: RunState, workstream: WorkstreamState) -> tuple[WorkstreamId, ...]:
    """The needs of a workstream that are not integrated, or not yet shown in the user's repository."""
    needs = (state.workstreams[name] for name in needs_of(state.plan, workstream.id))
    return tuple(need.id for need in needs if need.stage not in DONE or need.integrated_order > state.published_order)


def _chain(plan: Plan) -> Mapping[str, int]:
    """For each workstream the length of the longest chain that starts with it."""
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
    if workstream.stopping or (free < 1 and not takes_place(state, workstream)):
        return None
    match workstream.stage:
        case Stage.QUEUED:
            return None if waits_for(state, workstream) else _worktree(state, workstream)
        case Stage.PREPARING:
            return _prepare(state, workstream, now)
        case _:
            return None


def _prepare(state: RunState, workstream: WorkstreamState, now: float) -> Effect | None:
    if workstream.worktree is None:
        return _worktree(state, workstream)
    commands = (*state.settings.setup, *state.plan.setup)
    if workstream.setup_done < len(commands):
        if any(command.workstream == workstream.id for command in state.commands.values()):
            return None
        return RunSetup(
            workstream=workstream.id,
            process=ProcessId(f"{state.id}.{workstream.id}.setup.{workstream.setup_tries + 1}"),
            command=commands[workstream.setup_done],
            worktree=workstream.worktree,
        )
    if workstream.retry is not None and now < workstream.retry.not_before:
        return None
    if workstream.retry is not None and state.published != state.integration:
        return None  # it may be told to merge the integration branch: it must find the one that is meant
    return _attempt(state, workstream)


def _worktree(state: RunState, workstream: WorkstreamState) -> Effect:
    assert state.published is not None and workstream.branch is not None
    pinned = state.pins.get(f"worktree:{workstream.id}", {})
    base = pinned.get("base", state.published)
    path = pinned.get("path") or state.settings.worktrees.replace("{run}", state.id).replace(
        "{workstream}", workstream.id
    )
    return CreateWorktree(workstream=workstream.id, path=path, branch=workstream.branch, base=CommitId(base))


def _attempt(state: RunState, workstream: WorkstreamState) -> Effect | None:
    epoch = len(workstream.attempts) + 1
    name = attempt_id(state.id, workstream.id, epoch)
    last, retry = last_attempt(workstream), workstream.retry
    spec = agent_spec(agent_name(state, workstream), plan_agents=state.plan.agents, settings=state.settings)
    keeps_session = spec is not None and spec.type is AgentType.CLAUDE_CODE
    resume = keeps_session and last is not None and last.answered and not (retry is not None and retry.fresh)
    if resume and last is not None:
        session, prompt = last.session, resumed_brief(retry.message if retry else "")
    else:
        session = str(uuid5(UUID(state.seed), name))
        prompt = brief(state, workstream, message=retry.message if retry else "")
    return StartAttempt(
        workstream=workstream.id,
        attempt=name,
        epoch=epoch,
        session=session,
        resume=resume,
        reason=retry.reason if retry else "first",
        prompt=prompt,
        budget_usd=_budget_left(state),
    )


def _budget_left(state: RunState) -> float | None:
    budget = state.plan.limits.budget_usd
    return None if budget is None else max(0.01, budget - run_cost_usd(state))


def _staggered(state: RunState, effects: Sequence[Effect], now: float) -> Sequence[Effect]:
    """At most one start of a Claude Code client per pause: sixteen at once need the machine for ten seconds each."""
    pause = seconds(state.settings.stagger) or 0.0
    started = [a.started_at for ws in state.workstreams.values() for a in ws.attempts if not a.ended_at]
    clear = now - max(started, default=0.0) >= pause and not any(key.startswith("start:") for key in state.open)
    kept: list[Effect] = []
    for effect in effects:
        if isinstance(effect, StartAttempt) and pause and _is_client(state, effect):
            if not clear:
                continue
            clear = False
        kept.append(effect)
    return kept


def _is_client(state: RunState, effect: StartAttempt) -> bool:
    name = agent_name(state, state.workstreams[effect.workstream])
    spec = agent_spec(name, plan_agents=state.plan.agents, settings=state.settings)
    return spec is not None and spec.type is AgentType.CLAUDE_CODE
