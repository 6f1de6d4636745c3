"""Fold events into the train, its suspects, results of checks, and the landing."""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import CommitId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Check
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.checks import judged_anew, judgement, results
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import BranchHead, LandedHead, RunState, aboard
from wt_orchestrate.domain.state.train import Blame, Candidate, Suspect, Train, Trial, check_result
from wt_orchestrate.domain.state.workstream import WorkstreamState, accepted


def suspected(state: RunState, ws: WorkstreamState, seen: e.RiderSuspected) -> Suspect:
    """The suspect that an event makes, with its possible partners."""
    return Suspect(
        workstream=ws.id,
        head=seen.head,
        onto=seen.onto,
        onto_tree=state.integration.tree if seen.onto == state.integration.commit else None,
        commit=seen.commit,
        tree=seen.tree,
        own_tree=ws.claim.accepted.tree if ws.claim is not None and ws.claim.accepted is not None else None,
        command=seen.command,
        among=_integrated_since(state, ws.base),
    )


def _integrated_since(state: RunState, base: CommitId | None) -> tuple[tuple[WorkstreamId, CommitId], ...]:
    """Workstreams integrated after a base, each with its merge commit, oldest first."""
    merged = sorted(
        (ws.merged.order, ws.id, ws.merged.commit)
        for ws in state.workstreams.values()
        if ws.merged is not None and ws.merged.commit is not None
    )
    at = next((number for number, (_, _, commit) in enumerate(merged, 1) if commit == base), 0)
    return tuple((name, commit) for _, name, commit in merged[at:])


_RIDING = frozenset({Stage.VERIFYING, Stage.VERIFIED})


def fold_train(state: RunState, record: e.Record) -> RunState:
    """The run after one more record."""
    match record.event:
        case e.CommandDropped() as dropped:
            return _slots_unset(state, dropped.process)
        case e.CheckFinished() as check:
            return _check_finished(state, check, record.at)
        case e.MergeMade() as made:
            return _coupled(state, made)
        case e.RiderWaits(workstream=name, head=head, partners=partners) if _is_awaited(state, name, head):
            known = {car.workstream for car in state.train.cars}
            ahead = tuple(partner for partner in partners if partner in known)
            waiting = {**state.train.waiting, name: ahead} if ahead else state.train.waiting
            return replace(state, train=replace(state.train, waiting=waiting))
        case e.RiderSuspected() as seen:
            suspect = suspected(state, state.workstreams[seen.workstream], seen)
            return replace(state, train=Train(), suspects=(*state.suspects, suspect))
        case e.TrialMade() as made:
            return _tried(state, made)
        case e.SuspectCleared(workstream=name):
            return replace(state, suspects=tuple(each for each in state.suspects if each.workstream != name))
        case e.UnionRejected(workstream=name):
            suspects = tuple(each for each in state.suspects if each.workstream != name)
            return replace(state, suspects=suspects, rides=replace(state.rides, rejected=state.rides.rejected + 1))
        case e.RiderBlamed() as blamed:
            return _blamed(state, blamed)
        case e.Verified() as verified:
            return _verified(state, verified)
        case e.Integrated(commit=commit) as taken if commit is not None:
            return _integrated(state, taken, commit, record.number)
        case e.Integrated() | e.MergedElsewhere():
            return replace(state, land_refusal="")
        case e.IntegrationMoved(found=found, tree=tree):
            moved = BranchHead(commit=found or state.integration.commit, tree=tree, order=record.number)
            return replace(state, train=Train(), candidate=None, integration=moved)
        case _:
            return _fold_landing(state, record)


# ---------------------------------------------------------------- cars


def _is_awaited(state: RunState, name: WorkstreamId, head: CommitId) -> bool:
    """Whether the workstream still waits for a merge of this head; its claim may have been withdrawn."""
    ws = state.workstreams[name]
    return ws.stage is Stage.VERIFYING and accepted(ws) == head and not (ws.stopping or ws.cancelling)


def _coupled(state: RunState, made: e.MergeMade) -> RunState:
    """The train with one more car, if the car is built on the train as it is now."""
    train = state.train
    below = train.tip or state.integration.commit
    if made.onto != below or not _is_awaited(state, made.workstream, made.head):
        return state
    if aboard(state, made.workstream):
        return state
    return replace(state, train=replace(train, cars=(*train.cars, made)))


def left_the_train(state: RunState, name: WorkstreamId) -> RunState:
    """The train without the claim of a workstream that is no longer being verified, and without what was built on it."""
    if state.workstreams[name].stage in _RIDING or not (aboard(state, name) or name in state.train.waiting):
        return state
    suspects = tuple(each for each in state.suspects if each.workstream != name)
    at = next((number for number, car in enumerate(state.train.cars) if car.workstream == name), None)
    waiting = {each: ahead for each, ahead in state.train.waiting.items() if each != name}
    cars = state.train.cars if at is None else state.train.cars[:at]
    return replace(state, suspects=suspects, train=_shortened(Train(cars=cars, waiting=waiting)))


