"""The train's effects: merges in memory, checks on exact trees, and the move of the integration branch.

Everything is made in the vault. The branch moves only from the commit that its new head was built on; if it has moved
already, its own trailers say whether the work is in it (the program may have died between the swap and the log).
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import effects as f
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.effects import effect_key
from wt_orchestrate.domain.ids import CommitId, WorkstreamId, branch_ref, integration_branch
from wt_orchestrate.domain.plan.model import Check, seconds
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, last_attempt
from wt_orchestrate.engine.containment import in_short
from wt_orchestrate.engine.effects.conflict import settle
from wt_orchestrate.engine.effects.launch import naming_withheld, shell
from wt_orchestrate.engine.world import World, integration_ref, pin_ref
from wt_orchestrate.errors import WtError
from wt_orchestrate.ports.engine import PORTS
from wt_orchestrate.ports.git.checkouts import Around
from wt_orchestrate.ports.git.merges import Chain, ChainSpec, LeftOut, Rider

_TREE_TRIES = 2
"""How often the tree of a check may fail to be written before that is the check's result."""


def assemble(effect: f.Assemble, state: RunState, world: World) -> Sequence[e.Event]:
    """Merge the claims onto the train in their order, and say why one is not in it. One that conflicts is resolved at its
    place, by the rules, before anything behind it is merged: the same claims always make the same train."""
    made: list[e.Event] = []
    ahead: list[WorkstreamId] = []
    onto, riders = effect.onto, [_rider(state, name, head) for name, head in effect.riders]
    while riders:
        chain = _chain(onto, riders, pin="train", at=effect.at, state=state, world=world)
        cars = {car.workstream: car for car in chain.cars}
        out = {WorkstreamId(each.name): each for each in chain.left_out}
        behind: list[Rider] = []
        for number, rider in enumerate(riders, 1):
            name = WorkstreamId(rider.name)
            joined: Sequence[e.Event] = (cars[name],) if name in cars else ()
            if not joined:
                joined = _joined(out[name], state, world, at=effect.at, pin="train")
                if not isinstance(joined[0], e.MergeMade):
                    made += _left_out(out[name], joined, state, world, ahead=ahead, alone=onto == effect.onto)
                    continue
                onto, behind = joined[0].commit, riders[number:]
            made += joined
            ahead.append(name)
            if name in out:
                break
        riders = behind
    return made


def _rider(state: RunState, name: WorkstreamId, head: CommitId) -> Rider:
    return Rider(name=name, head=head, message=merge_message(state, state.workstreams[name], head))


def _chain(onto: CommitId, riders: Sequence[Rider], *, pin: str, at: float, state: RunState, world: World) -> Chain:
    return world.vault.merges.chain(
        ChainSpec(onto=onto, riders=riders, at=at, pin=pin_ref(state.id, pin), author=state.author)
    )


def _joined(left: LeftOut, state: RunState, world: World, *, at: float, pin: str) -> Sequence[e.Event]:
    """The car of a claim that conflicts at its place, with how that was resolved; or why it has none."""
    name = WorkstreamId(left.name)
    if left.lost:
        return (e.ProofFailed(workstream=name, commit=left.onto, lost=left.lost, head=left.head),)
    settled = settle(name, left.head, onto=left.onto, at=at, state=state, world=world)
    if isinstance(settled, e.SettleFailed):
        return (settled,)
    message = merge_message(state, state.workstreams[name], left.head)
    resolved = Rider(name=name, head=settled.commit, message=message)
    chain = _chain(left.onto, [resolved], pin=pin, at=at, state=state, world=world)
    if not chain.cars:
        lost = chain.left_out[0].lost or chain.left_out[0].conflicts
        return (e.ProofFailed(workstream=name, commit=settled.commit, lost=lost, head=left.head),)
    return (replace(chain.cars[0], head=left.head), settled)


