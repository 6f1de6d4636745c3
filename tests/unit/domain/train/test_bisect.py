"""Which prefixes of a train are checked next, and how few runs that takes."""

from __future__ import annotations

import random
from math import log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wt_orchestrate.domain.train.bisect import probes, share_of_rejects


@pytest.mark.parametrize(
    ("length", "red", "workers", "rejects", "expected"),
    [
        (10, None, 1, 0.05, (10,)),  # likely all good: the whole train at once
        (100, None, 1, 0.05, (14,)),  # half a chance of a bad one in 14
        (100, None, 3, 0.05, (6, 14, 27)),
        (10, None, 2, 0.5, (1, 2)),  # many rejects: one by one
        (8, 8, 1, 0.01, (4,)),  # the middle of what is open
        (8, 8, 3, 0.01, (2, 4, 6)),
        (8, 2, 2, 0.05, (1,)),
        (8, 1, 2, 0.05, ()),  # the first one is bad: nothing is left to ask
        (0, None, 4, 0.05, ()),
    ],
)
def test_prefixes_cut_the_guess_into_equal_parts(
    length: int, red: int | None, workers: int, rejects: float, expected: tuple[int, ...]
) -> None:
    """One worker halves what is open by weight, several cut it into as many parts as they can tell apart."""
    assert probes(length, red=red, workers=workers, rejects=rejects) == expected


@settings(max_examples=300, deadline=None)
@given(
    length=st.integers(1, 300),
    red=st.none() | st.integers(1, 300),
    workers=st.integers(1, 8),
    rejects=st.floats(0.0005, 0.95),
)
def test_probes_are_always_useful(length: int, red: int | None, workers: int, rejects: float) -> None:
    """They are within what is open, none twice, at most one for each worker, and never none while something is open."""
    red = None if red is None else min(red, length)
    found = probes(length, red=red, workers=workers, rejects=rejects)
    longest = length if red is None else red - 1
    assert list(found) == sorted(set(found))
    assert len(found) <= workers
    assert all(1 <= each <= longest for each in found)
    assert bool(found) == (longest > 0)


def test_the_expected_share_of_rejects_follows_what_was_seen() -> None:
    """It begins at the prior, moves with the evidence, and is never certain of anything."""
    assert share_of_rejects(integrated=0, rejected=0) == 0.05
    assert share_of_rejects(integrated=80, rejected=0) == 0.01
    assert share_of_rejects(integrated=70, rejected=30) == pytest.approx(0.258, abs=0.001)


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05, 0.1])
def test_L9_runs_stay_near_the_bound(share: float) -> None:
    """With one worker 2,000 riders take at most a tenth more runs for each landing than H(r)/(1-r), up to 10 % rejects."""
    chance = random.Random(11)
    riders = [chance.random() < share for _ in range(2_000)]
    runs, landed, rejected, red = 0, 0, 0, None
    while riders:
        rejects = share_of_rejects(integrated=landed, rejected=rejected)
        asked = probes(len(riders), red=red, workers=1, rejects=rejects)
        if not asked:
            riders, red, rejected = riders[1:], None, rejected + 1
            continue
        runs += 1
        if any(riders[: asked[0]]):
            red = asked[0]
        else:
            riders, landed, red = riders[asked[0] :], landed + asked[0], None if red is None else red - asked[0]
    seen = rejected / 2_000
    bound = -(seen * log2(seen) + (1 - seen) * log2(1 - seen)) / (1 - seen)
    assert runs / landed < 1.1 * bound
