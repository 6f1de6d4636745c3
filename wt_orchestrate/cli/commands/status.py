"""`wto status`. Its usual forms are answered without click by `cli/start.py`; this is the whole of it."""

from __future__ import annotations

import click

from wt_orchestrate.cli.screen.status_answer import show_status


@click.command()
@click.argument("workstream", required=False)
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--dirty", is_flag=True, help="Also look for uncommitted changes in the worktrees.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(start: str, workstream: str | None, run_name: str | None, dirty: bool, as_json: bool) -> None:
    """Show the state of all workstreams, or details of one."""
    show_status(start, workstream, run=run_name, dirty=dirty, as_json=as_json)
