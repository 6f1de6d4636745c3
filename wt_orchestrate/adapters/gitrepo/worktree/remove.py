"""Remove a worktree without losing anything: move it to the trash first, then delete git's records of it.

Uncommitted work, also work that an agent hid from git, and commits that no branch holds keep it where it is; with
`force` it is still only moved. Nothing is deleted but git's records of a worktree whose folder is in the trash already.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping

from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.adapters.gitrepo.worktree.add import forget
from wt_orchestrate.adapters.gitrepo.worktree.dirty import differing
from wt_orchestrate.adapters.gitrepo.worktree.listing import PathState, WorktreeEntry, entry_of, place
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import Refused
from wt_orchestrate.osfiles.locks import locked
from wt_orchestrate.ports.git.repository import Removed, RemoveOutcome


def remove(
    git: Git, apart: Git, *, path: str, trash: str, force: bool, lock_path: str, settings: Mapping[str, str]
) -> Removed:
    """Move a clean worktree of ours into `trash` and delete git's records; its branch stays."""
    entry = _ours(git, path)
    paths = () if force or entry is None else _unsaved(git, apart, entry, settings)
    if paths:
        return Removed(outcome=RemoveOutcome.DIRTY, paths=paths)
    with locked(lock_path):
        entry = _ours(git, path)
        if entry is not None:
            _move(path, trash)
            forget(entry)
            return Removed(outcome=RemoveOutcome.REMOVED, trash=trash)
        if os.path.lexists(path):
            return Removed(outcome=RemoveOutcome.UNSAFE)
        return _gone(entry_of(git.git_dir, path), trash)


def _ours(git: Git, path: str) -> WorktreeEntry | None:
    """The entry of a complete worktree of ours at this very path."""
    entry = entry_of(git.git_dir, path)
    return entry if entry is not None and entry.ours and place(git.git_dir, path, entry) is PathState.WORKTREE else None


def _gone(entry: WorktreeEntry | None, trash: str) -> Removed:
    """Nothing is there: it never was, or an earlier call was interrupted between its two steps."""
    if entry is not None and (entry.ours or entry.half_forgotten):
        forget(entry)
    if os.path.isdir(trash):
        return Removed(outcome=RemoveOutcome.REMOVED, trash=trash)
    return Removed(outcome=RemoveOutcome.ABSENT)


def _unsaved(git: Git, apart: Git, entry: WorktreeEntry, settings: Mapping[str, str]) -> tuple[str, ...]:
    """What would be out of sight after a removal: uncommitted paths, or `HEAD` if no ref holds its commit."""
    head = git.line("rev-parse", "--verify", "--end-of-options", f"{entry.head}^{{commit}}", ok=(0, 1, 128))
    if not head:
        return tuple(sorted(name for name in os.listdir(entry.path) if name != ".git"))
    if not entry.head.startswith("refs/") and not git.run("for-each-ref", "--count=1", "--contains", head):
        return ("HEAD",)
    with tempfile.TemporaryDirectory(dir=apart.git_dir) as folder:
        index = f"{folder}/index"
        return differing(apart, worktree=entry.path, head=CommitId(head), index=index, settings=settings)


def _move(path: str, trash: str) -> None:
    if os.path.lexists(trash):
        raise Refused(f"{trash} exists already", hint="move it elsewhere")
    os.makedirs(os.path.dirname(trash), exist_ok=True)
    try:
        os.rename(path, trash)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        raise Refused(
            f"{trash} is not on the same file system as {path}",
            hint="set worktrees: in .wto/config.yaml to a folder on the same one",
        ) from error
