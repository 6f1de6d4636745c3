"""The port of trees on the disk: throwaway checkouts, and worktrees compared with a commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from wt_orchestrate.domain.ids import CommitId


class Around(Struct, frozen=True, kw_only=True):
    """What a check can ask git beside its own commit: branches by their full refs, and the remotes' URLs."""

    refs: Mapping[str, CommitId] = {}
    remotes: Mapping[str, str] = {}


NOTHING_AROUND = Around()


class Checkouts(Protocol):
    """Trees of commits on the disk."""

    def checkout(self, *, commit: CommitId, slot: str, keep: bool = False, around: Around = NOTHING_AROUND) -> str:
        """A throwaway worktree of the vault with exactly that commit's tree; the slot's earlier tree is replaced. With
        `keep`, a slot that was made for that commit is left as it is. It is a repository with the tags that the run's
        base holds, and with what is `around`."""

    def seed_index(self, *, worktree: str, head: CommitId, index: str) -> None:
        """Fill the index that `dirty` uses, right after a worktree was made and before anybody works in it."""

    def dirty(self, *, worktree: str, head: CommitId, index: str, hiding: bool = True) -> tuple[str, ...]:
        """Paths in a worktree that differ from a commit: changed, deleted, or untracked and not ignored. Uses only the
        vault's configuration and our own index file `index`; runs nothing of the worktree. Without `hiding`, a
        `.gitignore` that ignores itself is not looked for."""

    def rescue(self, *, worktree: str, head: CommitId, index: str) -> CommitId | None:
        """The uncommitted work of a worktree as a commit on its head, which is in the vault and held by no ref yet; None if
        there is none. Raises Refused when not all of it can be kept."""

    def lay_down(self, *, worktree: str, commit: CommitId) -> int:
        """Write what `rescue` kept into a worktree that nobody is in, uncommitted as it was; how many paths."""
