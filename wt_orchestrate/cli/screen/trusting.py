"""Asking a person at a terminal whether a repository's settings are trusted."""

from __future__ import annotations

import sys

import click

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.errors import Untrusted

_SHOWN = 40


def trusted_now(error: Untrusted) -> bool:
    """Show what waits and ask, where somebody is there to be asked; whether it is trusted now."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    click.echo(f"{symbol('warning')} {error.message}. They start programs or widen rights:", err=True)
    for line in error.asked[:_SHOWN]:
        click.echo(f"    {line}", err=True)
    if len(error.asked) > _SHOWN:
        click.echo(f"    and {len(error.asked) - _SHOWN} more: wto trust --list", err=True)
        return False
    if not click.confirm("Trust them in this repository from now on?", default=False, err=True):
        return False
    error.trust()
    return True
