"""Plan a chain: for each rider, whether its change can be applied as it is, or which riders it must be merged with
first.

Nothing here runs git. Two changes that do not meet by the change index can be applied to one another: a merge would do
no more. A rider that meets some is merged with just those and with what they met themselves (its company), beside the
chain; the result is applied. Not so if one that it meets deleted what it touches, or may have renamed a folder it adds
to: a deletion may be half of a rename, of which the other half is anywhere. Then, and if a rider has no base, git must
merge on the tip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.merge.path_index import ChangeIndex, folders
from wt_orchestrate.adapters.gitrepo.merge.survey import Load, Survey
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import Delta, added
from wt_orchestrate.domain.ids import CommitId


@dataclass(frozen=True, slots=True)
class RiderPlace:
    """A rider's place: the riders ahead it must be merged with first, whether it meets what the chain's start changed
    since its base, and in which round all of its company is ready (0: nothing to merge)."""

    number: int
    company: tuple[int, ...] = ()
    meets_onto: bool = False
    round: int = 0


@dataclass(slots=True)
class Ahead:
    """The riders ahead, as far as they matter to the next one."""

    survey: Survey
    only_git: Set[int]
    """Riders that are to be merged by git on the tip in any case."""
    places: dict[int, RiderPlace | None] = field(default_factory=dict)
    out: set[int] = field(default_factory=set)
    """Riders that were placed and left out after all."""
    _index: ChangeIndex = field(default_factory=ChangeIndex)
    _since: dict[CommitId, ChangeIndex] = field(default_factory=dict)

    def place(self, number: int) -> RiderPlace | None:
        """The place of a rider after these; None if git must merge it on the tip."""
        load = self.survey.loads[number]
        if number in self.only_git or load.base is None or "\0" in load.rider.message:
            return None
        since = self._index_since(load.base)
        if self._may_be_renamed(number, load, since):
            return None
        met = self._ahead_of(number, self._index.touching(load.delta))
        company: set[int] = set(met)
        rounds = [0]
        for other in met:
            place = self.places[other]
            if place is None:
                return None
            company |= set(place.company)
            rounds.append(place.round)
        meets_onto = bool(since.touching(load.delta))
        return RiderPlace(number, tuple(sorted(company)), meets_onto, 1 + max(rounds) if met or meets_onto else 0)

    def _may_be_renamed(self, number: int, load: Load, since: ChangeIndex) -> bool:
        """Whether something that the rider brings may belong elsewhere because of a rename by anybody ahead or below,
        or something of theirs because of the rider's."""
        found = self._index.deleting(load.delta) | self._index.renaming(load.delta, load.gone)
        if self._ahead_of(number, found) or since.deleting(load.delta) or since.renaming(load.delta, load.gone):
            return True
        above = {folder for path in added(load.delta) for folder in folders(path)}
        return any(self._index.deletes_below(folder) and since.deletes_below(folder) for folder in above)

    def _ahead_of(self, number: int, found: Set[int]) -> Set[int]:
        return {other for other in found if other < number and other not in self.out}

    def met(self, number: int) -> Set[int]:
        """Riders ahead that a rider could conflict with."""
        load = self.survey.loads[number]
        found = self._index.touching(load.delta) | self._index.renaming(load.delta, load.gone)
        return self._ahead_of(number, found)

    def add(self, number: int, place: RiderPlace | None, delta: Delta, gone: Set[str]) -> None:
        """Add a rider with this change."""
        self.places[number] = place
        self._index.add(number, delta, gone)

    def _index_since(self, base: CommitId) -> ChangeIndex:
        """What the chain's start changed since a base."""
        if base not in self._since:
            self._since[base] = ChangeIndex()
            if base in self.survey.since:
                since = self.survey.since[base]
                self._since[base].add(0, since.delta, since.gone)
        return self._since[base]


def placed(ahead: Ahead, numbers: Sequence[int]) -> tuple[Sequence[RiderPlace], Sequence[int]]:
    """Places for the riders up to the first that only git may place, and the riders from that one on. Safe to call
    again when some of them are out."""
    found: list[RiderPlace] = []
    for at, number in enumerate(numbers):
        place = ahead.place(number)
        if place is None:
            return found, numbers[at:]
        found.append(place)
        load = ahead.survey.loads[number]
        ahead.add(number, place, load.delta, load.gone)
    return found, ()


def rounds(places: Sequence[RiderPlace]) -> Mapping[int, Sequence[RiderPlace]]:
    """Riders that need a merge, in the order in which their company is ready."""
    found: dict[int, list[RiderPlace]] = {}
    for place in sorted((place for place in places if place.round), key=lambda place: place.round):
        found.setdefault(place.round, []).append(place)
    return found
