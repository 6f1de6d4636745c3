"""The retry ladder: which try comes next, and when there is none left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wt_orchestrate.domain.plan.retry_ladder import Action, Cause, Recovery, Rung, jittered, ladder, next_rung


def test_every_cause_has_a_ladder_that_ends() -> None:
    """The defaults try each cause a bounded number of times, and failed evidence as often as the plan says."""
    tries = {cause: sum(rung.times for rung in ladder(Recovery(), cause, retries=3)) for cause in Cause}
    assert tries == {
        Cause.OVERLOAD: 30,
        Cause.LIMIT: 50,
        Cause.CRASH: 2,
        Cause.STUCK: 2,
        Cause.LOOP: 2,
        Cause.CONTEXT: 2,
        Cause.REFUSED: 1,
        Cause.WORKTREE: 2,
        Cause.CONFLICT: 1,
        Cause.REVIEW: 2,
        Cause.EVIDENCE: 3,
    }


@given(times=st.lists(st.integers(0, 4), max_size=4))
def test_rungs_are_taken_one_after_another(times: list[int]) -> None:
    """Each as often as it says, in their order; then nothing is left."""
    rungs = [Rung(action=action, times=count) for action, count in zip([*Action, Action.FRESH], times, strict=False)]
    expected = [(rung, number) for rung in rungs for number in range(rung.times)]
    assert [next_rung(rungs, taken) for taken in range(len(expected))] == expected
    assert next_rung(rungs, len(expected)) is None


@given(length=st.floats(0, 1e6), per_cent=st.integers(0, 100), seed=st.text())
def test_a_pause_is_lengthened_within_its_bound_and_always_by_the_same(length: float, per_cent: int, seed: str) -> None:
    """Never shortened, never beyond the per cent, the same for the same seed."""
    found = jittered(length, per_cent=per_cent, seed=seed)
    assert length <= found <= length * (1 + per_cent / 100)
    assert found == jittered(length, per_cent=per_cent, seed=seed)