def _left_out(
    left: LeftOut,
    failed: Sequence[e.Event],
    state: RunState,
    world: World,
    *,
    ahead: Sequence[WorkstreamId],
    alone: bool,
) -> Sequence[e.Event]:
    """A conflict with integrated work is the claim's own; one with cars ahead only makes it wait for them. `alone`: nothing
    but riders of one chain is between the integration head and its place, so that its partners are known."""
    (why,) = failed
    if not isinstance(why, e.SettleFailed):
        return failed
    cars = tuple(car.workstream for car in state.train.cars)
    known = tuple(WorkstreamId(partner) for partner in left.partners)
    own = None if cars or (alone and known) else _own_conflict(left, state, world, behind=bool(ahead))
    if own is not None:
        conflicted = e.MergeConflicted(workstream=why.workstream, head=left.head, onto=own.onto, paths=own.conflicts)
        return (conflicted, replace(why, onto=own.onto))
    partners = known if alone and not cars else (*cars, *ahead, *known)
    return (
        e.RiderWaits(
            workstream=why.workstream,
            head=left.head,
            onto=left.onto,
            partners=tuple(dict.fromkeys(partners)),
            paths=left.conflicts,
        ),
    )


def _own_conflict(left: LeftOut, state: RunState, world: World, *, behind: bool) -> LeftOut | None:
    """The claim's conflict with integrated work alone, without what is ahead of it in the train; None if there is none.
    Whoever resolves it must not be given work that may still be refused."""
    if not behind:
        return left
    assert state.integration.commit is not None
    name = WorkstreamId(left.name)
    rider = _rider(state, name, left.head)
    chain = _chain(state.integration.commit, [rider], pin=f"trial-{name}", at=0.0, state=state, world=world)
    return next((each for each in chain.left_out if not each.lost), None)


def make_trial(effect: f.MakeTrial, state: RunState, world: World) -> Sequence[e.Event]:
    """The suspect's work merged onto an earlier integration commit, by the rules where both conflict."""
    name, pin = effect.workstream, f"trial-{effect.workstream}"
    chain = _chain(effect.onto, [_rider(state, name, effect.head)], pin=pin, at=effect.at, state=state, world=world)
    made: Sequence[e.Event] = chain.cars or _joined(chain.left_out[0], state, world, at=effect.at, pin=pin)
    car = made[0] if isinstance(made[0], e.MergeMade) else None
    return (
        e.TrialMade(
            workstream=name,
            onto=effect.onto,
            commit=car.commit if car is not None else None,
            tree=car.tree if car is not None else None,
        ),
    )


def merge_message(state: RunState, ws: WorkstreamState, head: CommitId) -> str:
    """The integration commit's message; its trailers are ours and say exactly what was merged."""
    title = " ".join((ws.spec.title or f"workstream {ws.id}").split())[:100]
    attempt = last_attempt(ws)
    trailers = {
        "Wto-Run": state.id,
        "Wto-Workstream": ws.id,
        "Wto-Attempt": attempt.id if attempt is not None else "none",
        "Wto-Head": head,
    }
    return f"Integrate {ws.id}: {title}\n\n" + "".join(f"{key}: {value}\n" for key, value in trailers.items())


# ---------------------------------------------------------------- checks


def run_check(effect: f.RunCheck, state: RunState, world: World) -> Sequence[e.Event]:
    """Start one check in its slot, on exactly that tree."""
    slot = f"{state.id}-{effect.slot}"
    try:
        path = world.vault.checkouts.checkout(
            commit=effect.commit, slot=slot, keep=not effect.fresh, around=_around(state)
        )
    except (WtError, OSError) as error:
        tried = state.effects.failures.get(effect_key(effect))
        if tried is None or tried.count < _TREE_TRIES or state.room.full:
            raise
        return (_without_tree(effect, error),)
    if effect.fresh:
        world.repository.copy_included(path=path)
    env = {
        **world.command_env,
        "WTO_RUN": state.id,
        "WTO_CHECK": effect.check.run,
        "WTO_SLOT": str(effect.slot),
        "WTO_PORT": str(world.machine.ports(effect.slot)),
        "WTO_PORTS": str(PORTS),
    }
    script = _with_setup(state, effect.check) if effect.fresh else effect.check.run
    script = naming_withheld(script, world.withheld)
    timeout_s = seconds(effect.check.timeout) or 600.0
    world.executor.start(shell(effect.process, script, cwd=path, env=env, timeout_s=timeout_s))
    return (
        e.CommandStarted(
            workstream=effect.workstream,
            process=effect.process,
            purpose="check",
            command=effect.check.run,
            commit=effect.commit,
            tree=effect.tree,
            slot=effect.slot,
            probe=effect.probe,
            ahead=effect.ahead,
        ),
    )


