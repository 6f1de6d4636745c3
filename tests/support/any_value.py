"""Any value of a type of ours, for property tests, and a value's fields by their path."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec import Struct

from wt_orchestrate.domain.events.train import CheckOutcome
from wt_orchestrate.domain.ids import CommitId, TreeId
from wt_orchestrate.domain.state.train import CheckResult

_CHECK = CheckResult(
    command="check",
    outcome=CheckOutcome.PASSED,
    exit_code=0,
    duration_s=1.0,
    log="",
    tail="",
    commit=CommitId("0" * 40),
    tree=TreeId("0" * 40),
    at=1.0,
)
"""One stands for all: what is in a result does not matter where any value is drawn."""


@cache
def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that states and events have."""
    if kind is CheckResult:
        return st.just(_CHECK)
    if isinstance(kind, type) and issubclass(kind, Struct):
        return st.builds(kind, **{name: values(each) for name, each in get_type_hints(kind).items()})
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return st.one_of(*(values(each) for each in inner))
    if origin is tuple:
        if inner[-1] is not Ellipsis:
            return st.tuples(*(values(each) for each in inner))
        return st.lists(values(inner[0]), max_size=2).map(tuple)
    if origin is frozenset:
        return st.frozensets(values(inner[0]), max_size=2)
    if origin is Mapping:
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=2)
    if isinstance(kind, NewType):
        return values(kind.__supertype__)
    if kind is float:
        return st.floats(min_value=0, max_value=1e9)  # a time is a number
    return st.text("abc", max_size=3) if kind is str else st.from_type(kind)


def leaves(value: Struct, nested: tuple[type[Struct], ...], of: str = "") -> dict[str, object]:
    """The fields of a value and of its parts of these types, by their path."""
    found: dict[str, object] = {}
    for name in value.__struct_fields__:
        each = getattr(value, name)
        found |= leaves(each, nested, f"{of}{name}.") if isinstance(each, nested) else {of + name: each}
    return found
