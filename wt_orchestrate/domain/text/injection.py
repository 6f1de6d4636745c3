"""Flags text that reads like an instruction (prompt injection), though it should only report something.

A list of patterns never finds everything, so everything else that others wrote is quoted as data too. Every pattern is
matched in bounded time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

_READERS = r"(agents?|assistants?|claudes?|models?)"
_PEOPLE = r"(user|person|human|orchestrator|anyone|anybody|reviewer|lead)"
_SHAPES: dict[str, tuple[str, ...]] = {
    "asks to drop instructions": (
        r"\b(ignore|disregard|forget|override|bypass)\b.{0,40}\b(instruction|rule|prompt|brief\b|guideline|above\b)",
    ),
    "speaks as someone else": (
        r"\byou are (now|no longer)\b",
        r"\bpretend (to be|you)\b",
        r"\bnew (system )?(instructions?|prompt)\b",
        r"\bfrom now on\b.{0,20}\byou\b",
    ),
    "looks like a role or a tag": (
        r"</?\s*(system|assistant|user|human|instructions?|data|tool\w{0,20}|memory)\b[^>]{0,40}>",
        r"^\W{0,4}(system|assistant|human|developer)\W{0,2}:",
        r"\[/?inst\]|<\|",
    ),
    "names the system prompt": (r"\bsystem (prompt|message)\b",),
    "asks to keep a secret": (
        rf"\b(do not|don't|never|without) (tell|mention|report|reveal|inform|ask)\w{{0,3}}\b.{{0,30}}\b{_PEOPLE}",
    ),
    "asks to send data away": (
        r"\bexfiltrat",
        r"\b(send|post|upload|leak|mail)\b.{0,60}\b(https?:|tokens?\b|secrets?\b|keys?\b|credentials?\b|passwords?\b|\.env\b)",
    ),
    "asks to run a download": (
        r"\b(curl|wget)\b.{0,120}\|\s{0,4}(sudo\s{1,4})?(ba|z|da)?sh\b",
        r"\b(run|execute|install|source)\b.{0,60}\bhttps?://(?!localhost\b|127\.)",
        r"\bbase64\b.{0,40}\b(eval|sh|bash|exec)\b|\b(eval|exec)\b.{0,40}\bbase64\b",
    ),
    "asks to bypass a guard": (
        r"--no-verify\b|--dangerously|\bbypasspermissions\b",
        r"\bgit push\b.{0,30}(--force|-f\b)|\brm -rf? {0,2}[/~]|\bchmod 777\b",
        r"\b(disable|skip|remove|delete|turn off|comment out)\b.{0,30}\b(checks?|tests?|hooks?|guards?|verification|reviews?)\b",
    ),
    "addresses an agent": (
        rf"\b(all|every|any|other|future|next) {_READERS}\b.{{0,40}}\b(must|should|shall|have to|need to|always|never)\b",
        rf"\b(important|urgent|attention|note)\b.{{0,20}}\b{_READERS}\b",
    ),
    "hides what it says": (
        r"[A-Za-z0-9+/]{120}",
        r"(\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\U[0-9a-f]{8})",
        r"[\ufe00-\ufe0f]{2}",
    ),
}


_ALIKE = str.maketrans("аеорсухкмтвніјѕԁһԛԝοαινρτυχκ", "aeopcyxkmtbhijsdhqwoaivptuxk")
"""Letters of other alphabets that look like Latin ones."""


@cache
def _flags() -> Mapping[str, re.Pattern[str]]:
    """The shapes, compiled when first needed."""
    return {name: re.compile("|".join(shapes), re.IGNORECASE | re.MULTILINE) for name, shapes in _SHAPES.items()}


def flags(text: str) -> tuple[str, ...]:
    """Why a (cleaned) text reads like an instruction to its reader; empty if it does not."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "'")
    flat = " ".join(_plain_letters(plain).replace("*", "").replace("`", "").replace("_", " ").split())
    return tuple(name for name, shape in _flags().items() if shape.search(plain) or shape.search(flat))


def _plain_letters(text: str) -> str:
    """The text reduced to plain letters: without accents, in one alphabet."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).translate(_ALIKE)