def _shortened(train: Train) -> Train:
    """Claims whose conflicts have left the train may join."""
    names = {car.workstream for car in train.cars}
    return replace(train, waiting={each: ahead for each, ahead in train.waiting.items() if names & set(ahead)})


def _integrated(state: RunState, taken: e.Integrated, commit: CommitId, number: int) -> RunState:
    cars = state.train.cars
    first = cars[0] if cars else None
    known = first is not None and first.workstream == taken.workstream and first.commit == commit
    return replace(
        state,
        integration=BranchHead(commit=commit, tree=first.tree if first is not None and known else None, order=number),
        train=_shortened(replace(state.train, cars=cars[1:])) if known else Train(),
        rides=replace(state.rides, integrated=state.rides.integrated + 1),
        land_refusal="",  # an earlier refusal to land was about less work
    )


def _verified(state: RunState, verified: e.Verified) -> RunState:
    """The checks that passed on the tree are the evidence of each workstream in it."""
    ws = state.workstreams[verified.workstream]
    found = results(
        state, verified.tree, [Check(run=command) for command in state.checks.judged.get(verified.tree, {})]
    )
    return _with(state, replace(ws, checks=found)) if found else state


def _with(state: RunState, ws: WorkstreamState) -> RunState:
    return replace(state, workstreams={**state.workstreams, ws.id: ws})


# ---------------------------------------------------------------- checks


def _check_finished(state: RunState, check: e.CheckFinished, at: float) -> RunState:
    found = judged_anew(judgement(state, check.tree, check.command), check_result(check, at))
    of_tree = {**state.checks.judged.get(check.tree, {}), check.command: found}
    state = replace(state, checks=replace(state.checks, judged={**state.checks.judged, check.tree: of_tree}))
    return _slots_unset(state, check.process) if check.outcome is e.CheckOutcome.LOST else state


def _slots_unset(state: RunState, process: str) -> RunState:
    """A check without a result may have left its slot half set up: no free slot is trusted then."""
    used = {command.slot for command in state.commands.values()}
    slots = {slot: commit for slot, commit in state.checks.slots.items() if slot in used}
    return replace(state, checks=replace(state.checks, slots=slots))


# ---------------------------------------------------------------- suspects


def _tried(state: RunState, made: e.TrialMade) -> RunState:
    trial = Trial(onto=made.onto, commit=made.commit, tree=made.tree)
    suspects = tuple(
        replace(each, trials=(*each.trials, trial)) if each.workstream == made.workstream else each
        for each in state.suspects
    )
    return replace(state, suspects=suspects)


def _blamed(state: RunState, blamed: e.RiderBlamed) -> RunState:
    ws = state.workstreams[blamed.workstream]
    blame = Blame(on_target=blamed.on_target, alone=blamed.alone, partner=blamed.partner)
    last = judgement(state, blamed.tree, blamed.command).last
    suspects = tuple(each for each in state.suspects if each.workstream != ws.id)
    rides = replace(state.rides, rejected=state.rides.rejected + (not blamed.on_target))
    state = replace(state, suspects=suspects, rides=rides)
    return _with(state, replace(ws, faults=replace(ws.faults, failed_check=last, blame=blame)))


# ---------------------------------------------------------------- the landing


def _fold_landing(state: RunState, record: e.Record) -> RunState:
    landing = state.landing
    match record.event:
        case e.LandingPrepared() as prepared if landing is not None:
            made = Candidate(
                onto=prepared.expected, commit=prepared.commit, tree=prepared.tree, checked=prepared.checked
            )
            wish = replace(landing, expected=prepared.expected, commit=prepared.commit, tries=landing.tries + 1)
            return replace(state, landing=wish, candidate=made)
        case e.IntegrationAdvanced(commit=commit):
            advanced = BranchHead(commit=commit, tree=_tree_of(state, commit), order=record.number)
            return replace(state, integration=advanced)
        case e.Landed(target=target, commit=commit, integration=joined):
            tree = _tree_of(state, commit) or state.integration.tree
            head = BranchHead(commit=joined or commit, tree=tree, order=record.number)
            return replace(
                state,
                target=target,
                landing=None,
                candidate=None,
                train=Train(),
                landed=LandedHead(commit=commit, at=record.at, integration=joined or commit),
                integration=head,
                published=head,
                land_refusal="",
            )
        case e.TargetMoved():
            return replace(state, candidate=None)
        case e.LandRefused(reason=reason):
            return replace(state, landing=None, candidate=None, land_refusal=reason)
        case _:
            return state


def _tree_of(state: RunState, commit: CommitId) -> TreeId | None:
    made = state.candidate
    return made.tree if made is not None and made.commit == commit else None
