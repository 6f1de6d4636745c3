"""Clean up after draftings that are over or were killed: end their agents, remove their checkouts.

This is checked whenever a repository is found, which costs one look for a folder that is mostly absent; never for a
drafting whose lock is held. What cannot be cleaned up now is left for the next time, and reported by `wto doctor`.
"""

from __future__ import annotations

import os
from contextlib import suppress

from wt_orchestrate.errors import WtError

TYPE_CHECKING = False  # mypy knows the name; importing typing takes as long as half of Python's own start
if TYPE_CHECKING:
    from wt_orchestrate.adapters.drafts import DraftFolder


def sweep_drafts(state_dir: str) -> tuple[str, ...]:
    """Clean up after draftings that nobody works on any more; the ids of those that could not be cleaned up."""
    from wt_orchestrate.adapters.drafts import marked
    from wt_orchestrate.osfiles.locks import FileLock

    left: list[str] = []
    for folder in marked(state_dir):
        if not os.path.isdir(folder.path):
            folder.unmark()
            continue
        try:
            lock = FileLock(folder.lock_path)
            if not lock.held() and lock.take_soon():
                with lock:
                    clean_up(folder)
        except (WtError, OSError):
            left.append(folder.name)
    return tuple(left)


def clean_up(folder: DraftFolder) -> None:
    """End what a drafting started and remove its checkout; the caller holds its lock. Raises WtError if anything is
    left."""
    from wt_orchestrate.adapters.executor.local import LocalExecutor
    from wt_orchestrate.adapters.gitrepo.worktree.check_slot import drop
    from wt_orchestrate.domain.ids import ProcessId

    root = f"{folder.path}/processes"
    executor = LocalExecutor(root)
    for name in sorted(os.listdir(root)) if os.path.isdir(root) else ():
        executor.end(ProcessId(name))
        executor.tidy(ProcessId(name))
    drop(scratch=folder.path, slot="tree")
    with suppress(FileNotFoundError):
        os.unlink(f"{folder.path}/tree.lock")
    folder.unmark()
