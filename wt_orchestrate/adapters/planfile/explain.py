"""Say what is wrong with values that do not fit the domain's own dataclasses, in our words; and the JSON Schema of these.

pydantic finds all problems at once, and what it accepts counts: `fit` accepts less. Its import and the making of a model take
a third of a second of a small command, so this module is imported only for a file with a problem or an unusual spelling, and
for a schema.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import pydantic

from wt_orchestrate.adapters.planfile.reading import Reading, mark_of
from wt_orchestrate.domain.plan.validation import Place, PlanProblem
from wt_orchestrate.domain.text.clean import clean

T = TypeVar("T")
_KINDS = {
    "string_type": "must be text", "int_type": "must be a whole number", "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number", "float_type": "must be a number", "float_parsing": "must be a number",
    "bool_type": "must be true or false", "bool_parsing": "must be true or false", "tuple_type": "must be a list",
    "mapping_type": "must be a mapping", "dict_type": "must be a mapping", "dataclass_type": "must be a mapping",
    "missing": "is missing", "is_instance_of": "must be a mapping",
}  # fmt: skip

_adapter: Callable[[Any], pydantic.TypeAdapter[Any]] = lru_cache(pydantic.TypeAdapter)
"""The model's validator, which takes longer to make than to use."""


def checked(kind: type[T], value: Any, reading: Reading) -> T | None:
    """The value as this type, or None with every problem of it in `reading`."""
    model: Any = kind
    try:
        found: T = _adapter(model).validate_python(value, strict=False)
        return found
    except pydantic.ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            place = _place_of(error, value)
            if place is None:
                continue
            reading.problems.append((mark_of(reading, place), _problem(kind, place, error)))
            value = _without(value, place, missing=error["type"] == "missing")
    try:
        again: T = _adapter(model).validate_python(value)
        return again
    except pydantic.ValidationError:
        return None


def _place_of(error: Any, value: Any) -> Place | None:
    """The place of one of pydantic's errors. If a value may have two types, pydantic reports both and names them in the
    place: an error of the type that was not meant gives None."""
    found: list[str | int] = []
    for part in error["loc"]:
        if part == "[key]":
            continue
        known = (isinstance(value, dict) and part in value) or (isinstance(value, tuple) and isinstance(part, int))
        last = part == error["loc"][-1] and error["type"] in {"missing", "unexpected_keyword_argument"}
        if not known and not last and part in _SHAPES:
            if isinstance(value, dict) != (part in _MAPPINGS):
                return None
            continue
        found.append(part)
        value = value[part] if known and not (isinstance(part, int) and part >= len(value)) else None
    return tuple(found)


_MAPPINGS = frozenset({"StageSpec", "SynthesisSpec"})
_SHAPES = _MAPPINGS | {"str", "bool"}
"""pydantic's names for the types of `stages:` and `synthesis:`, which may be a word or a mapping."""


def _without(value: Any, place: Place, *, missing: bool) -> Any:
    """The value with the wrong part removed or replaced, so that the rest can still be checked."""
    if not place:
        return value
    key, rest = place[0], place[1:]
    if isinstance(value, dict):
        if rest and key in value:
            return {**value, key: _without(value[key], rest, missing=missing)}
        kept = {name: each for name, each in value.items() if name != key}
        return {**kept, key: "(missing)"} if missing and not rest else kept
    if isinstance(value, tuple) and isinstance(key, int) and key < len(value):
        changed = (_without(value[key], rest, missing=missing),) if rest else ()
        return (*value[:key], *changed, *value[key + 1 :])
    return value


def _problem(kind: type, place: Place, error: Any) -> PlanProblem:
    """One of pydantic's errors in our words."""
    name = place[-1] if place else ""
    if error["type"] == "unexpected_keyword_argument":
        known = _known_keys(kind, place[:-1])
        near = get_close_matches(str(name), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return PlanProblem(place=place, message=f"{clean(str(name))!r} is not a known key", hint=hint)
    if error["type"] == "missing":
        return PlanProblem(place=place, message=f"{name!r} is missing", hint=f"add {name}: here")
    if error["type"] == "enum":
        return PlanProblem(place=place, message=f"{name!r} must be {error['ctx']['expected']}", hint="use one of these")
    told = _KINDS.get(error["type"], error["msg"].lower())
    given = clean(repr(error.get("input")))[:60]
    return PlanProblem(place=place, message=f"{_where(place)} {told}, not {given}", hint="see wto plan schema")


def _where(place: Place) -> str:
    return ".".join(map(str, place)) or "the file"


def _known_keys(kind: Any, place: Sequence[str | int]) -> list[str]:
    """The keys of the dataclass at a place in the model."""
    for part in place:
        if is_dataclass(kind):
            kind = get_type_hints(kind).get(str(part), str)
        elif get_args(kind):
            kind = get_args(kind)[-1 if get_origin(kind) is not tuple else 0]
        kind = next((arg for arg in get_args(kind) if is_dataclass(arg)), kind) if _is_union(kind) else kind
        kind = next((arg for arg in get_args(kind) if arg is not type(None)), kind) if _optional(kind) else kind
    return [each.name for each in fields(kind)] if is_dataclass(kind) else []


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in {Union, UnionType}


def _optional(kind: Any) -> bool:
    return type(None) in get_args(kind)


def schema(kind: type, title: str) -> dict[str, Any]:
    """The JSON Schema of a type."""
    made = pydantic.TypeAdapter(kind).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": title}
