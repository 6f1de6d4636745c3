"""What should be done now, from the state and the time alone.

`decide` never looks at what just happened, so a restart, a lost notification or a doubled one changes nothing. Events
that follow from the state are returned as conclusions, to be logged first; effects only once there is no further
conclusion. An effect whose key is open is under way and is not asked for again.
"""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import (
    AnswerAsk,
    CleanWorktree,
    Effect,
    EffectKey,
    EffectKind,
    Publish,
    RestoreWorktree,
    SendMessage,
    StopAttempt,
    StopCommand,
    TakeOver,
    VaultBase,
    Verify,
    effect_key,
)
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.memory.recall import recall_effects
from wt_orchestrate.domain.plan.permissions import decide_permission
from wt_orchestrate.domain.schedule.budget import budget_conclusions, overdue, time_is_up, used_up_by
from wt_orchestrate.domain.schedule.expansion import expansions
from wt_orchestrate.domain.schedule.schedule import held_by, rests, schedule
from wt_orchestrate.domain.schedule.synthesis import stage_conclusions
from wt_orchestrate.domain.state.attempt import Ask, Attempt, asked_with, open_questions
from wt_orchestrate.domain.state.lifecycle import DONE, ENDED, LOST_WORKTREE, Phase, Stage
from wt_orchestrate.domain.state.run import Command, Failure, RunState, committed, may_only_read, takes_messages
from wt_orchestrate.domain.state.stages import at_gate, waiting_gate
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt
from wt_orchestrate.domain.train.forecast import forecast_effects
from wt_orchestrate.domain.train.landing import landing_conclusions, landing_effects
from wt_orchestrate.domain.train.order import waiting
from wt_orchestrate.domain.train.train import check_effects, is_wanted, train_conclusions, train_effects
from wt_orchestrate.domain.verdict.stuck import nudges, trouble
from wt_orchestrate.domain.verdict.verdict import verdict
from wt_orchestrate.errors import ExitCode

REFUSALS = 3
"""How often an effect is tried if the outside world refuses it."""
_PAUSE_S = 2.0


class Consequences(Struct, frozen=True):
    """Events that follow, and effects to perform once they are logged."""

    conclusions: tuple[e.Event, ...]
    effects: tuple[Effect, ...]


def decide(state: RunState, now: float, *, under_way: frozenset[EffectKey] = frozenset()) -> Consequences:
    """What follows, and what should be under way and is not. `under_way`: keys being performed by this process."""
    drawn = (
        *_time_limit(state, now),
        *budget_conclusions(state, now),
        *_refusals(state),
        *verdict(state, now),
        *train_conclusions(state),
        *landing_conclusions(state),
        *expansions(state),
        *stage_conclusions(state),
    )
    conclusions = _one_each(drawn)
    if not conclusions:
        conclusions = _run_conclusions(state)
    if conclusions:
        return Consequences(conclusions=conclusions, effects=())
    effects: tuple[Effect, ...] = (*_base(state), *_attempts(state, now), *_commands(state), *_claims(state))
    effects = (*effects, *_train(state), *_after(state))
    effects = (*effects, *recall_effects(state), *schedule(state, now), *forecast_effects(state, now))
    wanted = {effect_key(effect): effect for effect in effects}
    return Consequences(
        conclusions=(),
        effects=tuple(
            effect for key, effect in wanted.items() if key not in under_way and not _pausing(state, key, now)
        ),
    )


def _one_each(drawn: tuple[e.Event, ...]) -> tuple[e.Event, ...]:
    """The first conclusion for each workstream: later ones must be drawn from the state after it."""
    first: dict[WorkstreamId | None, e.Event] = {}
    for event in drawn:
        first.setdefault(e.workstream_of(event), event)
    return tuple(first.values())


def quiet(state: RunState) -> bool:
    """Whether nothing is under way and nothing will happen without a person, a request or another run."""
    at_work = any(live_attempt(ws) is not None for ws in state.workstreams.values())
    after = state.wishes.cleaning or state.wishes.restoring or state.wishes.taking_over
    waiting = state.landing is not None or after or state.commands or state.effects.open
    return state.phase in {Phase.FINISHED, Phase.STOPPED} and not at_work and not waiting


def _pausing(state: RunState, key: EffectKey, now: float) -> bool:
    failure = state.effects.failures.get(key)
    return failure is not None and now < failure.at + _PAUSE_S * min(failure.count, 15)


# ---------------------------------------------------------------- conclusions


def _time_limit(state: RunState, now: float) -> tuple[e.Event, ...]:
    """The run's own time is up: once no agent is ending gently any more, it is stopped as if by a person."""
    if not time_is_up(state) or state.phase is not Phase.RUNNING or quiet(state):
        return ()
    if any(live_attempt(ws) is not None and not overdue(state, ws, now) for ws in state.workstreams.values()):
        return ()
    return (e.StopRequested(reason=f"the run reached its time limit of {state.plan.limits.wall}"),)


