"""Rows hold any text that git can name, without loss."""

from __future__ import annotations

import json

import msgspec
import pytest

from wt_orchestrate.adapters.store import bodies
from wt_orchestrate.domain.events.worktree import CommitLine, CommitsSeen
from wt_orchestrate.domain.ids import CommitId, WorkstreamId

TEXTS = (
    "plain",
    "caf\udce9.txt",
    "\udcff\udcfe",
    "\\udce9",
    "a\\",
    '"\\ud83d',
    "\ufffd",
    "\U0001f600",
    "\ud83d",
    "n\u0303",
)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_D1_a_body_is_read_as_it_was_written(text: str) -> None:
    """Every text comes back as it was, from a body that is valid UTF-8 and JSON for every reader."""
    line = CommitLine(id=CommitId("1" * 40), author=text, at=1.5, subject=text, paths=(text, f"{text}/x"))
    event = CommitsSeen(workstream=WorkstreamId("w"), head=line.id, count=1, commits=(line,))
    body = bodies.encode(event)
    assert bodies.decode(body, CommitsSeen) == event
    assert json.loads(body.decode("utf-8"))["commits"][0]["paths"][0] == text
    assert bodies.encode(bodies.decode(body)) == body


def test_what_is_no_body_is_told_as_such() -> None:
    """A damaged body is the same error on both ways of reading."""
    for damaged in (b"{", b'{"a": "\\udce9"', b'{"workstream": "\\udce9"}'):
        with pytest.raises(msgspec.MsgspecError):
            bodies.decode(damaged, CommitsSeen)
