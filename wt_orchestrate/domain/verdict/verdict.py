"""What the end of an attempt, a rejected claim, a review or a check's result means for a workstream.

Exit code 0 is a hint, not a result. A claim counts only with evidence from git and from our own checks. Every time work
goes back to the agent is a try of the retry ladder (`plan/retry_ladder.py`): counted by its cause, and bounded.
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.handoff import HandoffStatus
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.brief.brief import check_message, conflict_message, evidence_message
from wt_orchestrate.domain.ids import integration_branch
from wt_orchestrate.domain.plan.model import AgentType, seconds
from wt_orchestrate.domain.plan.retry_ladder import Action, Cause, Rung, ladder, next_rung
from wt_orchestrate.domain.plan.settings import agent_spec
from wt_orchestrate.domain.review.reviewers import in_the_end, must_answer, stuck_reviewer
from wt_orchestrate.domain.schedule.budget import time_is_up, used_up_by
from wt_orchestrate.domain.schedule.schedule import may_begin
from wt_orchestrate.domain.state.attempt import Attempt, rests_until
from wt_orchestrate.domain.state.checks import withheld_words
from wt_orchestrate.domain.state.comments import review_message
from wt_orchestrate.domain.state.lifecycle import DONE, ENDED, STUCK, Phase, Stage
from wt_orchestrate.domain.state.phrases import blame_words, settled_words, tried_words
from wt_orchestrate.domain.state.run import RunState, agent_name, committed, takes_messages
from wt_orchestrate.domain.state.train import Blame
from wt_orchestrate.domain.state.workstream import (
    Conflict,
    WorkstreamState,
    integrated_as,
    last_attempt,
    open_conflict,
    settlement,
    undelivered,
)
from wt_orchestrate.domain.text.clean import some_of
from wt_orchestrate.domain.text.status_words import shown
from wt_orchestrate.domain.train.arbiter import arbiter_at_work, call, may_call
from wt_orchestrate.domain.verdict.stuck import judge_progress

_LIMITED = frozenset({TurnOutcome.RATE_LIMITED, TurnOutcome.OVERLOADED})


def verdict(state: RunState, now: float) -> Sequence[e.Event]:
    """The conclusions that follow from the state and have not been drawn yet."""
    conclusions: list[e.Event] = []
    for workstream in state.workstreams.values():
        conclusion = _conclude(state, workstream, now)
        if conclusion is not None:
            conclusions.append(conclusion)
    return conclusions


def _conclude(state: RunState, ws: WorkstreamState, now: float) -> e.Event | None:
    attempt = last_attempt(ws)
    ended = attempt is None or attempt.ended_at is not None
    if committed(state, ws):
        return None
    if ws.cancelling and ended and ws.stage not in DONE:
        return e.WorkstreamCancelled(workstream=ws.id)
    if state.phase is Phase.RUNNING and ws.answer is not None and ws.stage in STUCK and ws.attempts:
        return e.RetryDecided(workstream=ws.id, reason="answer", message=ws.answer)
    if (ws.stopping or state.phase is Phase.STOPPING) and ws.stage not in ENDED and ended:
        return e.WorkstreamStopped(workstream=ws.id)
    if ended and state.phase is Phase.RUNNING and not ws.stopping:
        called = _message_starts(ws)
        if called is not None:
            return called
    return _conclude_stage(state, ws, attempt, now)


def _message_starts(ws: WorkstreamState) -> e.Event | None:
    """A message from a person after the last agent ended starts another attempt, at whatever stage the workstream is."""
    if not ws.attempts or ws.stage in {*DONE, Stage.VERIFIED, Stage.PREPARING, Stage.CANCELLED}:
        return None
    if ws.stage in STUCK and all(message.order <= ws.since_order for message in undelivered(ws)):
        return None  # earlier messages did not help
    if ws.redirected:
        return e.RetryDecided(workstream=ws.id, reason="redirect", message="Your brief has changed.", fresh=True)
    return e.RetryDecided(workstream=ws.id, reason="told", message="") if undelivered(ws) else None


def _conclude_stage(state: RunState, ws: WorkstreamState, attempt: Attempt | None, now: float) -> e.Event | None:
    if ws.stage is Stage.WORKING and attempt is not None:
        if attempt.ended_at is None:
            return judge_progress(state, ws, attempt, now)
        return None if attempt.judged else _judge_attempt(state, ws, attempt)
    if ws.stage is Stage.CLAIMED and ws.faults.findings:
        return _judge_findings(state, ws)
    conflict = open_conflict(ws)
    if ws.stage in {Stage.VERIFYING, Stage.VERIFIED} and conflict is not None:
        return _judge_conflict(state, ws, conflict) if conflict.unsettled else None
    if ws.stage is Stage.VERIFYING and ws.faults.failed_check is not None:
        return _judge_check(state, ws, ws.faults.failed_check.command)
    if must_answer(state, ws):
        return _judge_review(state, ws)
    unable = stuck_reviewer(state, ws)
    if unable is not None:
        return _unreviewed(ws, unable)
    if ws.stage is Stage.VERIFYING and ws.faults.findings:
        return _escalated(ws, "; ".join(ws.faults.findings), _by_hand(state, ws))
    if ws.stage is Stage.PREPARING:
        return _judge_preparation(state, ws)
    return _queued_branch(state, ws) if ws.spec.branch else None


def _queued_branch(state: RunState, ws: WorkstreamState) -> e.Event | None:
    """A queued branch is claimed once what it needs is integrated, and again whenever it moves."""
    if state.phase is not Phase.RUNNING or state.integration.commit is None or state.on_hold or ws.on_hold:
        return None
    moved = ws.looked_at is not None and ws.head not in {None, ws.looked_at}
    if ws.stage is Stage.QUEUED and may_begin(state, ws):
        return e.ClaimMade(workstream=ws.id, by=e.Actor.PERSON)
    if ws.stage in {Stage.VERIFYING, Stage.FAILED, Stage.ESCALATED} and moved:
        return e.ClaimMade(workstream=ws.id, by=e.Actor.PERSON)
    return None


# ---------------------------------------------------------------- the end of an attempt


def _judge_attempt(state: RunState, ws: WorkstreamState, attempt: Attempt) -> e.Event:
    if attempt.cause == "unstartable":
        return e.WorkstreamFailed(
            workstream=ws.id,
            reason=f"the agent {attempt.agent} could not be started: {attempt.detail or 'no such command'}",
            hint="wto doctor",
        )
    if ws.checkout.lost or attempt.stopping == "worktree":
        what = ws.checkout.lost or "worktree"
        message = (
            f"Your {what} was removed by someone and created again from your last commit. Look at `git status` first."
        )
        return _again(state, ws, Cause.WORKTREE, message, f"its {what} was removed several times")
    used_up = used_up_by(state, ws)
    if used_up and not _claims(ws, attempt):
        return budget_escalation(ws, used_up)
    if time_is_up(state) and not _claims(ws, attempt):
        return e.WorkstreamStopped(workstream=ws.id)
    match attempt.outcome:
        case TurnOutcome.LOGIN_FAILED:
            return _escalated(
                ws,
                f"the agent login failed: {attempt.text or 'no credentials'}",
                ("wto doctor", f"wto retry {ws.id}"),
            )
        case TurnOutcome.RATE_LIMITED | TurnOutcome.OVERLOADED:
            return _judge_limit(state, ws, attempt)
        case TurnOutcome.LIMIT_REACHED:
            reason = f"the attempt reached its limit on cost or turns (${attempt.cost_usd:.2f} used)"
            return _escalated(ws, reason, (f"wto limit --workstream {ws.id} budget-usd=...", f"wto retry {ws.id}"))
        case TurnOutcome.CONTEXT_EXHAUSTED:
            message = "Your earlier session ran out of context. Its work is in this worktree, in HANDOFF.md and in the commits."
            return _again(state, ws, Cause.CONTEXT, message, "it ran out of context several times")
        case TurnOutcome.REFUSED:
            message = (
                "The model declined to continue in the earlier session. Its work is in this worktree and in HANDOFF.md."
            )
            return _again(state, ws, Cause.REFUSED, message, f"the model declined to answer: {attempt.text[:200]}")
        case _:
            pass
    if attempt.stopping in {Cause.STUCK, Cause.LOOP, "idle"} or not _finished(attempt):
        return _judge_crash(state, ws, attempt)
    return _judge_claim(state, ws, attempt)


def _finished(attempt: Attempt) -> bool:
    """The agent ended its work by itself, whatever it achieved."""
    if attempt.agent_type is AgentType.CLAUDE_CODE:
        return attempt.outcome is TurnOutcome.COMPLETED
    return attempt.cause == "exit" and attempt.exit_code == 0


def _claims(ws: WorkstreamState, attempt: Attempt) -> bool:
    return _finished(attempt) and ws.handoff is not None and ws.handoff.status is HandoffStatus.DONE


def _again(
    state: RunState, ws: WorkstreamState, cause: Cause, message: str, in_the_end: str, *, reason: str = ""
) -> e.Event:
    """The next try of the ladder for this cause, or its end: how the workstream fails. A queued branch has no agent, so
    it fails at once."""
    if ws.spec.branch:
        return _used_up(ws, cause, in_the_end)
    rung = next_rung(
        ladder(state.settings.recovery, cause, retries=retries(state, ws)), ws.tries.by_cause.get(cause, 0)
    )
    if rung is None or _worn_out(state, ws):
        return _used_up(ws, cause, in_the_end)
    return e.RetryDecided(
        workstream=ws.id,
        reason=reason or cause.value,
        message=message,
        fresh=rung[0].action is Action.FRESH,
        not_before=_not_before(ws, rung),
        cause=cause,
    )


def _not_before(ws: WorkstreamState, rung: tuple[Rung, int]) -> float:
    attempt, (step, number) = last_attempt(ws), rung
    if not step.waits or attempt is None or attempt.ended_at is None:
        return 0.0
    return attempt.ended_at + (seconds(step.waits[min(number, len(step.waits) - 1)]) or 0.0)


def _worn_out(state: RunState, ws: WorkstreamState) -> bool:
    counted = [attempt for attempt in ws.attempts[ws.tries.after :] if attempt.outcome not in _LIMITED]
    return len(counted) >= state.settings.recovery.attempts


_FAILS = frozenset({Cause.CRASH, Cause.EVIDENCE})


def _used_up(ws: WorkstreamState, cause: Cause, reason: str) -> e.Event:
    """All tries are used up: a crash or bad evidence is a failure, everything else needs a person."""
    if cause in _FAILS:
        hint = f"wto logs {ws.id}" if cause is Cause.CRASH else _how_to_fix(ws)
        return e.WorkstreamFailed(workstream=ws.id, reason=reason, hint=hint, tried=what_was_tried(ws))
    commands = (f'wto redirect {ws.id} "..."', f"wto retry {ws.id} --fresh", f"wto cancel {ws.id}")
    return _escalated(ws, reason, commands)


def _how_to_fix(ws: WorkstreamState) -> str:
    if ws.spec.branch:
        return f"commit a fix on {ws.branch}, then run wto continue {ws.id}"
    return f"fix it in {ws.worktree}, commit, then run wto continue {ws.id}"


def _how_to_let_through(ws: WorkstreamState) -> tuple[str, ...]:
    other = (f"commit a fix on {ws.branch}",) if ws.spec.branch else (f'wto redirect {ws.id} "..."',)
    return (f"wto diff {ws.id} --stat", f"wto continue {ws.id}, if this is intended", *other, f"wto cancel {ws.id}")


def _escalated(ws: WorkstreamState, reason: str, commands: tuple[str, ...]) -> e.WorkstreamEscalated:
    return e.WorkstreamEscalated(workstream=ws.id, reason=reason, commands=commands, tried=what_was_tried(ws))


def what_was_tried(ws: WorkstreamState) -> tuple[str, ...]:
    """The newest attempts since a person last acted, one sentence each."""
    since = ws.attempts[ws.tries.after :][-8:]
    return tuple(
        f"attempt {attempt.epoch} ({attempt.reason}{', same session' if attempt.resumed else ''}) {how_it_ended(attempt)}"
        for attempt in since
    )


def _judge_limit(state: RunState, ws: WorkstreamState, attempt: Attempt) -> e.Event:
    cause = Cause.LIMIT if attempt.resets_at is not None else Cause.OVERLOAD
    rung = next_rung(ladder(state.settings.recovery, cause, retries=0), ws.tries.by_cause.get(cause, 0))
    if rung is None:
        return _used_up(ws, cause, f"the model's service refused {ws.tries.by_cause[cause] + 1} times: {attempt.text}")
    account = state.accounts.get(attempt.account)
    rests = rests_until(account) if account is not None else 0.0
    return e.RetryDecided(
        workstream=ws.id,
        reason=cause.value,
        message="The model's service had stopped responding. Look at `git status` and HANDOFF.md, then continue.",
        not_before=0.0 if state.settings.recovery.move else max(rests, _not_before(ws, rung) if not rests else 0.0),
        cause=cause,
    )


def _judge_crash(state: RunState, ws: WorkstreamState, attempt: Attempt) -> e.Event:
    how = how_it_ended(attempt)
    cause = Cause(attempt.stopping) if attempt.stopping in {Cause.STUCK, Cause.LOOP} else Cause.CRASH
    message = (
        f"Your last attempt was interrupted: it {how}. A command that was running may or may not have completed. "
        "Look at `git status`, `git log` and HANDOFF.md first, then finish the work."
    )
    return _again(state, ws, cause, message, f"attempt {attempt.epoch} {how}, and earlier attempts failed too")


def how_it_ended(attempt: Attempt) -> str:
    """The end of an attempt in words that follow its name."""
    if attempt.stopping in {Cause.STUCK, "idle"}:
        return "made no progress and was stopped"
    if attempt.stopping == Cause.LOOP:
        return f"kept failing at the same action and was stopped: {attempt.failing[:200]}"
    if attempt.stopping == "budget":
        return "was stopped because its budget was used up"
    if attempt.stopping == "worktree":
        return "was stopped because its worktree was removed"
    if attempt.cause == "lost":
        return "was lost: its keeper was killed or the machine went down"
    if attempt.cause in {"deadline", "flood"}:
        return f"was stopped by its {attempt.cause} limit"
    if attempt.exit_code is not None and attempt.exit_code < 0:
        return f"was killed by signal {-attempt.exit_code}"
    if attempt.outcome is not None and attempt.outcome is not TurnOutcome.COMPLETED:
        return f"ended: {attempt.outcome}" + (f" ({attempt.text[:200]})" if attempt.text else "")
    return f"ended with exit code {attempt.exit_code}"


def _judge_claim(state: RunState, ws: WorkstreamState, attempt: Attempt) -> e.Event:
    """The agent finished: whether it claims to be done."""
    handoff = ws.handoff
    status = handoff.status if handoff is not None else HandoffStatus.UNKNOWN
    if status is HandoffStatus.BLOCKED:
        assert handoff is not None
        return _escalated(
            ws,
            "the agent is blocked: " + (handoff.questions or handoff.summary or "it gave no reason"),
            (f'wto answer {ws.id} "..."', f"wto continue {ws.id}"),
        )
    by_exit_code = attempt.agent_type is AgentType.COMMAND and status is HandoffStatus.UNKNOWN
    if by_exit_code or status is HandoffStatus.DONE:
        return e.ClaimMade(workstream=ws.id, by=e.Actor.AGENT)
    said = f"HANDOFF.md says status: {status.value}" if handoff is not None else "there is no HANDOFF.md"
    unclaimed = (f"you ended your turn, but {said}",)
    return _again(
        state, ws, Cause.EVIDENCE, evidence_message(unclaimed, ws.spec.kind), "; ".join(unclaimed), reason="unclaimed"
    )


def retries(state: RunState, ws: WorkstreamState) -> int:
    """How often rejected work goes back to the agent."""
    return state.plan.defaults.retries if ws.spec.retries is None else ws.spec.retries


def _judge_findings(state: RunState, ws: WorkstreamState) -> e.Event:
    in_the_end = "; ".join(ws.faults.findings) or "the claim was rejected"
    if ws.faults.held:
        return _escalated(ws, in_the_end, _how_to_let_through(ws))
    return _again(state, ws, Cause.EVIDENCE, evidence_message(ws.faults.findings, ws.spec.kind), in_the_end)


def _judge_conflict(state: RunState, ws: WorkstreamState, conflict: Conflict) -> e.Event | None:
    if arbiter_at_work(state, ws):
        return None
    if conflict.arbiter is None and may_call(state, ws) and state.phase is Phase.RUNNING:
        return call(state, ws, conflict)
    if conflict.arbiter is not None:
        arbiter = state.workstreams[conflict.arbiter]
        where, why = some_of(conflict.paths), arbiter.outcome.reason or arbiter.stage
        reason = f"it conflicts in {where}, and {arbiter.id} could not resolve it: {why}"
        return _escalated(ws, reason, _by_hand(state, ws))
    branch = integration_branch(state.id)
    others = tuple(
        other
        for other in state.workstreams.values()
        if other.id != ws.id and integrated_as(other) is not None and set(other.change.paths) & set(conflict.paths)
    )
    message = conflict_message(ws, branch=branch, others=others)
    with_whom = f" with {', '.join(other.id for other in others)}" if others else ""
    in_the_end = f"it conflicts{with_whom} in {some_of(conflict.paths)}{tried_words(conflict.why)}"
    if not ws.spec.branch:
        in_the_end += ", and its agent could not resolve it"
    decided = _again(state, ws, Cause.CONFLICT, message, in_the_end)
    return decided if isinstance(decided, e.RetryDecided) else _escalated(ws, in_the_end, _by_hand(state, ws))


def _by_hand(state: RunState, ws: WorkstreamState) -> tuple[str, ...]:
    """How a person resolves what no agent could."""
    return (
        f"git switch {ws.branch}" if ws.spec.branch else f"cd {ws.worktree}",
        f"git merge {integration_branch(state.id)}",
        "resolve the conflicts, then git add and git commit",
        f"wto continue {ws.id}",
    )


_LONGEST_TAIL = 200


def _judge_check(state: RunState, ws: WorkstreamState, command: str) -> e.Event:
    check, blame = ws.faults.failed_check, ws.faults.blame or Blame()
    assert check is not None
    ended: str = "checked nothing" if check.outcome is e.CheckOutcome.BROKEN else check.outcome
    reason = f"the check `{command}` {ended} on its work merged with the integration branch"
    reason += f": {check.tail[:_LONGEST_TAIL]}" if not check.log else ""
    if blame.on_target or blame.partner:
        reason += f"; {blame_words(blame)}"
    settled = settled_words(settlement(ws))
    reason += f"; {settled}" if settled else ""
    withheld = withheld_words(check.tail, command)
    reason += f" ({withheld})" if withheld else ""
    if blame.on_target:
        return _escalated(ws, reason, _red_target(state, ws, command))
    partner = state.workstreams.get(blame.partner) if blame.partner is not None else None
    message = check_message(ws, check, blame, partner, branch=integration_branch(state.id))
    decided = _again(state, ws, Cause.EVIDENCE, message, reason)
    if isinstance(decided, e.RetryDecided):
        return decided
    hint = f"the output is in {check.log}; {_how_to_fix(ws)}" if check.log else _how_to_fix(ws)
    return e.WorkstreamFailed(workstream=ws.id, reason=reason, hint=hint, tried=what_was_tried(ws))


def _red_target(state: RunState, ws: WorkstreamState, command: str) -> tuple[str, ...]:
    """What a person can do about a check that fails without the work too: no agent is paid for it unasked."""
    if ws.spec.branch:
        return (f"commit a fix on {ws.branch}", f"wto continue {ws.id}")
    return (
        f'wto tell {ws.id} "fix it too: {command} also fails on {state.target}"',
        f"or fix it in {ws.worktree} and commit, then wto continue {ws.id}",
    )


def _judge_review(state: RunState, ws: WorkstreamState) -> e.Event:
    """What a reviewer asks for goes back to the agent, as often as the ladder allows."""
    assert ws.review is not None
    sent = [each for each in ws.comments if each.sent_as == ws.review.sent_as]
    reason = in_the_end(ws)
    decided = _again(state, ws, Cause.REVIEW, review_message(sent), reason)
    if isinstance(decided, e.RetryDecided):
        return decided
    return _escalated(ws, reason, (f"wto review {ws.id}", f"wto continue {ws.id}", f"wto retry {ws.id}"))


def _unreviewed(ws: WorkstreamState, reviewer: WorkstreamState) -> e.Event:
    reason = f"{reviewer.id} could not review it: {reviewer.outcome.reason or shown(reviewer.stage)}"
    return _escalated(ws, reason, (f"wto review {ws.id}", f"wto continue {ws.id}", f"wto logs {reviewer.id}"))


def _judge_preparation(state: RunState, ws: WorkstreamState) -> e.Event | None:
    if ws.setup.failure:
        return e.WorkstreamFailed(
            workstream=ws.id,
            reason=ws.setup.failure,
            hint=f"the output is in {ws.setup.log}; fix it, then run wto continue {ws.id}",
        )
    name = agent_name(state, ws)
    if agent_spec(name, plan_agents=state.plan.agents, settings=state.settings) is None:
        return e.WorkstreamFailed(workstream=ws.id, reason=f"there is no agent named {name}")
    used_up = used_up_by(state, ws)
    if used_up:
        return budget_escalation(ws, used_up)
    refusals = [account.refusal for account in state.accounts.values()]
    if all(refusals) and takes_messages(state, ws):
        return _escalated(ws, f"no account can log in: {refusals[0]}", ("wto doctor", f"wto retry {ws.id}"))
    return None


def budget_escalation(ws: WorkstreamState, used_up: str) -> e.WorkstreamEscalated:
    """What happens to work whose limit is used up; raising the limit lets it go on."""
    commands = (f"wto limit --workstream {ws.id} ..., or wto limit ... for the run", f"wto retry {ws.id}")
    return _escalated(ws, used_up, commands)