def _refusals(state: RunState) -> tuple[e.Event, ...]:
    """What follows from effects that the outside world refuses for good."""
    return tuple(
        conclusion
        for key, failure in state.effects.failures.items()
        if failure.final or (failure.count >= REFUSALS and not state.room.full)
        for conclusion in _given_up(state, key, failure)
    )


def _given_up(state: RunState, key: EffectKey, failure: Failure) -> tuple[e.Event, ...]:
    kind = key.kind
    if kind in {EffectKind.FORECAST, EffectKind.RECALL}:
        return ()
    if kind == EffectKind.VAULT and state.phase is not Phase.STOPPED:
        return (e.RunStopped(reason=failure.reason),)
    if kind == EffectKind.PUBLISH and state.phase is not Phase.STOPPED:
        return (e.RunStopped(reason=f"the integration branch cannot be updated: {failure.reason}"),)
    if kind in {EffectKind.LANDING, EffectKind.LAND} and state.landing is not None:
        commands = (failure.hint,) if failure.hint else ()
        return (e.LandRefused(reason=failure.reason, code=ExitCode.CONFLICT, commands=commands),)
    name = _concerned(state, key)
    if name is None or committed(state, state.workstreams[name]):
        return ()
    if kind == EffectKind.CLEAN and name in state.wishes.cleaning:
        return (e.WorktreeKept(workstream=name, reason=failure.reason),)
    if kind == EffectKind.RESTORE and name in state.wishes.restoring:
        return (e.RestoreRefused(workstream=name, reason=failure.reason),)
    if kind == EffectKind.TAKE_OVER:
        over = name in state.wishes.taking_over
        return (e.TakeOverRefused(workstream=name, reason=failure.reason, hint=failure.hint),) if over else ()
    if kind == EffectKind.RESTORE and state.workstreams[name].checkout.lost:
        reason = f"its {state.workstreams[name].checkout.lost} is missing and cannot be created again: {failure.reason}"
        return (e.WorkstreamFailed(workstream=name, reason=reason, hint=failure.hint),) if _open(state, name) else ()
    if kind in _HARMLESS or not _open(state, name):
        return ()
    return (e.WorkstreamFailed(workstream=name, reason=failure.reason, hint=failure.hint),)


_HARMLESS = frozenset({EffectKind.CLEAN, EffectKind.RESTORE, EffectKind.STOP, EffectKind.ANSWER, EffectKind.TELL})
"""What may be refused for good without its workstream failing."""


def _open(state: RunState, name: WorkstreamId) -> bool:
    return state.workstreams[name].stage not in ENDED


def _concerned(state: RunState, key: EffectKey) -> WorkstreamId | None:
    """The workstream that an effect's key is about."""
    if key.kind in {EffectKind.ADVANCE, EffectKind.ASSEMBLE}:
        aboard = (*(car.workstream for car in state.train.cars), *(ws.id for ws in waiting(state)))
        return next(iter(aboard), None)
    return key.workstream if key.workstream in state.workstreams else None


def _run_conclusions(state: RunState) -> tuple[e.Event, ...]:
    """The end of the run."""
    streams = state.workstreams.values()
    if state.effects.open or state.commands or any(live_attempt(ws) is not None for ws in streams):
        return ()
    if state.phase is Phase.STOPPING:
        return (e.RunStopped(reason=state.reason or "stopped on request"),)
    if (
        state.phase is not Phase.RUNNING
        or state.integration.commit is None
        or state.published.commit != state.integration.commit
    ):
        return ()
    if any(ws.stage not in ENDED and not _waits_for_a_person(state, ws) for ws in streams):
        return ()
    done, gate = sum(ws.stage in DONE for ws in streams), waiting_gate(state)
    return (e.RunFinished(integrated=done, unfinished=len(streams) - done, gate=gate.name if gate is not None else ""),)


def _waits_for_a_person(state: RunState, ws: WorkstreamState) -> bool:
    return bool(held_by(state, ws) or rests(state, ws) or at_gate(state, ws))


# ---------------------------------------------------------------- effects


def _base(state: RunState) -> tuple[Effect, ...]:
    if state.integration.commit is None and state.phase is Phase.RUNNING:
        return (VaultBase(base=state.base),)
    if state.integration.commit is not None and state.published.commit != state.integration.commit:
        return (Publish(commit=state.integration.commit, order=state.integration.order),)
    return ()


def _attempts(state: RunState, now: float) -> tuple[Effect, ...]:
    """Stops, messages and answers for living attempts."""
    effects: list[Effect] = []
    for ws in state.workstreams.values():
        attempt = live_attempt(ws)
        if attempt is None:
            continue
        reason = _stop_reason(state, ws, attempt, now)
        if reason and not attempt.stopping:
            effects.append(StopAttempt(workstream=ws.id, attempt=attempt.id, reason=reason))
        if not reason and not attempt.stopping:
            effects += [_answer(state, ws, attempt, ask) for ask in _answerable(attempt)]
            effects += _messages(state, ws, attempt)
    return tuple(effects)


