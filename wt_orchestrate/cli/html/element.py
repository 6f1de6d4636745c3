"""HTML made of elements, never of concatenated text: all text is escaped, only what `element` made is not.

So nothing that an agent wrote can become a tag, an attribute or a link; control and invisible characters become
escapes.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

from wt_orchestrate.domain.text.clean import clean

_VOID = frozenset({"meta", "br", "col"})


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that `element` made."""

    text: str


Part = Markup | str


def escaped(text: str) -> str:
    """The text escaped for every place in HTML: content, or a quoted attribute."""
    return html.escape(clean(text).encode("utf-8", "replace").decode("utf-8"), quote=True)


def element(name: str, /, *parts: Part | Iterable[Part], of: str = "", **attributes: str) -> Markup:
    """An element with its content; `of` is its class; in attribute names `_` stands for `-`."""
    given = {"class": of, **attributes} if of else attributes
    told = "".join(f' {key.strip("_").replace("_", "-")}="{escaped(value)}"' for key, value in given.items())
    inside = "".join(_inside(parts))
    return Markup(f"<{name}{told}>" if name in _VOID else f"<{name}{told}>{inside}</{name}>")


def _inside(parts: Iterable[Part | Iterable[Part]]) -> Iterable[str]:
    for part in parts:
        if isinstance(part, Markup):
            yield part.text
        elif isinstance(part, str):
            yield escaped(part)
        else:
            yield from _inside(part)
