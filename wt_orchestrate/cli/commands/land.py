"""Commands after the work: land, clean, restore."""

from __future__ import annotations

import json

import click

from wt_orchestrate.cli.screen.follow import follow, require_supervised_or_quiet
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.machine import quiet
from wt_orchestrate.domain.plan.settings import LandingStyle
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.text.clean import clean as clean_text
from wt_orchestrate.domain.text.clean import counted, in_units
from wt_orchestrate.engine import requests
from wt_orchestrate.engine.effects.landing import LandingPreview
from wt_orchestrate.errors import Busy, ExitCode, PlanInvalid, Refused
from wt_orchestrate.wiring.plan.plan_files import load_settings
from wt_orchestrate.wiring.plan.trust import agent_changes, remember
from wt_orchestrate.wiring.read.runs import landing_outlook
from wt_orchestrate.wiring.requests import Put, put_request
from wt_orchestrate.wiring.site import Site, find_site, open_log
from wt_orchestrate.wiring.tidy import leftovers, space, trash_left


@click.command()
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--allow-protected", is_flag=True, help="Also land changes to protected paths.")
@click.option("--allow-secret", "marks", multiple=True, metavar="MARK", help="Allow this finding: it is not a secret.")
@click.option("--allow-large", is_flag=True, help="Also land files larger than largest_mb.")
@click.option("--allow-held", is_flag=True, help="Also land unusual names and deletions that are held.")
@click.option("--allow-changed", is_flag=True, help="The repository's changed settings, or its reset target, are mine.")
@click.option("--onto", metavar="BRANCH", help="Land on this branch, and later too (the target was renamed).")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would land; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def land(
    start: str,
    run_name: str | None,
    allow_protected: bool,
    marks: tuple[str, ...],
    allow_large: bool,
    allow_held: bool,
    allow_changed: bool,
    onto: str | None,
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
        allow_held=allow_held,
        allow_changed=allow_changed,
        onto=onto or "",
    )
    target = onto or state.target
    if dry_run:
        log.close()
        _preview(state, target, landing_outlook(site, state, wish), as_json=as_json)
        return
    require_supervised_or_quiet(site, state)
    if allow_changed:
        remember(site, tuple(agent_changes(site, state.id)))  # later runs do not ask again
    put = put_request(site, state.id, wish, seconds=0)
    shown: list[e.Record] = []
    if not as_json:
        click.echo(f"{symbol('working')} Landing {state.id} on {clean_text(target)}", err=True)
    follow(site, state.id, show=shown.append, until=lambda now: now.landing is None, put=put)
    ending = _ending(shown, put)
    log.close()
    _tell_landing(state, ending, as_json=as_json)


_STYLES = {
    LandingStyle.SQUASH: "as one commit a workstream (landing: squash)",
    LandingStyle.REBASE: "as the workstreams' own commits, one after another (landing: rebase)",
    LandingStyle.FF: "as the workstreams' own commits, one after another (landing: ff)",
}


def _preview(state: RunState, target: str, found: LandingPreview, *, as_json: bool) -> None:
    """What would land, and what would not without a person's word: then with the code that the landing would end with."""
    refused = found.refused
    ready = [ws for ws in state.workstreams.values() if ws.stage is Stage.INTEGRATED]
    if as_json:
        named = {"schema": "wto.land-preview/1", "run": state.id, "target": target}
        told = {"reason": refused.reason, "paths": refused.paths, "do": refused.commands} if refused else None
        click.echo(json.dumps({**named, "would_land": [ws.id for ws in ready], "refused": told}, ensure_ascii=False))
        if refused is not None:
            raise SystemExit(refused.code)
        return
    click.echo(
        f"{symbol('nothing')} Would land {counted(len(ready), 'workstream')} of {state.id} on {clean_text(target)}"
    )
    for ws in ready:
        lines = f"{counted(ws.change.files, 'file')} +{ws.change.added} -{ws.change.deleted}"
        click.echo(f"  {ws.id}  {counted(ws.commits, 'commit')}, {lines}")
    if state.settings.landing in _STYLES:
        click.echo(f"  {_STYLES[state.settings.landing]}")
    if found.combined:
        click.echo(f"  {clean_text(target)} moved since: the checks run on both merged before it lands")
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
@click.option("--trash", is_flag=True, help="Also empty the trash, whatever its age.")
@click.option(
    "--all", "everything", is_flag=True, help="Clean every run, empty the trash, and delete the output of ended runs."
)
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be removed; change nothing.")
@click.pass_obj
def clean(
    start: str,
    workstreams: tuple[str, ...],
    run_name: str | None,
    force: bool,
    trash: bool,
    everything: bool,
    dry_run: bool,
) -> None:
    """Remove worktrees whose work is integrated, and free space. Every branch tip stays in the vault. Also deletes what lay
    in the trash for a week, output that is older than keep_output_days, and what landed runs do not need any more."""
    site = find_site(start)
    if everything and (workstreams or run_name):
        raise click.UsageError("--all is for every run: name neither a run nor a workstream")
    log = open_log(site)
    runs = [line.id for line in log.runs()] if everything else []
    if run_name or log.runs():
        runs = runs or [requests.find_run(log, run_name)]
    states = [requests.load_state(log, name) for name in runs]
    log.close()
    done, kept = 0, 0
    for state in states:
        if everything and not quiet(state):
            click.echo(f"{symbol('warning')} Left {state.id} as it is: it has not ended", err=True)
        elif dry_run:
            done += _would_clean(state, workstreams, force=force)
        else:
            removed, stays = _clean_run(site, state, workstreams, force=force)
            done, kept = done + removed, kept + stays
    done += _free(site, trash=trash, everything=everything, dry=dry_run)
    if not done and not kept:
        which = "integrated, failed, cancelled or stopped" if force else "integrated"
        click.echo(f"{symbol('nothing')} There is nothing to clean: no {which} workstream has a worktree")
    _tell_trash(site)
    if kept:
        raise SystemExit(ExitCode.CONFLICT)


