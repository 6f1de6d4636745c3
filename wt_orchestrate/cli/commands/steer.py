"""Commands that steer a run while it goes on: tell, interrupt, redirect, retry, cancel, hold, release, limit, add, edit.

Each puts one request, checked first, and tells what became of it: with a supervisor at work the request is waited for;
without one it is kept, and either taken up here (what makes work go on) or with the next `wto resume`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import click

from wt_orchestrate.cli.commands.run import turn_run
from wt_orchestrate.cli.screen.follow import display, follow
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream, seconds
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.lifecycle import ENDED
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import NotFound, WtError
from wt_orchestrate.wiring import requests as wiring_requests
from wt_orchestrate.wiring.plan.plan_files import edited_workstream, load_further, workstream_text
from wt_orchestrate.wiring.site import Site, find_site, open_log, supervised

_LOOK_S = 0.1
_run_option = click.option("--run", "run_name", help="The run (default: the newest).")


def _state(site: Site, run_name: str | None) -> RunState:
    log = open_log(site)
    try:
        return requests.load_state(log, requests.find_run(log, run_name))
    finally:
        log.close()


def put_request(site: Site, state: RunState, request: e.Request, *, done: str, goes_on: bool) -> bool:
    """Put a request and say what became of it; whether a supervisor took it. Where none is, `goes_on` takes it up here."""
    put = wiring_requests.put_request(site, state.id, request)
    if put.taken:
        click.echo(f"{symbol('done')} {done}")
    elif put.supervised:
        click.echo(f"{symbol('nothing')} Saved; the supervisor will act on it soon")
    else:
        if goes_on:
            turn_run(site, state.id, as_json=False, put=put)
        click.echo(f"{symbol('nothing')} Saved; no supervisor runs {state.id}")
        click.echo(f"  {symbol('hint')} To act on it, run wto resume")
    return put.taken


def _one(state: RunState, workstream: str) -> WorkstreamId:
    return requests.find_workstream(state.workstreams, workstream)


# ---------------------------------------------------------------- agents


@click.command()
@click.argument("workstream")
@click.argument("text")
@click.option(
    "--wait", "wait_s", type=float, default=10.0, show_default=True, help="Seconds to wait until the agent has read it."
)
@_run_option
@click.pass_obj
def tell(start: str, workstream: str, text: str, wait_s: float, run_name: str | None) -> None:
    """Send an agent a message. A running agent gets it at its next turn, otherwise its next attempt starts with it."""
    site = find_site(start)
    state = _state(site, run_name)
    name = _one(state, workstream)
    request = e.TellRequested(workstream=name, text=text)
    if not put_request(site, state, request, done=f"Sent to {name}", goes_on=True):
        return
    if _delivered(site, state, name, text, wait_s):
        click.echo(f"{symbol('done')} {name} has read it")
    else:
        click.echo(f"{symbol('nothing')} {name} has not read it yet; wto status {name} shows when it has")


def _delivered(site: Site, state: RunState, name: WorkstreamId, text: str, wait_s: float) -> bool:
    """Whether the agent's stream proves, within some seconds, that it took the message."""
    until = time.monotonic() + wait_s
    while True:
        messages = [each for each in _state(site, state.id).workstreams[name].messages if each.text == text]
        if messages and messages[-1].delivered_at is not None:
            return True
        if time.monotonic() >= until or not supervised(site):
            return False
        time.sleep(_LOOK_S)


@click.command()
@click.argument("workstream")
@_run_option
@click.pass_obj
def interrupt(start: str, workstream: str, run_name: str | None) -> None:
    """Interrupt an agent's current turn. The agent then waits for wto tell."""
    site = find_site(start)
    state = _state(site, run_name)
    name = _one(state, workstream)
    if put_request(site, state, e.InterruptRequested(workstream=name), done=f"Interrupting {name}", goes_on=False):
        click.echo(f'  {symbol("hint")} To continue, run wto tell {name} "..."')


@click.command()
@click.argument("workstream")
@click.argument("brief")
@_run_option
@click.pass_obj
def redirect(start: str, workstream: str, brief: str, run_name: str | None) -> None:
    """Give a workstream a new brief. A running agent is interrupted and gets it at once."""
    site = find_site(start)
    state = _state(site, run_name)
    name = _one(state, workstream)
    request = e.RedirectRequested(workstream=name, brief=brief)
    put_request(site, state, request, done=f"{name} has a new brief", goes_on=True)


@click.command()
@click.argument("workstream")
@click.argument("rules", nargs=-1, required=True, metavar="RULE...")
@_run_option
@click.pass_obj
def allow(start: str, workstream: str, rules: tuple[str, ...], run_name: str | None) -> None:
    """Allow a workstream's agents more, such as 'Bash(npm test *)'.

    A running agent has it at its next try. A rule is as the Claude Code client writes it: 'Bash(COMMAND)' for one command,
    'Bash(COMMAND *)' with any arguments, a tool's name for the whole tool; other rules count from its next start. What the
    client's own rules deny stays denied.
    """
    site = find_site(start)
    state = _state(site, run_name)
    name = _one(state, workstream)
    request = e.AllowRequested(workstream=name, rules=rules)
    put_request(site, state, request, done=f"The agents of {name} may also: {', '.join(rules)}", goes_on=False)


@click.command()
@click.argument("workstream")
@click.option("--fresh", is_flag=True, help="Start a new session with the last handoff in its brief.")
@_run_option
@click.pass_obj
def retry(start: str, workstream: str, fresh: bool, run_name: str | None) -> None:
    """Retry a workstream that failed, was cancelled or needs you. Its retry counters start at zero."""
    site = find_site(start)
    state = _state(site, run_name)
    name = _one(state, workstream)
    request = e.RetryRequested(workstream=name, fresh=fresh)
    put_request(site, state, request, done=f"{name} will be retried", goes_on=True)


