"""The simulated vault's chain tells what the real one does."""

from __future__ import annotations

import pytest

from tests.simulation.faults import Crash, Faults
from tests.simulation.git import Objects, Site
from tests.simulation.vault import SimVault
from wt_orchestrate.domain.events.train import MergeMade
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.ports.git.merges import Chain, ChainSpec, LeftOut, Rider


def test_a_simulated_chain_leaves_out_who_conflicts() -> None:
    """The others ride on, the partner is named, the tip is pinned, and a crash may fall at either end of it."""
    objects = Objects()
    site = Site(objects, Faults())
    vault = SimVault(site)
    onto = objects.add({"a": "1", "b": "1", "c": "1"}, (), "begin")
    trees = {
        "first": {"a": "2", "b": "1", "c": "1"},
        "clashes": {"a": "3", "b": "1", "c": "1"},
        "second": {"a": "1", "b": "2", "c": "1"},
    }
    riders = [Rider(name=name, head=objects.add(tree, (onto,), name), message=name) for name, tree in trees.items()]
    chain = vault.merges.chain(ChainSpec(onto=onto, riders=riders, at=1.0, pin="refs/wto/pin"))
    first, second = chain.cars
    out = LeftOut(name="clashes", head=riders[1].head, onto=first.commit, conflicts=("a",), partners=("first",))
    assert chain == Chain(cars=(_car(riders[0], onto, first), _car(riders[2], first.commit, second)), left_out=(out,))
    assert objects.tree(second.commit) == {"a": "2", "b": "2", "c": "1"}
    assert site.vault["refs/wto/pin"] == second.commit
    site.faults.armed = frozenset({site.faults.step + 1})
    with pytest.raises(Crash):
        vault.merges.chain(ChainSpec(onto=onto, riders=riders, at=1.0, pin="refs/wto/pin"))
    assert vault.merges.chain(ChainSpec(onto=onto, riders=riders, at=1.0, pin="refs/wto/pin")) == chain


def _car(rider: Rider, onto: str, made: MergeMade) -> MergeMade:
    """What a car has to say beside the ids of what was made."""
    assert made.onto == onto
    return MergeMade(
        workstream=WorkstreamId(rider.name),
        head=rider.head,
        onto=made.onto,
        commit=made.commit,
        tree=made.tree,
        proven_paths=1,
    )
