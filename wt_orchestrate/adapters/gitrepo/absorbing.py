"""Whether work is in a branch by its content: merged, squashed or rebased, by whomever.

Work is in a commit when merging it there changes nothing. Later commits may change the same lines, so that the tip alone
does not tell: the commits of the branch are asked, the newest first.
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git
from wt_orchestrate.domain.ids import CommitId

_LOOKED_AT = 300


def absorbed(git: Git, *, head: CommitId, into: CommitId, hints: Sequence[CommitId] = ()) -> CommitId | None:
    """The first commit found on the first-parent line of a branch that holds all of a head's work: `hints` first, then its tip,
    then those before it down to their common ancestor. None where none does."""
    base = git.line("merge-base", head, into, ok=(0, 1))
    if not base:
        return None
    if base == head:
        return into
    line = git.run("rev-list", "--first-parent", f"--max-count={_LOOKED_AT}", into, f"^{base}", timeout_s=LONG_S)
    of_branch = line.decode().split()
    likely = [hint for hint in hints if git.outcome("merge-base", "--is-ancestor", hint, into, ok=(0, 1, 128))[0] == 0]
    for commit in dict.fromkeys((*likely, *map(CommitId, of_branch))):
        if _holds(git, commit, head):
            return commit
    return None


def _holds(git: Git, commit: CommitId, head: CommitId) -> bool:
    arguments = ("merge-tree", "--write-tree", "--no-messages", "--end-of-options", commit, head)
    code, output = git.outcome(*arguments, ok=(0, 1), timeout_s=LONG_S)
    return code == 0 and output.decode().split()[:1] == [git.line("rev-parse", f"{commit}^{{tree}}")]
