"""`wto roles`: the roles that a workstream can have, where each comes from, and a copy to change."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from difflib import get_close_matches
from typing import Any

import click

from wt_orchestrate.cli.screen.style import Column, symbol, table
from wt_orchestrate.domain.ids import unsafe_id
from wt_orchestrate.domain.plan.permissions import reads_only
from wt_orchestrate.domain.plan.roles import INHERIT, Role
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.errors import NotFound, Refused, WtError
from wt_orchestrate.wiring.plan.roles import built_in_text, read_roles
from wt_orchestrate.wiring.site import find_site, repository

_COLUMNS = (
    Column("ROLE"),
    Column("MAY"),
    Column("OWES", priority=2),
    Column("MODEL", priority=3),
    Column("FROM", priority=1),
    Column("", grows=True),
)


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--copy", "origin", metavar="ROLE", help="Copy the built-in ROLE to .wto/roles/NAME.md.")
@click.option("-n", "--dry-run", is_flag=True, help="With --copy: show what would be written.")
@click.pass_obj
def roles(start: str, name: str | None, as_json: bool, origin: str | None, dry_run: bool) -> None:
    """List the roles a workstream can have, or show one.

    A role in .wto/roles/NAME.md replaces the built-in role of that name. A run keeps the roles it started with."""
    root = _root(start)
    if origin is not None:
        _copy(root, name or origin, origin, dry_run=dry_run)
        return
    found, warnings = read_roles(root)
    for warning in warnings:
        click.echo(f"{symbol('warning')} {warning}", err=True)
    if name is not None and name not in found:
        raise _missing(name, sorted(found))
    shown = [found[name]] if name is not None else [found[key] for key in sorted(found)]
    if as_json:
        values = {"schema": "wto.roles/1", "roles": [_values(role, whole=name is not None) for role in shown]}
        click.echo(json.dumps(values, ensure_ascii=False, indent=2))
    elif name is not None:
        click.echo("\n".join(_lines(shown[0])))
    else:
        click.echo("\n".join(_table(shown)))


def _root(start: str) -> str | None:
    """The repository's root; None outside of one, where only the built-in roles exist."""
    try:
        facts = repository(find_site(start)).facts()
    except Refused:
        return None
    return facts.main_worktree or facts.common_dir


def _missing(name: str, known: list[str]) -> NotFound:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    return NotFound(f"unknown role {clean(name)!r}", hint=hint)


def _values(role: Role, *, whole: bool) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": role.name,
        "description": role.description,
        "from": role.source or "built-in",
        "overrides": bool(role.source) and built_in_text(role.name) is not None,
        "reads_only": reads_only(role),
        "tools": list(role.tools) if role.tools is not None else None,
        "disallowed_tools": list(role.disallowed_tools),
        "model": role.model,
        "permission_mode": role.permission_mode or None,
        "max_turns": role.max_turns,
        "handoff": list(role.handoff),
    }
    return {**values, "text": role.prompt} if whole else values


def _table(shown: list[Role]) -> list[str]:
    rows = [
        (
            role.name,
            "read" if reads_only(role) else "write",
            ", ".join(role.handoff),
            "" if role.model == INHERIT else clean(role.model),
            role.source or "built-in",
            " ".join(role.description.split()),
        )
        for role in shown
    ]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return table(_COLUMNS, rows, width=width)


def _lines(role: Role) -> list[str]:
    may = "read-only; it can write only HANDOFF.md" if reads_only(role) else "may write in its scope"
    facts = [
        ("From", role.source or "built-in"),
        ("May", may),
        ("Tools", "all tools of the client" if role.tools is None else ", ".join(role.tools)),
        ("Not", ", ".join(role.disallowed_tools)),
        ("Model", role.model),
        ("Mode", role.permission_mode),
        ("Turns", str(role.max_turns or "")),
        ("Owes", ", ".join(f"## {title}" for title in role.handoff)),
    ]
    listed = [f"{title:<6} {clean(value)}" for title, value in facts if value]
    return [f"{role.name}: {' '.join(role.description.split())}", *listed, "", role.prompt]


def _copy(root: str | None, name: str, origin: str, *, dry_run: bool) -> None:
    if root is None:
        raise click.UsageError("there is no repository here for .wto/roles")
    text = built_in_text(origin)
    if text is None:
        raise _missing(origin, sorted(read_roles(None)[0]))
    reason = unsafe_id(name)
    if reason is not None:
        raise click.UsageError(f"the name {clean(name)!r} {reason}")
    path = f"{root}/.wto/roles/{name}.md"
    if dry_run:
        click.echo(f"{symbol('nothing')} Would write {path}, a copy of the built-in {origin}")
        return
    if os.path.lexists(path):
        raise Refused(f"{path} exists already", hint="edit it, or remove it first")
    for folder in (f"{root}/.wto", f"{root}/.wto/roles"):
        if os.path.islink(folder):  # roles are read through no link
            raise Refused(f"{folder} is a link", hint="replace it with a real folder")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(re.sub(r"(?m)^name: .*$", f"name: {name}", text, count=1))
    except OSError as error:
        raise WtError(f"{path} cannot be written: {error.strerror}", hint="check what is there") from error
    click.echo(
        f"{symbol('done')} Wrote {path}\n  {symbol('hint')} Edit it, see it with wto roles {name}, and commit it"
    )
