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
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import Delta, deleted, deltas, turned
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, input_lines, text
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.ports.git.merges import Rider

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
    changed = sorted({(rider.head, base) for rider, base in zip(riders, bases, strict=True) if base})
    lines = [f"{head} {base}" for head, base in changed if head != base]
    # turned round, because git names a difference by its first commit
    lines += [f"{base} {onto}" for base in sorted({base for _, base in changed if base != onto})]
    found = {header.split(" ")[0]: (header, delta) for header, delta in deltas(git, lines, *_NAMED).items()}
    loads = [_load(rider, base, found.get(rider.head)) for rider, base in zip(riders, bases, strict=True)]
    since = {
        base: {path: turned(line) for path, line in found[base][1].items()}
        for base in {base for _, base in changed}
        if base != onto
    }
    return _with_gone(git, onto, loads, since)


_NAMED = ("--always", "--format=%H %T")


def _load(rider: Rider, base: CommitId | None, found: tuple[str, Delta] | None) -> Load:
    if base is None or base == rider.head or found is None:
        return Load(rider, base, None, {})
    return Load(rider, base, TreeId(found[0].split(" ")[1]), found[1])


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
    lines = input_lines([f"{commit}:{folder}" for commit, folder in plain])
    kinds = text(git.run("cat-file", "--batch-check=%(objecttype)", "--buffer", stdin=lines)).split("\n")
    return set(asked) - {each for each, kind in zip(plain, kinds, strict=False) if kind == "tree"}


def new_commits(git: Git, onto: CommitId, heads: Sequence[CommitId]) -> Graph:
    """The commits of the riders that the start does not have."""
    asked = input_lines([f"^{onto}", *dict.fromkeys(heads)])
    output = git.run("rev-list", "--parents", "--stdin", stdin=asked, timeout_s=LONG_S)
    return {commit: parents for commit, *parents in (line.split() for line in output.decode().splitlines())}


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
    bases = git.run("merge-base", "--all", onto, head).decode().split()
    return CommitId(bases[0]) if len(bases) == 1 else None
