"""Whether the machine has room for another agent: memory, load and disk.

For the first agent only the disk counts, so a busy machine slows a run down and never stops it. After a refusal a
quarter more than the bound must be free, so that the answer does not flap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from wt_orchestrate.domain.plan.settings import Admission

_SPARE = 1.25


class Room(Struct, frozen=True, kw_only=True):
    """What is left. What the system does not report is None; `load` is the one-minute load per processor."""

    memory_mb: float | None = None
    load: float | None = None
    disk_mb: Mapping[str, float] = field(default_factory=dict)
    """Free space, by what it is for."""


class AdmissionVerdict(Struct, frozen=True):
    """Why no further agent may start (empty if one may), and whether not even a first one may."""

    reason: str
    full: bool


def admission(bounds: Admission, room: Room, *, refused: bool) -> AdmissionVerdict:
    """Whether another agent may start. `refused`: so far none may."""
    spare = _SPARE if refused else 1.0
    full = tuple(_full(bounds, room, spare))
    if full:
        return AdmissionVerdict("; ".join(full), full=True)
    return AdmissionVerdict("; ".join(_busy(bounds, room, spare)), full=False)


def _full(bounds: Admission, room: Room, spare: float) -> Iterator[str]:
    for what, free in room.disk_mb.items():
        if free < bounds.disk_mb * spare:
            yield f"{free:.0f} MiB are free for {what}, but {bounds.disk_mb} are needed"


def _busy(bounds: Admission, room: Room, spare: float) -> Iterator[str]:
    if room.memory_mb is not None and room.memory_mb < bounds.memory_mb * spare:
        yield f"{room.memory_mb:.0f} MiB of memory are free, but {bounds.memory_mb} are needed"
    if room.load is not None and room.load > bounds.load / spare:
        yield f"the load is {room.load:.1f} per processor, more than {bounds.load:g}"
