"""Copies of values with some fields changed, and values as plain data.

A value that is stored or made often is a frozen `msgspec.Struct`; what people write (plan, settings) is a frozen
dataclass, because pydantic checks it. Here both are copied and flattened the same way.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, structs

Value = TypeVar("Value")
_SURROGATE = re.compile("[\ud800-\udfff]")


def replace(value: Value, /, **changes: Any) -> Value:
    """The value with these fields changed. Raises TypeError for a name that is not a field."""
    copied = structs.replace if isinstance(value, Struct) else dataclasses.replace
    return copied(value, **changes)  # type: ignore[type-var]  # which of both it is was just asked


def plain(value: Any) -> Any:
    """A value and all in it as dicts, lists, texts and numbers, as they are stored and shown."""
    return msgspec.to_builtins(value, str_keys=True)


def as_json(value: Any) -> str:
    """A value as one line of JSON that every file and every pipe can hold. A path, a branch or a name that git holds need
    not be UTF-8: its odd bytes are lone surrogates in our text (PEP 383), and in JSON each is an escape, such as `\\udce9`,
    which Python and JavaScript read as it is."""
    text = json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    return _SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
