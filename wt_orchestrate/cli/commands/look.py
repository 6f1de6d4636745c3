"""`wto watch`, `wto logs`, `wto diff`. (`status` has a module of its own, because it must start fast.)"""

from __future__ import annotations

import json
import sys
import time

import click

from wt_orchestrate.cli.screen.follow import display, exit_code_of, follow
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.machine import quiet
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import ExitCode, NotFound
from wt_orchestrate.wiring import site as wiring_site
from wt_orchestrate.wiring.read.runs import attempt_lines, changed_files
from wt_orchestrate.wiring.site import find_site, open_log, supervised


@click.command()
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event.")
@click.option("--all", "details", is_flag=True, help="Show every event.")
@click.pass_obj
def watch(start: str, run_name: str | None, as_json: bool, details: bool) -> None:
    """Follow a run live until it ends."""
    site = find_site(start)
    at_work = supervised(site)  # before the log is read: who has ended has written down how
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    log.close()
    if not at_work:
        if not quiet(state):
            raise NotFound(f"no supervisor runs {state.id}", hint="wto resume")
        click.echo(f"{symbol('nothing')} Run {state.id} is {state.phase}", err=True)
        raise SystemExit(exit_code_of(state))
    try:
        with display(site, state.id, as_json=as_json, details=details) as show:
            state = follow(site, state.id, show=show, after=state.number)
    except KeyboardInterrupt:
        click.echo(f"\n{symbol('hint')} Stopped watching; the run continues", err=True)
        raise SystemExit(ExitCode.INTERRUPTED) from None
    raise SystemExit(exit_code_of(state))


@click.command()
@click.argument("workstream")
@click.option("-f", "--follow", "following", is_flag=True, help="Keep printing until the run ends.")
@click.option("--raw", is_flag=True, help="Print the agent's raw stream, secrets included.")
@click.option("--attempt", type=int, help="The attempt (default: the newest).")
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.pass_obj
def logs(start: str, workstream: str, following: bool, raw: bool, attempt: int | None, run_name: str | None) -> None:
    """Show what an agent did and said. The end of a command's stderr is shown last, marked."""
    site = find_site(start)
    log = open_log(site)
    name = requests.find_run(log, run_name)
    state = requests.load_state(log, name)
    ws = state.workstreams[requests.find_workstream(state.workstreams, workstream)]
    if not ws.attempts and not following:
        raise NotFound(f"{ws.id} has no attempt yet", hint=f"wto status {ws.id}")
    lines = attempt_lines(site, attempt=attempt, raw=raw)
    while True:
        for line in lines.more(ws):
            click.echo(line)
        if not following or not supervised(site):
            break
        time.sleep(0.2)
        state = requests.load_state(log, name)
        ws = state.workstreams[ws.id]
        following = not quiet(state)
    for line in lines.errors(ws):
        click.echo(line)


@click.command()
@click.argument("workstream")
@click.option("--stat", is_flag=True, help="Only list changed files, with line counts.")
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def diff(start: str, workstream: str, stat: bool, run_name: str | None, as_json: bool) -> None:
    """Show what a workstream changed since its base."""
    site = find_site(start)
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    ws = state.workstreams[requests.find_workstream(state.workstreams, workstream)]
    if ws.base is None or ws.head is None:
        raise NotFound(f"{ws.id} has no commits yet", hint=f"wto status {ws.id}")
    vault = wiring_site.vault(site)
    if not stat and not as_json:
        content = vault.commits.diff(base=ws.base, head=ws.head)
        if sys.stdout.isatty():  # an agent's bytes could act on a terminal; a pipe gets them as they are
            click.echo(clean(content.decode("utf-8", "surrogateescape")), nl=False)
        else:
            click.echo(content, nl=False)
        return
    changes = vault.commits.changes(base=ws.base, head=ws.head)
    if as_json:
        values = changed_files(site, base=ws.base, head=ws.head)
        click.echo(json.dumps({"schema": "wto.diff/1", "workstream": ws.id, "head": ws.head, "changes": values}))
        return
    for change in changes:
        click.echo(f"{change.status} {clean(change.path)}  +{change.added} -{change.deleted}")
