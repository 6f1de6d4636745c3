"""Following a run: turning it when nobody else does, or watching the log while somebody does.

Every command that changes something ends up here: it puts its request, then either takes the supervisor's lock and turns
the loop until what it waits for has happened, or reads the log until the supervisor that is at work has done it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from wt_orchestrate.cli.screen.event_lines import event_line
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.events.log import Event, Record, workstream_of
from wt_orchestrate.domain.fold.run import fold
from wt_orchestrate.domain.ids import RunId
from wt_orchestrate.domain.machine import quiet
from wt_orchestrate.domain.replace import plain
from wt_orchestrate.domain.schedule.schedule import rests
from wt_orchestrate.domain.state.lifecycle import DONE, Phase, Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.stages import waiting_gate
from wt_orchestrate.engine.requests import load_state
from wt_orchestrate.errors import Busy, ExitCode, Refused
from wt_orchestrate.wiring.requests import Put, asks_left, require_taken
from wt_orchestrate.wiring.run.supervise import supervise
from wt_orchestrate.wiring.site import Site, open_log, supervised

_LOOK_S = 0.1
Show = Callable[[Record], None]


def follow(
    site: Site,
    run: RunId,
    *,
    show: Show,
    until: Callable[[RunState], bool] = quiet,
    after: int | None = None,
    put: Put | None = None,
) -> RunState:
    """Turn the run, or watch it being turned, until this holds. Records behind `after` are shown, whoever wrote them. What is
    asked while we are ending is still ours: whoever asked saw somebody at work, and left nobody behind.

    With `put` it must have been taken, too, and records behind it are shown. Raises Refused as soon as it is known that the
    request is not possible any more."""
    shown = _Shown(site, run, show, after=put.after if put is not None and after is None else after, put=put)

    def over(state: RunState) -> bool:
        return shown.taken() and until(state)

    while True:
        try:
            with supervise(site, run, show=shown, warn=_warn) as supervisor:
                supervisor.run(over)
            if not asks_left(site, run):
                return supervisor.state
        except Busy:
            state = _watch(site, run, shown, until=over)
            if state is not None:
                return state


class _Shown:
    """Shows every record behind `after` once and in order: what others wrote before the one that we are told comes first.
    Without `after` the first that we are told is the first. Among them is what became of the request that is followed."""

    def __init__(self, site: Site, run: RunId, show: Show, *, after: int | None, put: Put | None) -> None:
        self._site = site
        self._run = run
        self._told = show
        self._put = put if put is not None and not put.taken else None
        self._became: Event | None = None
        self.after = after

    def taken(self) -> bool:
        """Whether the request that is followed, if any, has been taken. Raises Refused where it was not possible any more."""
        require_taken(self._became)
        return self._put is None or self._became is not None

    def _show(self, record: Record) -> None:
        if self._put is not None and record.cause == self._put.cause:
            self._became = record.event
        self._told(record)

    def __call__(self, record: Record) -> None:
        if self.after is not None and record.number > self.after + 1:
            log = open_log(self._site)
            missed = [each for each in log.read(self._run, after=self.after) if each.number < record.number]
            log.close()
            for each in missed:
                self._show(each)
        if self.after is None or record.number > self.after:
            self.after = record.number
            self._show(record)


def _warn(text: str) -> None:
    click.echo(f"{symbol('warning')} {text}", err=True)


def _watch(site: Site, run: RunId, shown: _Shown, *, until: Callable[[RunState], bool]) -> RunState | None:
    """The state once it holds; None when the supervisor went away before."""
    log = open_log(site)
    try:
        state = load_state(log, run)
        seen = state.number
        if shown.after is None:
            shown.after = seen
        for record in log.read(run, after=shown.after):
            if record.number <= seen:
                shown(record)
        while not until(state):
            if not supervised(site):
                return None
            time.sleep(_LOOK_S)
            for record in log.read(run, after=seen):
                seen = record.number
                state = fold(state, record)
                shown(record)
        return state
    finally:
        log.close()


def require_supervised_or_quiet(site: Site, state: RunState) -> None:
    """Refuse to touch a run that was cut off: taking it up is a wish of its own."""
    if not quiet(state) and not supervised(site):
        raise Refused(f"run {state.id} was interrupted", hint="wto resume (or wto stop) first")


# ---------------------------------------------------------------- showing


@contextmanager
def display(site: Site, run: RunId, *, as_json: bool, details: bool = False) -> Iterator[Show]:
    """How records are shown: a live board on a terminal, else one line each, or JSON lines."""
    if as_json:
        yield _echo_json
    elif not sys.stdout.isatty():
        yield _teller(_echo, details=details)
    else:
        from wt_orchestrate.cli.screen.board import Board  # rich, for terminals only

        with Board(site, run) as board:
            yield _teller(board.tell, details=details)


def _teller(tell: Callable[[str | None], None], *, details: bool) -> Show:
    return lambda record: tell(event_line(record, details=details))


def _echo_json(record: Record) -> None:
    click.echo(event_json(record))


def _echo(line: str | None) -> None:
    if line is not None:
        click.echo(line)


def event_json(record: Record) -> str:
    """One event as a JSON line."""
    body = plain(record.event)
    return json.dumps(
        {
            "schema": "wto.event/1",
            "number": record.number,
            "at": record.at,
            "actor": record.actor.value,
            "run": record.run,
            "workstream": workstream_of(record.event),
            "cause": record.cause,
            "type": type(record.event).__name__,
            "body": body,
        },
        ensure_ascii=False,
        default=str,
    )


def exit_code_of(state: RunState) -> ExitCode:
    """How a run at rest ends the command that followed it."""
    stages = {ws.stage for ws in state.workstreams.values()}
    if state.phase is Phase.STOPPED and state.published.commit != state.integration.commit:
        return ExitCode.FAILED
    if waiting_gate(state) is not None and state.phase is not Phase.STOPPED:
        return ExitCode.NEEDS_PERSON
    if stages <= {Stage.INTEGRATED, Stage.LANDED}:
        return ExitCode.OK
    if state.phase is Phase.STOPPED and Stage.FAILED not in stages:
        return ExitCode.INTERRUPTED if Stage.STOPPED in stages else ExitCode.FAILED
    if Stage.ESCALATED in stages or any(rests(state, ws) for ws in state.workstreams.values()):
        return ExitCode.NEEDS_PERSON
    return ExitCode.PARTIAL if stages & DONE else ExitCode.FAILED
