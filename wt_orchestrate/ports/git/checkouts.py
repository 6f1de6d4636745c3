"""The seam to trees on the disk: throwaway checkouts of ours, and worktrees compared with a commit."""

from __future__ import annotations

from typing import Protocol

from wt_orchestrate.domain.ids import CommitId


class Checkouts(Protocol):
    """Trees of commits on the disk."""

    def checkout(self, *, commit: CommitId, slot: str, keep: bool = False) -> str:
        """A throwaway worktree of the vault with exactly that commit's tree; a slot's earlier tree is replaced.
        With `keep` a slot that was made for that commit is left as it is."""

    def seed_index(self, *, worktree: str, head: CommitId, index: str) -> None:
        """Make the index that `dirty` uses warm, right after a worktree was made and before anybody works in it."""

    def dirty(self, *, worktree: str, head: CommitId, index: str) -> tuple[str, ...]:
        """Paths in a worktree that differ from a commit: changed, deleted, or neither known nor ignored.
        Uses only the vault's configuration and the index file `index` of ours; runs nothing of the worktree."""
