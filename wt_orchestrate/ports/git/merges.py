"""The port of merges: in memory, proven, explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from wt_orchestrate.domain.events.train import MergeMade
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.domain.plan.settings import LandingStyle
from wt_orchestrate.ports.git.conflicts import ResolvedFile


class Merge(Struct, frozen=True, kw_only=True):
    """A merge made in memory: a pinned commit, or the paths in conflict."""

    commit: CommitId | None
    tree: TreeId | None
    conflicts: tuple[str, ...] = ()


class Proof(Struct, frozen=True, kw_only=True):
    """The result of checking a merge. `lost` names what is missing; a proof with any has failed."""

    merge: CommitId
    ours: CommitId
    theirs: CommitId
    base: CommitId
    checked_paths: int
    lost: tuple[str, ...] = ()


class Rider(Struct, frozen=True, kw_only=True):
    """One merge to make: a workstream's head, and the whole message of its merge commit, trailers included."""

    name: str
    head: CommitId
    message: str


class ChainSpec(Struct, frozen=True, kw_only=True):
    """A chain to make: the riders, first one lowest, on the commit `onto`. Its tip is pinned at the ref `pin`. `author`: whose
    the merges are (`Name <address>`; empty for the tool's own); the tool commits them."""

    onto: CommitId
    riders: Sequence[Rider]
    at: float
    pin: str
    author: str = ""


class Step(Struct, frozen=True, kw_only=True):
    """One workstream of a line: the merge that the train made of it, and the message it lands with."""

    merge: CommitId
    message: str


class Person(Struct, frozen=True, kw_only=True):
    """Who lands: the name and address that their commits have, empty where git knows none. `signing`: the git settings by
    which their commits are signed; empty if they are not."""

    name: str = ""
    email: str = ""
    signing: Mapping[str, str] = field(default_factory=dict)


class LandingLineSpec(Struct, frozen=True, kw_only=True):
    """A line of commits to make on `onto` in a style, by `person`, with the tree of `head` at its end, from the merges that the
    train made. `joined`: the message of the merge beside it, which ends in trailers."""

    onto: CommitId
    head: CommitId
    steps: Sequence[Step]
    style: LandingStyle
    person: Person
    joined: str
    at: float
    pin: str


class LandingLine(Struct, frozen=True, kw_only=True):
    """The last commit of a line, and a merge commit of it and what it was made from, both with the same tree."""

    commit: CommitId
    joined: CommitId


class LeftOut(Struct, frozen=True, kw_only=True):
    """A rider that is not in the chain; `onto` is the commit it could not be merged onto."""

    name: str
    head: CommitId
    onto: CommitId
    conflicts: tuple[str, ...] = ()
    """Paths in conflict."""
    partners: tuple[str, ...] = ()
    """Riders ahead of it in the chain that it conflicts with; empty if it conflicts with the chain's start."""
    lost: tuple[str, ...] = ()
    """Paths for which the proof failed."""


class Chain(Struct, frozen=True, kw_only=True):
    """Merge commits one on another, lowest first, and the riders that were left out."""

    cars: tuple[MergeMade, ...]
    left_out: tuple[LeftOut, ...] = ()


class Patch(Struct, frozen=True, kw_only=True):
    """One commit that was merged. `identity` is git's stable patch id (empty for a merge); `whole`: every path that it
    touched is explained in the result."""

    commit: CommitId
    subject: str
    identity: str
    whole: bool


class Explained(Struct, frozen=True, kw_only=True):
    """A merge and how it was made. `paths` says for each path a side changed: as ours, as theirs, both merged, the same
    in both, resolved (git itself does not merge it), or not explained. `resolved` lists the conflicts one by one,
    `gone` everything that is gone."""

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
    """Merges in memory, each proven; no checkout is touched and no side is preferred."""

    def merge(self, *, ours: CommitId, theirs: CommitId, message: str, at: float, pin: str, author: str = "") -> Merge:
        """Merge in memory into a commit with both parents, pinned at the ref `pin`. The same arguments give the same commit."""

    def prove(self, *, merge: CommitId, ours: CommitId, theirs: CommitId) -> Proof:
        """Compare a merge with both sides: every change of theirs is in it, nothing of ours is gone."""

    def chain(self, spec: ChainSpec) -> Chain:
        """Merge the riders in memory, in order, each into a commit with two parents (what is below, its head) that is
        proven. A rider that conflicts, or whose proof fails, is left out. The same arguments give the same commits,
        equal to those that `merge` makes."""

    def lay_out(self, spec: LandingLineSpec) -> LandingLine:
        """Make a line; the merge beside it is pinned. The same arguments give the same commits as long as the pin is there.
        Raises InvariantBroken if the trees are not the same, Refused if a commit cannot be signed."""

    def explain(self, merge: CommitId) -> Explained:
        """How a merge was made, from its parents alone. Raises Refused if it is not a merge of two."""
