"""Make a worktree, or complete one that a crash left half-made.

git's own adds, removes and prunes race with each other (3 to 11 % of them fail), so ours share one file lock; files are
written outside of it. Progress is read from the disk: git writes the lock's reason first and the files come last. So a
worktree whose reason is `MAKING` was never given to anybody and may be written again, while one whose reason is `MADE`
may hold work and only gets back git's records. A branch that has moved is never reset.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress

from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at, has_tables
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.adapters.gitrepo.worktree.listing import (
    MADE,
    MAKING,
    PathState,
    WorktreeEntry,
    entry_of,
    holder,
    place,
)
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref
from wt_orchestrate.errors import GitFailed, InvariantBroken, Refused
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.osfiles.locks import locked

_SPARSE = ("core.sparseCheckout", "core.sparseCheckoutCone", "index.sparse")
Fill = Callable[[WorktreeEntry, CommitId], None]


def make(git: Git, *, path: str, branch: Branch, base: CommitId, main: str | None, lock_path: str, fill: Fill) -> None:
    """Make the worktree with its branch at base, complete it, or leave it as it is."""
    with locked(lock_path):
        entry = _registered(git, path=path, branch=branch, base=base, main=main)
    if entry.reason == MADE:
        return
    # whoever fills it holds its folder: a second caller waits for the first and finds it made
    with locked(entry.path):
        if _entry(git, path).reason == MADE:
            return
        with suppress(FileNotFoundError):
            os.unlink(f"{entry.admin}/index.lock")  # of a filling that was cut off
        fill(entry, _commit(git, entry))
        replace_file(f"{entry.admin}/locked", MADE)


def _commit(git: Git, entry: WorktreeEntry) -> CommitId:
    """The commit that a worktree's HEAD is at. Raises GitFailed if its branch is gone."""
    if not entry.head.startswith("refs/"):
        return CommitId(entry.head)
    head = commits_at(git, (entry.head,)).get(entry.head)
    if head is None:
        raise GitFailed(("worktree", "add"), code=128, stderr=f"{entry.head} is gone")
    return head


def _registered(git: Git, *, path: str, branch: Branch, base: CommitId, main: str | None) -> WorktreeEntry:
    """The worktree's entry, once git has it and its folder exists."""
    entry = entry_of(git.git_dir, path)
    if entry is not None and not _begun(entry, branch):
        _remove_half_made(entry)
        entry = None
    match place(git.git_dir, path, entry):
        case PathState.WORKTREE if entry is not None and entry.ours and _on(entry, branch):
            return entry
        case PathState.FREE if entry is not None and entry.ours:
            return _make_again(entry, branch)
        case PathState.TORN if entry is not None and _on(entry, branch):
            replace_file(f"{path}/.git", f"gitdir: {entry.admin}\n")
            return entry
        case PathState.ORPHAN:
            return _adopt(git, path=path, branch=branch, base=base, main=main)
        case PathState.FREE if entry is None:
            _add(git, path=path, branch=branch, base=base, main=main)
            return _whole(git, _entry(git, path))
        case PathState.FREE | PathState.WORKTREE | PathState.TORN | PathState.FOREIGN:
            raise Refused(
                f"{path} is not a worktree of {branch}",
                hint="move it (see git worktree list), or set worktrees: in .wto/config.yaml",
            )


def _begun(entry: WorktreeEntry, branch: Branch) -> bool:
    """Whether git has done its own part of adding it, and its removal was not interrupted."""
    if entry.reason == MAKING:
        return entry.head == branch_ref(branch) and os.path.exists(f"{entry.admin}/commondir")
    return not entry.half_forgotten


def _remove_half_made(entry: WorktreeEntry) -> None:
    """Remove a worktree that git did not finish adding: nobody knows of it, and it has no files but `.git`. If its
    removal was interrupted, its files are in the trash already."""
    with suppress(FileNotFoundError):
        if os.listdir(entry.path) == [".git"]:
            os.unlink(f"{entry.path}/.git")
    forget(entry)


def _on(entry: WorktreeEntry, branch: Branch) -> bool:
    """Whether it is on its branch or (an agent did that) detached."""
    return entry.head == branch_ref(branch) or not entry.head.startswith("refs/")


