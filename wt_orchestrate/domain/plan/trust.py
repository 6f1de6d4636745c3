"""What a repository's settings ask for that needs the user's trust: programs that they start, and rights that they widen.

Every value that differs from its default needs trust, but for those listed here as harmless: so a new setting is asked for
until somebody has said that it need not be. Trust is given to single values, by their content: a pulled change asks for what
it changed, and a value that the user adds beside a stranger's does not speak for that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from wt_orchestrate.domain.plan.settings import Settings

HARMLESS = frozenset({
    "poll", "radar", "sandbox", "network", "stagger", "watch", "agent_tools", "admission", "recovery", "merge.rerere",
    "merge.union", "merge.try_union", "merge.timeout", "forge.labels", "forge.draft", "forge.rounds", "checks[].timeout",
    "merge.regenerate[].timeout", "landing", "co_author",
})  # fmt: skip
"""Values that start no program, widen no right and name no host."""
GUARDS = frozenset({"protected", "human_trailers"})
"""Lists that guard: what is added to them is harmless, what is missing of their defaults is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """One value that needs trust. `key`: where it stands, such as `agents.fast.binary`; `value`: what it is, as a person
    reads it; `mark`: stands for the whole of a value that is shown in part."""

    key: str
    value: str
    mark: str = ""

    @property
    def digest(self) -> str:
        """What stands for it in the list of what is trusted."""
        parts = (self.key, self.value, *((self.mark,) if self.mark else ()))
        return sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def powers(settings: Settings) -> tuple[Power, ...]:
    """All values of these settings that need trust, in the order of the settings."""
    return tuple(dict.fromkeys(_differing(settings)))


def _differing(settings: Settings) -> Iterator[Power]:
    for each in fields(settings):
        value, usual = getattr(settings, each.name), _default(each)
        if each.name in GUARDS:
            yield from (Power(key=each.name, value=f"without {name}") for name in usual if name not in value)
        elif each.name == "roles":
            yield from _roles(value)
        else:
            yield from _below(each.name, value, usual)


def _roles(roles: Mapping[str, Any]) -> Iterator[Power]:
    """The repository's own roles, each as a whole: its words and its tools belong together."""
    for name, role in roles.items():
        if role.source:
            text = json.dumps([role.prompt, role.description, role.handoff], ensure_ascii=False)
            rights = json.dumps([role.tools, role.disallowed_tools, role.model, role.permission_mode, role.max_turns])
            shown = "all tools" if role.tools is None else ", ".join(role.tools) or "no tools"
            mark = sha256(f"{text}\0{rights}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
            yield Power(key=f"roles.{name}", value=f"{role.source}: {shown} ({mark})")


def _below(key: str, value: Any, usual: Any) -> Iterator[Power]:
    if key in HARMLESS or value == usual:
        return
    if is_dataclass(value):
        for each in fields(value):
            yield from _below(f"{key}.{each.name}", getattr(value, each.name), _default(each))
    elif isinstance(value, Mapping):
        if not value:
            return
        for name, inner in value.items():
            yield from _below(f"{key}.{name}", inner, MISSING)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _below(f"{key}[]", inner, MISSING)
    else:
        yield Power(key=key, value=_plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, StrEnum):
        return value.value
    return value if isinstance(value, str) else json.dumps(value)


def _default(each: Field[Any]) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default
