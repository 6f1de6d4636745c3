"""What is fitted without pydantic is what pydantic would make of it, and everything else is left to pydantic."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pydantic
import pytest

from wt_orchestrate.adapters.planfile.fit import Unfit, fitted
from wt_orchestrate.domain.plan.model import Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings, UserSettings

WORDS = (
    "",
    "a",
    "0",
    "7",
    "-3",
    "007",
    "1_000",
    " 5",
    "+5",
    "1.0",
    "2.5",
    "-0",
    "1e3",
    "inf",
    "nan",
    "9" * 20,
    "true",
    "false",
)
ODD: tuple[Any, ...] = (
    "True",
    "yes",
    "off",
    "no",
    "null",
    "\ud800",
    "é",
    "user",
    "command",
    "claude-code",
    None,
    (),
    ("a", "b"),
    {},
    {"a": "b"},
)


def _random(kind: Any, chance: random.Random) -> Any:
    """Mostly a value that the type may take, in some spelling; sometimes anything."""
    if chance.random() < 0.04:
        return chance.choice(WORDS + ODD)
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        picked = chance.choice(get_args(kind))
        return None if picked is type(None) else _random(picked, chance)
    if origin is tuple:
        return tuple(_random(get_args(kind)[0], chance) for _ in range(chance.randrange(3)))
    if origin is Mapping:
        return {chance.choice("abc"): _random(get_args(kind)[1], chance) for _ in range(chance.randrange(3))}
    if is_dataclass(kind):
        return _random_mapping(kind, chance)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return chance.choice(list(kind)).value
    plain = {str: "ab", int: ("1", "0", "-12"), float: ("1", "2.5", "0.25"), bool: ("true", "false")}
    return chance.choice(plain.get(kind, WORDS))


def _random_mapping(kind: Any, chance: random.Random) -> dict[str, Any]:
    hints = get_type_hints(kind)
    needed = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
    names = [each.name for each in fields(kind) if each.name in needed or chance.random() < 0.25]
    found = {name: _random(hints[name], chance) for name in names if chance.random() > 0.01}
    return found | ({"unknown": "x"} if chance.random() < 0.01 else {})


@pytest.mark.parametrize("kind", [Plan, Settings, UserSettings])
def test_what_fits_is_what_pydantic_makes_of_it(kind: type) -> None:
    """Of random values, each that is fitted gives the value that pydantic gives, and a good part is fitted."""
    model: Any = kind
    chance, fits = random.Random(3), 0
    adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(model)
    for _ in range(400):
        value = _random_mapping(kind, chance)
        try:
            found: Any = fitted(model, value)
        except Unfit:
            continue
        assert found == adapter.validate_python(value, strict=False), value
        fits += 1
    assert fits > 40


@dataclass(frozen=True)
class _Numbers:
    whole: int = 0
    part: float = 0.0
    truth: bool = False


@pytest.mark.parametrize("word", [word for word in (*WORDS, *ODD) if isinstance(word, str)])
@pytest.mark.parametrize("name", ["whole", "part", "truth"])
def test_numbers_and_truth_are_what_pydantic_makes_of_them(name: str, word: str) -> None:
    """Every spelling gives pydantic's number, or is left to it."""
    try:
        found = fitted(_Numbers, {name: word})
    except Unfit:
        return
    assert found == pydantic.TypeAdapter(_Numbers).validate_python({name: word})


@pytest.mark.parametrize(
    "value",
    [
        None,
        (),
        {},
        {"goal": "g"},
        {"goal": None, "workstreams": {}},
        {"goal": "g", "workstreams": {"a": {"brief": "x", "brif": "y"}}},
        {"goal": "g", "workstreams": {"a": {}}},
        {"goal": "g", "workstreams": {"a": {"brief": ("x",)}}},
        {"goal": "g", "workstreams": {"a": {"brief": "\ud800"}}},
        {"goal": "g", "workstreams": {"a": {"brief": "x"}}, "limits": {"agents": "yes"}},
    ],
)
def test_what_is_wrong_does_not_fit(value: Any) -> None:
    """Missing and unknown keys, wrong types and broken text are left to what explains them."""
    with pytest.raises(Unfit):
        fitted(Plan, value)


def test_a_plan_fits() -> None:
    """A plan as people write it, with words, lists, mappings and numbers."""
    value = {
        "goal": "g",
        "limits": {"agents": "8"},
        "workstreams": {"a": {"brief": "x", "needs": ("b",)}, "b": {"brief": "y"}},
    }
    plan = fitted(Plan, value)
    assert (plan.goal, plan.limits.agents, list(plan.workstreams)) == ("g", 8, ["a", "b"])
    assert plan.workstreams["a"] == Workstream(brief="x", needs=("b",))
