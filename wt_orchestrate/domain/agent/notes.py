"""Parse the notes that a running agent writes through its tools. Tolerant: it never raises.

A note is one line of JSON in the attempt's own folder. It does not say who wrote it: that is the attempt whose folder
it is in. Notes are hostile: what is not a note is dropped, what is too long is cut, and each attempt may write a
bounded number. What looks like a secret is masked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.domain.text.json_edit import parse_line
from wt_orchestrate.domain.text.secrets import cut_without_secrets

FINDING_KINDS = ("fact", "risk", "convention", "todo", "decision")
MOST_BYTES = 1 << 20
"""How much of an attempt's note file is read."""
MOST_LINES = 2_000
MOST_PROGRESS, MOST_FINDINGS, MOST_QUESTIONS = 300, 40, 20
"""How many notes of each kind one attempt may leave."""
TEXT, NOTE, QUESTION, OPTION = 2_000, 300, 4_000, 200
"""The longest finding, note of progress, question and option, in characters."""
OPTIONS, NAMED = 8, 20
LONGEST_LINE = 1 << 15
BY_CALL, BY_MESSAGE = "call", "message"
"""How a question that was asked by a tool is answered."""
_ASKED = "note-"
_ID = re.compile(r"[0-9a-f]{8,32}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_PATH = re.compile(r"(?!/)(?!(?:.*/)?\.\.(?:/|$))[^\x00-\x1f\x7f\\]{1,300}")
_LONGEST_PATH = 300


class ProgressNote(Struct, frozen=True, kw_only=True):
    """The agent's progress; `percent` is None if it gives no number."""

    percent: int | None
    note: str


class FindingNote(Struct, frozen=True, kw_only=True):
    """Something that others should know; `to` names workstreams."""

    kind: str
    text: str
    path: str = ""
    line: int = 0
    to: tuple[str, ...] = ()


class QuestionNote(Struct, frozen=True, kw_only=True):
    """A question to the person who leads; `ask` is its name."""

    ask: str
    text: str
    options: tuple[str, ...] = ()


class AnswerReadNote(Struct, frozen=True, kw_only=True):
    """The tool call that asked has returned with the answer."""

    ask: str


Note = ProgressNote | FindingNote | QuestionNote | AnswerReadNote


class SharedFinding(Struct, frozen=True, kw_only=True):
    """A finding as the run knows it. Its author is the folder it was read from, not what it says."""

    id: str
    workstream: str
    attempt: str
    at: float
    kind: str
    text: str
    path: str = ""
    line: int = 0
    to: tuple[str, ...] = ()


def ask_name(given: str) -> str:
    """The name in the log of a question that was asked by a tool."""
    return f"{_ASKED}{given}"


def asked_by_tool(ask: str) -> str:
    """The name that the tool gave a question; empty for one that was asked otherwise."""
    given = ask.removeprefix(_ASKED)
    return given if given != ask and _ID.fullmatch(given) else ""


def safe_path(text: str) -> str:
    """A path below the repository's root; empty if it is not one."""
    return text if _PATH.fullmatch(text) else ""


def parse_note(line: bytes) -> Note | None:
    """The note in a line; None if it is not one. Never raises."""
    if len(line) > LONGEST_LINE:
        return None
    try:
        given = parse_line(line)
    except (ValueError, RecursionError):
        return None
    return _note(given) if isinstance(given, dict) else None


def _note(given: Mapping[str, Any]) -> Note | None:
    match given.get("say"):
        case "progress":
            return _progress(given)
        case "finding":
            return _finding(given)
        case "question":
            text, ask = _text(given, "text", QUESTION), _ask(given)
            if not text or not ask:
                return None
            return QuestionNote(ask=ask, text=text, options=_texts(given, "options", OPTIONS, OPTION))
        case "answered":
            ask = _ask(given)
            return AnswerReadNote(ask=ask) if ask else None
        case _:
            return None


def _progress(given: Mapping[str, Any]) -> Note | None:
    percent, note = given.get("percent"), _text(given, "note", NOTE)
    whole = isinstance(percent, int) and not isinstance(percent, bool) and 0 <= percent <= 100
    told = percent if whole and isinstance(percent, int) else None
    return None if told is None and not note else ProgressNote(percent=told, note=note)


def _finding(given: Mapping[str, Any]) -> Note | None:
    text = _text(given, "text", TEXT)
    if not text:
        return None
    kind, line = given.get("kind"), given.get("line")
    numbered = isinstance(line, int) and not isinstance(line, bool) and 0 < line < 10_000_000
    path = safe_path(_text(given, "path", _LONGEST_PATH + 1))  # an option that would have to be cut is dropped
    return FindingNote(
        kind=kind if kind in FINDING_KINDS else "fact",
        text=text,
        path=path,
        line=line if numbered and path and isinstance(line, int) else 0,
        to=tuple(name for name in _texts(given, "for", NAMED, 41) if _NAME.fullmatch(name)),
    )


def _ask(given: Mapping[str, Any]) -> str:
    ask = given.get("ask")
    return ask if isinstance(ask, str) and _ID.fullmatch(ask) else ""


def _text(given: Mapping[str, Any], name: str, limit: int) -> str:
    value = given.get(name)
    return _short(value, limit) if isinstance(value, str) else ""


def _texts(given: Mapping[str, Any], name: str, most: int, limit: int) -> tuple[str, ...]:
    values = given.get(name)
    if not isinstance(values, list):
        return ()
    texts = (_short(value, limit) for value in values[:most] if isinstance(value, str))
    return tuple(dict.fromkeys(text for text in texts if text))


def _short(value: str, limit: int) -> str:
    return cut_without_secrets(clean(value).strip(), limit)
