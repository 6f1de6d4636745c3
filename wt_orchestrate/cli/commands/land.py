"""Commands after the work: land, clean, restore."""

from __future__ import annotations

import json

import click

from wt_orchestrate.cli.screen.follow import follow, require_supervised_or_quiet
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.text.clean import counted
from wt_orchestrate.engine import requests
from wt_orchestrate.engine.effects.landing import Outlook
from wt_orchestrate.errors import ExitCode, Refused
from wt_orchestrate.wiring.read.runs import landing_outlook
from wt_orchestrate.wiring.requests import Put, put_request
from wt_orchestrate.wiring.run.supervise import sweep_trash
from wt_orchestrate.wiring.site import find_site, open_log


@click.command()
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--allow-protected", is_flag=True, help="Also land changes to protected paths.")
@click.option("--allow-secret", "marks", multiple=True, metavar="MARK", help="Allow this finding: it is not a secret.")
@click.option("--allow-large", is_flag=True, help="Also land files larger than largest_mb.")
@click.option("--allow-changed", is_flag=True, help="The repository's changed settings, or its reset target, are mine.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would land; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def land(
    start: str,
    run_name: str | None,
    allow_protected: bool,
    marks: tuple[str, ...],
    allow_large: bool,
    allow_changed: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Move the target branch to the integrated work of a run."""
    site = find_site(start)
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    wish = e.LandRequested(
        allow_protected=allow_protected,
        allow_secrets=marks,
        allow_large=allow_large,
        allow_changed=allow_changed,
    )
    if dry_run:
        log.close()
        _preview(state, landing_outlook(site, state, wish), as_json=as_json)
        return
    require_supervised_or_quiet(site, state)
    put = put_request(site, state.id, wish, seconds=0)
    shown: list[e.Record] = []
    if not as_json:
        click.echo(f"{symbol('working')} Landing {state.id} on {state.target}", err=True)
    follow(site, state.id, show=shown.append, until=lambda now: now.landing is None, put=put)
    ending = _ending(shown, put)
    log.close()
    _tell_landing(state, ending, as_json=as_json)


def _preview(state: RunState, found: Outlook, *, as_json: bool) -> None:
    """What would land, and what would not without a person's word: then with the code that the landing would end with."""
    refused = found.refused
    ready = [ws for ws in state.workstreams.values() if ws.stage is Stage.INTEGRATED]
    if as_json:
        named = {"schema": "wto.land-preview/1", "run": state.id, "target": state.target}
        told = {"reason": refused.reason, "paths": refused.paths, "do": refused.commands} if refused else None
        click.echo(json.dumps({**named, "would_land": [ws.id for ws in ready], "refused": told}, ensure_ascii=False))
        if refused is not None:
            raise SystemExit(refused.code)
        return
    click.echo(f"{symbol('nothing')} Would land {counted(len(ready), 'workstream')} of {state.id} on {state.target}")
    for ws in ready:
        lines = f"{counted(ws.change.files, 'file')} +{ws.change.added} -{ws.change.deleted}"
        click.echo(f"  {ws.id}  {counted(ws.commits, 'commit')}, {lines}")
    if found.combined:
        click.echo(f"  {state.target} moved since: the checks run on both merged before it lands")
    if found.where and refused is None:
        click.echo(f"  the checkout in {found.where} is taken along")
    if refused is not None:
        raise Refused(
            f"would not land {state.id}: {refused.reason}",
            hint="; ".join(refused.commands),
            exit_code=ExitCode(refused.code),
        )


def _ending(records: list[e.Record], put: Put) -> e.Landed | e.LandRefused | None:
    """How the landing that was asked for ended."""
    asked = False
    for record in records:
        asked = asked or record.cause == put.cause
        if asked and isinstance(record.event, e.Landed | e.LandRefused):
            return record.event
    return None


def _tell_landing(state: RunState, ending: e.Landed | e.LandRefused | None, *, as_json: bool) -> None:
    if isinstance(ending, e.Landed):
        if as_json:
            click.echo(
                json.dumps({"schema": "wto.land/1", "run": state.id, "landed": ending.commit, "target": ending.target})
            )
            return
        names = ", ".join(ending.workstreams)
        where = f" (checked out in {ending.where})" if ending.where else ""
        click.echo(f"{symbol('done')} Landed {names} on {ending.target} as {ending.commit[:10]}{where}")
        click.echo(f"  {symbol('hint')} To see what was done, run wto report; to remove the worktrees, run wto clean")
        return
    if ending is None:
        raise Refused("the landing was cancelled because the run was stopped", hint="wto land")
    hint = "; ".join(ending.commands)
    raise Refused(f"cannot land {state.id}: {ending.reason}", hint=hint, exit_code=ExitCode(ending.code))


@click.command()
@click.argument("workstreams", nargs=-1)
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option(
    "--force",
    is_flag=True,
    help="Also remove workstreams that failed or were stopped, and uncommitted work (wto restore brings it back).",
)
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be removed; change nothing.")
@click.pass_obj
def clean(start: str, workstreams: tuple[str, ...], run_name: str | None, force: bool, dry_run: bool) -> None:
    """Remove worktrees whose work is integrated. Every branch tip stays in the vault."""
    site = find_site(start)
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    if dry_run:
        for name in requests.cleaned_by(state, workstreams, force=force):
            ws = state.workstreams[name]
            if ws.worktree and not ws.checkout.removed:
                click.echo(f"{symbol('nothing')} Would remove {ws.worktree}")
        return
    require_supervised_or_quiet(site, state)
    log.close()
    put = put_request(site, state.id, requests.cleaning(state, workstreams, force=force), seconds=0)
    shown: list[e.Record] = []
    follow(site, state.id, show=shown.append, until=lambda now: not now.wishes.cleaning, put=put)
    kept = 0
    for record in shown:
        match record.event:
            case e.WorktreeRemoved(workstream=name, trash=trash, archive=archive, uncommitted=rescued):
                also = f"; uncommitted files kept as {rescued[:10]}" if rescued else ""
                click.echo(f"{symbol('done')} Removed {name} (kept as {archive}{also}; files in {trash or 'no trash'})")
            case e.WorktreeKept(workstream=name, reason=reason):
                kept += 1
                click.echo(f"{symbol('warning')} Kept {name}: {reason}", err=True)
    swept = sweep_trash(state)
    if swept:
        click.echo(f"{symbol('nothing')} Deleted {swept} old entries from the trash")
    if kept:
        raise SystemExit(ExitCode.CONFLICT)


@click.command()
@click.argument("workstream")
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.pass_obj
def restore(start: str, workstream: str, run_name: str | None) -> None:
    """Bring back a removed worktree from the vault."""
    site = find_site(start)
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    require_supervised_or_quiet(site, state)
    log.close()
    name = requests.find_workstream(state.workstreams, workstream)
    put = put_request(site, state.id, e.RestoreRequested(workstream=name), seconds=0)
    shown: list[e.Record] = []
    follow(site, state.id, show=shown.append, until=lambda now: not now.wishes.restoring, put=put)
    for record in shown:
        match record.event:
            case e.WorktreeRestored(path=path, head=head, uncommitted=count):
                also = f", with {counted(count, 'uncommitted file')}" if count else ""
                click.echo(f"{symbol('done')} Restored {workstream} at {path} ({head[:10]}{also})")
            case e.RestoreRefused(reason=reason):
                raise Refused(f"cannot restore {workstream}: {reason}", hint="wto status")
