"""The command that takes over commits which an agent made elsewhere than on its workstream's branch."""

from __future__ import annotations

import click

from wt_orchestrate.cli.screen.follow import follow, require_supervised_or_quiet
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain import events as e
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import Refused
from wt_orchestrate.wiring.requests import put_request
from wt_orchestrate.wiring.site import find_site, open_log


@click.command("take-over")
@click.argument("workstream")
@click.argument("branch", default="")
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.pass_obj
def take_over(start: str, workstream: str, branch: str, run_name: str | None) -> None:
    """Take over commits that an agent made off its branch.

    BRANCH may be a commit id, too. Without it, the commits on the worktree's detached HEAD or current branch.
    """
    site = find_site(start)
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    require_supervised_or_quiet(site, state)
    log.close()
    name = requests.find_workstream(state.workstreams, workstream)
    put = put_request(site, state.id, e.TakeOverRequested(workstream=name, branch=branch), seconds=0)
    shown: list[e.Record] = []
    follow(site, state.id, show=shown.append, until=lambda now: name not in now.wishes.taking_over, put=put)
    for record in shown:
        match record.event:
            case e.WorkTakenOver(head=head, where=where):
                place = where or "a detached HEAD"
                click.echo(f"{symbol('done')} {workstream} is at {head[:10]}, taken over from {place}")
                click.echo(f"  {symbol('hint')} To check and merge it, run wto resume")
            case e.TakeOverRefused(reason=reason, hint=hint):
                raise Refused(f"cannot take over commits for {workstream}: {reason}", hint=hint or "wto status")
