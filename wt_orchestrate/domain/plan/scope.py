"""Scopes: globs of paths that a workstream may write. Whether a path is inside, and whether two globs can match one
path.

`*` and `?` stay within a path component, `**` crosses them, and a plain path covers everything below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

# ---------------------------------------------------------------- scopes


def scope_matches(scope: Sequence[str], path: str) -> bool:
    """Whether a glob of the scope covers the path."""
    return _scope(tuple(scope)).fullmatch(path) is not None


@lru_cache(maxsize=1024)
def _scope(globs: tuple[str, ...]) -> re.Pattern[str]:
    """All globs as one compiled pattern."""
    return re.compile("|".join(f"(?:{_pattern(glob).pattern})" for glob in globs) or r"(?!)", re.DOTALL)


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    parts: list[str] = []
    rest = glob.rstrip("/")
    while rest:
        if rest.startswith("**/"):
            parts.append("(?:[^/]+/)*")
            rest = rest[3:]
        elif rest.startswith("**"):
            parts.append(".*")
            rest = rest[2:]
        elif rest[0] == "*":
            parts.append("[^/]*")
            rest = rest[1:]
        elif rest[0] == "?":
            parts.append("[^/]")
            rest = rest[1:]
        else:
            parts.append(re.escape(rest[0]))
            rest = rest[1:]
    return re.compile("".join(parts) + "(?:/.*)?", re.DOTALL)


def globs_overlap(one: str, other: str) -> bool:
    """Whether some path may match both. Never False if there is one."""
    return _overlap(tuple(one.rstrip("/").split("/")), tuple(other.rstrip("/").split("/")))


@lru_cache(maxsize=65536)
def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one or not other:
        return True  # a path covers everything below it
    if one[0] == "**":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "**":
        return _overlap(other, one)
    return _components_meet(one[0], other[0]) and _overlap(one[1:], other[1:])


def _components_meet(one: str, other: str) -> bool:
    wild_one, wild_other = any(c in one for c in "*?"), any(c in other for c in "*?")
    if not wild_one and not wild_other:
        return one == other
    if wild_one and wild_other:
        head = len(re.split(r"[*?]", one)[0]), len(re.split(r"[*?]", other)[0])
        shared = min(head)
        return one[:shared] == other[:shared]
    glob, plain = (one, other) if wild_one else (other, one)
    return _pattern(glob).fullmatch(plain) is not None
