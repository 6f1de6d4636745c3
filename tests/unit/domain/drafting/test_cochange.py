"""What history says of a plan: an estimate that does not depend on names, and advice that never makes a circle."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from wt_orchestrate.domain.drafting.cochange import History, Level, plan_forecast, with_needs
from wt_orchestrate.domain.plan.graph import find_cycle
from wt_orchestrate.domain.plan.model import Plan, Workstream

FOLDERS = ("a", "b", "c", "d")
PATHS = [f"{folder}/{number}" for folder in FOLDERS for number in range(3)]
COMMITS = st.lists(st.lists(st.sampled_from(PATHS), min_size=1, max_size=5, unique=True).map(tuple), max_size=30).map(
    tuple
)
SCOPES = st.lists(st.sampled_from([f"{folder}/**" for folder in FOLDERS] + PATHS), max_size=3).map(tuple)
MOST = settings(max_examples=150, deadline=None, derandomize=True)


def _plan(scopes: dict[str, tuple[str, ...]]) -> Plan:
    return Plan(goal="g", workstreams={name: Workstream(brief="x", scope=scope) for name, scope in scopes.items()})


@MOST
@given(commits=COMMITS, one=SCOPES, other=SCOPES)
def test_the_estimate_is_the_same_from_both_sides(
    commits: tuple[tuple[str, ...], ...], one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    """Whoever is named first: the chance is the same, lies between 0 and 1, and shared files are never called nothing."""
    history = History(files=tuple(PATHS), commits=commits)
    (pair,) = plan_forecast(_plan({"x": one, "y": other}), history).pairs
    (swapped,) = plan_forecast(_plan({"x": other, "y": one}), history).pairs
    assert (pair.chance, pair.level, pair.shared) == (swapped.chance, swapped.level, swapped.shared)
    assert 0.0 <= pair.chance <= 1.0
    assert pair.level is not Level.NONE or not pair.shared


@MOST
@given(commits=COMMITS, scopes=st.lists(SCOPES, min_size=2, max_size=6))
def test_the_advice_can_be_followed(commits: tuple[tuple[str, ...], ...], scopes: list[tuple[str, ...]]) -> None:
    """The plan with all further needs has no circle, and then no two that may run at the same time will most likely meet."""
    plan = _plan({f"w{number}": scope for number, scope in enumerate(scopes)})
    history = History(files=tuple(PATHS), commits=commits)
    found = plan_forecast(plan, history)
    serial = with_needs(plan, found.serialise)
    assert find_cycle(serial) == ()
    again = plan_forecast(serial, history)
    assert [pair for pair in again.pairs if pair.level is Level.HIGH] == []
    assert len(found.after) >= len(found.before)


def test_a_commit_of_very_many_files_couples_nothing() -> None:
    """Moving everything once does not mean that everything belongs together."""
    everything = tuple(f"{folder}/{number}" for folder in ("a", "b") for number in range(20))
    history = History(files=everything, commits=(everything,) * 5)
    found = plan_forecast(_plan({"x": ("a/**",), "y": ("b/**",)}), history)
    assert (found.commits, found.large, found.pairs[0].level) == (0, 5, Level.NONE)


def test_a_few_commits_are_no_reason_to_put_different_scopes_one_after_another() -> None:
    """Two commits that touched everything say little of scopes apart from each other; a third one makes it likely."""
    scopes: dict[str, tuple[str, ...]] = {"x": ("a/**",), "y": ("b/**",)}
    for times, level in ((1, Level.LOW), (2, Level.LOW), (3, Level.HIGH)):
        found = plan_forecast(_plan(scopes), History(files=("a/1", "b/1"), commits=(("a/1", "b/1"),) * times))
        assert found.pairs[0].level is level, times
        assert bool(found.serialise) is (level is Level.HIGH)
