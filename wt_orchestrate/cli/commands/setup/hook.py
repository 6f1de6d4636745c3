"""`wto hook`: the guards of agents' worktrees for the main worktree, too."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import click

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.main_worktree import belongs, refused, refused_pushes
from wt_orchestrate.domain.replace import plain
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.errors import ExitCode
from wt_orchestrate.wiring.hooks import install_hooks, newest_run, own_hooks, staged_work, uninstall_hooks
from wt_orchestrate.wiring.plan.plan_files import settings_around
from wt_orchestrate.wiring.site import find_site


@click.group()
def hook() -> None:
    """Install git hooks that check your commits and pushes. They refuse secrets, conflict markers and pushes of run
    branches, and warn about paths that agents own."""


@hook.command()
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.pass_obj
def install(start: str, dry_run: bool) -> None:
    """Install the hooks. Hooks that exist are kept and run after them. Safe to repeat."""
    _tell(install_hooks(find_site(start), dry=dry_run), dry_run)


@hook.command()
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.pass_obj
def uninstall(start: str, dry_run: bool) -> None:
    """Remove the hooks and restore the earlier ones."""
    _tell(uninstall_hooks(find_site(start), dry=dry_run), dry_run)


def _tell(done: Sequence[str], dry_run: bool) -> None:
    for line in done:
        click.echo(f"{symbol('nothing' if dry_run else 'done')} {'would be ' if dry_run else ''}{line}")


@hook.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(start: str, as_json: bool) -> None:
    """Show which hooks are installed."""
    found = own_hooks(find_site(start))
    if as_json:
        click.echo(json.dumps({"schema": "wto.hooks/1", "hooks": [plain(each) for each in found]}, indent=2))
        return
    for each in found:
        words = ("ours" if each.ours else "not installed") + ("; another hook is installed" if each.others else "")
        click.echo(f"{symbol('done' if each.ours else 'nothing')} {each.name}: {words}")


@hook.command()
@click.argument("name", type=click.Choice(["pre-commit", "pre-push"]))
@click.argument("arguments", nargs=-1)
@click.pass_obj
def run(start: str, name: str, arguments: tuple[str, ...]) -> None:
    """Run one hook, as git does. Exits with 6 to refuse."""
    if os.environ.get("WTO_WORKSTREAM"):
        return
    found = _push() if name == "pre-push" else _commit(start)
    for line in found:
        click.echo(clean(f"wto: {line}"), err=True)
    if found:
        click.echo(f"wto: git {name.removeprefix('pre-')} --no-verify skips this check", err=True)
        raise SystemExit(ExitCode.CONFLICT)


def _commit(start: str) -> tuple[str, ...]:
    work = staged_work(start)
    if work is None or not work.paths:
        return ()
    site = find_site(start)
    state = newest_run(site)
    for line in belongs(state, work.paths) if state is not None else ():
        click.echo(clean(f"wto: {line}"), err=True)
    return tuple(refused(work.exposed, work.markers, settings_around(start).allow_secrets))


def _push() -> tuple[str, ...]:
    """The refs that are pushed to: from the input of git's hook, or from a variable of the pre-commit framework."""
    framework = os.environ.get("PRE_COMMIT_REMOTE_BRANCH")
    lines = [] if framework is not None or sys.stdin.isatty() else sys.stdin.read().splitlines()
    refs = [framework] if framework else [words[2] for line in lines if len(words := line.split()) == 4]
    return tuple(refused_pushes(refs))
