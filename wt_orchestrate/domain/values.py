"""Copies of frozen values with some fields changed, quickly: folding a log is little else.

`dataclasses.replace` looks every field up by name and calls `__init__`; for a state of fifty fields that is five times the
time. Values here have slots and no `__post_init__`, so that setting the fields is all there is to do.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

Value = TypeVar("Value")
_set = object.__setattr__


@cache
def _parts(kind: Hashable) -> tuple[tuple[str, ...], attrgetter[Any]]:
    assert isinstance(kind, type)
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names)


def replace(value: Value, /, **changes: Any) -> Value:
    """The value with these fields changed. Raises TypeError for a name that is no field."""
    kind = type(value)
    names, read = _parts(kind)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
    if not changes.keys() <= set(names):
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(changes.keys() - set(names)))}")
    copy = object.__new__(kind)
    for name, old in zip(names, read(value), strict=True):
        _set(copy, name, changes.get(name, old))
    return copy
