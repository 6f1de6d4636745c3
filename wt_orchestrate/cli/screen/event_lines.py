"""Events as lines for people: one by one as they happen, and the story of one workstream from the log."""

from __future__ import annotations

import time
from collections.abc import Iterator

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.events.log import Record
from wt_orchestrate.domain.ids import RunId, WorkstreamId
from wt_orchestrate.domain.status.story import StoryWeight, cause, sentence
from wt_orchestrate.wiring.read.runs import records_about
from wt_orchestrate.wiring.site import Site

_SYMBOLS = {
    StoryWeight.STEP: "working",
    StoryWeight.GOOD: "done",
    StoryWeight.WARNING: "warning",
    StoryWeight.BAD: "error",
    StoryWeight.ASKS: "asks",
    StoryWeight.DETAIL: "detail",
}


def event_line(record: Record, *, details: bool = False, causes: bool = False) -> str | None:
    """One event as a line for people, with `causes` what it came from; None for what is not told."""
    told = sentence(record.event)
    if told is None or (told.weight is StoryWeight.DETAIL and not details):
        return None
    at = time.strftime("%H:%M:%S", time.localtime(record.at))
    because = cause(record) if causes else ""
    return f"{at} {symbol(_SYMBOLS[told.weight])} {told.about:<14} {told.text}{because}".rstrip()


def workstream_story(site: Site, run: str, workstream: str) -> Iterator[str]:
    """The story of one workstream from the log, in order."""
    for record in records_about(site, RunId(run), WorkstreamId(workstream)):
        line = event_line(record, details=True, causes=True)
        if line is not None:
            yield line