def _without_tree(effect: f.RunCheck, error: Exception) -> e.Event:
    """A check that cannot run because its tree cannot be written here (a path longer than the system's limit): it checked
    nothing, which is the result of the work that brought the tree."""
    why = error.message if isinstance(error, WtError) else in_short(error)
    return e.CheckFinished(
        workstream=effect.workstream,
        commit=effect.commit,
        tree=effect.tree,
        command=effect.check.run,
        outcome=e.CheckOutcome.BROKEN,
        exit_code=None,
        duration_s=0.0,
        log="",
        tail=f"the files of the tree cannot be written here: {why}",
        process=effect.process,
        probe=effect.probe,
        ahead=effect.ahead,
    )


def _around(state: RunState) -> Around:
    """The target, the integration branch and the workstreams' branches, as the vault has them."""
    heads = {branch_ref(ws.branch): ws.head for ws in state.workstreams.values() if ws.branch is not None}
    named = {
        **heads,
        branch_ref(integration_branch(state.id)): state.integration.commit,
        branch_ref(state.target): state.landed.commit or state.base,
    }
    return Around(refs={ref: at for ref, at in named.items() if at is not None}, remotes=state.remotes)


def _with_setup(state: RunState, check: Check) -> str:
    """The first check in a fresh tree, after the setup commands; if one of these fails, the check has no result (126)."""
    setup = (*state.settings.setup, *state.plan.setup)
    lines = [f"(\n{command}\n) || {{ echo 'the setup command failed'; exit 126; }}" for command in setup]
    return "\n".join((*lines, check.run))


# ---------------------------------------------------------------- the integration branch


def advance(effect: f.Advance, state: RunState, world: World) -> Sequence[e.Event]:
    """Move it, or find out that it has moved already."""
    ref = integration_ref(state.id)
    if world.vault.refs.resolve(ref) is None:  # the log says where it was; the vault's copy of it was lost
        world.vault.refs.advance(ref, new=effect.onto, old=None)
    if world.vault.refs.advance(ref, new=effect.commit, old=effect.onto):
        if not effect.takes:
            return (e.IntegrationAdvanced(commit=effect.commit),)
        return tuple(_integrated(each, each.commit) for each in effect.takes)
    found = world.vault.refs.resolve(ref)
    heads = world.vault.commits.trailers(base=state.base, head=found, key="Wto-Head") if found is not None else {}
    taken = [(each, heads[each.head]) for each in effect.takes if each.head in heads]
    tree = world.vault.objects.tree(found) if found is not None else None
    moved = [
        e.IntegrationMoved(workstream=each.workstream, found=found, tree=tree)
        for each in effect.takes
        if each.head not in heads
    ]
    if not effect.takes:
        moved = [e.IntegrationMoved(workstream=None, found=found, tree=tree)]
    return (*(_integrated(each, commit) for each, commit in taken), *moved)


def _integrated(taken: e.MergeMade, commit: CommitId) -> e.Integrated:
    return e.Integrated(workstream=taken.workstream, head=taken.head, onto=taken.onto, commit=commit)


def publish(effect: f.Publish, state: RunState, world: World) -> Sequence[e.Event]:
    """Copy the integration head to the user's repository."""
    branch = integration_branch(state.id)
    shown = world.repository.resolve(branch)
    if not world.repository.publish(vault=world.vault.path, branch=branch, new=effect.commit, expected=shown):
        raise WtError(
            f"the branch {branch} was moved by someone else", hint=f"leave {branch} unchanged, then run wto resume"
        )
    return (e.IntegrationPublished(commit=effect.commit, order=effect.order),)
