"""A memory that lives in memory, held to the contract of the stored one."""

from __future__ import annotations

import random
from collections.abc import Sequence

from wt_orchestrate.domain.memory.entries import (
    Hit,
    MemoryEntry,
    MemoryId,
    MemoryLayer,
    Note,
    Source,
    coverage,
    entry_of,
    known_as,
    nearness,
    normal,
    note,
    paths_of,
)
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import StoreUnreadable
from wt_orchestrate.ports.memory import Kept, Learned


class FakeMemories:
    """Entries in a dictionary; `broken` makes every call fail."""

    def __init__(self) -> None:
        self.broken = False
        self._entries: dict[MemoryId, MemoryEntry] = {}
        self._next = 1
        self._keys: dict[str, list[MemoryId]] = {}
        self._marks: dict[str, Learned] = {}
        self._forgotten: set[str] = set()
        self._uses: dict[MemoryId, dict[tuple[str, str], None]] = {}

    def _ready(self) -> None:
        if self.broken:
            raise StoreUnreadable("the memory is broken", hint="mend it")

    def add(
        self, notes: Sequence[Note], *, now: float, key: str = "", mark: tuple[str, int] | None = None
    ) -> Sequence[Kept]:
        self._ready()
        if key and key in self._keys:
            known = [self._entries[name] for name in self._keys[key] if name in self._entries]
            return [Kept(entry=entry, new=False, changed=False) for entry in known]
        wanted = [n for n in notes if mark is None or not {normal(n.text), n.topic} & self._forgotten]
        kept = [self._keep(each, now) for each in wanted]
        if key:
            self._keys[key] = [each.entry.id for each in kept]
        if mark is not None:
            self._marks[mark[0]] = Learned(until=mark[1], entries=len({each.entry.id for each in kept}))
        return kept

    def preview(self, notes: Sequence[Note], *, now: float) -> Sequence[Kept]:
        before, following = dict(self._entries), self._next
        kept = [self._keep(each, now) for each in notes]
        self._entries, self._next = before, following
        return kept

    def _keep(self, made: Note, now: float) -> Kept:
        entries = self._entries.values()
        topic = next((each for each in entries if made.topic and each.topic == made.topic), None)
        same = next((each for each in entries if normal(each.text) == normal(made.text)), None)
        known = known_as(topic, same, made, now)
        if known is None:
            entry = entry_of(made, self._next, now)
            self._next += 1
            self._entries[entry.id] = entry
            return Kept(entry=entry, new=True, changed=True)
        before, after = known
        self._entries[after.id] = after
        return Kept(entry=after, new=False, changed=after is not before)

    def find(self, name: MemoryId) -> MemoryEntry | None:
        self._ready()
        return self._entries.get(name)

    def entries(
        self, *, layer: MemoryLayer | None = None, kind: str = "", limit: int | None = None
    ) -> Sequence[MemoryEntry]:
        self._ready()
        found = [e for e in self._entries.values() if layer in {None, e.layer} and kind in {"", e.kind}]
        return sorted(found, key=lambda each: (-each.seen_at, -int(each.id[1:])))[:limit]

    def search(self, terms: Sequence[str], *, paths: Sequence[str] = (), limit: int = 200) -> Sequence[Hit]:
        self._ready()
        hits = [
            Hit(entry=each, words=coverage(terms, f"{each.text} {' '.join(paths_of(each))}"))
            for each in self._entries.values()
        ]
        hits.sort(key=lambda hit: -hit.words)
        return [
            hit
            for hit in hits[:limit]
            if hit.words
            or nearness(paths, paths_of(hit.entry))
            or (hit.entry.kind == "convention" and not paths_of(hit.entry))
        ]

    def count(self) -> int:
        return len(self._entries)

    def names(self) -> Sequence[MemoryId]:
        return sorted(self._entries, key=lambda name: int(name[1:]))

    def forget(self, names: Sequence[MemoryId]) -> Sequence[MemoryId]:
        gone = [name for name in dict.fromkeys(names) if name in self._entries]
        for name in gone:
            entry = self._entries.pop(name)
            self._forgotten |= {normal(entry.text), entry.topic} - {""}
            self._uses.pop(name, None)
        return gone

    def note_use(self, names: Sequence[MemoryId], *, run: str, workstream: str) -> None:
        self._ready()
        for name in names:
            if name in self._entries:
                self._uses.setdefault(name, {})[run, workstream] = None

    def uses(self, name: MemoryId) -> Sequence[tuple[str, str]]:
        return list(self._uses.get(name, {}))

    def learned(self, run: str) -> Learned:
        return self._marks.get(run, Learned())

    def damage(self) -> str:
        return "the memory is broken" if self.broken else ""


def aged_entry(entry: MemoryEntry, days: float) -> MemoryEntry:
    """The entry as if it were so many days older."""
    return replace(entry, seen_at=entry.seen_at - days * 86_400)


def sim_memories(chance: random.Random) -> FakeMemories:
    """A memory with a few entries, or one that is broken: neither may make a difference to what is done."""
    memories = FakeMemories()
    for number in range(chance.randint(0, 3)):
        said = note(
            f"convention {number}: write a file",
            layer=MemoryLayer.SHARED,
            kind="convention",
            sources=(Source(run="r1"),),
        )
        memories.add([said], now=0.0)
    memories.broken = chance.random() < 0.2
    return memories
