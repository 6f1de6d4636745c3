"""Conclusions: what the end of an attempt, the evidence for a claim, and a check's word mean for a workstream.

Exit code 0 is one hint, not a result. A claim is believed only with evidence from git and from our own checks, and every
way back to the agent is counted and bounded. Counters start anew only when a person continues the workstream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.brief import check_message, conflict_message, evidence_message
from wt_orchestrate.domain.graph import scope_matches
from wt_orchestrate.domain.handoff import Handoff, HandoffStatus, complete
from wt_orchestrate.domain.ids import CommitId, integration_branch
from wt_orchestrate.domain.plan import AgentType, Kind, seconds
from wt_orchestrate.domain.settings import agent_spec
from wt_orchestrate.domain.signs import TurnOutcome
from wt_orchestrate.domain.state import (
    Attempt,
    Phase,
    RunState,
    Stage,
    WorkstreamState,
    agent_name,
    last_attempt,
    run_cost_usd,
)

CRASHES = 1
"""How often a crashed attempt is resumed before the workstream fails."""
PATIENCE = 6
"""How often an attempt that met a limit or an overload waits and goes on."""
CONFLICTS = 1
"""How often a conflict goes to the owning agent before it goes to a person."""
_BACKOFF_S = (30.0, 60.0, 120.0, 300.0, 600.0, 600.0)


def verdict(state: RunState, now: float) -> Sequence[e.Event]:
    """The conclusions that follow from what is known and have not been drawn."""
    conclusions: list[e.Event] = []
    for workstream in state.workstreams.values():
        conclusion = _conclude(state, workstream, now)
        if conclusion is not None:
            conclusions.append(conclusion)
    return conclusions


def _conclude(state: RunState, ws: WorkstreamState, now: float) -> e.Event | None:
    attempt = last_attempt(ws)
    if ws.answer is not None and ws.stage in {Stage.ESCALATED, Stage.FAILED, Stage.STOPPED} and ws.attempts:
        return e.RetryDecided(workstream=ws.id, reason="answer", message=ws.answer)
    ended = attempt is not None and attempt.ended_at is not None
    if (ws.stopping or state.phase is Phase.STOPPING) and _may_stop(ws) and (attempt is None or ended):
        return e.WorkstreamStopped(workstream=ws.id)
    if ws.stage is Stage.WORKING and attempt is not None and ended and not attempt.judged:
        return _judge_attempt(state, ws, attempt)
    if ws.stage is Stage.CLAIMED and ws.findings:
        return _judge_findings(state, ws)
    if ws.stage in {Stage.VERIFYING, Stage.VERIFIED} and ws.conflict:
        return _judge_conflict(state, ws)
    if ws.stage is Stage.VERIFYING and ws.failed_check is not None:
        return _judge_check(state, ws, ws.failed_check.command)
    if ws.stage is Stage.VERIFYING and ws.findings:
        return e.WorkstreamEscalated(workstream=ws.id, reason="; ".join(ws.findings), commands=_by_hand(state, ws))
    if ws.stage is Stage.PREPARING:
        return _judge_preparation(state, ws)
    return None


def _may_stop(ws: WorkstreamState) -> bool:
    return ws.stage not in {Stage.INTEGRATED, Stage.LANDED, Stage.FAILED, Stage.ESCALATED, Stage.STOPPED}


# ---------------------------------------------------------------- the end of an attempt


def _judge_attempt(state: RunState, ws: WorkstreamState, attempt: Attempt) -> e.Event:
    if attempt.outcome is TurnOutcome.LOGIN_FAILED:
        return e.WorkstreamEscalated(
            workstream=ws.id,
            reason=f"the agent cannot log in: {attempt.text or 'no credentials'}",
            commands=("wto doctor", f"wto continue {ws.id}"),
        )
    if attempt.outcome in {TurnOutcome.RATE_LIMITED, TurnOutcome.OVERLOADED}:
        return _judge_limit(ws, attempt)
    if attempt.outcome is TurnOutcome.LIMIT_REACHED:
        return e.WorkstreamEscalated(
            workstream=ws.id,
            reason=f"the attempt reached its bound on cost or turns (${attempt.cost_usd:.2f} used)",
            commands=(f"wto continue {ws.id}",),
        )
    if attempt.cause == "unstartable":
        return e.WorkstreamFailed(
            workstream=ws.id,
            reason=f"the agent {attempt.agent} could not be started: {attempt.detail or 'no such command'}",
            hint="wto doctor",
        )
    if attempt.stopping == "idle" or not _finished(attempt):
        return _judge_crash(ws, attempt)
    return _judge_claim(state, ws, attempt)


def _finished(attempt: Attempt) -> bool:
    """The agent ended its work by itself, whatever it achieved."""
    if attempt.agent_type is AgentType.CLAUDE_CODE:
        return attempt.outcome is TurnOutcome.COMPLETED
    return attempt.cause == "exit" and attempt.exit_code == 0


def _judge_limit(ws: WorkstreamState, attempt: Attempt) -> e.Event:
    if ws.patience >= PATIENCE:
        return e.WorkstreamFailed(
            workstream=ws.id, reason=f"the model's service refused {PATIENCE + 1} times: {attempt.text}"
        )
    ended = attempt.ended_at or 0.0
    wait = ended + _BACKOFF_S[min(ws.patience, len(_BACKOFF_S) - 1)]
    return e.RetryDecided(
        workstream=ws.id,
        reason="limit",
        message="The model's service had stopped answering. Look at `git status` and HANDOFF.md, then go on.",
        not_before=max(wait, attempt.resets_at or 0.0),
    )


def _judge_crash(ws: WorkstreamState, attempt: Attempt) -> e.Event:
    how = how_it_ended(attempt)
    if ws.crashes >= CRASHES:
        return e.WorkstreamFailed(
            workstream=ws.id,
            reason=f"attempt {attempt.epoch} {how}, after an earlier one had ended badly too",
            hint=f"wto logs {ws.id}",
        )
    return e.RetryDecided(
        workstream=ws.id,
        reason="idle" if attempt.stopping == "idle" else "crash",
        message=(
            f"Your last attempt was cut off: it {how}. A command that was running may or may not have had its effect. "
            "Look at `git status`, `git log` and HANDOFF.md first, then finish the work."
        ),
    )


def how_it_ended(attempt: Attempt) -> str:
    """The end of an attempt in words, to follow its name."""
    if attempt.stopping == "idle":
        return "showed no sign of progress and was ended"
    if attempt.cause == "lost":
        return "was lost: its keeper was killed or the machine went down"
    if attempt.cause in {"deadline", "flood"}:
        return f"was ended by its {attempt.cause} limit"
    if attempt.exit_code is not None and attempt.exit_code < 0:
        return f"was killed by signal {-attempt.exit_code}"
    if attempt.outcome is not None and attempt.outcome is not TurnOutcome.COMPLETED:
        return f"ended: {attempt.outcome}" + (f" ({attempt.text[:200]})" if attempt.text else "")
    return f"ended with exit code {attempt.exit_code}"


def _judge_claim(state: RunState, ws: WorkstreamState, attempt: Attempt) -> e.Event:
    """The agent finished: is it a claim of done?"""
    handoff = ws.handoff
    status = handoff.status if handoff is not None else HandoffStatus.UNKNOWN
    if status is HandoffStatus.BLOCKED:
        assert handoff is not None
        return e.WorkstreamEscalated(
            workstream=ws.id,
            reason="the agent is blocked: " + (handoff.questions or handoff.summary or "it gives no reason"),
            commands=(f'wto answer {ws.id} "..."', f"wto continue {ws.id}"),
        )
    by_exit_code = attempt.agent_type is AgentType.COMMAND and status is HandoffStatus.UNKNOWN
    if by_exit_code or status is HandoffStatus.DONE:
        return e.ClaimMade(workstream=ws.id, by=e.Actor.AGENT)
    said = f"HANDOFF.md says status: {status.value}" if handoff is not None else "there is no HANDOFF.md"
    unclaimed = (f"you ended your turn, but {said}",)
    if ws.rejections >= retries(state, ws):
        return _given_up(ws, unclaimed)
    return e.RetryDecided(workstream=ws.id, reason="unclaimed", message=evidence_message(unclaimed))


def _given_up(ws: WorkstreamState, findings: tuple[str, ...]) -> e.Event:
    return e.WorkstreamFailed(
        workstream=ws.id,
        reason="; ".join(findings) or "the evidence does not hold",
        hint=f"mend it in {ws.worktree}, commit, then wto continue {ws.id}",
    )


def retries(state: RunState, ws: WorkstreamState) -> int:
    """How often failed evidence goes back to the agent."""
    return state.plan.defaults.retries if ws.spec.retries is None else ws.spec.retries


# ---------------------------------------------------------------- the evidence for a claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found in the vault and the worktree for one head. `dirty` are paths with uncommitted changes."""

    base: CommitId | None
    head: CommitId | None
    has_commits: bool
    """Whether the branch holds anything that the integration branch does not."""
    paths: tuple[str, ...]
    dirty: tuple[str, ...]
    handoff: Handoff | None
    missing_branch: bool = False
    dropped: tuple[str, ...] = ()
    """Paths of a resolved conflict that hold only its own side, as if the other had never been."""


