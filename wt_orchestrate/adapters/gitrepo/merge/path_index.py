"""Which changes could meet in a merge, told by their paths alone, for any number of changes at once.

Two changes meet when they touch the same path, or one touches what lies below a path of the other (a file that became a folder).
Renames add one more rule. Git takes a folder for renamed when it is gone on one side and its files turned up elsewhere; what
the other side adds below it would go along. So an added path meets those who deleted below any folder above it, if that folder
is gone with one of them, or could be gone with several of them together.

What does not meet cannot conflict, and a merge of it lays one change on the other. Checked by fuzzing against git.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.objects.raw_diff import Delta, added, deleted


def folders(path: str) -> Iterator[str]:
    """The folders above a path, the nearest first; not the root, which git never takes for renamed."""
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
    """Changes by number. `gone` are the folders that a change left nothing in, as far as it deleted anything below them."""

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
        """Changes that touch the same paths, or what is below or above them."""
        found: set[int] = set()
        for path in delta:
            found.update(self._at.get(path, ()), self._below.get(path, ()))
            for folder in folders(path):
                found.update(self._at.get(folder, ()))
        return found

    def deleting(self, delta: Delta) -> set[int]:
        """Changes that delete what this one touches: maybe renames, of which it would have to go along."""
        found: set[int] = set()
        for path in delta:
            found.update(self._deleted.get(path, ()))
            for folder in folders(path):
                found.update(self._deleted.get(folder, ()))
        return found

    def moving(self, delta: Delta, gone: Set[str]) -> set[int]:
        """Changes that this one may meet by the renaming of a folder, on either side, when just the two are merged."""
        found: set[int] = set()
        for folder in gone:
            found.update(self._adds.get(folder, ()))
        for folder in _adding(delta):
            found.update(self._gone.get(folder, ()))
        return found

    def renaming(self, delta: Delta, gone: Set[str]) -> set[int]:
        """The same when all of them are merged: several may empty a folder together."""
        found = self.moving(delta, gone)
        for folder in _adding(delta):
            together = self._deletes.get(folder, ())
            if len(together) > 1:
                found.update(together)
        return found

    def deletes_below(self, folder: str) -> set[int]:
        """Changes that delete anything below a folder."""
        return set(self._deletes.get(folder, ()))
