"""Which changes could meet in a merge, by their paths alone, for any number of changes at once.

Two changes meet if they touch the same path, or one touches something below a path of the other (a file that became a
folder). Renames add one rule: git takes a folder for renamed if it is gone on one side and its files turned up
elsewhere; what the other side adds below it would move along. So an added path meets the changes that deleted below any
folder above it, if that folder is gone with one of them, or could be gone with several of them together.

Changes that do not meet cannot conflict, and a merge of them applies one change to the other. Checked by fuzzing
against git.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.objects.raw_diff import Delta, added, deleted


def folders(path: str) -> Iterator[str]:
    """The folders above a path, the nearest first; without the root, which git never takes for renamed."""
    while "/" in path:
        path = path[: path.rindex("/")]
        yield path


def _adding(delta: Delta) -> set[str]:
    """The folders below which a change adds anything."""
    return {folder for path in added(delta) for folder in folders(path)}


def _keys() -> defaultdict[str, set[int]]:
    return defaultdict(set)


@dataclass(slots=True)
class ChangeIndex:
    """Changes by number. `gone`: the folders that a change left empty, if it deleted anything below them."""

    _at: defaultdict[str, set[int]] = field(default_factory=_keys)
    _below: defaultdict[str, set[int]] = field(default_factory=_keys)
    _deleted: defaultdict[str, set[int]] = field(default_factory=_keys)
    _adds: defaultdict[str, set[int]] = field(default_factory=_keys)
    _deletes: defaultdict[str, set[int]] = field(default_factory=_keys)
    _gone: defaultdict[str, set[int]] = field(default_factory=_keys)

    def add(self, key: int, delta: Delta, gone: Set[str]) -> None:
        """Another change; the same one again changes nothing."""
        for path in delta:
            self._at[path].add(key)
            for folder in folders(path):
                self._below[folder].add(key)
        for path in added(delta):
            for folder in folders(path):
                self._adds[folder].add(key)
        for path in deleted(delta):
            self._deleted[path].add(key)
            for folder in folders(path):
                self._deletes[folder].add(key)
        for folder in gone:
            self._gone[folder].add(key)

    def touching(self, delta: Delta) -> set[int]:
        """Changes that touch the same paths, or something below or above them."""
        found: set[int] = set()
        for path in delta:
            found.update(self._at.get(path, ()), self._below.get(path, ()))
            for folder in folders(path):
                found.update(self._at.get(folder, ()))
        return found

    def deleting(self, delta: Delta) -> set[int]:
        """Changes that delete what this one touches: perhaps renames, which it would have to follow."""
        found: set[int] = set()
        for path in delta:
            found.update(self._deleted.get(path, ()))
            for folder in folders(path):
                found.update(self._deleted.get(folder, ()))
        return found

    def moving(self, delta: Delta, gone: Set[str]) -> set[int]:
        """Changes that this one may meet by the rename of a folder, on either side, if only the two are merged."""
        found: set[int] = set()
        for folder in gone:
            found.update(self._adds.get(folder, ()))
        for folder in _adding(delta):
            found.update(self._gone.get(folder, ()))
        return found

    def renaming(self, delta: Delta, gone: Set[str]) -> set[int]:
        """The same if all of them are merged: several may empty a folder together."""
        found = self.moving(delta, gone)
        for folder in _adding(delta):
            together = self._deletes.get(folder, ())
            if len(together) > 1:
                found.update(together)
        return found

    def deletes_below(self, folder: str) -> set[int]:
        """Changes that delete anything below a folder."""
        return set(self._deletes.get(folder, ()))