def _would_clean(state: RunState, workstreams: tuple[str, ...], *, force: bool) -> int:
    """Tell which worktrees would go; how many."""
    names = [name for name in requests.cleaned_by(state, workstreams, force=force) if _is_there(state, name)]
    for name in names:
        path = state.workstreams[name].worktree or ""
        click.echo(f"{symbol('nothing')} Would remove {path} ({in_units(space(path))})")
    return len(names)


def _is_there(state: RunState, name: WorkstreamId) -> bool:
    ws = state.workstreams[name]
    return ws.worktree is not None and not ws.checkout.removed


def _clean_run(site: Site, state: RunState, workstreams: tuple[str, ...], *, force: bool) -> tuple[int, int]:
    """Remove the worktrees of one run; how many went, and how many stay."""
    names = tuple(name for name in requests.cleaned_by(state, workstreams, force=force) if _is_there(state, name))
    if not names:
        return 0, 0
    require_supervised_or_quiet(site, state)
    put = put_request(site, state.id, e.CleanRequested(workstreams=names, force=force), seconds=0)
    shown: list[e.Record] = []
    follow(site, state.id, show=shown.append, until=lambda now: not now.wishes.cleaning, put=put)
    removed, kept = 0, 0
    for record in shown:
        match record.event:
            case e.WorktreeRemoved(workstream=name, trash=trash, archive=archive, uncommitted=rescued):
                removed += 1
                also = f"; uncommitted files kept as {rescued[:10]}" if rescued else ""
                files = f"{in_units(space(trash))} in {trash}" if trash else "no files"
                click.echo(f"{symbol('done')} Removed {name} (kept as {archive}{also}; {files})")
            case e.WorktreeKept(workstream=name, reason=reason):
                kept += 1
                click.echo(f"{symbol('warning')} Kept {name}: {reason}", err=True)
    return removed, kept


def _free(site: Site, *, trash: bool, everything: bool, dry: bool) -> int:
    """Free what runs left behind, and tell each; how much went."""
    try:
        keep_days = load_settings(site).keep_output_days
    except PlanInvalid as error:
        click.echo(f"{symbol('warning')} {error.problems[0]}: output of runs is kept", err=True)
        keep_days = 1 << 20
    count, freed = 0, 0
    try:
        for each in leftovers(site, keep_days=keep_days, trash=trash, everything=everything, dry=dry):
            if each.kept:
                click.echo(f"{symbol('warning')} Kept {clean_text(each.what)}: {clean_text(each.kept)}", err=True)
                continue
            count, freed = count + 1, freed + each.size
            size = f" ({in_units(each.size)})" if each.size else ""
            saved = f"; its uncommitted files are kept as {each.saved}" if each.saved else ""
            did = "Would delete" if dry else "Deleted"
            click.echo(f"{symbol('nothing' if dry else 'done')} {did} {clean_text(each.what)}{size}{saved}")
    except Busy as error:
        click.echo(f"{symbol('warning')} {error.message}", err=True)
    if freed:
        click.echo(f"{symbol('nothing' if dry else 'done')} {'Would free' if dry else 'Freed'} {in_units(freed)}")
    return count


def _tell_trash(site: Site) -> None:
    entries, size = trash_left(site)
    if entries:
        word = "entry" if entries == 1 else "entries"
        click.echo(
            f"{symbol('nothing')} The trash holds {in_units(size)} in {entries} {word}, each for 7 days\n"
            f"  {symbol('hint')} To free it now, run wto clean --trash"
        )


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
