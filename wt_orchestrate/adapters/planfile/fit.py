"""Fit plain values to the domain's own dataclasses, as far as they are written in the usual way.

Values are what the reader makes of YAML: text, None, tuples and dictionaries. What is returned is exactly what pydantic would
return; whatever this does not know for certain, wrong or only unusual (`1_000`, `yes`), raises Unfit, and `explain` decides.
So a plain plan is read without pydantic, whose import is as long as everything else that a run does before its first agent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_Fit = Callable[[Any], Any]
_INT = re.compile(r"0|-?[1-9][0-9]{0,14}")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
_TRUTH = {"true": True, "false": False}


class Unfit(Exception):
    """This is not certain to fit."""


def fitted(kind: type[T], value: Any) -> T:
    """The value as this type. Raises Unfit."""
    model: Any = kind
    found: T = _fit_of(model)(value)
    return found


@lru_cache(maxsize=256)
def _fit_of(kind: Any) -> _Fit:
    """What fits a value to one type."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if get_origin(kind) in {Union, UnionType}:
        return _one_of(get_args(kind))
    if get_origin(kind) is tuple:
        return _tuple_of(_fit_of(get_args(kind)[0])) if get_args(kind)[1:] == (...,) else _never
    if get_origin(kind) is Mapping:
        return _mapping_of(_fit_of(get_args(kind)[1])) if get_args(kind)[0] is str else _never
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind)
    return _member_of(kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else _never


def _never(value: Any) -> Any:
    raise Unfit


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unfit from error
    return value


def _matching(pattern: re.Pattern[str], convert: Callable[[str], Any]) -> _Fit:
    def fit(value: Any) -> Any:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise Unfit
        return convert(value)

    return fit


def _truth(value: Any) -> bool:
    if not isinstance(value, str) or value not in _TRUTH:
        raise Unfit
    return _TRUTH[value]


_SIMPLE: Mapping[Any, _Fit] = {
    str: _text,
    int: _matching(_INT, int),
    float: _matching(_FLOAT, float),
    bool: _truth,
    Any: lambda value: value,
}


def _member_of(kind: type[StrEnum]) -> _Fit:
    def fit(value: Any) -> StrEnum:
        if not isinstance(value, str) or value not in kind.__members__.values():
            raise Unfit
        return kind(value)

    return fit


def _one_of(kinds: tuple[Any, ...]) -> _Fit:
    """None, a mapping, or one other type: no value fits two of them."""
    shapes: list[Any] = [kind for kind in kinds if is_dataclass(kind)]
    others = [kind for kind in kinds if kind is not type(None) and not is_dataclass(kind)]
    if len(shapes) > 1 or len(others) > 1:
        return _never
    shape = _fit_of(shapes[0]) if shapes else _never
    other = _fit_of(others[0]) if others else _never
    optional = type(None) in kinds

    def fit(value: Any) -> Any:
        if value is None and optional:
            return None
        return shape(value) if isinstance(value, dict) and shapes else other(value)

    return fit


def _tuple_of(item: _Fit) -> _Fit:
    def fit(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, tuple):
            raise Unfit
        return tuple(map(item, value))

    return fit


def _mapping_of(item: _Fit) -> _Fit:
    def fit(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Unfit
        return {_text(key): item(each) for key, each in value.items()}

    return fit


def _dataclass(kind: type) -> _Fit:
    hints = get_type_hints(kind)
    known = {each.name: _fit_of(hints[each.name]) for each in fields(kind) if each.init}
    required = {
        each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING and each.init
    }

    def fit(value: Any) -> Any:
        if not isinstance(value, dict) or not required <= value.keys() or not value.keys() <= known.keys():
            raise Unfit
        return kind(**{name: known[name](each) for name, each in value.items()})

    return fit
