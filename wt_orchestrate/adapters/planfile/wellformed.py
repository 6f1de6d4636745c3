"""Whether a text is well formed by the rules of its file type: what a guessed merge must be before anything runs it.

Run as a process of its own (`python -m ... .py`, the text on standard input), because a parser may be brought down by
what it reads. Exit code 0: well formed, or no parser knows the type; 1: not, with the reason on standard output. Only
syntax is judged: nothing is executed, no tag is resolved, no alias expanded. A key that is there twice counts as a
fault, because one of both would be lost.
"""

from __future__ import annotations

import ast
import configparser
import json
import sys
import tomllib
import warnings
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from xml.parsers import expat

import yaml


def _python(text: bytes) -> None:
    warnings.simplefilter("ignore")
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"{error.msg} (line {error.lineno})") from error


def _json(text: bytes) -> None:
    json.loads(text, object_pairs_hook=_once)


def _once(pairs: Sequence[tuple[str, object]]) -> None:
    known: set[str] = set()
    for key, _ in pairs:
        if key in known:
            raise ValueError(f"the key {key!r} is there twice")
        known.add(key)


def _toml(text: bytes) -> None:
    tomllib.loads(text.decode())


def _yaml(text: bytes) -> None:
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        _keys_once(document, set())


def _keys_once(node: yaml.Node | None, seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        _once([(key.value, None) for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"])
        for pair in node.value:
            for each in pair:
                _keys_once(each, seen)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _keys_once(each, seen)


def _xml(text: bytes) -> None:
    expat.ParserCreate().Parse(text, True)


def _ini(text: bytes) -> None:
    configparser.ConfigParser(interpolation=None).read_string(text.decode())


_PARSERS: dict[str, Callable[[bytes], None]] = {
    ".py": _python,
    ".pyi": _python,
    ".json": _json,
    ".toml": _toml,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".xml": _xml,
    ".svg": _xml,
    ".ini": _ini,
}


def ill_formed(suffix: str, text: bytes) -> str:
    """What is wrong with a text, in one line; empty if nothing is, or if no parser knows the type."""
    parse = _PARSERS.get(suffix.lower())
    if parse is None:
        return ""
    try:
        parse(text)
    except (
        ValueError,
        RecursionError,
        MemoryError,
        yaml.YAMLError,
        configparser.Error,
        expat.ExpatError,
    ) as error:
        return " ".join(str(error).split())[:200] or type(error).__name__
    return ""


def main() -> int:
    """Judge standard input as a file of the type named by the argument."""
    found = ill_formed(PurePosixPath(f"x{sys.argv[1]}").suffix, sys.stdin.buffer.read())
    print(found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
