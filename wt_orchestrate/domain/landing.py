"""The train: in which order verified work is merged, checked on the combined tree, and published; and the landing.

A serial train: one candidate at a time, in the order in which claims were accepted. A candidate is a merge in memory onto
the integration head; only when every check passed on exactly its tree may the integration branch move to it, by
compare-and-swap from the head it was built on. A landing is a candidate too, when the target has moved meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import Advance, Effect, Land, Merge, PrepareLanding, RunCheck
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.domain.plan import Check, Kind
from wt_orchestrate.domain.state import DONE, Candidate, Landing, Phase, RunState, Stage, WorkstreamState
from wt_orchestrate.errors import ExitCode

LOST_CHECKS = 2
"""How often a check that never told is run again."""
MOVED_TARGETS = 3
"""How often a landing starts anew because the target moved under it."""


def required_checks(state: RunState, candidate: Candidate) -> tuple[Check, ...]:
    """The checks that judge a candidate's tree, each command once."""
    if candidate.checked:
        return ()
    if candidate.workstream is not None:
        further = state.workstreams[candidate.workstream].spec.checks
    else:
        further = tuple(check for ws in state.workstreams.values() if ws.stage in DONE for check in ws.spec.checks)
    return tuple({check.run: check for check in (*state.plan.checks, *further)}.values())


def landing_conclusions(state: RunState) -> Sequence[e.Event]:
    """What follows for the candidate and for a wish to land."""
    candidate, landing = state.candidate, state.landing
    if candidate is not None and candidate.workstream is not None:
        ws = state.workstreams[candidate.workstream]
        passed = candidate.passed >= len(required_checks(state, candidate))
        if candidate.tries > LOST_CHECKS:
            reason = f"a check on its work was lost {candidate.tries} times (killed, or the machine went down)"
            return (e.WorkstreamEscalated(workstream=ws.id, reason=reason, commands=(f"wto continue {ws.id}",)),)
        if passed and ws.stage is Stage.VERIFYING:
            return (
                e.Verified(workstream=ws.id, commit=candidate.commit, tree=candidate.tree, checks=candidate.passed),
            )
    if landing is not None:
        refusal = _refused(state, landing)
        return (refusal,) if refusal is not None else ()
    return tuple(
        e.Integrated(workstream=ws.id, head=ws.head, onto=state.integration or state.base, commit=None)
        for ws in state.workstreams.values()
        if ws.stage is Stage.VERIFYING and ws.spec.kind is Kind.RESEARCH
    )


def _refused(state: RunState, landing: Landing) -> e.LandRefused | None:
    if state.integration is None or not any(ws.stage is Stage.INTEGRATED for ws in state.workstreams.values()):
        return e.LandRefused(
            reason="there is nothing to land: no workstream is integrated and not landed yet",
            code=ExitCode.CONFLICT,
            commands=("wto status",),
        )
    if landing.failed_check:
        return e.LandRefused(
            reason=f"on {state.target} combined with this run the check {landing.failed_check}",
            code=ExitCode.CHECKS_FAILED,
            commands=("mend it in a further run, or land by hand", "wto land"),
        )
    if landing.tries > MOVED_TARGETS:
        return e.LandRefused(
            reason=f"{state.target} moved {landing.tries} times while its combination with the run was checked",
            code=ExitCode.STALE,
            commands=("wto land",),
        )
    return None


def train(state: RunState) -> Sequence[Effect]:
    """The one next step of the train or of the landing."""
    if state.integration is None or state.phase is Phase.STOPPING:
        return ()
    candidate = state.candidate
    if candidate is not None:
        return _forward(state, candidate)
    if state.landing is not None and not _under_way(state):
        return (
            PrepareLanding(
                target=state.target,
                integration=state.integration,
                allow_protected=state.landing.allow_protected,
                at=state.landing.at,
            ),
        )
    waiting = [ws for ws in state.workstreams.values() if _rides(ws) and not ws.on_hold]
    if not waiting:
        return ()
    first = min(waiting, key=lambda ws: ws.accepted_order)
    assert first.accepted is not None
    return (Merge(workstream=first.id, head=first.accepted, onto=state.integration, at=first.accepted_at),)


def _rides(ws: WorkstreamState) -> bool:
    return (
        ws.stage is Stage.VERIFYING
        and ws.spec.kind is Kind.CHANGE
        and ws.accepted is not None
        and not (ws.conflict or ws.failed_check or ws.findings or ws.stopping or ws.cancelling)
    )


def _under_way(state: RunState) -> bool:
    return any(_rides(ws) and not ws.on_hold for ws in state.workstreams.values())


def _forward(state: RunState, candidate: Candidate) -> Sequence[Effect]:
    checks = required_checks(state, candidate)
    if candidate.passed < len(checks):
        if any(command.purpose == "check" for command in state.commands.values()):
            return ()
        where = candidate.workstream or "landing"
        number = f"{candidate.commit[:12]}.{candidate.passed + 1}.{candidate.tries + 1}"
        return (
            RunCheck(
                workstream=candidate.workstream,
                commit=candidate.commit,
                process=ProcessId(f"{state.id}.{where}.check.{number}"),
                check=checks[candidate.passed],
                fresh=candidate.passed == 0 or candidate.tries > 0,
            ),
        )
    if candidate.workstream is None:
        return _land(state, candidate)
    return (
        Advance(workstream=candidate.workstream, head=candidate.head, commit=candidate.commit, onto=candidate.onto),
    )


def _land(state: RunState, candidate: Candidate) -> Sequence[Effect]:
    if candidate.commit != state.integration and state.integration is not None:
        return (Advance(workstream=None, head=None, commit=candidate.commit, onto=state.integration),)
    return (Land(target=state.target, commit=candidate.commit, expected=candidate.onto),)
