"""Copies of values with some fields changed, and values as plain data.

A value that is stored or made often is a frozen `msgspec.Struct`; what people write (plan, settings) is a frozen
dataclass, because pydantic checks it. Here both are copied and flattened the same way.
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
