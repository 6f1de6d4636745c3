"""The seam to the refs of the vault: what comes in by fetch, what is kept, and refs moved by compare-and-swap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from wt_orchestrate.domain.ids import CommitId


class Refs(Protocol):
    """The refs of the vault."""

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, CommitId]:
        """Fetch refs (source ref in the user's repository -> ref here), re-hashing everything; what each points at now.
        A source ref that does not exist is left out of the answer. The ref here before is archived if it would be lost."""

    def resolve(self, ref: str) -> CommitId | None: ...

    def advance(self, ref: str, *, new: CommitId, old: CommitId | None) -> bool:
        """Compare-and-swap a ref; True if it points at `new` afterwards. `old` None: it must not exist."""

    def archive(self, name: str, commit: CommitId) -> str:
        """Keep a commit for good under `refs/wto/archive/<name>/<n>`; returns the ref (an existing one if it is kept already)."""

    def keep(self, name: str, commits: Sequence[CommitId]) -> tuple[CommitId, ...]:
        """Bring commits of the user's repository and archive under this name what is not archived there; those that are
        there still and could not be brought. What was kept once is not looked at again."""

    def archived(self, prefix: str = "") -> Mapping[str, CommitId]:
        """Refs below `refs/wto/archive/`."""

    def find(self, name: str) -> CommitId:
        """The commit of that name (an id, also shortened, or a branch) in the vault, else brought from the user's
        repository. Raises NotFound."""
