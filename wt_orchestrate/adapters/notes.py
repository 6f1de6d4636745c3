"""The folder that a running agent's tools and the supervisor share: `said` in the attempt's own folder, outside of the
worktree.

    said/notes.jsonl   the agent's notes, one line of JSON each, append-only
    said/asks/ID       how a question ended: made once, whole, by whoever is first: the supervisor with the answer, or the call
                       that does not wait any more
    said/...           texts it may read (its attempt, the handoffs it builds on)

`NoteFiles` is the supervisor's side, which trusts nothing here; `NoteDesk` is the side of the agent's tools.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from wt_orchestrate.domain.agent.notes import LONGEST_LINE
from wt_orchestrate.osfiles.no_follow import FOLDER, below, read_regular
from wt_orchestrate.ports.engine import Lines

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NOTES, _ASKS = "notes.jsonl", "asks"
_LOOK_S = 0.1
_LIMIT = 1 << 20
_LEFT = {"left": True}


class NoteFiles:
    """The supervisor's side."""

    def prepare(self, folder: str, texts: Mapping[str, str]) -> str:
        """Write texts into the folder; returns its path."""
        place = f"{folder}/said"
        os.makedirs(f"{place}/{_ASKS}", mode=0o700, exist_ok=True)
        for name, text in texts.items():
            path = f"{place}/{name}"
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(path, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
        with open(f"{place}/{_NOTES}", "ab"):
            pass  # so that it can be watched
        return place

    def drop_file(self, folder: str) -> str:
        """The path of the file that changes with each note."""
        return f"{folder}/said/{_NOTES}"

    def read(self, folder: str, *, offset: int, limit: int) -> Lines:
        """Whole lines from a byte offset."""
        try:
            with _place(folder) as place:
                text = read_regular(_NOTES, folder=place, offset=offset, limit=limit)
        except OSError:
            return Lines((), offset)
        end = text.rfind(b"\n") + 1
        return Lines(tuple(text[: end - 1].split(b"\n")), offset + end) if end else Lines((), offset)

    def answer(self, folder: str, *, ask: str, text: str) -> bool:
        """Give an answer to the call that waits; whether it does."""
        answer = {"answer": text}
        try:
            with _place(folder, _ASKS) as place:
                return _settle(place, ask, answer) == answer
        except (OSError, ValueError):
            return False  # whatever lies there instead, nobody reads an answer there


class NoteDesk:
    """The agent's side; `folder` is the shared folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def listened_to(self) -> bool:
        """Whether the attempt has not ended yet."""
        return not os.path.exists(f"{os.path.dirname(self._folder)}/exit.json")

    def text(self, name: str, *, limit: int = 1 << 22) -> str | None:
        """A text for the agent; None if there is none."""
        try:
            with open(f"{self._folder}/{name}", encoding="utf-8", errors="replace") as file:
                return file.read(limit)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def say(self, note: Mapping[str, Any]) -> None:
        """Append one note, as a whole line."""
        line = json.dumps(note).encode() + b"\n"
        if len(line) > LONGEST_LINE:
            raise ValueError(f"that is too long ({len(line)} bytes)")
        number = os.open(f"{self._folder}/{_NOTES}", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(number, line)
        finally:
            os.close(number)

    def said(self) -> Iterator[bytes]:
        """The notes so far, line by line."""
        try:
            with open(f"{self._folder}/{_NOTES}", "rb") as file:
                yield from file
        except FileNotFoundError:
            return

    def answer(self, ask: str, *, wait_s: float) -> str | None:
        """The answer, if it comes in time; None if it will come otherwise, because this call no longer waits."""
        until = time.monotonic() + wait_s
        path = f"{self._folder}/{_ASKS}/{ask}"
        while time.monotonic() < until and not os.path.exists(path):
            time.sleep(_LOOK_S)
        with _place(os.path.dirname(self._folder), _ASKS) as place:
            settled = _settle(place, ask, _LEFT)
        answer = settled.get("answer")
        return answer if isinstance(answer, str) else None


@contextmanager
def _place(folder: str, *names: str) -> Iterator[int]:
    """The folder, opened without following a link below the attempt's folder."""
    own = os.open(folder, FOLDER)
    try:
        with below(own, "said", *names) as place:
            yield place
    finally:
        os.close(own)


def _settle(place: int, ask: str, outcome: Mapping[str, Any]) -> Mapping[str, Any]:
    """Record how a question ended unless that was done; how it did end."""
    temporary = f".{token_hex(8)}"
    number = os.open(temporary, _NEW, 0o600, dir_fd=place)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(json.dumps(outcome).encode())
        try:
            os.link(temporary, ask, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
        except FileExistsError:
            found = json.loads(read_regular(ask, folder=place, limit=_LIMIT))
            return found if isinstance(found, dict) else {}
        return outcome
    finally:
        os.unlink(temporary, dir_fd=place)
