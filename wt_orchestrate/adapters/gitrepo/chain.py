"""Landing many branches in memory: merge commits one upon another, each with two parents, each proven.

A rider that conflicts, shares no history, or whose proof fails is left out, and the others ride on without it. No checkout is
touched and no side is taken; only the ref `pin` is moved, to the tip (the beginning itself when nobody rides).
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.adapters.gitrepo import merging, proof
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports import Car, Chain, LeftOut, Rider

UNRELATED = "the common history"
"""What a rider has lost that was begun apart from everything."""


def chain(git: Git, *, onto: CommitId, riders: Sequence[Rider], at: float, pin: str) -> Chain:
    """Merge the riders in order, each onto what rides ahead of it."""
    cars: list[Car] = []
    left_out: list[LeftOut] = []
    for rider in riders:
        found = _ride(git, rider, onto=onto, ahead=cars, at=at, pin=pin)
        if isinstance(found, Car):
            cars.append(found)
        else:
            left_out.append(found)
    git.run("update-ref", "--no-deref", "--end-of-options", pin, cars[-1].commit if cars else onto)
    return Chain(cars=tuple(cars), left_out=tuple(left_out))


def _ride(git: Git, rider: Rider, *, onto: CommitId, ahead: Sequence[Car], at: float, pin: str) -> Car | LeftOut:
    below = ahead[-1].commit if ahead else onto
    try:
        made = merging.merge(git, ours=below, theirs=rider.head, message=rider.message, at=at, pin=pin)
    except Refused:
        return LeftOut(name=rider.name, head=rider.head, onto=below, lost=(UNRELATED,))
    if made.commit is None or made.tree is None:
        partners = _partners(git, rider, onto, ahead)
        return LeftOut(name=rider.name, head=rider.head, onto=below, conflicts=made.conflicts, partners=partners)
    proven = proof.prove(git, merge=made.commit, ours=below, theirs=rider.head)
    if proven.lost:
        return LeftOut(name=rider.name, head=rider.head, onto=below, lost=proven.lost)
    return Car(
        name=rider.name,
        head=rider.head,
        onto=below,
        commit=made.commit,
        tree=made.tree,
        proven_paths=proven.checked_paths,
    )


def _partners(git: Git, rider: Rider, onto: CommitId, ahead: Sequence[Car]) -> tuple[str, ...]:
    """Which riders ahead it conflicts with: those alone, or else, where only all of them together do, all."""
    if _conflict(git, onto, rider.head):
        return ()
    alone = tuple(car.name for car in ahead if _conflict(git, car.head, rider.head))
    return alone or tuple(car.name for car in ahead)


def _conflict(git: Git, one: CommitId, other: CommitId) -> bool:
    arguments = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", "--end-of-options", one, other)
    return git.outcome(*arguments, ok=(0, 1, 128))[0] == 1
