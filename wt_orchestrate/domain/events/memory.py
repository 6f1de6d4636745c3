"""Events of the memory: what was recalled for a workstream."""

from __future__ import annotations

from dataclasses import dataclass

from wt_orchestrate.domain.ids import WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalledEntry:
    """An entry of the memory when it was recalled: its source, and which of its files changed since."""

    id: str
    layer: str
    kind: str
    text: str
    source: str = ""
    paths: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRecalled:
    """What the memory adds to a workstream's brief; decided once. `problem` says why nothing could be recalled."""

    workstream: WorkstreamId
    entries: tuple[RecalledEntry, ...] = ()
    problem: str = ""
