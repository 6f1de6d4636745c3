"""Find the cause of a failed check before anybody is blamed: run it again, on the target, on the work alone, on earlier
combinations.

A suspect is set aside while the train goes on without it. Its check runs once more on the same tree (it may be flaky),
then on the bare integration head that it was merged onto (that may fail by itself). If the suspect is not cleared, its
partner is searched: the work alone, then the work merged onto what was integrated since its base, halving each time,
until the pair that fails only together is known. A tree counts as failing only when it failed twice: one run may be
flaky or killed.
"""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import MakeTrial
from wt_orchestrate.domain.ids import CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Check
from wt_orchestrate.domain.state.checks import checks_of, confirmed, judgement
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.train import Probe, Suspect
from wt_orchestrate.domain.state.workstream import acceptance, guessed_paths

CERTAIN = frozenset({"confirm", "target"})
"""Purposes of checks that decide whether anybody is to blame; the others find a partner and can wait."""
_RIDING = frozenset({Stage.VERIFYING, Stage.VERIFIED})


def next_step(state: RunState, suspect: Suspect) -> e.Event | Probe | MakeTrial | None:
    """What to conclude, run or merge next about it; None while it waits for others to fix the target."""
    check = _check(state, suspect)
    again = judgement(state, suspect.tree, check.run)
    if again.passed:
        return _cleared(suspect, "it passed when run again on the same tree")
    if not confirmed(again):
        return _probe(suspect, check, "confirm", suspect.commit, suspect.tree)
    if suspect.onto_tree is not None:
        target = judgement(state, suspect.onto_tree, check.run)
        if not target.passed:
            probe = _probe(suspect, check, "target", suspect.onto, suspect.onto_tree)
            return _target_is_red(state, suspect, again=probe, certain=confirmed(target)) if target.failed else probe
    return _partner(state, suspect, check)


def _check(state: RunState, suspect: Suspect) -> Check:
    known = checks_of(state, (suspect.workstream,))
    return next((check for check in known if check.run == suspect.command), Check(run=suspect.command))


def _probe(suspect: Suspect, check: Check, purpose: str, commit: CommitId, tree: TreeId) -> Probe:
    return Probe(workstream=suspect.workstream, commit=commit, tree=tree, check=check, purpose=purpose)


def _cleared(suspect: Suspect, reason: str) -> e.SuspectCleared:
    return e.SuspectCleared(workstream=suspect.workstream, command=suspect.command, reason=reason)


def _blamed(
    suspect: Suspect, *, on_target: bool = False, alone: bool | None = None, partner: WorkstreamId | None = None
) -> e.RiderBlamed:
    return e.RiderBlamed(
        workstream=suspect.workstream,
        head=suspect.head,
        tree=suspect.tree,
        command=suspect.command,
        on_target=on_target,
        alone=alone,
        partner=partner,
    )


def _target_is_red(state: RunState, suspect: Suspect, *, again: Probe, certain: bool) -> e.Event | Probe | None:
    """The check fails without this work too. Other claims may fix that; if none does, its own agent is told, once it is
    certain."""
    if state.integration.commit != suspect.onto:
        return _cleared(suspect, "the checks failed on main too, and main has moved since")
    aside = {each.workstream for each in state.suspects}
    if any(ws.stage in _RIDING and ws.id not in aside and not ws.on_hold for ws in state.workstreams.values()):
        return None
    return _blamed(suspect, on_target=True) if certain else again


def _partner(state: RunState, suspect: Suspect, check: Check) -> e.Event | Probe | MakeTrial:
    guessed = _guessed(state, suspect)
    if suspect.own_tree is None:
        return guessed or _blamed(suspect)
    own = judgement(state, suspect.own_tree, check.run)
    if not own.passed:
        if not confirmed(own):
            return _probe(suspect, check, "alone", suspect.head, suspect.own_tree)
        return _blamed(suspect, alone=True)
    if guessed is not None:
        return guessed
    if not suspect.among:
        return _blamed(suspect, alone=False)
    low, high = 0, len(suspect.among)
    while high - low > 1:
        middle = (low + high) // 2
        passed = _passed_with(state, suspect, check, suspect.among[middle - 1][1])
        if not isinstance(passed, bool):
            return passed
        low, high = (middle, high) if passed else (low, middle)
    return _blamed(suspect, alone=False, partner=suspect.among[high - 1][0])


def _guessed(state: RunState, suspect: Suspect) -> e.UnionRejected | None:
    """That union was the wrong guess, if it was tried on its conflict: that is why the check fails, as far as anybody can
    tell, and the conflict is to be resolved otherwise."""
    ws = state.workstreams[suspect.workstream]
    tried = guessed_paths(ws) if ws.conflict is not None and ws.conflict.head == suspect.head else ()
    if not tried:
        return None
    return e.UnionRejected(workstream=ws.id, head=suspect.head, onto=suspect.onto, paths=tried, command=suspect.command)


def _passed_with(state: RunState, suspect: Suspect, check: Check, onto: CommitId) -> bool | Probe | MakeTrial:
    """Whether the check passes on the work merged onto an earlier integration commit, or the next step to find out."""
    trial = next((each for each in suspect.trials if each.onto == onto), None)
    if trial is None:
        claim = acceptance(state.workstreams[suspect.workstream])
        at = claim.at if claim is not None else 0.0
        return MakeTrial(workstream=suspect.workstream, head=suspect.head, onto=onto, at=at)
    if trial.commit is None or trial.tree is None:
        return False
    found = judgement(state, trial.tree, check.run)
    if not found.passed and not confirmed(found):
        return _probe(suspect, check, "trial", trial.commit, trial.tree)
    return bool(found.passed)
