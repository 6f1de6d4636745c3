"""The port of the vault's refs: fetched, archived, and moved by compare-and-swap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from wt_orchestrate.domain.ids import CommitId


class Refs(Protocol):
    """The refs of the vault."""

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, CommitId]:
        """Fetch refs (source ref in the user's repository -> ref here), hashing everything again; the commit of each. A
        source ref that does not exist is left out. The old commit of a ref is archived if it would be lost."""

    def fetch_tags(self, commit: CommitId) -> None:
        """Fetch the tags that a commit holds, for checks that ask git where they are; nothing where there are none."""

    def resolve(self, ref: str) -> CommitId | None: ...

    def advance(self, ref: str, *, new: CommitId, old: CommitId | None) -> bool:
        """Compare-and-swap a ref; True if it points at `new` afterwards. `old` is None if it must not exist."""

    def archive(self, name: str, commit: CommitId) -> str:
        """Keep a commit for ever under `refs/wto/archive/<name>/<n>`; returns the ref (an existing one if it is kept
        already)."""

    def keep(self, name: str, commits: Sequence[CommitId]) -> tuple[CommitId, ...]:
        """Fetch commits of the user's repository and archive those that are not archived under this name; returns those
        that exist and could not be fetched. What was kept once is not looked at again."""

    def archived(self, prefix: str = "") -> Mapping[str, CommitId]:
        """Refs below `refs/wto/archive/`."""

    def find(self, name: str) -> CommitId:
        """The commit of that name (an id, also shortened, or a branch) in the vault, else fetched from the user's
        repository. Raises NotFound."""
