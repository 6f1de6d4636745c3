"""`wto mcp`: the server through which Claude Desktop, Claude Code or another client leads runs, and its entry in their
settings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from difflib import unified_diff
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.errors import Refused
from wt_orchestrate.wiring.mcp_config import (
    TOKEN_VARIABLE,
    access_token,
    apply_edit,
    client_edit,
    look_first,
    token_path,
)
from wt_orchestrate.wiring.site import find_site

if TYPE_CHECKING:
    from wt_orchestrate.adapters.clientconfig import FileEdit

_folders = click.option(
    "--repository", "folders", multiple=True, metavar="DIR", help="A repository to serve (repeatable)."
)


_http = (
    click.option("--http", "over_http", is_flag=True, help="Serve HTTP on this machine only, with a token."),
    click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port for --http (default: a free one)."),
    click.option("--address", default="127.0.0.1", show_default=True, help="The loopback address for --http."),
)


def _of_server(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of how it is served."""
    for option in reversed(_http):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@_folders
@_of_server
@click.pass_context
def mcp(context: click.Context, folders: tuple[str, ...], over_http: bool, port: int, address: str) -> None:
    """Start the MCP server, or install it in a client. It serves the named repositories, or the current one, on
    standard input and output."""
    if context.invoked_subcommand is None:
        _serve(folders or (context.obj,), over_http=over_http, port=port, address=address)


@mcp.command()
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--path", "first", metavar="DIRS", help="Search path for git and agents, separated by colons.")
@_of_server
def serve(folders: tuple[str, ...], first: str | None, over_http: bool, port: int, address: str) -> None:
    """Start the MCP server for the given repositories. Desktop programs start it this way."""
    if first:
        look_first(first)
    _serve(folders, over_http=over_http, port=port, address=address)


def _serve(folders: Sequence[str], *, over_http: bool, port: int, address: str) -> None:
    _require_sdk()
    for folder in folders:
        find_site(folder)
    # the SDK takes a second to load, and need not be there
    server = import_module("wt_orchestrate.mcp_server.server")
    if over_http:
        server.serve_http(folders, host=address, port=port, token=access_token(), tell=_tell_address)
    else:
        server.serve(folders)


def _tell_address(url: str) -> None:
    """Print the address, and where the token is; never the token."""
    click.echo(f"{symbol('done')} Serving {url}; press Ctrl-C to stop", err=True)
    click.echo(f"  {symbol('hint')} Clients send the token in {clean(token_path())} as a Bearer token", err=True)


def _require_sdk() -> None:
    """The server runs by this very interpreter: what is not installed for it does not exist for the client either."""
    found = find_spec("mcp")
    if found is None or found.origin is None:  # a folder of that name is not the SDK
        raise Refused("the MCP server needs the official SDK", hint=f"{sys.executable} -m pip install 'mcp>=2.3,<3'")


def _of_client(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of both commands that edit a client's settings."""
    command = click.option("-n", "--dry-run", is_flag=True, help="Show the change; write nothing.")(command)
    command = click.option("--config", metavar="FILE", help="The settings file, if not in the usual place.")(command)
    return click.option(
        "--client", type=click.Choice(["claude-desktop", "claude-code"]), required=True, help="The client."
    )(command)


@mcp.command()
@_of_client
@_folders
@click.option("--http", "url", metavar="URL", help="Connect to a running wto mcp --http (Claude Code only).")
@click.pass_obj
def install(
    start: str, client: str, config: str | None, dry_run: bool, folders: tuple[str, ...], url: str | None
) -> None:
    """Add the server to a client's settings. Shows the change, then writes it and keeps a copy of the old file. Safe
    to repeat."""
    _require_sdk()
    for folder in folders:
        find_site(folder)
    edit = client_edit(find_site(start), client, config, folders=folders, url=url)
    _change(edit, client, dry_run=dry_run)
    if url:
        told = f"export {TOKEN_VARIABLE}=$(cat {token_path()})"
        click.echo(f"  {symbol('hint')} The token is not stored there; before you start {client}: {clean(told)}")


@mcp.command()
@_of_client
@click.pass_obj
def uninstall(start: str, client: str, config: str | None, dry_run: bool) -> None:
    """Remove the server from a client's settings. Everything else there stays."""
    edit = client_edit(find_site(start), client, config, folders=(), remove=True)
    _change(edit, client, dry_run=dry_run)


def _change(edit: FileEdit, client: str, *, dry_run: bool) -> None:
    if not edit.changes:
        click.echo(f"{symbol('nothing')} {edit.path} is up to date")
        return
    before = (edit.before or "").splitlines()
    for line in unified_diff(before, edit.after.splitlines(), edit.path, edit.path, lineterm="", n=2):
        click.echo(clean(line))
    if dry_run:
        click.echo(f"{symbol('nothing')} Would write {edit.path}")
        return
    kept = apply_edit(edit)
    click.echo(f"{symbol('done')} Wrote {edit.path}" + (f"; the old file is {kept}" if kept else ""))
    click.echo(f"  {symbol('hint')} To use it, restart {client}")
