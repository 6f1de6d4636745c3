"""Where the work of a worktree may be: what its HEAD is at, and every commit that HEAD or its branch ever pointed at.

An agent may detach HEAD, make or rename a branch, or amend away what nobody has seen yet: git keeps all of it in reflogs,
which are read here as files; git is asked where they are in a reftable. A reflog that did not change is not read again.
What is read is only a hint: a commit counts once the vault has it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at, has_tables, told_log
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.adapters.gitrepo.worktree.listing import WorktreeEntry, entries
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref
from wt_orchestrate.osfiles.no_follow import open_regular
from wt_orchestrate.ports.git.repository import Reached

_LIMIT = 4 << 20
"""The newest bytes of a reflog that are read: some twenty thousand entries."""
_ENTRY = re.compile(rb"^[0-9a-f]{40,64} ([0-9a-f]{40,64}) ", re.MULTILINE)
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_State = tuple[int, int, int]


class Reflogs:
    """The reflogs of a repository's worktrees, remembered while they stay as they are."""

    def __init__(self, common_dir: str) -> None:
        self._common_dir = common_dir
        self._known: dict[str, tuple[_State, tuple[CommitId, ...]]] = {}

    def reached(self, worktrees: Mapping[str, Branch]) -> Mapping[str, Reached]:
        """For each worktree of ours, given with its branch; one that git does not know is left out."""
        wanted = {os.path.realpath(path): (path, branch) for path, branch in worktrees.items()}
        found = {}
        for entry in entries(self._common_dir) if wanted else ():
            if entry.ours and entry.path in wanted:
                path, branch = wanted[entry.path]
                found[path] = self._of(entry, branch)
        return found

    def _of(self, entry: WorktreeEntry, branch: Branch) -> Reached:
        own = self._commits(entry.admin, "HEAD")
        names = {branch_ref(branch), entry.head} if entry.head.startswith("refs/heads/") else {branch_ref(branch)}
        found = dict.fromkeys(own)
        for name in sorted(names):
            found.update(dict.fromkeys(self._commits(self._common_dir, name)))
        at = CommitId(entry.head) if _COMMIT.fullmatch(entry.head) else own[-1] if own else self._now(entry.head)
        if at is not None:
            found[at] = None
        return Reached(head=entry.head, at=at, commits=tuple(found))

    def _now(self, ref: str) -> CommitId | None:
        """Where a HEAD is that has no reflog (`core.logAllRefUpdates=false`)."""
        return commits_at(Git(self._common_dir), (ref,)).get(ref) if ref.startswith("refs/") else None

    def _commits(self, git_dir: str, ref: str) -> tuple[CommitId, ...]:
        if has_tables(git_dir):
            return tuple(reversed(dict.fromkeys(told_log(git_dir, ref))))
        log = f"{git_dir}/logs/{ref}"
        try:
            seen = os.stat(log, follow_symlinks=False)
        except OSError:
            return ()
        state = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
        known = self._known.get(log)
        if known is None or known[0] != state:
            known = self._known[log] = (state, _read(log))
        return known[1]


def _read(log: str) -> tuple[CommitId, ...]:
    try:
        with open_regular(log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LIMIT))
            found = _ENTRY.findall(file.read(_LIMIT))
    except OSError:
        return ()
    # the newest mention counts: the last one is where it is now
    return tuple(reversed(dict.fromkeys(CommitId(each.decode()) for each in reversed(found) if each.strip(b"0"))))
