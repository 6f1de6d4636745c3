"""`wto plan new`: a commented example, or a ready plan for a kind of work, printed or written to a new file."""

from __future__ import annotations

import json
import os
import re
from difflib import get_close_matches

import click

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.errors import WtError
from wt_orchestrate.resources import resource

SCHEMA = "wto.plan-templates/1"
_GOAL = re.compile(r"^goal:.*$", re.MULTILINE)


def template_names() -> tuple[str, ...]:
    """The ready plans that are shipped."""
    return tuple(sorted(name.removesuffix(".yaml") for name in os.listdir(resource("templates", "plans"))))


def template_text(name: str | None) -> str:
    """The text of a ready plan, or of the commented example. Raises UsageError with the nearest known name."""
    if name is None:
        path = resource("templates", "plan.yaml")
    elif name in template_names():
        path = resource("templates", "plans", f"{name}.yaml")
    else:
        near = get_close_matches(name, template_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(template_names())}"
        raise click.UsageError(f"unknown template {name!r}; {hint}")
    with open(path, encoding="utf-8") as file:
        return file.read()


def with_goal(text: str, goal: str) -> str:
    """The plan with this goal; JSON's texts are YAML's, once what YAML takes for no text is written out."""
    lines = "\n".join(clean(line) for line in goal.strip().splitlines())
    return _GOAL.sub(lambda _: f"goal: {json.dumps(lines, ensure_ascii=False)}", text, count=1)


def purpose(text: str) -> str:
    """What a ready plan is for: the first sentence of its opening comment."""
    lines = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")][1:]
    return " ".join(lines).split(". ")[0].rstrip(".") + "."


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False))
@click.option("--template", "name", metavar="NAME", help="The template: debug, feature, refactor, audit, migrate.")
@click.option("--goal", default="", metavar="TEXT", help="The goal, written into the plan.")
@click.option("--list", "listed", is_flag=True, help="List the templates.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON.")
def new(file: str | None, name: str | None, goal: str, listed: bool, as_json: bool) -> None:
    """Write a commented example plan, or a ready one. It is printed, or written to FILE, which must not exist yet."""
    if listed:
        _list(as_json=as_json)
        return
    text = template_text(name)
    text = with_goal(text, goal) if goal.strip() else text
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        with open(file, "x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError as error:
        raise click.UsageError(f"{os.path.basename(file)} exists already; name another file") from error
    except OSError as error:
        raise WtError(f"{file} cannot be written: {error.strerror}", hint="name another file") from error
    click.echo(f"{symbol('done')} Wrote {file}")
    left = text.count("FILL IN") - (1 if name else 0)
    if left > 0:
        click.echo(f"  {symbol('hint')} Replace each FILL IN")
    click.echo(f"  {symbol('hint')} To check it, run wto plan check {file}")


def _list(*, as_json: bool) -> None:
    found = {name: purpose(template_text(name)) for name in template_names()}
    if as_json:
        values = {"schema": SCHEMA, "templates": [{"name": name, "purpose": text} for name, text in found.items()]}
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    for name, text in found.items():
        click.echo(f"{name:<10} {text}")
    click.echo(f"  {symbol('hint')} To write one, run wto plan new plan.yaml --template NAME")
