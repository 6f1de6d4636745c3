"""Moving the target, as the user would: the one place where the user's own configuration and hooks count.

A branch that is checked out nowhere moves by compare-and-swap. One that is checked out moves by `git merge --ff-only` in
that worktree, which takes the files along and refuses when local changes are in the way; `update-ref` there would leave a
checkout that shows the landing as reverted changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import git as gitpython

from wt_orchestrate.adapters.gitrepo.runner import Git, fields
from wt_orchestrate.adapters.gitrepo.worktrees import Worktrees
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref
from wt_orchestrate.ports import Landed, LandOutcome, WorktreeFacts

_BUSY = ("MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG")


def land(
    git: Git,
    worktrees: Worktrees,
    *,
    target: Branch,
    new: CommitId,
    expected: CommitId,
    update: Callable[[str], bool],
) -> Landed:
    """Move the target from `expected` to `new`, or say why not; then nothing was changed."""
    now = git.line(
        "rev-parse", "--verify", "-q", "--end-of-options", f"{branch_ref(target)}^{{commit}}", ok=(0, 1, 128)
    )
    if now == new:
        return Landed(outcome=LandOutcome.ALREADY)
    if now != expected:
        return Landed(outcome=LandOutcome.STALE)
    holder = next((each for each in worktrees.listed() if each.branch == target), None)
    if holder is None or not os.path.isdir(holder.path):
        moved = update(f"update {branch_ref(target)}\0{new}\0{expected}\0")
        return Landed(outcome=LandOutcome.MOVED if moved else LandOutcome.STALE)
    return _land_checked_out(git, holder, new, expected)


def _land_checked_out(git: Git, holder: WorktreeFacts, new: CommitId, expected: CommitId) -> Landed:
    busy = [name for name in _BUSY if os.path.exists(f"{holder.git_dir}/{name}")]
    if busy:
        detail = f"a merge, rebase or the like is under way there ({busy[0]})"
        return Landed(outcome=LandOutcome.REFUSED, where=holder.path, detail=detail)
    in_the_way = _in_the_way(git, holder, new, expected)
    if in_the_way:
        return Landed(outcome=LandOutcome.DIRTY, where=holder.path, paths=in_the_way)
    code, _, stderr = _as_the_user(holder.path, "merge", "--ff-only", "--quiet", new)
    now = git.line("rev-parse", "--verify", "-q", "HEAD" if holder.branch is None else branch_ref(holder.branch))
    if now == new:
        return Landed(outcome=LandOutcome.MOVED, where=holder.path)
    return Landed(outcome=LandOutcome.REFUSED, where=holder.path, detail=f"exit code {code}: {stderr.strip()[-300:]}")


def _in_the_way(git: Git, holder: WorktreeFacts, new: CommitId, expected: CommitId) -> tuple[str, ...]:
    """Paths that the landing writes and that have local changes or are untracked there."""
    written = set(fields(git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", expected, new)))
    env = {"GIT_DIR": holder.git_dir, "GIT_WORK_TREE": holder.path}
    status = git.run(
        "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", env=env, cwd=holder.path
    )
    changed = {entry[3:] for entry in fields(status)}
    return tuple(sorted(written & changed))


def _as_the_user(path: str, *arguments: str) -> tuple[int, str, str]:
    """A git command with the user's environment, configuration and hooks, through GitPython."""
    dropped = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("GIT_")}
    try:
        code, output, stderr = gitpython.Git(path).execute(
            ["git", *arguments],
            with_extended_output=True,
            with_exceptions=False,
            env={"GIT_TERMINAL_PROMPT": "0"},
        )
    finally:
        os.environ.update(dropped)
    return int(code), str(output), str(stderr)
