"""Whether a running agent makes progress: no sign of it for too long, or the same failing action again and again.

Evidence counts: its stream, its commits, its handoff; time alone only if there is none. While the agent waits for
somebody else (an answer, permission, the model's service), or the machine slept, silence means nothing.
"""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.plan.model import seconds
from wt_orchestrate.domain.plan.retry_ladder import Action, Cause, ladder, next_rung
from wt_orchestrate.domain.state.attempt import Attempt
from wt_orchestrate.domain.state.run import RunState, takes_messages
from wt_orchestrate.domain.state.workstream import WorkstreamState, progress_at


def idle_for(state: RunState, ws: WorkstreamState) -> float | None:
    """How long the agent may make no progress, in seconds; None for no limit."""
    return seconds(ws.spec.idle or state.plan.defaults.idle) or None


def waits_for_others(attempt: Attempt) -> bool:
    """Whether it is silent because it waits for a person."""
    return bool(attempt.asks or attempt.paused)


def trouble(state: RunState, ws: WorkstreamState, attempt: Attempt, now: float) -> tuple[Cause, str] | None:
    """What is wrong with a running attempt, and the evidence; None if nothing is."""
    if attempt.stopping or waits_for_others(attempt):
        return None
    if attempt.failing_times >= state.settings.recovery.repeats:
        return Cause.LOOP, f"{attempt.failing_times} times in a row: {attempt.failing}"
    idle = idle_for(state, ws)
    silent = now - max(progress_at(ws, attempt), state.clock.woke_at, attempt.waits_until)
    if idle is not None and silent > idle:
        return Cause.STUCK, f"no progress for {silent:.0f} s"
    return None


def nudges(state: RunState, ws: WorkstreamState, cause: Cause) -> bool:
    """Whether the next try is to interrupt the agent and go on in the same process."""
    rung = next_rung(ladder(state.settings.recovery, cause, retries=0), ws.tries.by_cause.get(cause, 0))
    return rung is not None and rung[0].action is Action.NUDGE and takes_messages(state, ws)


def judge_progress(state: RunState, ws: WorkstreamState, attempt: Attempt, now: float) -> e.Event | None:
    """The decision to nudge a running agent; if nudging is not the next try, it is ended instead (`machine.py`)."""
    found = trouble(state, ws, attempt, now)
    if found is None or attempt.idle or not nudges(state, ws, found[0]):
        return None
    cause, evidence = found
    if cause is Cause.LOOP:
        text = (
            f"You were interrupted: the same action keeps failing ({evidence}). Do not repeat it. Find the cause "
            "or try another way. If it cannot be done, write what you need under ## Questions in HANDOFF.md with "
            "`status: blocked`."
        )
    else:
        text = (
            "You were interrupted: there was no progress for a long time. Find out what hung, do not wait for it "
            "again, and continue the work. If it cannot be done, say why in HANDOFF.md with `status: blocked`."
        )
    return e.AttemptNudged(workstream=ws.id, attempt=attempt.id, cause=cause, evidence=evidence, text=text)
