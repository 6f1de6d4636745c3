"""Merge two commits in memory: `git merge-tree`, then `git commit-tree`. No checkout is touched and no side is
preferred.

Time and identity are arguments, so the same merge always has the same commit id. It is always a commit with both
parents, even if a fast-forward would do: its trailers say what was merged.
"""

from __future__ import annotations

from wt_orchestrate.adapters.gitrepo.objects.refs import put
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, authored, fields
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.errors import GitFailed, Refused
from wt_orchestrate.ports.git.merges import Merge


def merge(git: Git, *, ours: CommitId, theirs: CommitId, message: str, at: float, pin: str, author: str = "") -> Merge:
    """The merge commit of both, kept by the ref `pin`, or the paths in conflict."""
    arguments = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", "--end-of-options", ours, theirs)
    try:
        code, output = git.outcome(*arguments, ok=(0, 1), timeout_s=LONG_S)
    except GitFailed as error:
        if git.outcome("merge-base", ours, theirs, ok=(0, 1, 128))[0] != 1:
            raise
        raise Refused(
            f"{theirs[:12]} and {ours[:12]} have no common history", hint="create the branch again from its base"
        ) from error
    tree, *names = fields(output)
    if code == 1:
        return Merge(commit=None, tree=None, conflicts=tuple(sorted(set(names))))
    date = f"@{int(at)} +0000"
    made = git.run(
        "commit-tree",
        tree,
        "-p",
        ours,
        "-p",
        theirs,
        "-F",
        "-",
        stdin=message.encode(),
        env={"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, **authored(author)},
    )
    commit = CommitId(made.decode().strip())
    put(git, pin, commit)
    return Merge(commit=commit, tree=TreeId(tree))