def findings(ws: WorkstreamState, evidence: Evidence, *, needs_handoff: bool) -> tuple[str, ...]:
    """What does not hold of a claim, one sentence each; empty when all of it holds."""
    if evidence.missing_branch or evidence.head is None:
        return (f"the branch {ws.branch} is gone",)
    found: list[str] = []
    if ws.spec.kind is Kind.CHANGE and not evidence.has_commits:
        found.append("there is no commit on the branch; commit the work")
    if ws.spec.kind is Kind.RESEARCH and evidence.has_commits:
        found.append("this is research, which ends without commits; undo them and put the findings in HANDOFF.md")
    if evidence.dirty:
        found.append(f"the worktree has uncommitted changes: {_some(evidence.dirty)}; commit or remove them")
    if evidence.dropped and not ws.by_person:
        found.append(
            f"your merge kept only your side of {_some(evidence.dropped)}, and the other side's work there is gone; "
            "bring it back so that both intents hold"
        )
    outside = out_of_scope(ws.spec.scope, evidence.paths)
    if outside:
        found.append(f"changed outside the scope ({', '.join(ws.spec.scope)}): {_some(outside)}; undo these changes")
    if needs_handoff or ws.spec.kind is Kind.RESEARCH:
        if evidence.handoff is None:
            found.append("there is no HANDOFF.md")
        else:
            found.extend(f"HANDOFF.md: {missing}" for missing in complete(evidence.handoff))
    return tuple(found)


