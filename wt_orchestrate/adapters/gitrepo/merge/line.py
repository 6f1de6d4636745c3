"""The work of a run as a line of commits on the target, with exactly the tree that was checked.

Squashed, each workstream is one commit. Rebased, each one's own commits are replayed; where that does not end in the tree
that the train made of the workstream (its conflicts were resolved), it is one commit. What a workstream's commit holds is
the target merged with the train as it was after that workstream, so that the last one is what was checked; a workstream
that cannot be told apart from the next one shares its commit. Beside the line one merge commit of it and the train is made,
for the integration branch: later work of the run keeps its merge bases.

Time and identity are arguments, so the same landing always has the same commit ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wt_orchestrate.adapters.gitrepo.merge.pairwise import merges
from wt_orchestrate.adapters.gitrepo.objects import ancestry
from wt_orchestrate.adapters.gitrepo.objects.blobs import tree_of
from wt_orchestrate.adapters.gitrepo.objects.refs import put
from wt_orchestrate.adapters.gitrepo.runner import EMAIL, NAME, Git, text
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import InvariantBroken
from wt_orchestrate.ports.git.merges import Line, LineSpec, Step


@dataclass(frozen=True, slots=True)
class Who:
    """A name with its address and a date, as git takes them."""

    name: str
    email: str
    date: str


def laid_out(git: Git, spec: LineSpec) -> Line:
    """The line and the merge beside it, kept by the ref `pin`. Raises InvariantBroken if its tree is not that of the head."""
    wanted = tree_of(git, spec.head)
    tip, tree, said = spec.onto, tree_of(git, spec.onto), list[str]()
    mine = Who(spec.name or NAME, spec.email or EMAIL, f"@{int(spec.at)} +0000")
    for number, step in enumerate(spec.steps):
        last = number == len(spec.steps) - 1
        made = wanted if last else _after(git, spec.onto, step.merge)
        if made == tree:
            continue
        said.append(step.message)
        if made is None:
            continue
        replayed = _replayed(git, step, tip=tip, onto=spec.onto, mine=mine) if spec.replay and len(said) == 1 else None
        if replayed is None or tree_of(git, replayed) != made:
            replayed = _commit(git, made, (tip,), "\n\n".join(said), author=mine, committer=mine)
        tip, tree, said = replayed, made, []
    if tree != wanted:
        raise InvariantBroken(f"the line for {spec.head} ends in the tree {tree} and not in {wanted}")
    us = Who(NAME, EMAIL, mine.date)
    joined = _commit(git, wanted, (tip, spec.head), spec.joined, author=us, committer=us)
    put(git, spec.pin, joined)
    return Line(commit=tip, joined=joined)


def _after(git: Git, onto: CommitId, merge: CommitId) -> str | None:
    """The tree of the train after one of its merges, on the target as it is; None where both conflict there."""
    if ancestry.is_ancestor(git, onto, merge):
        return tree_of(git, merge)
    found = merges(git, [(onto, merge)])[0]
    return found.tree if found.clean else None


def _replayed(git: Git, step: Step, *, tip: CommitId, onto: CommitId, mine: Who) -> CommitId | None:
    """The workstream's own commits, one on another from `tip`; None where one conflicts."""
    parents = text(git.run("rev-list", "--parents", "-1", step.merge)).split()[1:]
    if len(parents) != 2:
        return None
    listed = git.run("rev-list", "--reverse", "--topo-order", "--no-merges", parents[1], f"^{parents[0]}", f"^{onto}")
    for commit in text(listed).split():
        made = _picked(git, CommitId(commit), tip)
        if made is None:
            return None
        if made != tree_of(git, tip):
            author = _author(git, commit)
            message = git.run("log", "-1", "--no-show-signature", "--format=%B", commit).decode(
                "utf-8", "surrogateescape"
            )
            tip = _commit(git, made, (tip,), message, author=author, committer=mine)
    return tip


def _picked(git: Git, commit: CommitId, tip: CommitId) -> str | None:
    """The tree of what a commit changes, applied to another one: git merges two commits whose base is made for that."""
    us = Who(NAME, EMAIL, "@0 +0000")
    above = text(git.run("rev-list", "--parents", "-1", commit)).split()[1:]
    if len(above) != 1:
        return None
    base = _commit(git, tree_of(git, above[0]), (), "base", author=us, committer=us)
    sides = [_commit(git, tree_of(git, each), (base,), "side", author=us, committer=us) for each in (tip, commit)]
    found = merges(git, [(sides[0], sides[1])])[0]
    return found.tree if found.clean else None


def _author(git: Git, commit: str) -> Who:
    said = git.run("log", "-1", "--no-show-signature", "--format=%an%x00%ae%x00%ad", "--date=raw", commit)
    name, email, date = said.decode("utf-8", "surrogateescape").rstrip("\n").split("\0")
    return Who(name, email, f"@{date}")


def _commit(git: Git, tree: str, parents: Sequence[str], message: str, *, author: Who, committer: Who) -> CommitId:
    env = {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_AUTHOR_DATE": author.date,
        "GIT_COMMITTER_NAME": committer.name,
        "GIT_COMMITTER_EMAIL": committer.email,
        "GIT_COMMITTER_DATE": committer.date,
    }
    named = [word for parent in parents for word in ("-p", parent)]
    made = git.run("commit-tree", tree, *named, "-F", "-", stdin=message.encode("utf-8", "surrogateescape"), env=env)
    return CommitId(made.decode().strip())
