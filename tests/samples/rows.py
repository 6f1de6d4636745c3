"""Prints one stored row for each kind of event, as the release whose code is found writes it: `TYPE BODY`, twice for each.

Run by `make.py` with an earlier release on `PYTHONPATH`; it imports nothing of these tests. The first row of a kind has every
field filled, the second only those without a default. Values follow from the fields' types alone, so they are the same anywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from enum import EnumType
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

import msgspec

from wt_orchestrate.domain.events import Event

_PLAIN: dict[Any, Any] = {str: 'text \N{SNOWMAN} "quoted"\n', int: 7, float: 1.5, bool: True, bytes: b"\0x", Any: "any"}


def filled(kind: Any) -> Any:
    """A value of a type."""
    if isinstance(kind, NewType):
        return filled(kind.__supertype__)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, EnumType):
        return list(kind)[-1]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return filled(next((each for each in inner if each not in {NoneType, bool}), bool))
    if origin is Literal:
        return inner[0]
    if origin is tuple:
        return (filled(inner[0]),) if inner[-1] is Ellipsis else tuple(filled(each) for each in inner)
    if origin in {frozenset, list, set}:
        return origin([filled(inner[0])])
    if origin in {dict, Mapping}:
        return {filled(inner[0]): filled(inner[1])}
    hints = get_type_hints(kind)
    return kind(**{each.name: filled(hints[each.name]) for each in fields(kind) if each.init})


def shortest(kind: Any) -> Any:
    """A value of a dataclass with all that has a default left at it."""
    hints = get_type_hints(kind)
    bare = [each for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING]
    return kind(**{each.name: filled(hints[each.name]) for each in bare})


def main() -> None:
    for kind in sorted(get_args(Event), key=lambda each: str(each.__name__)):
        for value in (filled(kind), shortest(kind)):
            sys.stdout.buffer.write(kind.__name__.encode() + b" " + msgspec.json.encode(value) + b"\n")


if __name__ == "__main__":
    main()
