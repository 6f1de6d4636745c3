"""The seam to what later runs are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from wt_orchestrate.domain.memory.entries import Hit, MemoryEntry, MemoryId, MemoryLayer, Note


class Kept(Struct, frozen=True, kw_only=True):
    """What became of a note: its entry; whether that is new, or was changed by it."""

    entry: MemoryEntry
    new: bool
    changed: bool


class Learned(Struct, frozen=True, kw_only=True):
    """Up to which event a run was learned from, and how many entries it touched."""

    until: int = 0
    entries: int = 0


class Memories(Protocol):
    """One repository's memory. Any thread and any process may read and write at any time; a write is durable on return and whole
    or not at all. Raises StoreUnreadable where it cannot be read or written."""

    def add(
        self, notes: Sequence[Note], *, now: float, key: str = "", mark: tuple[str, int] | None = None
    ) -> Sequence[Kept]:
        """Remember these. What is known already gains a source, what has a known topic replaces it. A `key` that was used before
        brings back what it made then. Where there is more than it holds, what is worth least goes (`surplus`).

        `mark` notes that a run was learned from up to an event, in the same step; what was
        forgotten by somebody's wish is not learned again."""

    def preview(self, notes: Sequence[Note], *, now: float) -> Sequence[Kept]:
        """What `add` would do; nothing is written, and new entries have no lasting id."""

    def find(self, name: MemoryId) -> MemoryEntry | None:
        """One entry; None when there is none of that id."""

    def entries(
        self, *, layer: MemoryLayer | None = None, kind: str = "", limit: int | None = None
    ) -> Sequence[MemoryEntry]:
        """The entries, newest first."""

    def search(self, terms: Sequence[str], *, paths: Sequence[str] = (), limit: int = 200) -> Sequence[Hit]:
        """Entries that have some of the terms (each taken as it is, whatever is in it), best first; then those about these
        paths or globs; then conventions that hold everywhere."""

    def count(self) -> int: ...

    def names(self) -> Sequence[MemoryId]:
        """All ids, oldest first."""

    def forget(self, names: Sequence[MemoryId]) -> Sequence[MemoryId]:
        """Forget these for good, in the memory and its journal; those that were there. Their ids are not given again."""

    def note_use(self, names: Sequence[MemoryId], *, run: str, workstream: str) -> None:
        """Note that these went into the brief of a workstream; safe twice."""

    def uses(self, name: MemoryId) -> Sequence[tuple[str, str]]:
        """The runs and workstreams whose briefs it went into, oldest first."""

    def learned(self, run: str) -> Learned:
        """Up to which event a run was learned from; 0 when it was not."""

    def damage(self) -> str:
        """What is wrong with it, in words; empty when all of it is whole."""
