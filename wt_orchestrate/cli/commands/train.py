"""`wto train`: integrate branches that people or other tools made, with the checks, the proof and the order of every
run.

A queue is a run whose workstreams have no agent: their work is on a branch already. `wto train add` puts a request;
nothing moves before `wto train run`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from wt_orchestrate.cli.commands.run import turn_run
from wt_orchestrate.cli.screen.findings import tell_finding
from wt_orchestrate.cli.screen.style import Column, symbol, table
from wt_orchestrate.domain.machine import quiet
from wt_orchestrate.domain.plan.branch_queue import is_queue
from wt_orchestrate.domain.plan.model import Workstream
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.status.train import train_view
from wt_orchestrate.domain.text.clean import clean, counted, some_of
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import Busy, NotFound
from wt_orchestrate.wiring import branch_queue
from wt_orchestrate.wiring.branch_queue import QueueWish, asked_names, queue_up, unfinished_run
from wt_orchestrate.wiring.site import find_site, open_log, supervised


@click.group()
def train() -> None:
    """Queue existing branches, then check and merge them."""


@train.command()
@click.argument("branches", nargs=-1, required=True)
@click.option("--target", help="The branch to land on (default: the current one).")
@click.option("--check", "checks", multiple=True, metavar="COMMAND", help="A check to run on each merge (repeatable).")
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="How many merges to check at once."
)
@click.option("--no-checks", is_flag=True, help="Queue the branches without any check.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be queued; change nothing.")
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
    """Queue branches. They join the newest run while it is unfinished, otherwise a new queue."""
    site = find_site(start)
    wish = QueueWish(branches=branches, target=target, checks=checks, workers=workers, unchecked=no_checks)
    log = open_log(site)
    try:
        queued = queue_up(site, log, wish, dry=dry_run, tell=tell_finding)
    finally:
        log.close()
    _tell_added(queued.further, queued.moved_by, dry_run=dry_run)


def _tell_added(further: Mapping[str, Workstream], moved_by: str, *, dry_run: bool) -> None:
    word = "Would queue" if dry_run else "Queued"
    for name, spec in further.items():
        click.echo(f"{symbol('nothing' if dry_run else 'done')} {word} {spec.branch} as {name}: {clean(spec.title)}")
    if not dry_run:
        click.echo(f"  {symbol('hint')} To integrate, run {moved_by}; to see the queue, run wto train status")


@train.command("run")
@click.option("--land", is_flag=True, help="Land what is integrated at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event.")
@click.pass_obj
def run_(start: str, land: bool, as_json: bool) -> None:
    """Merge and check the queued branches. A branch that fails is named and left out; the others are integrated."""
    site = find_site(start)
    log = open_log(site)
    state = unfinished_run(log)
    if state is None:
        raise _nothing_queued(requests.newest_state(log))
    if not supervised(site) and not is_queue(state.plan):
        raise Busy(f"{state.id} is an interrupted run with agents", hint="wto resume, or wto stop")
    log.close()
    turn_run(site, state.id, as_json=as_json, after=state.number, land=land)


def _nothing_queued(newest: RunState | None) -> NotFound:
    """That nothing is to do; if branches of the newest queue wait for a person, which ones and how they go on."""
    queue = newest is not None and is_queue(newest.plan)
    waiting = (
        [ws.id for ws in newest.workstreams.values() if ws.stage in _WAITS] if queue and newest is not None else []
    )
    if not waiting:
        return NotFound("no branch is queued", hint="wto train add BRANCH...")
    verb = "waits" if len(waiting) == 1 else "wait"
    continued = "; ".join(f"wto continue {name}" for name in waiting[:_NAMED])
    return NotFound(f"no branch is queued; {some_of(waiting)} {verb} for you", hint=f"fix and commit, then {continued}")


_WAITS = frozenset({Stage.ESCALATED, Stage.FAILED})
_NAMED = 3


# ---------------------------------------------------------------- status


@train.command()
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(start: str, run_name: str | None, as_json: bool) -> None:
    """Show the queue: order, what waits and why, results."""
    site = find_site(start)
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    asked = asked_names(log, state)
    log.close()
    shown = train_view(state, asked=asked)
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    columns = (Column("PLACE"), Column("WORKSTREAM"), Column("BRANCH"), Column("STATE"), Column("WHY", grows=True))
    cells = [
        [str(row[key] or "") for key in ("place", "workstream", "branch", "state", "why")] for row in shown["branches"]
    ]
    for line in table(columns, cells, width=None):
        click.echo(line)
    for name in asked:
        click.echo(f"{symbol('queued')} {name} is requested but not queued yet")
    for command, trees in shown["flaky"].items():
        click.echo(f"{symbol('warning')} `{clean(command)}` failed and passed on {counted(trees, 'tree')}: it is flaky")
    if not quiet(state) and not supervised(site):
        click.echo(f"  {symbol('hint')} Nothing is running; to integrate, run {branch_queue.moved_by(site, state)}")
