"""Statements in handoffs that can be compared: findings about places, values of settings, results of commands.

The texts are agents' own: data, quoted and bounded. Only what a text says literally is a statement, so two that differ
are reported as differing and nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from wt_orchestrate.domain.agent.handoff import Handoff, says_nothing
from wt_orchestrate.domain.text.secrets import without_secrets

_POINTS = 200
_LENGTH = 400
_TEXT = 40_000
_BULLET = re.compile(r" {0,8}(?:[-*+]|\d{1,3}[.)])[ \t]+(\S.{0,2000})")
_PATH = re.compile(r"(?<![\w/.-])((?:[\w.-]{1,80}/){0,12}[\w-][\w.-]{0,80}\.[A-Za-z]\w{0,9})(?![\w/-])")
_ENDINGS = frozenset(
    (
        *(
            "c",
            "cc",
            "cfg",
            "conf",
            "cpp",
            "cs",
            "css",
            "env",
            "go",
            "h",
            "html",
            "ini",
            "java",
            "js",
            "json",
            "jsx",
            "kt",
            "lock",
        ),
        *(
            "lua",
            "md",
            "php",
            "pl",
            "properties",
            "py",
            "rb",
            "rs",
            "rst",
            "scss",
            "sh",
            "sql",
            "svelte",
            "swift",
            "tf",
            "toml",
        ),
        *("ts", "tsx", "txt", "vue", "xml", "yaml", "yml"),
    )
)
"""File name endings that make a name without a folder a path: settings have dots too."""
_SETTING = re.compile(
    r"(?<![\w.\-/])`?([A-Za-z_]\w{0,40}(?:[._-]\w{1,40}){1,6}|[A-Z][A-Z0-9]{2,40})`?"
    r" {0,3}(?:=|:=|:| is set to | set to | is now | is | -> )(?![=:]) {0,3}"
    r"(`[^`\n]{1,80}`|\"[^\"\n]{1,80}\"|'[^'\n]{1,80}'|-?\d[\w.]{0,20}%?|true|false|on|off|yes|no|none|null)(?![\w`])",
)
_COMMAND = re.compile(r"`([^`\n]{2,120})`|^\$ (\S.{1,120})$", re.MULTILINE)
_NONE_FAILED = re.compile(
    r"\b(?:0|no|zero|without(?: any)?) (?:tests? )?(?:fail(?:ed|s|ures?|ing)?|errors?)\b", re.IGNORECASE
)
_PASSES = re.compile(r"\b(?:pass(?:es|ed|ing)?|green|succeed(?:s|ed)?|ok|exit(?: code)? 0)\b", re.IGNORECASE)
_FAILS = re.compile(
    r"\b(?:fail(?:s|ed|ing|ures?)?|red|errors?|broken|crash(?:es|ed)|exit(?: code)? [1-9])\b", re.IGNORECASE
)
_NOT = re.compile(r"\b(?:not|never|cannot|n't|used to|before|until|would)\b", re.IGNORECASE)


class Statement(Struct, frozen=True, kw_only=True):
    """One statement: `about` what, which `value`, and the words themselves."""

    about: str
    value: str
    text: str


def plain(text: str, limit: int = _LENGTH) -> str:
    """A text in one line, bounded, with secrets masked."""
    told = " ".join(without_secrets(text[: 4 * limit]).split())
    return told if len(told) <= limit else told[: limit - 1].rstrip() + "…"


def points(text: str) -> list[str]:
    """The bullets of a section, or its paragraphs if there are none; each in one line. Empty if the section says
    `none`."""
    text = text[:_TEXT]
    if says_nothing(text):
        return []
    bullets = [match.group(1) for line in text.splitlines() if (match := _BULLET.match(line))]
    found = bullets or text.split("\n\n")
    return [told for each in found[:_POINTS] if (told := plain(each))]


def paths_in(text: str) -> tuple[str, ...]:
    """The paths that a text names, each once."""
    found = dict.fromkeys(match.group(1) for match in _PATH.finditer(text[:_TEXT]))
    return tuple(path for path in found if "/" in path or path.rpartition(".")[2] in _ENDINGS)[:20]


def settings(handoff: Handoff) -> Iterator[Statement]:
    """Settings to which its decisions and findings give a value."""
    for text in (*points(handoff.decisions), *(plain(each.text) for each in handoff.findings[:_POINTS])):
        for match in _SETTING.finditer(text):
            value = match.group(2).strip("`\"'").strip().lower()
            yield Statement(about=match.group(1).strip("_").lower(), value=value, text=text)


def places(handoff: Handoff) -> Iterator[Statement]:
    """Findings that name a line."""
    for each in handoff.findings[:_POINTS]:
        if each.path and each.line is not None:
            yield Statement(
                about=f"{each.path}:{each.line}", value=_normalised(each.text), text=f"{each.kind}: {plain(each.text)}"
            )


def decided(handoff: Handoff) -> Iterator[Statement]:
    """Decisions that name a file."""
    for text in points(handoff.decisions):
        for path in paths_in(text):
            yield Statement(about=path, value=_normalised(text), text=text)


def commands(handoff: Handoff) -> Iterator[Statement]:
    """Commands that its verification reports as passed or failed, if one line says just one of the two."""
    for line in handoff.verification[:_TEXT].splitlines()[:_POINTS]:
        for match in _COMMAND.finditer(line):
            said = _word(_COMMAND.sub(" ", line))
            if said:
                yield Statement(
                    about=" ".join((match.group(1) or match.group(2)).split()), value=said, text=plain(line)
                )


def _word(line: str) -> str:
    """`passed`, `failed`, or empty if the line says neither or both."""
    rest = _NONE_FAILED.sub(" ", line)
    none_failed = rest != line
    fails, passes = _FAILS.search(rest) is not None, none_failed or _PASSES.search(rest) is not None
    if fails == passes or _NOT.search(rest):
        return ""
    return "passed" if passes else "failed"


def _normalised(text: str) -> str:
    """The text in lower case without punctuation that makes no difference."""
    return " ".join(re.findall(r"\w+", text[:_LENGTH].lower()))
