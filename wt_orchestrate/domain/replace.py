"""A fast `dataclasses.replace` for frozen values; folding a log does little else.

`dataclasses.replace` looks every field up by name and calls `__init__`, and a frozen value's fields can only be set one
call at a time; for a state of seventy fields that is most of a fold. So a copy is made as an instance of a writable
class with the same slots, by a function that is generated once for each class; then its `__class__` is set. The values
have slots, no base class and no `__post_init__`, so setting the fields is enough.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, structs

Value = TypeVar("Value")


def replace(value: Value, /, **changes: Any) -> Value:
    """The value with these fields changed. Raises TypeError for a name that is not a field."""
    copied = structs.replace if isinstance(value, Struct) else dataclasses.replace
    return copied(value, **changes)  # type: ignore[type-var]  # which of both it is was just asked


def plain(value: Any) -> Any:
    """A value and all in it as dicts, lists, texts and numbers, as they are stored and shown."""
    return msgspec.to_builtins(value)
