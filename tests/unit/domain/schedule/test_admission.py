"""Whether the machine has room for another agent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wt_orchestrate.domain.plan.settings import Admission
from wt_orchestrate.domain.schedule.admission import Room, admission

BOUNDS = Admission(memory_mb=500, disk_mb=200, load=4.0)


@pytest.mark.parametrize(
    ("room", "refused", "full", "why"),
    [
        (Room(memory_mb=500, load=4.0, disk_mb={"state": 200}), False, False, ()),
        (Room(), False, False, ()),
        (Room(memory_mb=499), False, False, ("499 MiB of memory",)),
        (Room(load=4.1), False, False, ("the load is 4.1",)),
        (Room(memory_mb=1, load=9.0), False, False, ("1 MiB of memory", "the load is 9.0")),
        (Room(load=9.0, disk_mb={"state": 199, "worktrees": 10}), False, True, ("199 MiB are", "10 MiB are")),
        (Room(memory_mb=624, load=3.3, disk_mb={"state": 250}), True, False, ("624 MiB of memory", "the load is 3.3")),
        (Room(memory_mb=625, load=3.2, disk_mb={"state": 250}), True, False, ()),
        (Room(disk_mb={"state": 249}), True, True, ("249 MiB are",)),
    ],
)
def test_each_bound_is_said_and_only_the_disk_stops_the_first_agent(
    room: Room, refused: bool, full: bool, why: tuple[str, ...]
) -> None:
    """What the system does not tell bounds nothing; after a refusal a quarter to spare is needed."""
    found = admission(BOUNDS, room, refused=refused)
    assert found.full is full
    parts = found.reason.split("; ") if found.reason else []
    assert len(parts) == len(why) and all(part.startswith(start) for part, start in zip(parts, why, strict=True))


@given(memory=st.floats(0, 2_000), load=st.floats(0, 20), disk=st.floats(0, 2_000))
def test_the_answer_does_not_flap(memory: float, load: float, disk: float) -> None:
    """Whoever is admitted after a refusal would have been admitted before it, too."""
    room = Room(memory_mb=memory, load=load, disk_mb={"state": disk})
    if not admission(BOUNDS, room, refused=True).reason:
        assert not admission(BOUNDS, room, refused=False).reason
