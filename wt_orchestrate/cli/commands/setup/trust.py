"""`wto trust`."""

from __future__ import annotations

import json

import click

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.plan.trust import powers
from wt_orchestrate.domain.text.clean import clean, counted
from wt_orchestrate.wiring.plan.plan_files import read_settings
from wt_orchestrate.wiring.plan.trust import agent_changes, forget, lines, place, remember, untrusted
from wt_orchestrate.wiring.site import find_site, repository


@click.command()
@click.option("--list", "listed", is_flag=True, help="Show what is trusted and what is not; change nothing.")
@click.option("--forget", "forgotten", is_flag=True, help="Trust nothing any more, your own settings included.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; changes nothing but with --forget.")
@click.pass_obj
def trust(start: str, listed: bool, forgotten: bool, as_json: bool) -> None:
    """Trust the settings that others wrote into a repository. What they start or allow is shown."""
    site = find_site(start)
    facts = repository(site).facts()
    if forgotten:
        count = forget(site)
        click.echo(f"{symbol('done')} {counted(count, 'setting')} no longer trusted", err=as_json)
        return
    settings = read_settings(facts)
    waiting = (*untrusted(site, facts, settings), *agent_changes(site))
    trusted = tuple(each for each in powers(settings) if each not in waiting)
    if as_json:
        told = {
            name: [{"key": each.key, "value": clean(each.value)} for each in found]
            for name, found in (("untrusted", waiting), ("trusted", trusted))
        }
        click.echo(json.dumps({"schema": "wto.trust/1", **told}, ensure_ascii=False, indent=2))
        return
    if listed:
        _list(lines(waiting), lines(trusted), where=place(facts))
        return
    remember(site, waiting)
    for line in lines(waiting):
        click.echo(f"    {line}")
    word = "Trusted" if waiting else "Nothing to trust:"
    of = f"from {place(facts)}" if waiting else f"no setting of {place(facts)} waits"
    click.echo(
        f"{symbol('done' if waiting else 'nothing')} {word} {counted(len(waiting), 'setting') + ' ' if waiting else ''}{of}"
    )


def _list(waiting: tuple[str, ...], trusted: tuple[str, ...], *, where: str) -> None:
    for title, name, found in (("Not trusted", "warning", waiting), ("Trusted", "done", trusted)):
        if found:
            click.echo(f"{symbol(name)} {title}, in {where}:")
            for line in found:
                click.echo(f"    {line}")
    if waiting:
        click.echo(f"  {symbol('hint')} To trust them, run wto trust")
    elif not trusted:
        click.echo(f"{symbol('nothing')} No setting in {where} starts a program or widens a right")
