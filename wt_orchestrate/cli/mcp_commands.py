"""`wto mcp`: the server that Claude Desktop, Claude Code or another client leads runs by, and its place in their settings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from difflib import unified_diff
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from wt_orchestrate import wiring
from wt_orchestrate.cli.render import symbol
from wt_orchestrate.domain.text import clean
from wt_orchestrate.errors import Refused

_folders = click.option(
    "--repository", "folders", multiple=True, metavar="DIR", help="A repository that it may lead; again for more."
)


@click.group(invoke_without_command=True)
@_folders
@click.pass_context
def mcp(context: click.Context, folders: tuple[str, ...]) -> None:
    """Serve the Model Context Protocol on standard input and output, for the repositories that are named (else this one)."""
    if context.invoked_subcommand is not None:
        return
    _require_sdk()
    allowed = folders or (context.obj,)
    for folder in allowed:
        wiring.find_site(folder)
    # the SDK takes a second to load, and need not be there
    import_module("wt_orchestrate.mcp_server.server").serve(allowed)


def _require_sdk() -> None:
    """The server runs by this very interpreter: what is not installed for it is not there for the client either."""
    found = find_spec("mcp")
    if found is None or found.origin is None:  # a folder of that name is no SDK
        raise Refused(
            "the MCP server needs the official SDK", hint=f"{sys.executable} -m pip install 'wt-orchestrate[mcp]'"
        )


def _of_client(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of both commands that edit a client's settings."""
    command = click.option("-n", "--dry-run", is_flag=True, help="Show the change; write nothing.")(command)
    command = click.option("--config", metavar="FILE", help="The settings file, if it is not at the usual place.")(
        command
    )
    return click.option("--client", type=click.Choice(["claude-desktop", "claude-code"]), required=True)(command)


@mcp.command()
@_of_client
@_folders
@click.pass_obj
def install(start: str, client: str, config: str | None, dry_run: bool, folders: tuple[str, ...]) -> None:
    """Put the server into a client's settings: shown, then written, with a copy of what was there. Safe to repeat."""
    _require_sdk()
    for folder in folders:
        wiring.find_site(folder)
    _change(start, client, config, folders=folders, remove=False, dry_run=dry_run)


@mcp.command()
@_of_client
@click.pass_obj
def uninstall(start: str, client: str, config: str | None, dry_run: bool) -> None:
    """Take the server out of a client's settings; everything else there stays."""
    _change(start, client, config, folders=(), remove=True, dry_run=dry_run)


def _change(
    start: str, client: str, config: str | None, *, folders: tuple[str, ...], remove: bool, dry_run: bool
) -> None:
    edit = wiring.client_edit(wiring.find_site(start), client, config, folders=folders, remove=remove)
    if not edit.changes:
        click.echo(f"{symbol('nothing')} {edit.path} is as it should be")
        return
    before = (edit.before or "").splitlines()
    for line in unified_diff(before, edit.after.splitlines(), edit.path, edit.path, lineterm="", n=2):
        click.echo(clean(line))
    if dry_run:
        click.echo(f"{symbol('nothing')} Would write {edit.path}")
        return
    kept = wiring.apply_edit(edit)
    click.echo(f"{symbol('done')} Wrote {edit.path}" + (f"; as it was: {kept}" if kept else ""))
    click.echo(f"  {symbol('hint')} To use it, start {client} anew")
