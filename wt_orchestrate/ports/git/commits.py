"""The port of the vault's commits: messages, changes, trailers, history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from wt_orchestrate.domain.agent.commit_scan import Scan
from wt_orchestrate.domain.drafting.cochange import History
from wt_orchestrate.domain.events.worktree import CommitLine
from wt_orchestrate.domain.ids import CommitId


class ChangedPath(Struct, frozen=True, kw_only=True):
    """One changed path between two trees; status is git's letter (A, M, D, R, C, T), `old` the path before a rename."""

    path: str
    status: str
    old: str = ""
    mode: str = ""
    size: int = 0
    """Bytes of the new content."""
    added: int = 0
    deleted: int = 0
    binary: bool = False


class Commits(Protocol):
    """Commits of the vault: messages, changes, trailers, history."""

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool: ...

    def merge_base(self, one: CommitId, other: CommitId) -> CommitId | None:
        """The best common ancestor of two commits."""

    def between(self, *, base: CommitId, head: CommitId, limit: int = 500) -> Sequence[CommitLine]:
        """Commits in `base..head`, oldest first."""

    def changes(self, *, base: CommitId, head: CommitId) -> Sequence[ChangedPath]:
        """Changed paths from the merge base to head."""

    def diff(self, *, base: CommitId, head: CommitId, paths: Sequence[str] = ()) -> bytes:
        """A unified diff from the merge base to head, with fixed options."""

    def trailers(self, *, base: CommitId, head: CommitId, key: str) -> Mapping[str, CommitId]:
        """Values of a trailer on the first-parent line of `base..head`, each with the commit that carries it."""

    def holds(self, head: CommitId, *, beyond: CommitId, others: Iterable[CommitId]) -> frozenset[CommitId]:
        """Which of the other commits a head contains that `beyond` does not."""

    def absorbed(self, *, head: CommitId, into: CommitId, hints: Sequence[CommitId] = ()) -> CommitId | None:
        """The commit of a branch that holds all of a head's work, by its content; None if none does. `hints`: likely
        ones."""

    def past(self, *, head: CommitId, commits: int) -> History:
        """The files of a head, and the paths of each of its newest commits."""

    def scan(self, *, base: CommitId, head: CommitId, without: Sequence[CommitId] = (), messages: bool = True) -> Scan:
        """What the commits of `base..head` expose: each commit, not only the final tree. Those that `without` contains
        are left out. Trailers are told for certain only with `messages`."""
