"""Merge many branches in memory: merge commits one on another, each with two parents, each proven, all in few git
processes.

Riders whose changes do not meet are written by one `git fast-import`. Those that meet are merged with just the ones
they meet, all of a round by one `git merge-tree`. Only what git alone can judge (renames that others could meet,
criss-cross merges, branches on branches) is merged one by one on the tip. Then all is read back and proven. So a chain
costs about as many git processes for two hundred riders as for two, and has the very commits that merging one by one
would make.

A rider that conflicts, shares no history, or whose proof fails is left out, as if it had not been there. No checkout is
touched and no side is preferred; only the ref `pin` is moved, to the tip (the start if no rider is left).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.merge import merge_tree
from wt_orchestrate.adapters.gitrepo.merge.chain_proof import CommitProof, Made, judged
from wt_orchestrate.adapters.gitrepo.merge.pairwise import CRASHED, Apart, merges
from wt_orchestrate.adapters.gitrepo.merge.path_index import folders
from wt_orchestrate.adapters.gitrepo.merge.plan import Ahead, RiderPlace, placed, rounds
from wt_orchestrate.adapters.gitrepo.merge.survey import Survey, survey
from wt_orchestrate.adapters.gitrepo.objects import fast_import
from wt_orchestrate.adapters.gitrepo.objects.blobs import trees_of
from wt_orchestrate.adapters.gitrepo.objects.fast_import import NewCommit
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import between, deleted
from wt_orchestrate.adapters.gitrepo.objects.refs import put
from wt_orchestrate.adapters.gitrepo.proof.explain import explain
from wt_orchestrate.adapters.gitrepo.proof.merge import prove
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.events.train import MergeMade
from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import GitFailed, Refused
from wt_orchestrate.ports.git.merges import (
    Chain,
    ChainSpec,
    Explained,
    LandingLine,
    LandingLineSpec,
    LeftOut,
    Merge,
    Proof,
)

UNRELATED = "the common history"
"""The entry in `lost` for a rider with unrelated history."""
UNMERGED = "a merge that git can make"
"""The entry in `lost` for a rider on which git itself crashes."""
_REFUSED = 128
"""git's exit code when it refuses."""
_ROOMY = {"MALLOC_TOP_PAD_": str(16 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
"""git frees and allocates the same memory again for each object; told not to return it (glibc), fast-import takes half
the time."""


class GitMerges:
    """Merges of the vault: in memory, proven, explained."""

    def __init__(self, git: Git) -> None:
        self._git = git

    def merge(self, *, ours: CommitId, theirs: CommitId, message: str, at: float, pin: str, author: str = "") -> Merge:
        """Merge in memory into a commit with both parents, pinned at the ref `pin`."""
        return merge_tree.merge(self._git, ours=ours, theirs=theirs, message=message, at=at, pin=pin, author=author)

    def prove(self, *, merge: CommitId, ours: CommitId, theirs: CommitId) -> Proof:
        """Compare a merge with both sides."""
        return prove(self._git, merge=merge, ours=ours, theirs=theirs)

    def chain(self, spec: ChainSpec) -> Chain:
        """Merge the riders in order, each onto what is ahead of it, each proven."""
        git = self._git
        yard = _Assembly(git, survey(git, onto=spec.onto, riders=spec.riders), spec.at, spec.pin, spec.author)
        failed: dict[int, tuple[str, ...]] = {}
        while True:
            made = yard.assemble([number for number in range(len(spec.riders)) if number not in failed])
            verdicts = judged(git, yard.survey, made)
            lost = yard.failed(made, verdicts)
            failed |= lost
            if not lost and yard.conflicts_are_real(made):
                break
        if not made:
            put(git, spec.pin, spec.onto)
        left_out = yard.left_out(made, failed)
        return Chain(
            cars=tuple(_car(yard.survey, each, verdict) for each, verdict in zip(made, verdicts, strict=True)),
            left_out=tuple(left_out[number] for number in sorted(left_out)),
        )

    def lay_out(self, spec: LandingLineSpec) -> LandingLine:
        """The work of a run as a line of commits with exactly the tree of its head."""
        from wt_orchestrate.adapters.gitrepo.merge.line import laid_out

        return laid_out(self._git, spec)

    def explain(self, merge: CommitId) -> Explained:
        """How a merge was made, from its parents alone."""
        return explain(self._git, merge)


def _car(survey: Survey, made: Made, verdict: CommitProof) -> MergeMade:
    rider = survey.loads[made.number].rider
    return MergeMade(
        workstream=WorkstreamId(rider.name),
        head=rider.head,
        onto=made.onto,
        commit=made.commit,
        tree=verdict.tree,
        proven_paths=verdict.proven_paths,
    )


@dataclass(slots=True)
class _Assembly:
    """The state of making one chain; separate merges are kept when it is made again without some riders."""

    git: Git
    survey: Survey
    at: float
    pin: str
    author: str
    apart: Apart = field(init=False)
    only_git: set[int] = field(default_factory=set)
    ahead: Ahead = field(init=False)
    conflicting: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Riders in conflict, with the paths once they are known for the commit at their places."""
    impossible: dict[int, str] = field(default_factory=dict)
    """Riders that cannot be merged at all, with the reason."""

    def __post_init__(self) -> None:
        self.apart = Apart(self.git, self.survey, f"{self.pin}-apart")

    def assemble(self, numbers: Sequence[int]) -> Sequence[Made]:
        """Write the chain of these riders; those in conflict are recorded and left out."""
        self.conflicting, self.impossible = {}, {}
        self.ahead = Ahead(self.survey, self.only_git)
        made: list[Made] = []
        waiting = numbers
        while waiting:
            try:
                places, behind = self._settled(waiting)
                made += self._written(places, self._tip(made))
            except GitFailed as error:
                if error.code != _REFUSED:
                    raise
                self.only_git |= set(waiting)  # one of them holds what fast-import will not write: one by one, then
                continue
            if behind:
                made += self._merged(behind[0], self._tip(made))
            waiting = behind[1:]
        return made

    def _tip(self, made: Sequence[Made]) -> CommitId:
        return made[-1].commit if made else self.survey.onto

    def _settled(self, numbers: Sequence[int]) -> tuple[Sequence[RiderPlace], Sequence[int]]:
        """Places for the riders up to the first that only git may place, with all that they need merged; and the rest."""
        while True:
            places, behind = placed(self.ahead, [number for number in numbers if number not in self.ahead.out])
            conflicting = self._merge_apart(places)
            if not conflicting:
                return places, behind
            self.ahead.out |= conflicting
            self.conflicting |= dict.fromkeys(conflicting, ())

    def _merge_apart(self, places: Sequence[RiderPlace]) -> set[int]:
        """Merge round by round; returns the riders in conflict in the first round that has any."""
        seats = {number: place for number, place in self.ahead.places.items() if place is not None}
        for group in rounds(places).values():
            self.apart.merge(group, seats)
            conflicting = {place.number for place in group if self.apart.change(place) is None}
            if conflicting:
                return conflicting
        return set()

    def _written(self, places: Sequence[RiderPlace], onto: CommitId) -> Sequence[Made]:
        if not places:
            return ()
        layers = [self._layer(place, onto if place is places[0] else None) for place in places]
        commits = fast_import.write(self.git.at(_ROOMY), layers, at=self.at, ref=self.pin, author=self.author)
        below = [onto, *commits[:-1]]
        return [Made(place.number, at, commit) for place, at, commit in zip(places, below, commits, strict=True)]

    def _layer(self, place: RiderPlace, onto: CommitId | None) -> NewCommit:
        rider = self.survey.loads[place.number].rider
        return NewCommit([self.apart.change(place) or {}], onto=onto, head=rider.head, message=rider.message)

    def _merged(self, number: int, onto: CommitId) -> Sequence[Made]:
        """Merge one rider on the tip, by git alone."""
        rider = self.survey.loads[number].rider
        try:
            merge = merge_tree.merge(
                self.git,
                ours=onto,
                theirs=rider.head,
                message=rider.message,
                at=self.at,
                pin=self.pin,
                author=self.author,
            )
        except Refused:
            self.impossible[number] = UNRELATED
            return ()
        except GitFailed as error:
            if error.code not in CRASHED:
                raise
            self.impossible[number] = UNMERGED
            return ()
        if merge.commit is None:
            self.conflicting[number] = merge.conflicts
            self.ahead.out.add(number)
            return ()
        trees = trees_of(self.git, (onto, merge.commit))
        delta = between(self.git, [(trees[onto], trees[merge.commit])])[0]
        load = self.survey.loads[number]
        gone = load.gone if load.base is not None else {each for path in deleted(delta) for each in folders(path)}
        self.ahead.add(number, None, delta, gone)
        return (Made(number, onto, merge.commit),)

    def failed(self, made: Sequence[Made], verdicts: Sequence[CommitProof]) -> Mapping[int, tuple[str, ...]]:
        """Riders whose proof failed on their own account: the lowest one, and all that meet no other. Others may have
        failed because of these, and are tried again without them."""
        found: dict[int, tuple[str, ...]] = {}
        for each, verdict in zip(made, verdicts, strict=True):
            place = self.ahead.places[each.number]
            if verdict.lost and (not found or (place is not None and not place.round)):
                found[each.number] = verdict.lost
        return found

    def conflicts_are_real(self, made: Sequence[Made]) -> bool:
        """Merge those in conflict on the very commits below their places and record their paths; False if one does not
        conflict."""
        numbers = [number for number, paths in self.conflicting.items() if not paths]
        pairs = [(_below(self.survey, made, number), self.survey.loads[number].rider.head) for number in numbers]
        outcomes = merges(self.git, pairs)
        self.conflicting |= {n: outcome.conflicts for n, outcome in zip(numbers, outcomes, strict=True)}
        self.impossible |= {n: UNMERGED for n, outcome in zip(numbers, outcomes, strict=True) if outcome.tree is None}
        clean = {number for number, outcome in zip(numbers, outcomes, strict=True) if outcome.clean}
        self.only_git |= clean
        return not clean

    def left_out(self, made: Sequence[Made], failed: Mapping[int, tuple[str, ...]]) -> Mapping[int, LeftOut]:
        """Riders whose proof failed, that cannot be merged, or that conflict, each with its partners ahead of it."""
        partners = self._partners(made)
        lost = {**failed, **{number: (reason,) for number, reason in self.impossible.items()}}
        found: dict[int, LeftOut] = {}
        for number in {*self.conflicting, *lost}:
            rider = self.survey.loads[number].rider
            out = LeftOut(name=rider.name, head=rider.head, onto=_below(self.survey, made, number))
            if number in lost:
                found[number] = replace(out, lost=lost[number])
            else:
                paths, others = self.conflicting[number], partners.get(number, ())
                found[number] = replace(out, conflicts=paths, partners=others)
        return found

    def _partners(self, made: Sequence[Made]) -> Mapping[int, tuple[str, ...]]:
        """The partners of each conflict: the chain's start (nobody's fault), else these riders alone, else only all of
        them together."""
        loads = self.survey.loads
        candidates = {number: self._candidates(made, number) for number in self.conflicting}
        asked: list[tuple[int, int | None]] = [
            (number, other) for number, others in candidates.items() for other in (None, *others)
        ]
        commits = [self.survey.onto if other is None else loads[other].rider.head for _, other in asked]
        pairs = [(commit, loads[number].rider.head) for commit, (number, _) in zip(commits, asked, strict=True)]
        clashes = {ask for ask, outcome in zip(asked, merges(self.git, pairs), strict=True) if not outcome.clean}
        return {
            number: tuple(
                loads[other].rider.name for other in [other for other in others if (number, other) in clashes] or others
            )
            for number, others in candidates.items()
            if (number, None) not in clashes
        }

    def _candidates(self, made: Sequence[Made], number: int) -> Sequence[int]:
        """The riders of the chain ahead of this one that it could conflict with."""
        riding = [each.number for each in made if each.number < number]
        if self.survey.loads[number].base is None:
            return riding
        met = self.ahead.met(number)
        return [other for other in riding if other in met]


def _below(survey: Survey, made: Sequence[Made], number: int) -> CommitId:
    """The commit at a rider's place."""
    return next((each.commit for each in reversed(made) if each.number < number), survey.onto)
