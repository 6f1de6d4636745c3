"""The port of the vault's objects, by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wt_orchestrate.domain.agent.instructions import TextAt
from wt_orchestrate.domain.ids import CommitId, TreeId


class Objects(Protocol):
    """Commits, trees and files of the vault."""

    def contains(self, commit: CommitId) -> bool: ...

    def tree(self, commit: CommitId) -> TreeId: ...

    def blob(self, commit: CommitId, path: str, *, limit: int = 1 << 18) -> bytes | None:
        """The start of a regular file at a commit; None if it does not exist or is not a regular file."""

    def text(self, commit: CommitId, path: str) -> TextAt | None:
        """A file's text, or where a symbolic link points; None if there is neither."""

    def paths(self, commit: CommitId) -> frozenset[str]:
        """The paths of all files of a commit."""

    def at(self, places: Sequence[tuple[CommitId, str]]) -> Sequence[str]:
        """The object (file or folder) at each path of a commit, in one call; empty if there is none. The path "" is the
        commit's whole tree, so that it says whether the commit exists."""