def out_of_scope(scope: Sequence[str], paths: Sequence[str]) -> tuple[str, ...]:
    """The paths that no glob of the scope covers; an empty scope covers everything."""
    return tuple(path for path in paths if not scope_matches(scope, path)) if scope else ()


def _some(paths: Sequence[str], limit: int = 8) -> str:
    more = f" and {len(paths) - limit} more" if len(paths) > limit else ""
    return ", ".join(paths[:limit]) + more


def _judge_findings(state: RunState, ws: WorkstreamState) -> e.Event:
    if ws.rejections > retries(state, ws):
        return _given_up(ws, ws.findings)
    return e.RetryDecided(workstream=ws.id, reason="evidence", message=evidence_message(ws.findings))


def _judge_conflict(state: RunState, ws: WorkstreamState) -> e.Event:
    branch = integration_branch(state.id)
    others = tuple(
        other
        for other in state.workstreams.values()
        if other.id != ws.id and other.integrated_as is not None and set(other.paths) & set(ws.conflict)
    )
    if ws.conflicts <= CONFLICTS:
        return e.RetryDecided(
            workstream=ws.id, reason="conflict", message=conflict_message(ws, branch=branch, others=others)
        )
    with_whom = f" with {', '.join(other.id for other in others)}" if others else ""
    return e.WorkstreamEscalated(
        workstream=ws.id,
        reason=f"it conflicts{with_whom} in {_some(ws.conflict)}, and its agent could not resolve it",
        commands=_by_hand(state, ws),
    )


def _by_hand(state: RunState, ws: WorkstreamState) -> tuple[str, ...]:
    """How a person resolves what no agent could."""
    return (
        f"cd {ws.worktree}",
        f"git merge {integration_branch(state.id)}",
        "resolve the conflicts, then git add and git commit",
        f"wto continue {ws.id}",
    )


def _judge_check(state: RunState, ws: WorkstreamState, command: str) -> e.Event:
    check = ws.failed_check
    assert check is not None
    if ws.rejections > retries(state, ws):
        return e.WorkstreamFailed(
            workstream=ws.id,
            reason=f"the check `{command}` {check.outcome} on its work merged with the integration branch",
            hint=f"the output is in {check.log}; mend it in {ws.worktree}, commit, then wto continue {ws.id}",
        )
    return e.RetryDecided(
        workstream=ws.id, reason="evidence", message=check_message(check, branch=integration_branch(state.id))
    )


def _judge_preparation(state: RunState, ws: WorkstreamState) -> e.Event | None:
    if ws.setup_failure:
        return e.WorkstreamFailed(
            workstream=ws.id,
            reason=ws.setup_failure,
            hint=f"the output is in {ws.setup_log}; mend it, then wto continue {ws.id}",
        )
    name = agent_name(state, ws)
    if agent_spec(name, plan_agents=state.plan.agents, settings=state.settings) is None:
        return e.WorkstreamFailed(workstream=ws.id, reason=f"there is no agent named {name}")
    budget = state.plan.limits.budget_usd
    spent = run_cost_usd(state)
    if budget is not None and spent >= budget:
        return e.WorkstreamEscalated(
            workstream=ws.id,
            reason=f"the run's budget of ${budget:.2f} is used (${spent:.2f})",
            commands=(f"wto continue {ws.id}",),
        )
    return None


def idle_for(state: RunState, ws: WorkstreamState) -> float | None:
    """How long the agent may show no sign of progress, in seconds; None for ever."""
    return seconds(ws.spec.idle or state.plan.defaults.idle) or None
