"""What a row holds, as JSON and back, without loss: also text that is not Unicode (`domain/replace.as_json`).

Rows without such text, nearly all of them, take the fast way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from wt_orchestrate.domain.replace import as_json

_decoder: Callable[[type], msgspec.json.Decoder[Any]] = cache(msgspec.json.Decoder)
"""How a type is read; made once for each that is found."""
_ESCAPED = b"\\ud"


def encode(value: Any) -> bytes:
    """A value as JSON."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return as_json(value).encode()


def decode(body: bytes | str, kind: type = object) -> Any:
    """A value from JSON, of a type or as dicts and lists. Raises msgspec.MsgspecError."""
    found = body.encode() if isinstance(body, str) else body
    if _ESCAPED not in found:
        return _decoder(kind).decode(found)
    try:
        value = json.loads(found)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from error
    return value if kind is object else msgspec.convert(value, kind, str_keys=True)
