"""The seam to the objects of the vault, named by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wt_orchestrate.domain.ids import CommitId, TreeId


class Objects(Protocol):
    """Commits, trees and files of the vault."""

    def contains(self, commit: CommitId) -> bool: ...

    def tree(self, commit: CommitId) -> TreeId: ...

    def blob(self, commit: CommitId, path: str, *, limit: int = 1 << 18) -> bytes | None:
        """The start of a regular file at a commit; None when it is not there or is not a regular file."""

    def at(self, places: Sequence[tuple[CommitId, str]]) -> Sequence[str]:
        """The object (file or folder) at each path of a commit, all in one go; empty where there is none. The path "" is the
        commit's whole tree, so that it tells whether the commit is there."""
