"""The seam to merging: in memory, proven, explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.ports.git.conflicts import ResolvedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A merge made in memory: a pinned commit, or the paths in conflict."""

    commit: CommitId | None
    tree: TreeId | None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was compared after a merge. `lost` names what is missing; a proof with any is a failed one."""

    merge: CommitId
    ours: CommitId
    theirs: CommitId
    base: CommitId
    checked_paths: int
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rider:
    """What wants to be merged: a workstream's head, and the whole message of its merge commit, trailers included."""

    name: str
    head: CommitId
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSpec:
    """What a chain is made of: the riders, lowest first, on the commit `onto`. Its tip is pinned at the ref `pin`."""

    onto: CommitId
    riders: Sequence[Rider]
    at: float
    pin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """One merge commit of a chain: `head` merged onto what is below it, and how many changed paths its proof compared."""

    name: str
    head: CommitId
    onto: CommitId
    commit: CommitId
    tree: TreeId
    proven_paths: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A rider that is not in a chain; `onto` is the commit it could not be merged onto."""

    name: str
    head: CommitId
    onto: CommitId
    conflicts: tuple[str, ...] = ()
    """Paths in conflict."""
    partners: tuple[str, ...] = ()
    """Riders of the same chain, ahead of it, that it conflicts with; empty when it conflicts with what the chain begins on."""
    lost: tuple[str, ...] = ()
    """Paths for which the proof failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Merge commits one upon another, lowest first, and the riders that could not be among them."""

    cars: tuple[Car, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One commit that was merged in. `identity` is git's stable patch id (empty for a merge); `whole`: every path that it
    touched is explained in the result."""

    commit: CommitId
    subject: str
    identity: str
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A merge and how it comes about. `paths` says for each path a side changed: as ours, as theirs, both merged, the same
    in both, resolved (git itself does not merge it), or not explained. `resolved` tells of the conflicts one by one, `gone`
    of everything that is not there any more."""

    merge: CommitId
    ours: CommitId
    theirs: CommitId
    base: CommitId
    tree: str
    trailers: Mapping[str, str]
    paths: Mapping[str, str]
    gone: tuple[ResolvedFile, ...]
    patches: tuple[Patch, ...]
    resolved: tuple[ResolvedFile, ...] = ()


class Merges(Protocol):
    """Merges in memory, each proven; no checkout is touched and no side is taken."""

    def merge(self, *, ours: CommitId, theirs: CommitId, message: str, at: float, pin: str) -> Merge:
        """Merge in memory into a commit with both parents, pinned at the ref `pin`. The same arguments give the same commit."""

    def prove(self, *, merge: CommitId, ours: CommitId, theirs: CommitId) -> Proof:
        """Compare a merge with both sides: every patch of theirs is in it, nothing that ours had is gone."""

    def chain(self, spec: ChainSpec) -> Chain:
        """Merge the riders one upon another in memory, in order, each into a commit with two parents (what is below, its
        head) that is proven. A rider that conflicts, or whose proof fails, is left out and the others ride on. The same
        arguments give the same commits, those that `merge` makes of the same two."""

    def explain(self, merge: CommitId) -> Explained:
        """How a merge comes about, from its parents alone. Raises Refused when it is no merge of two."""
