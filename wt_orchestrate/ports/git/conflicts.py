"""The seam to conflicts: settled by what was approved beforehand, remembered, and compared with both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.domain.plan.settings import Merging


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleSpec:
    """Two commits that conflict, and how they are to be merged: by `merging`, in the throwaway tree `slot`, with the
    environment `env` for approved commands, as a commit with this message and time that is pinned at the ref `pin`."""

    ours: CommitId
    theirs: CommitId
    message: str
    at: float
    pin: str
    slot: str
    merging: Merging
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A merge whose conflicts were settled without anybody deciding anew: a pinned commit, or what is still in conflict.

    `by` tells for each path how: rerere, union, mergiraf, driver:NAME, regenerated.
    """

    commit: CommitId | None
    tree: TreeId | None
    by: Mapping[str, str]
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One conflict of a file: the lines that were there, those of each side, and what the result has in their place (the
    first ones). `line` is where that begins; `took` is `ours` or `theirs` where the other side's part was let go whole."""

    line: int
    base: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    result: tuple[str, ...]
    dropped_ours: tuple[str, ...] = ()
    dropped_theirs: tuple[str, ...] = ()
    took: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedFile:
    """One file of a resolved conflict. Lines count as gone when the whole file has them nowhere."""

    path: str
    text: bool
    """Whether its lines can be compared."""
    took: str = ""
    """`ours` or `theirs` where nothing of the other side is left."""
    markers: tuple[int, ...] = ()
    """Lines that are conflict markers still."""
    dropped_ours: tuple[str, ...] = ()
    dropped_theirs: tuple[str, ...] = ()
    """Lines that a side added or changed and that are gone; the first ones."""
    dropped: tuple[int, int] = (0, 0)
    """How many there are of each side in all."""
    hunks: tuple[Hunk, ...] = ()
    """Its conflicts, one by one."""
    mode: str = ""
    """The result's mode where merging both sides' modes does not give it."""

    @property
    def one_sided(self) -> bool:
        """Whether the file, or one of its conflicts, was settled by letting one side go."""
        return bool(self.took) or any(hunk.took for hunk in self.hunks)

    @property
    def whole(self) -> bool:
        """Whether nothing of either side is gone, and nothing is left that does not belong there."""
        return self.text and not (self.one_sided or self.markers or self.mode or sum(self.dropped))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A resolved merge compared with both sides. `beyond` are paths outside the conflict that are not as the plain merge
    has them: a resolution with any is refused."""

    commit: CommitId
    ours: CommitId
    theirs: CommitId
    beyond: tuple[str, ...]
    files: tuple[ResolvedFile, ...]


class Conflicts(Protocol):
    """Conflicts of two commits, and what became of them."""

    def settle(self, spec: SettleSpec) -> Settled:
        """Merge two commits that conflict, in a throwaway tree, by what was approved beforehand. The same arguments and
        memory give the same commit."""

    def remember(self, *, ours: CommitId, theirs: CommitId, resolved: CommitId, slot: str) -> int:
        """Keep how a conflict was resolved, for `settle`; how many files it was in."""

    def prove_resolution(
        self, *, resolved: CommitId, ours: CommitId, theirs: CommitId, paths: Sequence[str] | None = None
    ) -> Resolution:
        """Compare a commit that resolves the conflict of two with both of them; `paths` were in conflict, without
        them those that git itself does not merge."""
