"""The port of conflicts: resolved by rules that people approved, remembered, and compared with both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.domain.plan.settings import Merging


class SettleSpec(Struct, frozen=True, kw_only=True):
    """Two commits that conflict, and how to merge them: by the rules `merging`, in the throwaway tree `slot`, with the
    environment `env` for approved commands, as a commit with this message, time and author, pinned at the ref `pin`."""

    ours: CommitId
    theirs: CommitId
    message: str
    at: float
    pin: str
    slot: str
    merging: Merging
    env: Mapping[str, str]
    author: str = ""


class Settled(Struct, frozen=True, kw_only=True):
    """A merge whose conflicts were resolved by rules: a pinned commit, or what is still in conflict. `by`: how each
    path was resolved (rerere, union, try_union, mergiraf, driver:NAME, regenerated). `why`: why a path is still in conflict,
    where a rule was tried."""

    commit: CommitId | None
    tree: TreeId | None
    by: Mapping[str, str]
    conflicts: tuple[str, ...] = ()
    why: Mapping[str, str] = {}


class ConflictHunk(Struct, frozen=True, kw_only=True):
    """One conflict of a file: the base's lines, those of each side, and the result's (the first ones). `line` is where
    the result's begin; `took` is `ours` or `theirs` if the other side's part was dropped entirely."""

    line: int
    base: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    result: tuple[str, ...]
    dropped_ours: tuple[str, ...] = ()
    dropped_theirs: tuple[str, ...] = ()
    took: str = ""


class ResolvedFile(Struct, frozen=True, kw_only=True):
    """One file of a resolved conflict. Lines count as gone if they are nowhere in the file."""

    path: str
    text: bool
    """Whether its lines can be compared."""
    took: str = ""
    """`ours` or `theirs` if nothing of the other side is left."""
    markers: tuple[int, ...] = ()
    """Lines that are still conflict markers."""
    dropped_ours: tuple[str, ...] = ()
    dropped_theirs: tuple[str, ...] = ()
    """Lines that a side added or changed and that are gone; the first ones."""
    dropped: tuple[int, int] = (0, 0)
    """How many lines of each side are gone in all."""
    hunks: tuple[ConflictHunk, ...] = ()
    """Its conflicts, one by one."""
    mode: str = ""
    """The result's mode if it is not the merge of both sides' modes."""

    @property
    def one_sided(self) -> bool:
        """Whether the file, or one of its conflicts, was resolved by dropping one side."""
        return bool(self.took) or any(hunk.took for hunk in self.hunks)

    @property
    def whole(self) -> bool:
        """Whether nothing of either side is gone, and no marker is left."""
        return self.text and not (self.one_sided or self.markers or self.mode or sum(self.dropped))


class Resolution(Struct, frozen=True, kw_only=True):
    """A resolved merge compared with both sides. `beyond`: paths outside the conflict that differ from the plain merge;
    any of them makes the resolution invalid."""

    commit: CommitId
    ours: CommitId
    theirs: CommitId
    beyond: tuple[str, ...]
    files: tuple[ResolvedFile, ...]


class Conflicts(Protocol):
    """Conflicts of two commits and their resolutions."""

    def settle(self, spec: SettleSpec) -> Settled:
        """Merge two commits that conflict, in a throwaway tree, by approved rules. The same arguments and memory give
        the same commit."""

    def remember(self, *, ours: CommitId, theirs: CommitId, resolved: CommitId, slot: str) -> int:
        """Record how a conflict was resolved, for `settle`; in how many files."""

    def prove_resolution(
        self, *, resolved: CommitId, ours: CommitId, theirs: CommitId, paths: Sequence[str] | None = None
    ) -> Resolution:
        """Compare a commit that resolves a conflict with both sides; `paths` were in conflict (by default those that
        git itself does not merge)."""
