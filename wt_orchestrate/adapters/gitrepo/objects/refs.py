"""Refs read in one call, and moved by compare-and-swap only."""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.adapters.gitrepo.runner import Git, text
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed


def commits_at(git: Git, refs: Sequence[str], *, below: bool = False) -> dict[str, CommitId]:
    """The commit of each of these full refs, or with `below` of all refs under them. Missing ones are left out."""
    if not refs:
        return {}
    output = text(git.run("for-each-ref", "--format=%(objectname) %(refname)", "--", *refs))
    found: dict[str, CommitId] = {}
    for line in output.splitlines():
        commit, _, ref = line.partition(" ")
        # a pattern also stands for everything below it
        if below or ref in refs:
            found[ref] = CommitId(commit)
    return found


def swap(git: Git, ref: str, *, new: CommitId | None, old: CommitId | None) -> bool:
    """Move one ref from `old` to `new` (None: it does not exist), by compare-and-swap; True if it is so afterwards,
    False if somebody else moved it. Raises GitFailed if it is unchanged and cannot be moved: a lock, a full disk."""
    try:
        _move(git, ((ref, new, old),))
    except GitFailed:
        at = commits_at(git, (ref,)).get(ref)
        if at == old and at != new:
            raise
        return at == new
    return True


def moved(git: Git, steps: Sequence[tuple[str, CommitId | None, CommitId | None]]) -> bool:
    """Move refs from old to new all at once, or none of them."""
    try:
        _move(git, steps)
    except GitFailed:
        return False
    return True


def _move(git: Git, steps: Sequence[tuple[str, CommitId | None, CommitId | None]]) -> None:
    git.run("update-ref", "--no-deref", "--stdin", "-z", stdin="".join(_step(*step) for step in steps).encode())


def _step(ref: str, new: CommitId | None, old: CommitId | None) -> str:
    if new is None:
        return f"delete {ref}\0{old}\0"
    return f"update {ref}\0{new}\0{old or '0' * len(new)}\0"
