"""A fast `dataclasses.replace` for frozen values; folding a log does little else.

`dataclasses.replace` looks every field up by name and calls `__init__`, and a frozen value's fields can only be set one
call at a time; for a state of seventy fields that is most of a fold. So a copy is made as an instance of a writable
class with the same slots, by a function that is generated once for each class; then its `__class__` is set. The values
have slots, no base class and no `__post_init__`, so setting the fields is enough.
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
    """The field names of a class, and the function that copies one of its values."""
    assert isinstance(kind, type)
    names = tuple(field.name for field in fields(kind))
    made: dict[str, Any] = {"twin": type(kind.__name__, (), {"__slots__": names}), "kind": kind}
    lines = ["def copied(value):", "    copy = twin()", *(f"    copy.{name} = value.{name}" for name in names)]
    # the names are those of fields: nothing else can stand in them
    exec("\n".join([*lines, "    copy.__class__ = kind", "    return copy"]), made)
    return frozenset(names), made["copied"]


def replace(value: Value, /, **changes: Any) -> Value:
    """The value with these fields changed. Raises TypeError for a name that is not a field."""
    kind = type(value)
    names, copied = _parts(kind)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
    if not changes.keys() <= names:
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(changes.keys() - names))}")
    copy: Value = copied(value)
    for name, new in changes.items():
        _set(copy, name, new)
    return copy
