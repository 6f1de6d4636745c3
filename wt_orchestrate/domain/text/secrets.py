"""Find and mask text that looks like a secret: known shapes of keys and tokens, and long random values of names such as
`password`.

A secret is reported by its kind and place and shown masked, never whole. The text may be hostile, so every pattern is
matched in bounded time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from math import log2
from typing import NamedTuple


class Secret(NamedTuple):
    """What looks like a secret: its kind, and the masked value. `mark` identifies it without revealing it; `certain`:
    it has the shape of a known kind of key."""

    kind: str
    shown: str
    mark: str
    certain: bool


_SHAPES = {
    "AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})\b",
    "GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}\b",
    "Anthropic key": r"\bsk-ant-[A-Za-z0-9_-]{24,}\b",
    "OpenAI key": r"\bsk-(?:proj-)?[A-Za-z0-9]{32,}\b",
    "Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{12,}\b",
    "Stripe key": r"\b[rs]k_live_[A-Za-z0-9]{20,}\b",
    "Google key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "PyPI token": r"\bpypi-[A-Za-z0-9_-]{50,}\b",
    "private key": r"-----BEGIN (?:[A-Z]{1,20} )?PRIVATE KEY-----",
    "JSON web token": r"\beyJ[A-Za-z0-9_-]{10,300}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{10,}",
    "password in a URL": r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@'\"]+:[^\s/:@'\"{}$<>*]{6,}@[\w.-]+",
}
_NAMED = (
    r"(?i)(?:secret|token|passw(?:or)?d|api[_-]?key|private[_-]?key)[\w.-]{0,64}[\"']?\s{0,8}"
    r"[:=]\s{0,8}[\"']([^\"'\s]{16,})[\"']"
)
_LINE_END = r"(?:\\n|\s)"
_KEY = (
    rf"{_SHAPES['private key']}(?:{_LINE_END}{{1,8}}[A-Za-z0-9+/=]{{16,}})*"
    rf"(?:{_LINE_END}{{1,8}}[A-Za-z0-9+/=]{{1,15}}(?={_LINE_END}{{0,8}}-----END))?"
    rf"(?:{_LINE_END}{{0,8}}-----END (?:[A-Z]{{1,20}} )?PRIVATE KEY-----)?"
)
"""A private key with all of its lines."""
_BITS = 3.5
"""Entropy per character above which a value counts as random; words and paths are below it."""


_HINT = (
    r"(?i)akia|asia|gh[pousr]_|github_pat_|glpat-|sk-|xox|k_live_|aiza|npm_|pypi-|private key|eyj|://|secret|token|passw|api[_-]?key"
    r"|private[_-]?key"
)
_LONGEST = 8_192
"""How far behind a cut a secret is looked for that the cut would split."""


@cache
def hint() -> re.Pattern[bytes]:
    """A quick test: it matches in every line in which `secrets_in` finds something."""
    return re.compile(_HINT.encode())


@cache
def _text_hint() -> re.Pattern[str]:
    return re.compile(_HINT)


@cache
def _known() -> Mapping[str, re.Pattern[str]]:
    """The shapes, compiled when first needed: that takes as long as the rest of a small command's imports."""
    return {kind: re.compile(shape) for kind, shape in _SHAPES.items()}


@cache
def _key() -> re.Pattern[str]:
    return re.compile(_KEY)


@cache
def _named() -> re.Pattern[str]:
    return re.compile(_NAMED)


def secrets_in(line: str) -> Iterator[Secret]:
    """Everything in a line that looks like a secret."""
    found = False
    for kind, shape in _known().items():
        match = shape.search(line)
        if match is not None:
            found = True
            yield Secret(kind, masked(match[0]), _mark(match[0]), certain=True)
    match = _named().search(line)
    if match is not None and not found and _entropy(match[1]) > _BITS and not re.search(r"[{}<>$]", match[1]):
        yield Secret("random value of a secret's name", masked(match[1]), _mark(match[1]), certain=False)


def _mark(value: str) -> str:
    return sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def without_secrets(text: str) -> str:
    """The text with everything masked that looks like a secret. What is masked already stays as it is."""
    if not _text_hint().search(text):
        return text
    for shape in (_key(), *_known().values()):
        text = shape.sub(lambda match: masked(match[0]), text)
    return _named().sub(lambda match: _hidden(match[0], match[1]), text)


def cut_without_secrets(text: str, limit: int) -> str:
    """The first characters of a text, masked before it is cut: half a secret would not be known as one."""
    return without_secrets(text[: limit + _LONGEST])[:limit]


def _hidden(whole: str, value: str) -> str:
    random = _entropy(value) > _BITS and not re.search(r"[{}<>$]", value)
    return whole.replace(value, masked(value)) if random else whole


def masked(text: str) -> str:
    """The first few characters and the length."""
    return f"{text[:4]}… ({len(text)} characters)"


def _entropy(text: str) -> float:
    counts = [text.count(char) for char in set(text)]
    return -sum(count / len(text) * log2(count / len(text)) for count in counts)
