"""The graph, scopes and the rules across a plan's fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wt_orchestrate.domain.plan.graph import find_cycle, longest_chain, needs_of, waves
from wt_orchestrate.domain.plan.model import MAX_WORKSTREAMS, Plan, Workstream
from wt_orchestrate.domain.plan.scope import globs_overlap, scope_matches
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.plan.validation import problems


def _plan(needs: dict[str, tuple[str, ...]], stages: tuple[str, ...] = (), of: dict[str, str] | None = None) -> Plan:
    streams = {name: Workstream(brief="x", needs=each, stage=(of or {}).get(name, "")) for name, each in needs.items()}
    return Plan(goal="g", workstreams=streams, stages=stages)


def test_waves_start_what_needs_nothing_and_then_what_is_freed() -> None:
    """Workstreams of one wave need only earlier ones, in the plan's order."""
    plan = _plan({"d": ("b", "c"), "a": (), "b": ("a",), "c": (), "e": ("d",)})
    assert waves(plan) == (("a", "c"), ("b",), ("d",), ("e",))
    assert longest_chain(plan) == ("a", "b", "d", "e")


def test_stages_order_groups_of_workstreams() -> None:
    """Everything of an earlier stage is needed; a workstream without a stage is in no group."""
    of = {"a": "look", "b": "look", "c": "do", "free": ""}
    plan = _plan({"c": (), "a": (), "b": (), "free": ()}, ("look", "do"), of)
    assert set(needs_of(plan, "c")) == {"a", "b"}
    assert needs_of(plan, "free") == ()
    assert waves(plan) == (("a", "b", "free"), ("c",))


def test_a_cycle_is_found_and_printed_as_a_chain() -> None:
    """The message shows the circle from its first workstream back to it."""
    plan = _plan({"a": ("b",), "b": ("c",), "c": ("a",), "d": ("a",)})
    assert find_cycle(plan) == ("a", "b", "c", "a")
    assert [problem.message for problem in problems(plan, Settings())] == ["needs form a cycle: a -> b -> c -> a"]


def test_too_many_workstreams_are_refused_at_once() -> None:
    """A plan of ten thousand workstreams is one problem, not ten thousand."""
    plan = _plan({f"w{number}": () for number in range(10_000)})
    assert [str(MAX_WORKSTREAMS) in problem.message for problem in problems(plan, Settings())] == [True]


@pytest.mark.parametrize(
    ("scope", "path", "covered"),
    [
        ("src/**", "src/a/b.py", True),
        ("src/**", "srcx/a.py", False),
        ("src", "src/a.py", True),
        ("src/", "src/deep/a.py", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "docs/README.md", True),
        ("**/*.md", "README.md", True),
        ("docs/?.txt", "docs/a.txt", True),
        ("docs/?.txt", "docs/ab.txt", False),
        ("a[b].txt", "a[b].txt", True),
        ("src/*/test.py", "src/x/test.py", True),
        ("src/*/test.py", "src/x/y/test.py", False),
    ],
)
def test_a_scope_covers_what_its_globs_say(scope: str, path: str, covered: bool) -> None:
    """`*` stays within a component, `**` crosses them, a plain path covers everything below it."""
    assert scope_matches((scope,), path) is covered


_PART = st.sampled_from(["a", "b", "*", "**", "a*", "?b", "*.py", "x.py"])
_GLOB = st.lists(_PART, min_size=1, max_size=4).map("/".join)
_PATH = st.lists(st.sampled_from(["a", "b", "ab", "x.py", "axb"]), min_size=1, max_size=5).map("/".join)


@given(one=_GLOB, other=_GLOB, path=_PATH)
def test_globs_that_cover_a_common_path_overlap(one: str, other: str, path: str) -> None:
    """The overlap of two scopes is never denied when some path is covered by both."""
    if scope_matches((one,), path) and scope_matches((other,), path):
        assert globs_overlap(one, other) and globs_overlap(other, one)


def test_disjoint_scopes_give_no_warning() -> None:
    """Workstreams with different folders, or in an order, are not warned about."""
    plan = Plan(
        goal="g",
        workstreams={
            "a": Workstream(brief="x", scope=("src/**",)),
            "b": Workstream(brief="x", scope=("docs/**",)),
            "c": Workstream(brief="x", scope=("src/**",), needs=("a",)),
        },
    )
    assert problems(plan, Settings()) == ()
