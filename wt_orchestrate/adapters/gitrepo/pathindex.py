"""Which changes could meet in a merge, by their paths alone (interim)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from wt_orchestrate.adapters.gitrepo.deltas import Delta


def _folders(path: str) -> Iterator[str]:
    while "/" in path:
        path = path[: path.rindex("/")]
        yield path


def _many() -> defaultdict[str, set[int]]:
    return defaultdict(set)


@dataclass(slots=True)
class PathIndex:
    paths: defaultdict[str, set[int]] = field(default_factory=_many)
    below: defaultdict[str, set[int]] = field(default_factory=_many)
    adds: defaultdict[str, set[int]] = field(default_factory=_many)
    deletes: defaultdict[str, set[int]] = field(default_factory=_many)

    def add(self, key: int, delta: Delta) -> None:
        for path, line in delta.items():
            self.paths[path].add(key)
            for folder in _folders(path):
                self.below[folder].add(key)
                if line.endswith("A"):
                    self.adds[folder].add(key)
                elif line.endswith("D"):
                    self.deletes[folder].add(key)

    def partners(self, delta: Delta) -> set[int]:
        found: set[int] = set()
        for path, line in delta.items():
            found |= self.paths.get(path, set()) | self.below.get(path, set())
            for folder in _folders(path):
                found |= self.paths.get(folder, set())
                if line.endswith("A"):
                    found |= self.deletes.get(folder, set())
                elif line.endswith("D"):
                    found |= self.adds.get(folder, set())
        return found
