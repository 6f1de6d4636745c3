"""`wto agent-tools`: what a running agent's client starts by itself; nothing for people."""

from __future__ import annotations

from importlib import import_module

import click


@click.command(hidden=True)
@click.argument("place")
def agent_tools(place: str) -> None:
    """Serve a running agent its tools on standard input and output (started by its client)."""
    import_module("wt_orchestrate.mcp_server.agent_tools").serve(place)
