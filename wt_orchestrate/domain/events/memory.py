"""Events of the memory: what was recalled for a workstream."""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain.ids import WorkstreamId


class RecalledEntry(Struct, frozen=True, kw_only=True):
    """An entry of the memory when it was recalled: its source, and which of its files changed since."""

    id: str
    layer: str
    kind: str
    text: str
    source: str = ""
    paths: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    unknown: bool = False


class MemoryRecalled(Struct, frozen=True, kw_only=True):
    """What the memory adds to a workstream's brief; decided once. `problem` says why nothing could be recalled."""

    workstream: WorkstreamId
    entries: tuple[RecalledEntry, ...] = ()
    problem: str = ""