def _answerable(attempt: Attempt) -> list[Ask]:
    """Every permission question, and the first of other questions that were asked at once, when all of them have answers."""
    together: dict[str, list[Ask]] = {}
    for ask in open_questions(attempt.asks):
        together.setdefault(asked_with(ask.id), []).append(ask)
    ready = [asks[0] for asks in together.values() if all(ask.answer is not None for ask in asks)]
    return [*(ask for ask in attempt.asks if not ask.question), *ready]


def _messages(state: RunState, ws: WorkstreamState, attempt: Attempt) -> list[Effect]:
    """Messages to send, oldest first, one at a time so that the order is kept."""
    waiting = [each for each in ws.messages if each.delivered_at is None and each.sent_to is None]
    if not waiting or not takes_messages(state, ws):
        return []
    first = waiting[0]
    return [
        SendMessage(
            workstream=ws.id,
            attempt=attempt.id,
            message=first.id,
            text=first.text,
            interrupts=first.interrupts and not attempt.idle,
        )
    ]


def _stop_reason(state: RunState, ws: WorkstreamState, attempt: Attempt, now: float) -> str:
    """Why a living attempt must be ended; empty if it must not."""
    if ws.stopping or state.phase is Phase.STOPPING:
        return "stop"
    if ws.cancelling:
        return "cancel"
    if ws.checkout.lost == LOST_WORKTREE:
        return "worktree"
    used_up = used_up_by(state, ws) or time_is_up(state)
    if used_up and (not takes_messages(state, ws) or overdue(state, ws, now)):
        return "budget"
    if ws.redirected and not takes_messages(state, ws):
        return "redirect"
    if attempt.idle and not attempt.asks and not attempt.paused and not _expects(ws, attempt):
        return "finished"
    found = trouble(state, ws, attempt, now)
    return found[0].value if found is not None and not nudges(state, ws, found[0]) else ""


def _expects(ws: WorkstreamState, attempt: Attempt) -> bool:
    """Whether output of it is still to be read."""
    return any(each.text and each.delivered_at is None and each.sent_to in {None, attempt.id} for each in ws.messages)


def _commands(state: RunState) -> tuple[Effect, ...]:
    """Stops for setup commands and checks whose result is not needed any more."""
    return tuple(StopCommand(process=name) for name, command in state.commands.items() if not _needed(state, command))


def _needed(state: RunState, command: Command) -> bool:
    if state.phase is Phase.STOPPING:
        return False
    if command.purpose == "setup":
        ws = state.workstreams.get(command.workstream) if command.workstream is not None else None
        return ws is not None and ws.stage is Stage.PREPARING
    return is_wanted(state, command.commit, command.command)


def _train(state: RunState) -> tuple[Effect, ...]:
    if state.integration.commit is None or state.phase is Phase.STOPPING:
        return ()
    return (*train_effects(state), *landing_effects(state), *check_effects(state))


def _answer(state: RunState, ws: WorkstreamState, attempt: Attempt, ask: Ask) -> Effect:
    others: tuple[str, ...] = ()
    if ask.question:
        allow, text = True, ask.answer or ""
        others = tuple(each.answer or "" for each in _asked_too(attempt, ask))
    else:
        allow, text = decide_permission(
            tool=ask.tool, target=ask.text, payload=ask.payload, read_only=may_only_read(state, ws), allowed=ws.allowed
        )
    return AnswerAsk(
        workstream=ws.id,
        attempt=attempt.id,
        ask=ask.id,
        question=ask.question,
        payload=ask.payload,
        allow=allow,
        text=text,
        others=others,
    )


def _asked_too(attempt: Attempt, ask: Ask) -> tuple[Ask, ...]:
    """The other questions that were asked at once with it."""
    return tuple(each for each in attempt.asks if each.id != ask.id and asked_with(each.id) == asked_with(ask.id))


def _claims(state: RunState) -> tuple[Effect, ...]:
    return tuple(
        Verify(workstream=ws.id, round=ws.claims)
        for ws in state.workstreams.values()
        if ws.stage is Stage.CLAIMED
        and not (ws.faults.findings or ws.stopping or ws.cancelling or ws.checkout.lost or ws.checkout.removed)
        and state.phase is not Phase.STOPPING
    )


def _after(state: RunState) -> tuple[Effect, ...]:
    cleaning = tuple(CleanWorktree(workstream=name, force=force) for name, force in state.wishes.cleaning.items())
    lost = {ws.id for ws in state.workstreams.values() if _may_be_made_again(ws)}
    taking = (TakeOver(workstream=name, branch=branch) for name, branch in state.wishes.taking_over.items())
    return (*cleaning, *(RestoreWorktree(workstream=name) for name in sorted(state.wishes.restoring | lost)), *taking)


def _may_be_made_again(ws: WorkstreamState) -> bool:
    """A lost branch is restored under a running agent; a lost or cleaned worktree only once nobody works in it."""
    if ws.checkout.removed:
        return ws.stage in {Stage.PREPARING, Stage.CLAIMED}
    return bool(ws.checkout.lost) and (ws.checkout.lost != LOST_WORKTREE or live_attempt(ws) is None)