@click.command()
@click.argument("workstream")
@_run_option
@click.pass_obj
def cancel(start: str, workstream: str, run_name: str | None) -> None:
    """Cancel a workstream. Its agent is stopped, its work is kept, and workstreams that need it are blocked."""
    site = find_site(start)
    state = _state(site, run_name)
    name = _one(state, workstream)
    put = wiring_requests.put_request(site, state.id, e.CancelRequested(workstream=name), seconds=0)

    def cancelled(now: RunState) -> bool:
        return not now.workstreams[name].cancelling and now.workstreams[name].stage in ENDED

    with display(site, state.id, as_json=False) as show:
        follow(site, state.id, show=show, until=cancelled, put=put)
    click.echo(f"{symbol('done')} Cancelled {name}\n  {symbol('hint')} To retry it, run wto retry {name}")


# ---------------------------------------------------------------- the run


@click.command()
@click.argument("workstream", required=False)
@_run_option
@click.pass_obj
def hold(start: str, workstream: str | None, run_name: str | None) -> None:
    """Put a run or a workstream on hold: start nothing new. Running agents continue."""
    site = find_site(start)
    state = _state(site, run_name)
    name = _one(state, workstream) if workstream else None
    what = name or f"Run {state.id}"
    if put_request(site, state, e.HoldRequested(workstream=name), done=f"{what} is on hold", goes_on=False):
        click.echo(f"  {symbol('hint')} To continue, run wto release{f' {name}' if name else ''}")


@click.command()
@click.argument("workstream", required=False)
@_run_option
@click.pass_obj
def release(start: str, workstream: str | None, run_name: str | None) -> None:
    """Release a run or a workstream that is on hold."""
    site = find_site(start)
    state = _state(site, run_name)
    name = _one(state, workstream) if workstream else None
    what = name or f"Run {state.id}"
    put_request(site, state, e.ReleaseRequested(workstream=name), done=f"{what} continues", goes_on=True)


@click.command()
@click.argument("bounds", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--workstream", help="Set the limits of this workstream only.")
@_run_option
@click.pass_obj
def limit(start: str, bounds: tuple[str, ...], workstream: str | None, run_name: str | None) -> None:
    """Change the limits of a run. NAME is agents, checks, budget-usd, tokens, turns or wall, as in agents=4 wall=2h."""
    site = find_site(start)
    state = _state(site, run_name)
    name = _one(state, workstream) if workstream else None
    request = e.LimitRequested(workstream=name, **dict(_bound(text, of_run=name is None) for text in bounds))
    put_request(site, state, request, done=f"{name or 'The run'} has the limits {', '.join(bounds)}", goes_on=False)


def _bound(text: str, *, of_run: bool) -> tuple[str, Any]:
    """One `NAME=VALUE` as the field of a request and its value."""
    kinds: dict[str, Callable[[str], Any]] = {"budget_usd": float, "tokens": int, "turns": int, "wall": _duration}
    if of_run:
        kinds = {"agents": int, "checks": int, **kinds}
    key, _, value = text.partition("=")
    field = key.strip().replace("-", "_")
    if field not in kinds:
        raise click.UsageError(f"{key!r} is not a limit; known: {', '.join(kind.replace('_', '-') for kind in kinds)}")
    try:
        return field, kinds[field](value.strip())
    except ValueError as error:
        raise click.UsageError(f"{value!r} is not a value for {key}") from error


def _duration(text: str) -> str:
    if not seconds(text):
        raise ValueError(text)
    return text


# ---------------------------------------------------------------- the plan


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@_run_option
@click.pass_obj
def add(start: str, file: str, run_name: str | None) -> None:
    """Add workstreams to a run. FILE is YAML with only `workstreams:`."""
    site = find_site(start)
    state = _state(site, run_name)
    further = load_further(file, state)
    done = f"Added {', '.join(further)} to {state.id}"
    put_request(site, state, e.AddRequested(workstreams=further), done=done, goes_on=True)


@click.command()
@click.argument("workstream")
@click.option("--title", help="A new title.")
@click.option("--brief", help="A new brief.")
@click.option("--scope", multiple=True, metavar="GLOB", help="What it may write (repeatable).")
@click.option("--needs", multiple=True, metavar="WORKSTREAM", help="What it needs (repeatable).")
@_run_option
@click.pass_obj
def edit(
    start: str,
    workstream: str,
    title: str | None,
    brief: str | None,
    scope: tuple[str, ...],
    needs: tuple[str, ...],
    run_name: str | None,
) -> None:
    """Edit a workstream that has not started. Without options, opens $EDITOR."""
    site = find_site(start)
    state = _state(site, run_name)
    name = _one(state, workstream)
    spec = state.workstreams[name].spec
    given: Mapping[str, Any] = {"title": title, "brief": brief, "scope": scope, "needs": needs}
    changes = {key: value for key, value in given.items() if value}
    wanted = replace(spec, **changes) if changes else _in_editor(name, spec)
    put_request(site, state, e.EditRequested(workstream=name, spec=wanted), done=f"Edited {name}", goes_on=False)


def _in_editor(name: WorkstreamId, spec: Workstream) -> Workstream:
    """The workstream as a person left it in the editor."""
    handle, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".yaml")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(workstream_text(name, spec))
        try:
            click.edit(filename=path)
        except click.ClickException as error:
            raise WtError("the editor failed: check EDITOR and VISUAL", hint=f"wto edit {name} --brief ...") from error
        edited = edited_workstream(path, name)
    finally:
        os.unlink(path)
    if edited == spec:
        raise NotFound("nothing was changed", hint=f"wto edit {name} --help")
    return edited
