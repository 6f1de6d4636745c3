"""Whether work is in a branch by its content: merged, squashed or rebased, by whomever.

Work is in a commit if merging it there changes nothing. Later commits may change the same lines, so the tip alone is
not enough: the commits of the branch are tried, newest first. The one that brought (the last of) the work touches a
path of it, so only such commits are tried; for an open pull request that is mostly none.
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, fields
from wt_orchestrate.domain.ids import CommitId

_LOOKED_AT = 300
_PATHS = 2_000
"""Up to so many paths are named on git's command line; with more, every commit is tried."""


def absorbed(git: Git, *, head: CommitId, into: CommitId, hints: Sequence[CommitId] = ()) -> CommitId | None:
    """The first commit found on the first-parent line of a branch that holds all of a head's work: `hints` first, then
    its tip, then those before it down to their common ancestor. None if none does."""
    base = CommitId(git.line("merge-base", head, into, ok=(0, 1)))
    if not base:
        return None
    if base == head:
        return into
    paths = _paths(git, base, head, into)
    touching = ("--", *paths) if len(paths) <= _PATHS else ()
    walk = ("rev-list", "--first-parent", f"--max-count={_LOOKED_AT}", "--end-of-options", into, f"^{base}")
    of_branch = git.run(*walk, *touching, timeout_s=LONG_S).decode().split()
    likely = [hint for hint in hints if git.outcome("merge-base", "--is-ancestor", hint, into, ok=(0, 1, 128))[0] == 0]
    for commit in dict.fromkeys((*likely, into, *map(CommitId, of_branch))):
        if _holds(git, commit, head):
            return commit
    return None


def _paths(git: Git, base: CommitId, head: CommitId, into: CommitId) -> tuple[str, ...]:
    """The paths of the work, by the names of its own side and by the branch's later names."""
    changed = dict.fromkeys(fields(git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", base, head)))
    moved = fields(git.run("diff-tree", "-r", "-z", "--name-status", "-M", "--diff-filter=R", base, into))
    return (*changed, *(new for old, new in zip(moved[1::3], moved[2::3], strict=True) if old in changed))


def _holds(git: Git, commit: CommitId, head: CommitId) -> bool:
    arguments = ("merge-tree", "--write-tree", "--no-messages", "--end-of-options", commit, head)
    code, output = git.outcome(*arguments, ok=(0, 1), timeout_s=LONG_S)
    return code == 0 and output.decode().split()[:1] == [git.line("rev-parse", f"{commit}^{{tree}}")]
