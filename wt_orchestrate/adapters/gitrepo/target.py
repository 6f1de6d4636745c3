"""Move the target as the user would: the one place where the user's own environment, configuration and hooks count.

A branch that is not checked out moves by compare-and-swap. One that is checked out moves by `git merge --ff-only` in
that worktree, which updates the files: `update-ref` there would leave a checkout that shows the landing as reverted
changes. Local changes in affected paths, ignored files that would be overwritten, and a rebase or merge in progress
keep the target where it is. If a hook refuses after the files were written, they are written back.

GitPython runs fixed argument lists here and nowhere else, because it passes the user's environment on.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence

from git import Git as AsTheUser

from wt_orchestrate.adapters.gitrepo.discovery import users_own
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at
from wt_orchestrate.adapters.gitrepo.runner import Git, fields
from wt_orchestrate.adapters.gitrepo.worktree.listing import entries, first_line
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref
from wt_orchestrate.ports.git.repository import Landed, LandOutcome, WorktreeFacts

_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_START")
_REMEMBERED = ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START")
"""Files that name the branch to which a rebase or a bisection will return."""
_LIMIT = 300


def land(
    git: Git,
    *,
    worktrees: Sequence[WorktreeFacts],
    target: Branch,
    new: CommitId,
    expected: CommitId,
    swap: Callable[[], bool],
) -> Landed:
    """Move the target from `expected` to `new`, or say why not; then nothing was changed."""
    now = _head(git, target)
    if now == new:
        return Landed(outcome=LandOutcome.ALREADY)
    if now != expected:
        return Landed(outcome=LandOutcome.STALE, detail=f"{target} is at {now[:12] or 'no commit'}")
    if git.outcome("merge-base", "--is-ancestor", expected, new, ok=(0, 1, 128))[0] != 0:
        return Landed(outcome=LandOutcome.REFUSED, detail=f"{new[:12]} is not a descendant of {expected[:12]}")
    held_up = _remembered(git.git_dir, target)
    if held_up:
        return Landed(
            outcome=LandOutcome.REFUSED, where=held_up, detail=f"a rebase or bisect of {target} is in progress"
        )
    holders = [each for each in worktrees if each.branch == target]
    if not holders:
        return Landed(outcome=LandOutcome.MOVED if swap() else LandOutcome.STALE)
    if len(holders) > 1 or not os.path.isdir(holders[0].path):
        return Landed(
            outcome=LandOutcome.REFUSED,
            where=holders[0].path,
            detail=f"{target} is checked out in more than one worktree",
        )
    return _land_there(git, holders[0], target=target, new=new, expected=expected)


def _land_there(git: Git, holder: WorktreeFacts, *, target: Branch, new: CommitId, expected: CommitId) -> Landed:
    under_way = [name for name in _UNDER_WAY if os.path.exists(f"{holder.git_dir}/{name}")]
    if under_way:
        detail = f"a merge, rebase or similar is in progress there ({under_way[0]})"
        return Landed(outcome=LandOutcome.REFUSED, where=holder.path, detail=detail)
    in_the_way = _in_the_way(git, holder.path, new=new, expected=expected)
    if in_the_way:
        return Landed(outcome=LandOutcome.DIRTY, where=holder.path, paths=in_the_way)
    code, said = _as_the_user(holder.path, "merge", "--ff-only", "--quiet", new)
    now = _head(git, target)
    if now == new:
        return Landed(outcome=LandOutcome.MOVED, where=holder.path)
    # a reference-transaction hook is asked when the files are written already
    _as_the_user(holder.path, "-c", "core.hooksPath=/dev/null", "read-tree", "-m", "-u", new, expected)
    if now != expected:
        return Landed(outcome=LandOutcome.STALE, where=holder.path, detail=f"{target} is at {now[:12] or 'no commit'}")
    return Landed(
        outcome=LandOutcome.REFUSED, where=holder.path, detail=f"git merge ended with {code}: {said[-_LIMIT:]}"
    )


def _head(git: Git, branch: Branch) -> str:
    return commits_at(git, (branch_ref(branch),)).get(branch_ref(branch)) or ""


def _remembered(common_dir: str, target: Branch) -> str:
    """The worktree in which a rebase or bisection of the target is in progress; its HEAD does not name the branch then."""
    places = {common_dir: os.path.dirname(common_dir)} | {entry.admin: entry.path for entry in entries(common_dir)}
    for admin, path in places.items():
        if any(first_line(f"{admin}/{name}").removeprefix("refs/heads/") == target for name in _REMEMBERED):
            return path
    return ""


def _in_the_way(git: Git, path: str, *, new: CommitId, expected: CommitId) -> tuple[str, ...]:
    """Paths that the landing writes and that differ from `expected` there, or are untracked."""
    changes = fields(git.run("diff-tree", "-r", "-z", "--name-status", "--no-renames", expected, new))
    status = dict(zip(changes[1::2], changes[0::2], strict=True))
    code, output = _as_the_user(
        path, "status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames", "--ignore-submodules=all"
    )
    if code != 0:
        return ("git status",)
    changed = {entry[3:] for entry in output.split("\0")}
    return tuple(sorted(name for name in status if name in changed or (status[name] == "A" and _taken(path, name))))


def _taken(path: str, name: str) -> bool:
    """Whether an untracked file or folder is where a new file, or one of its folders, has to be."""
    parts = name.split("/")
    for count in range(1, len(parts)):
        try:
            mode = os.lstat(f"{path}/{'/'.join(parts[:count])}").st_mode
        except OSError:
            return False
        if not stat.S_ISDIR(mode):
            return True
    return os.path.lexists(f"{path}/{name}") and (
        not os.path.isdir(f"{path}/{name}") or bool(os.listdir(f"{path}/{name}"))
    )


def _as_the_user(path: str, *arguments: str) -> tuple[int, str]:
    """A git command with the user's environment, configuration and hooks: its exit code and output. GitPython can only
    add to the environment, so `env` removes the variables that would point git elsewhere."""
    dropped = [word for name in os.environ.keys() - users_own() for word in ("-u", name)]
    code, output, said = AsTheUser(path).execute(
        ["env", *dropped, "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "git", *arguments],
        with_extended_output=True,
        with_exceptions=False,
        stdout_as_string=False,
        strip_newline_in_stdout=False,
    )
    words = bytes(output) if arguments[0] == "status" else bytes(output) + str(said).encode()
    return int(code), words.decode("utf-8", "surrogateescape")