def _add(git: Git, *, path: str, branch: Branch, base: CommitId, main: str | None) -> None:
    known = _branch_head(git, branch, base)
    held = holder(git.git_dir, branch_ref(branch), main=main)
    if held is not None:
        raise Refused(f"{branch} is checked out at {held}", hint="finish the work there, or name another branch")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    what = ("-b", branch, "--no-track") if known is None else ()
    start = base if known is None else branch
    git.run("worktree", "add", "-q", "--no-checkout", "--lock", "--reason", MAKING, *what, "--", path, start)


def _whole(git: Git, entry: WorktreeEntry) -> WorktreeEntry:
    """A worktree with every file: git copies what makes the user's checkout sparse into new ones, and would then refuse to add
    what an agent changes outside of it."""
    own = f"{entry.admin}/config.worktree"
    if os.path.exists(own):
        for key in _SPARSE:
            git.run("config", "--file", own, "--unset-all", key, ok=(0, 5))
    with suppress(FileNotFoundError):
        os.unlink(f"{entry.admin}/info/sparse-checkout")
    return entry


def _branch_head(git: Git, branch: Branch, base: CommitId) -> CommitId | None:
    """The commit of the branch. Raises Refused if that is other people's work: it does not contain the base."""
    head = commits_at(git, (branch_ref(branch),)).get(branch_ref(branch))
    if head is None:
        return None
    if head != base and git.outcome("merge-base", "--is-ancestor", base, head, ok=(0, 1))[0] != 0:
        raise Refused(
            f"the branch {branch} exists at {head[:12]} and does not contain {base[:12]}",
            hint=f"git branch -m {branch} <another name> renames it",
        )
    return head


def _make_again(entry: WorktreeEntry, branch: Branch) -> WorktreeEntry:
    """A worktree whose folder is gone, but whose records in git are not: made again at the same place."""
    head = entry.head
    if not _on(entry, branch):
        name_head(entry, branch)
        head = branch_ref(branch)
    replace_file(f"{entry.admin}/locked", MAKING)
    os.makedirs(entry.path, exist_ok=True)
    replace_file(f"{entry.path}/.git", f"gitdir: {entry.admin}\n")
    return WorktreeEntry(entry.admin, entry.path, MAKING, head)


def _adopt(git: Git, *, path: str, branch: Branch, base: CommitId, main: str | None) -> WorktreeEntry:
    """Files whose records in git are gone: registered again around them, so that all of them count as changes."""
    aside = f"{path}.wto-aside"
    os.rename(path, aside)
    try:
        _add(git, path=path, branch=branch, base=base, main=main)
        os.replace(f"{path}/.git", f"{aside}/.git")
        os.rmdir(path)
    finally:
        if not os.path.lexists(path):
            os.rename(aside, path)
    entry = _entry(git, path)
    git.run("read-tree", branch_ref(branch), env={"GIT_INDEX_FILE": f"{entry.admin}/index"})
    replace_file(f"{entry.admin}/locked", MADE)
    return WorktreeEntry(entry.admin, entry.path, MADE, entry.head)


def _entry(git: Git, path: str) -> WorktreeEntry:
    entry = entry_of(git.git_dir, path)
    if entry is None:
        raise InvariantBroken(f"git worktree add registered nothing for {path}")
    return entry


def forget(entry: WorktreeEntry) -> None:
    """Remove git's records of a worktree. `gitdir` goes last: until then the entry is found, and this done, again."""
    for name in os.listdir(entry.admin):
        if name not in ("gitdir", "locked"):
            below = f"{entry.admin}/{name}"
            if os.path.isdir(below) and not os.path.islink(below):
                shutil.rmtree(below)
            else:
                os.unlink(below)
    for name in ("locked", "gitdir"):
        with suppress(FileNotFoundError):
            os.unlink(f"{entry.admin}/{name}")
    os.rmdir(entry.admin)


def name_head(entry: WorktreeEntry, branch: Branch) -> None:
    """Have a worktree's HEAD name a branch that is at the very commit it holds."""
    if has_tables(entry.admin):
        Git(entry.admin).run("symbolic-ref", "HEAD", branch_ref(branch))
    else:
        replace_file(f"{entry.admin}/HEAD", f"ref: {branch_ref(branch)}\n")
