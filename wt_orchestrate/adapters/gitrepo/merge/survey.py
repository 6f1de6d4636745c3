"""Survey the riders of a chain: which commits are their own, where those start, and what they change, for all of them
at once.

Two git processes for any number of riders, a third if one of them deletes anything. A rider has one merge base with
whatever it will be merged onto if its own commits leave the history of the chain's start at one place, and no rider
ahead has any of them too. Otherwise (criss-cross merges, branches on branches, unrelated history) only git may judge:
such a rider has no base.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.merge.path_index import folders
from wt_orchestrate.adapters.gitrepo.objects.ancestry import line, merge_base, merge_bases, walkable
from wt_orchestrate.adapters.gitrepo.objects.blobs import trees_of
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import Delta, between, deleted
from wt_orchestrate.adapters.gitrepo.objects.session import look_up
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, input_lines
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.ports.git.merges import Rider

_FEW = 16
"""Heads up to which their commits are walked over one by one; beyond, one git that lists them is quicker."""
Graph = Mapping[str, Sequence[str]]
"""New commits, each with its parents."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a rider brings: its change since its one merge base, or no base if only git may judge."""

    rider: Rider
    base: CommitId | None
    tree: TreeId | None
    delta: Delta
    gone: Set[str] = frozenset()
    """Folders that it deleted from and that are empty now; also those that could be once it is merged."""


@dataclass(frozen=True, slots=True)
class Since:
    """What the start of a chain changed since a base; `gone` as for a load."""

    delta: Delta
    gone: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Survey:
    """Every rider's load, in order, and what the start of the chain changed since each of their bases."""

    onto: CommitId
    loads: Sequence[Load]
    since: Mapping[CommitId, Since]


def survey(git: Git, *, onto: CommitId, riders: Sequence[Rider]) -> Survey:
    """Read what the riders bring."""
    graph = new_commits(git, onto, [rider.head for rider in riders])
    bases = _bases(git, graph, onto, riders)
    changed = {(base, rider.head) for rider, base in zip(riders, bases, strict=True) if base and base != rider.head}
    begun = sorted({base for base in bases if base is not None and base != onto})
    asked = [*sorted(changed), *((base, onto) for base in begun)]
    trees = trees_of(git, [commit for pair in asked for commit in pair])
    found = dict(zip(asked, between(git, [(trees[one], trees[other]) for one, other in asked]), strict=True))
    loads = [
        Load(rider, base, TreeId(trees[rider.head]), found[base, rider.head])
        if base is not None and base != rider.head
        else Load(rider, base, None, {})
        for rider, base in zip(riders, bases, strict=True)
    ]
    return _with_gone(git, onto, loads, {base: found[base, onto] for base in begun})


def _with_gone(git: Git, onto: CommitId, loads: Sequence[Load], since: Mapping[CommitId, Delta]) -> Survey:
    """The survey, with the folders that each side emptied."""
    below = {base: deleted_below(delta) for base, delta in since.items()}
    own = [deleted_below(load.delta) for load in loads]
    asked = {(load.rider.head, folder) for load, names in zip(loads, own, strict=True) for folder in names}
    gone = missing_folders(git, sorted(asked | {(onto, folder) for names in below.values() for folder in names}))
    return Survey(
        onto=onto,
        loads=[
            replace(
                load,
                gone={
                    folder
                    for folder in names
                    # emptied by itself, or maybe by both once they are together
                    if (load.rider.head, folder) in gone or folder in below.get(load.base or onto, ())
                },
            )
            for load, names in zip(loads, own, strict=True)
        ],
        since={
            base: Since(delta, {folder for folder in below[base] if (onto, folder) in gone})
            for base, delta in since.items()
        },
    )


def deleted_below(delta: Delta) -> Set[str]:
    """The folders below which a change deletes anything."""
    return {folder for path in deleted(delta) for folder in folders(path)}


def missing_folders(git: Git, asked: Sequence[tuple[CommitId, str]]) -> Set[tuple[CommitId, str]]:
    """Those folders that are not in those commits; also those whose name cannot be asked for."""
    plain = [(commit, folder) for commit, folder in asked if "\n" not in folder]
    if not plain:
        return set(asked)
    found = look_up(git, [f"{commit}:{folder}" for commit, folder in plain])
    return set(asked) - {each for each, at in zip(plain, found, strict=True) if at is not None and at.kind == "tree"}


def new_commits(git: Git, onto: CommitId, heads: Sequence[CommitId]) -> Graph:
    """The commits of the riders that the start does not have."""
    straight = _straight(git, onto, heads) if len(heads) <= _FEW and walkable(git) else None
    if straight is not None:
        return straight
    asked = input_lines([f"^{onto}", *dict.fromkeys(heads)])
    output = git.run("rev-list", "--parents", "--stdin", stdin=asked, timeout_s=LONG_S)
    return {commit: parents for commit, *parents in (line.split() for line in output.decode().splitlines())}


def _straight(git: Git, onto: CommitId, heads: Sequence[CommitId]) -> Graph | None:
    """The same where each head is one line on top of its merge base, so that no commit of it can be older; else None."""
    graph: dict[str, Sequence[str]] = {}
    for head in heads:
        base = merge_base(git, onto, head)
        own = line(git, base=base, head=head) if base is not None else None
        if own is None:
            return None
        graph |= {name: commit.parents for name, commit in own}
    return graph


def _bases(git: Git, graph: Graph, onto: CommitId, riders: Sequence[Rider]) -> Sequence[CommitId | None]:
    """Each rider's only merge base with any commit of the chain; None if there is not exactly one."""
    ahead: set[str] = set()
    found: list[CommitId | None] = []
    for rider in riders:
        own, left = own_commits(graph, rider.head)
        if rider.head == onto or not ahead.isdisjoint(own):
            found.append(None)
        else:
            found.append(only_base(git, onto, rider.head, left))
        ahead |= own
    return found


def own_commits(graph: Graph, head: str) -> tuple[Set[str], Set[str]]:
    """The new commits that a head consists of, and the old ones right below them (itself if it is not new)."""
    own: set[str] = set()
    left: set[str] = set()
    waiting = [head]
    while waiting:
        commit = waiting.pop()
        if commit not in graph:
            left.add(commit)
        elif commit not in own:
            own.add(commit)
            waiting += graph[commit]
    return own, left


def only_base(git: Git, onto: CommitId, head: CommitId, left: Set[str]) -> CommitId | None:
    """The one merge base of both, given the old commits right below the head's own."""
    if len(left) == 1:
        return CommitId(next(iter(left)))
    if not left:
        return None
    bases = merge_bases(git, onto, head)
    return CommitId(bases[0]) if len(bases) == 1 else None
