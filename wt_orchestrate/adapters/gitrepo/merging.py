"""Merging in memory: `git merge-tree`, then `git commit-tree`. No checkout is touched and no side is ever taken.

The identity and the time come in as arguments, so that the same merge has the same commit id whenever it is made.
"""

from __future__ import annotations

from wt_orchestrate.adapters.gitrepo.runner import Git, identity
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.ports import Merge


def merge(git: Git, *, ours: CommitId, theirs: CommitId, message: str, at: float) -> Merge:
    """The merge commit of both, or the paths in conflict."""
    code, output = git.outcome(
        "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", "--end-of-options", ours, theirs, ok=(0, 1)
    )
    tree, *rest = output.split(b"\0")
    if code == 1:
        names = {name.decode(errors="surrogateescape") for name in rest if name}
        return Merge(commit=None, tree=None, conflicts=tuple(sorted(names)))
    made = git.run(
        "commit-tree", "-p", ours, "-p", theirs, tree.decode().strip(), stdin=message.encode(), env=identity(at)
    )
    return Merge(commit=CommitId(made.decode().strip()), tree=TreeId(tree.decode().strip()))
