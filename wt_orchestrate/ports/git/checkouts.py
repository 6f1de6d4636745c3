"""The port of trees on the disk: throwaway checkouts, and worktrees compared with a commit."""

from __future__ import annotations

from typing import Protocol

from wt_orchestrate.domain.ids import CommitId


class Checkouts(Protocol):
    """Trees of commits on the disk."""

    def checkout(self, *, commit: CommitId, slot: str, keep: bool = False) -> str:
        """A throwaway worktree of the vault with exactly that commit's tree; the slot's earlier tree is replaced. With
        `keep`, a slot that was made for that commit is left as it is."""

    def seed_index(self, *, worktree: str, head: CommitId, index: str) -> None:
        """Fill the index that `dirty` uses, right after a worktree was made and before anybody works in it."""

    def dirty(self, *, worktree: str, head: CommitId, index: str, hiding: bool = True) -> tuple[str, ...]:
        """Paths in a worktree that differ from a commit: changed, deleted, or untracked and not ignored. Uses only the
        vault's configuration and our own index file `index`; runs nothing of the worktree. Without `hiding`, a
        `.gitignore` that ignores itself is not looked for."""
