"""The one way in for what a face asks of a run: each request is checked against all that is known, put once, and followed
until it is known what became of it. A refusal always comes back to who asked: at once where it can be said at once, else when
a supervisor takes the request and the run has gone on meanwhile.

`put_request` waits for the answer; who follows the run anyway puts with `seconds=0` and follows the `Put`; who puts many asks
`Requests` for the refusals at the end. Comments are made here, too, so that each face means the same line by the same words.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from wt_orchestrate.domain.ids import request_cause
from wt_orchestrate.errors import NotFound, Refused
from wt_orchestrate.wiring.read.review import Reviewed, file_lines, reviewed
from wt_orchestrate.wiring.run.supervise import leave_supervisor
from wt_orchestrate.wiring.site import Site, clock, open_log, supervised

if TYPE_CHECKING:
    from wt_orchestrate.domain.events.requests import CommentRequested, Request
    from wt_orchestrate.domain.events.run import RequestRefused
    from wt_orchestrate.domain.ids import RunId
    from wt_orchestrate.domain.state.run import RunState
    from wt_orchestrate.domain.state.workstream import WorkstreamState
    from wt_orchestrate.ports.engine import Log, UsedKey

_LOOK_S = 0.05
_TAKEN_S = 10.0
"""How long a supervisor at work is given to take a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A request that was put. `taken`: a supervisor did; else it waits in the log for one that is at work (`supervised`), or
    for the next one. `after`: what becomes of it is told by a record behind this one."""

    run: RunId
    number: int
    taken: bool
    supervised: bool
    after: int

    @property
    def cause(self) -> str:
        """The cause of the record that tells what became of it."""
        return request_cause(self.number)


def put_request(
    site: Site, run: RunId, request: Request, *, key: str = "", seconds: float = _TAKEN_S, leave: bool = False
) -> Put:
    """Put a request, and wait some seconds for a supervisor at work to take it; with `leave`, one is left behind where none is,
    also where the one at work ends without having seen it. Raises Refused when it is not possible as things are, now or when
    it is taken, or when the key names another wish."""
    from wt_orchestrate.engine import requests

    log = open_log(site)
    try:
        state = requests.with_comments(log, requests.load_state(log, run))
        again = log.known(key) is not None
        number = requests.ask(log, clock(), state, request, key=key)
        after = 0 if again else state.number
        until = time.monotonic() + seconds
        while True:
            at_work = supervised(site)  # asked first: what it took before it ended is in the log then
            became = requests.outcome_of(log, run, number, after=after)
            require_taken(became)
            if became is None and leave and not at_work:
                leave_supervisor(site, run)
                leave, until = False, time.monotonic() + seconds
                continue
            if became is not None or not at_work or time.monotonic() >= until:
                return Put(run=run, number=number, taken=became is not None, supervised=at_work, after=after)
            time.sleep(_LOOK_S)
    finally:
        log.close()


def require_taken(became: object) -> None:
    """Raises Refused where this is what became of a request and says that it was not possible any more."""
    from wt_orchestrate.domain.events.run import RequestRefused

    if isinstance(became, RequestRefused):
        raise Refused(became.reason, hint=became.hint)


@dataclass(slots=True)
class Requests:
    """Requests to one run that are put one after another; what was refused of them is asked for once, at the end."""

    site: Site
    log: Log
    _put: dict[int, tuple[Request, RunState]] = field(default_factory=dict)

    def put(self, state: RunState, request: Request) -> None:
        """Put one. Raises Refused when it is not possible as things are."""
        from wt_orchestrate.engine import requests

        self._put[requests.ask(self.log, clock(), state, request)] = (request, state)

    def waiting(self, run: RunId) -> tuple[Request, ...]:
        """What the run was asked, by anybody, and nobody has taken yet."""
        return tuple(asked.request for asked in self.log.asked(run))

    def refusals(self, *, seconds: float = _TAKEN_S) -> Iterator[tuple[Request, RequestRefused]]:
        """What of all that was put was refused when it was taken; a supervisor at work is given some seconds to take it."""
        from wt_orchestrate.domain.events.run import RequestRefused
        from wt_orchestrate.engine import requests

        until = time.monotonic() + seconds
        for number, (request, state) in self._put.items():
            while True:
                at_work = supervised(self.site)
                became = requests.outcome_of(self.log, state.id, number, after=state.number)
                if became is not None or not at_work or time.monotonic() >= until:
                    break
                time.sleep(_LOOK_S)
            if isinstance(became, RequestRefused):
                yield request, became


@contextmanager
def open_requests(site: Site) -> Iterator[Requests]:
    """Requests to be put one after another; the log is closed at the end."""
    log = open_log(site)
    try:
        yield Requests(site, log)
    finally:
        log.close()


def asks_left(site: Site, run: RunId) -> bool:
    """Whether requests wait that no supervisor has taken."""
    log = open_log(site)
    try:
        return bool(log.asked(run))
    finally:
        log.close()


def known_wish(site: Site, key: str) -> UsedKey | None:
    """What a key was used for; None when it was not used."""
    log = open_log(site)
    try:
        return log.known(key)
    finally:
        log.close()


def comment_on(
    site: Site, state: RunState, ws: WorkstreamState, text: str, *, path: str, first: int = 0, last: int = 0
) -> CommentRequested:
    """A comment on lines of a file as the newest work leaves it, on the file (no line), or on all of the work (no path).
    Raises NotFound when the work changes no such file, or it has no such line."""
    from wt_orchestrate.domain.events.requests import CommentRequested

    if not path:
        return CommentRequested(workstream=ws.id, text=text)
    return comment_in(site, reviewed(site, state, ws), ws, text, path=path, first=first, last=last)


def comment_in(
    site: Site, found: Reviewed, ws: WorkstreamState, text: str, *, path: str, first: int = 0, last: int = 0
) -> CommentRequested:
    """A comment on a file of a packet that was made already, or on lines of it."""
    from wt_orchestrate.domain.events.requests import CommentRequested
    from wt_orchestrate.domain.state.comments import QUOTE_LIMIT

    _require_changed(found, ws, path, with_lines=first > 0)
    if not first:
        return CommentRequested(workstream=ws.id, text=text, path=path, commit=found.head)
    last = max(first, last)
    quoted = _quoted(site, found, ws, path, first, last)
    return CommentRequested(
        workstream=ws.id,
        text=text,
        path=path,
        line=first,
        end=last,
        commit=found.head,
        quoted=quoted[:QUOTE_LIMIT],
    )


def _require_changed(found: Reviewed, ws: WorkstreamState, path: str, *, with_lines: bool) -> None:
    from wt_orchestrate.domain.text.clean import clean, some_of

    there = [file.path for file in found.files if file.status != "D" or not with_lines]
    if path not in there:
        near = get_close_matches(path, there, n=1)
        hint = f"did you mean {near[0]}?" if near else f"changed are: {some_of(there, 10)}"
        raise NotFound(f"the work of {ws.id} does not change {path!r}", hint=clean(hint))


def _quoted(site: Site, found: Reviewed, ws: WorkstreamState, path: str, first: int, last: int) -> str:
    """The lines that are commented on, as they are."""
    from wt_orchestrate.domain.text.clean import clean, counted

    lines = file_lines(site, commit=found.head, path=path)
    if lines is None:
        hint = f'wto comment {ws.id} "{path}: ..."'
        raise NotFound(f"{path} is not text, or is too long for comments on lines", hint=clean(hint))
    if last > len(lines):
        raise NotFound(f"{path} has no line {last}", hint=f"it has {counted(len(lines), 'line')} at {found.head[:10]}")
    return "\n".join(lines[first - 1 : last]).encode("utf-8", "replace").decode("utf-8")
