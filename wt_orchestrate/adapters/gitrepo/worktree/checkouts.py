"""The port `Checkouts`: throwaway checkouts, and worktrees compared with a commit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.adapters.gitrepo.worktree import dirty
from wt_orchestrate.adapters.gitrepo.worktree.check_slot import check_out
from wt_orchestrate.adapters.gitrepo.worktree.checkout import passed_on, reading_settings
from wt_orchestrate.adapters.gitrepo.worktree.private_gitdir import lend_keys
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.ports.git.checkouts import NOTHING_AROUND, Around


class GitCheckouts:
    """Checkouts of the vault below `scratch`; `source` is the common git directory whose configuration says how files of
    worktrees are written."""

    def __init__(self, git: Git, *, source: str, scratch: str) -> None:
        self._git = git
        self._source = source
        self._scratch = scratch
        self._record = ""

    def go_by(self, record: str) -> None:
        """From now on files are read and written as it was recorded in that folder when the run started."""
        if record != self._record:
            self._record = record
            self.__dict__.pop("settings", None)

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """What reading a worktree must know, read once."""
        lend_keys(self._git.git_dir, common_dir=self._source)
        return reading_settings(self._source, self._record)

    def checkout(self, *, commit: CommitId, slot: str, keep: bool = False, around: Around = NOTHING_AROUND) -> str:
        """A throwaway tree with exactly that commit's files."""
        lend_keys(self._git.git_dir, common_dir=self._source)
        return check_out(
            self._git,
            scratch=self._scratch,
            commit=commit,
            slot=slot,
            keep=keep,
            settings=passed_on(self._source, self._record),
            around=around,
            modules=self._source,
        )

    def seed_index(self, *, worktree: str, head: CommitId, index: str) -> None:
        """Fill the index that `dirty` uses, right after a worktree was made, before anybody is in it."""
        dirty.seed(worktree=worktree, index=index)

    def dirty(self, *, worktree: str, head: CommitId, index: str, hiding: bool = True) -> tuple[str, ...]:
        """Paths in a worktree that differ from a commit: changed, deleted, or untracked and not ignored."""
        settings = self.settings
        return dirty.differing(self._git, worktree=worktree, head=head, index=index, settings=settings, hiding=hiding)

    def rescue(self, *, worktree: str, head: CommitId, index: str) -> CommitId | None:
        """The uncommitted work of a worktree as a commit on its head, for a ref to hold; None if there is none."""
        from wt_orchestrate.adapters.gitrepo.worktree import uncommitted

        bounds, settings = uncommitted.RESCUED, self.settings
        found = uncommitted.taken(
            self._git, worktree=worktree, head=head, index=index, settings=settings, bounds=bounds
        )
        return uncommitted.kept(self._git, found)

    def lay_down(self, *, worktree: str, commit: CommitId) -> int:
        """Write what was rescued back, uncommitted as it was; how many paths."""
        from wt_orchestrate.adapters.gitrepo.worktree import uncommitted

        return uncommitted.laid_down(self._git, commit, worktree=worktree)
