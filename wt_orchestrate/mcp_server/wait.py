"""Wait for a decision: bounded, with progress reports, and nothing left behind when the caller goes away.

A wait looks at the log's newest number a few times a second and at the stored view only when that changed, so that a
hundred of them cost little. It holds no thread between two looks; a cancelled call or a lost connection ends it at
once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from wt_orchestrate.domain.ids import RunId
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.status.view import view
from wt_orchestrate.engine import requests
from wt_orchestrate.mcp_server.pages import Decision, decisions, fitting, is_news, lands, news, position
from wt_orchestrate.ports.engine import Log
from wt_orchestrate.wiring.site import Site, open_log, supervised

LONGEST_S = 40.0
_LOOK_S = 0.2
_TELL_S = 5.0
_LINES = 40
_ANY = 10**20
_FAR = 5_000
"""After more events than this, only the newest ones and everything that waits are reported."""


@dataclass(frozen=True, kw_only=True)  # the SDK makes no schema of slots
class Waited:
    """What a wait ended with. `cursor` goes into the next one; `decisions` is everything that waits now, most pressing first,
    `left_out` how many more there are; `happened` is new."""

    cursor: str
    run: str
    phase: str
    decisions: tuple[Decision, ...]
    left_out: int
    happened: tuple[str, ...]
    timed_out: bool


class Watch:
    """One repository's log, watched from a place on. Looks must not overlap."""

    def __init__(self, site: Site, run: str, cursor: str) -> None:
        self._site = site
        self._wanted = run
        self._cursor = cursor
        self._log: Log | None = None
        self._run = RunId("")
        self._after = 0
        self._seen = -1
        self._found: Waited | None = None
        self._news = False
        self._lands = False

    def look(self) -> tuple[Waited, bool]:
        """The state, and whether somebody has to know of it. Raises NotFound, also for a bad cursor."""
        log = self._opened()
        newest = log.last_number()
        if self._found is None or newest != self._seen:
            self._seen = newest
            self._found = self._read(log)
        return self._found, self._news or self._deserted(self._found)

    def _opened(self) -> Log:
        if self._log is None:
            position(self._cursor, most=_ANY)  # a text that is not a cursor is reported as such
            self._log = open_log(self._site)
            self._run = requests.find_run(self._log, self._wanted or None)
            newest = self._log.last_number()
            self._after = position(self._cursor, most=newest) if self._cursor else newest
        return self._log

    def _read(self, log: Log) -> Waited:
        skipped = self._seen - self._after > _FAR
        new = log.read(self._run, after=max(self._after, self._seen - _FAR))
        shown = stored(log, self._run)
        waiting = decisions(shown)
        self._lands = lands(shown)
        first = fitting(waiting)
        self._news = skipped or any(map(is_news, new)) or (not self._cursor and bool(waiting))
        return Waited(
            cursor=str(new[-1].number if new else self._after),
            run=self._run,
            phase=shown["run"]["phase"],
            decisions=first,
            left_out=len(waiting) - len(first),
            happened=tuple(news(new)[-_LINES:]),
            timed_out=False,
        )

    def _deserted(self, found: Waited) -> bool:
        """Whether a run goes on, or lands, without a supervisor: then there is nothing to wait for."""
        return (found.phase == "running" or self._lands) and not supervised(self._site)

    def ended(self, found: Waited, *, timed_out: bool) -> Waited:
        """The result of the wait; a missing supervisor is a decision too."""
        waiting = found.decisions
        if self._deserted(found):
            text = "no supervisor is running; `resume` starts one, which takes over the running agents"
            waiting = (Decision(workstream="", what="rest", text=text, do=("resume",)), *waiting)
        return replace(found, decisions=waiting, timed_out=timed_out)

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def stored(log: Log, run: RunId) -> dict[str, Any]:
    """The stored view, as of the newest turn: no fold, however long the log is."""
    found = log.view(run)
    if found is None:
        return view(requests.load_state(log, run))
    read: dict[str, Any] = json.loads(found)
    return read


async def waited(watch: Watch, *, seconds: float, tell: Callable[[float, float], Awaitable[None]]) -> Waited:
    """Wait until somebody has to know something, at most so long; `tell` is called every few seconds with (how long, of
    how long)."""
    began = time.monotonic()
    longest = min(max(0.0, seconds), LONGEST_S)
    told_at = began
    try:
        while True:
            found, needed = await anyio.to_thread.run_sync(watch.look)
            gone = time.monotonic() - began
            if needed or gone >= longest:
                return await anyio.to_thread.run_sync(partial(watch.ended, found, timed_out=not needed))
            if time.monotonic() - told_at >= _TELL_S:
                told_at = time.monotonic()
                await tell(gone, longest)
            await anyio.sleep(min(_LOOK_S, longest - gone))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(watch.close)
