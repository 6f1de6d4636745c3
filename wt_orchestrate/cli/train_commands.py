"""`wto train`: integrate branches that people or other tools made, with the checks, the proof and the order of every run.

A queue is a run whose workstreams have no agent: their work is on a branch already. Adding to it puts a request; nothing
moves before `wto train run`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from wt_orchestrate import wiring
from wt_orchestrate.cli.following import follow
from wt_orchestrate.cli.render import Column, symbol, table
from wt_orchestrate.cli.run_commands import turn_run
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.machine import quiet
from wt_orchestrate.domain.plan import Check, Workstream
from wt_orchestrate.domain.queueing import is_queue, queue_plan, queued_workstreams
from wt_orchestrate.domain.settings import Settings
from wt_orchestrate.domain.state import ENDED, Phase, RunState, Stage, WorkstreamState
from wt_orchestrate.domain.text import clean, counted
from wt_orchestrate.domain.train import prefixes
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import Busy, NotFound, Refused
from wt_orchestrate.ports import Log


@click.group()
def train() -> None:
    """Integrate branches that people or other tools made."""


@train.command()
@click.argument("branches", nargs=-1, required=True)
@click.option("--target", help="The branch to land on; the one checked out in the main worktree by default.")
@click.option("--check", "checks", multiple=True, metavar="COMMAND", help="What judges every combined tree; several.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Trees checked at a time.")
@click.option("--no-checks", is_flag=True, help="Queue them although nothing judges them.")
@click.option("-n", "--dry-run", is_flag=True, help="Print what would be queued; change nothing.")
@click.pass_obj
def add(
    start: str,
    branches: tuple[str, ...],
    target: str | None,
    checks: tuple[str, ...],
    workers: int,
    no_checks: bool,
    dry_run: bool,
) -> None:
    """Queue BRANCHES: into the newest run while that is unfinished, else into a new queue."""
    site = wiring.find_site(start)
    settings = wiring.load_settings(wiring.repository(site).facts())
    log = wiring.open_log(site)
    state = _unfinished(log)
    if state is not None and (checks or target):
        raise Refused(
            f"{state.id} has its checks and its target already: {state.target}",
            hint="leave out --check and --target, or let it end first: wto train run",
        )
    read = wiring.queued_branches(site, branches, target if state is None else state.target)
    taken = _names(log, state) if state is not None else ()
    further = queued_workstreams(read, taken)
    if not dry_run and state is not None:
        requests.ask(log, wiring.clock(), state, e.AddRequested(workstreams=further))
    elif not dry_run:
        judged = _checks(settings, checks, none=no_checks)
        plan = queue_plan(further, target=target, checks=judged, workers=workers)
        loaded = wiring.checked_plan(plan, settings)
        wiring.begin_run(site, log, loaded, settings, path="train", land=False)
    log.close()
    _tell_added(further, dry_run=dry_run)


def _unfinished(log: Log) -> RunState | None:
    """The newest run, if branches can be added to it."""
    state = requests.newest_state(log)
    return None if state is None or quiet(state) else state


def _names(log: Log, state: RunState) -> tuple[str, ...]:
    """Ids that are taken, by workstreams of the run and by those it was asked to add."""
    asked = (each.request for each in log.asked(state.id))
    further = (name for request in asked if isinstance(request, e.AddRequested) for name in request.workstreams)
    return (*state.workstreams, *further)


def _checks(settings: Settings, commands: tuple[str, ...], *, none: bool) -> tuple[Check, ...]:
    found = tuple(Check(run=command) for command in commands) or settings.checks
    if not found and not none:
        raise Refused(
            "nothing would judge these branches: no checks are given",
            hint="--check 'make test', or checks: in .wto/config.yaml (--no-checks does without)",
        )
    return found


def _tell_added(further: Mapping[str, Workstream], *, dry_run: bool) -> None:
    word = "Would queue" if dry_run else "Queued"
    for name, spec in further.items():
        click.echo(f"{symbol('nothing' if dry_run else 'done')} {word} {spec.branch} as {name}: {clean(spec.title)}")
    if not dry_run:
        click.echo(f"  {symbol('hint')} To integrate, run wto train run; to look, run wto train status")


@train.command("run")
@click.option("--land", is_flag=True, help="Land when every branch is integrated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an event.")
@click.pass_obj
def run_(start: str, land: bool, as_json: bool) -> None:
    """Merge, check and integrate what is queued; the longest part that passes counts, and who fails is named."""
    site = wiring.find_site(start)
    log = wiring.open_log(site)
    state = _unfinished(log)
    if state is None:
        raise NotFound("no branch is queued", hint="wto train add BRANCH...")
    if not wiring.supervised(site) and not is_queue(state.plan):
        raise Busy(f"{state.id} is a run with agents that was cut off", hint="wto resume, or wto stop")
    log.close()
    if not land:
        turn_run(site, state.id, as_json=as_json)
    state = follow(site, state.id, show=lambda record: None)
    if all(ws.stage is Stage.INTEGRATED for ws in state.workstreams.values()):
        log = wiring.open_log(site)
        requests.ask_land(log, wiring.clock(), state, e.LandRequested())
        log.close()
    turn_run(site, state.id, as_json=as_json)


# ---------------------------------------------------------------- status


@train.command()
@click.option("--run", "run_name", help="The run; the newest by default.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def status(start: str, run_name: str | None, as_json: bool) -> None:
    """What rides, in order, what waits and why, and what became of the rest."""
    site = wiring.find_site(start)
    log = wiring.open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    asked = [name for name in _names(log, state) if name not in state.workstreams]
    log.close()
    rows = [_row(state, ws) for ws in _in_order(state)]
    if as_json:
        shown = {"schema": "wto.train/1", "run": state.id, "target": state.target, "phase": state.phase.value}
        click.echo(json.dumps({**shown, "branches": rows, "asked": asked, "flaky": _flaky(state)}, indent=2))
        return
    columns = (Column("PLACE"), Column("WORKSTREAM"), Column("BRANCH"), Column("STATE"), Column("WHY", grows=True))
    cells = [[str(row[key] or "") for key in ("place", "workstream", "branch", "state", "why")] for row in rows]
    for line in table(columns, cells, width=None):
        click.echo(line)
    for name in asked:
        click.echo(f"{symbol('queued')} {name} is asked for and not taken up yet")
    for command, trees in _flaky(state).items():
        click.echo(f"{symbol('warning')} `{clean(command)}` failed and passed on {counted(trees, 'tree')}: it flakes")
    if not quiet(state) and not wiring.supervised(site):
        click.echo(f"  {symbol('hint')} Nothing moves; to integrate, run wto train run")


def _in_order(state: RunState) -> list[WorkstreamState]:
    places = {car.workstream: number for number, car in enumerate(state.train.cars)}
    last = len(places)
    return sorted(state.workstreams.values(), key=lambda ws: (places.get(ws.id, last), ws.accepted_order))


def _row(state: RunState, ws: WorkstreamState) -> dict[str, str | int | None]:
    places = {car.workstream: number for number, car in enumerate(state.train.cars, 1)}
    return {
        "place": places.get(ws.id),
        "workstream": ws.id,
        "branch": ws.branch,
        "state": ws.stage.value,
        "why": clean(_why(state, ws, places.get(ws.id))),
        "commit": ws.integrated_as,
    }


def _why(state: RunState, ws: WorkstreamState, place: int | None) -> str:
    suspect = next((each for each in state.suspects if each.workstream == ws.id), None)
    if suspect is not None:
        return f"aside: `{suspect.command}` failed where it joined; it is made certain"
    if ws.id in state.train.waiting:
        return f"waits for {', '.join(state.train.waiting[ws.id])}, with which it conflicts"
    if place is not None:
        return "its prefix passed" if place <= prefixes(state).green else "rides"
    if ws.stage in ENDED:
        return ws.reason or (f"as {ws.integrated_as[:10]}" if ws.integrated_as else "")
    return "waits for wto train run" if state.phase is Phase.RUNNING and ws.stage is Stage.QUEUED else ""


def _flaky(state: RunState) -> dict[str, int]:
    """Checks that failed and passed on the same tree, with the number of trees."""
    found: dict[str, int] = {}
    for of_tree in state.judged.values():
        for command, each in of_tree.items():
            if each.flaky:
                found[command] = found.get(command, 0) + 1
    return found
