"""Copies of frozen values with some fields changed, quickly: folding a log is little else.

`dataclasses.replace` looks every field up by name and calls `__init__`, and a frozen value's fields can only be set one call
at a time; for a state of seventy fields that is most of a fold. So a copy is made as a twin of its class, which has the same
slots and lets itself be written, by a function that is made once for each class; then the twin is given the class. Values here
have slots, no base class and no `__post_init__`: setting the fields is all there is to do.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

Value = TypeVar("Value")
_set = object.__setattr__


@cache
def _parts(kind: Hashable) -> tuple[frozenset[str], Callable[[Any], Any]]:
    """The names of a class's fields, and how one of its values is copied."""
    assert isinstance(kind, type)
    names = tuple(field.name for field in fields(kind))
    made: dict[str, Any] = {"twin": type(kind.__name__, (), {"__slots__": names}), "kind": kind}
    lines = ["def copied(value):", "    copy = twin()", *(f"    copy.{name} = value.{name}" for name in names)]
    # the names are those of fields: nothing else can stand in them
    exec("\n".join([*lines, "    copy.__class__ = kind", "    return copy"]), made)
    return frozenset(names), made["copied"]


def replace(value: Value, /, **changes: Any) -> Value:
    """The value with these fields changed. Raises TypeError for a name that is no field."""
    kind = type(value)
    names, copied = _parts(kind)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
    if not changes.keys() <= names:
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(changes.keys() - names))}")
    copy: Value = copied(value)
    for name, new in changes.items():
        _set(copy, name, new)
    return copy
