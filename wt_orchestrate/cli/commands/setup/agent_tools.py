"""What running agents use: `wto agent-tools`, which a client starts by itself, and `wto note`, for agents that are commands."""

from __future__ import annotations

from importlib import import_module

import click

from wt_orchestrate.domain.agent.notes import FINDING_KINDS
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.wiring.agent_tools import own_desk


@click.command(hidden=True)
@click.argument("place")
def agent_tools(place: str) -> None:
    """Serve a running agent its tools on standard input and output (started by its client)."""
    import_module("wt_orchestrate.mcp_server.agent_tools").serve(place)


@click.group()
def note() -> None:
    """For agents: report progress, ask, or look things up. Works only inside an agent that is a command."""


@note.command()
@click.argument("percent", type=click.IntRange(0, 100))
@click.argument("text", required=False, default="")
def progress(percent: int, text: str) -> None:
    """Report how far you are."""
    click.echo(own_desk().progress(percent, text), err=True)


@note.command()
@click.argument("kind", type=click.Choice(FINDING_KINDS))
@click.argument("text")
@click.option("--path", default="", metavar="FILE", help="The file it is about, from the repository root.")
@click.option("--line", default=0, type=click.IntRange(0), help="The line in that file.")
@click.option("--for", "to", multiple=True, metavar="WORKSTREAM", help="Who should read it (repeatable).")
def finding(kind: str, text: str, path: str, line: int, to: tuple[str, ...]) -> None:
    """Share a finding with other workstreams."""
    click.echo(own_desk().share(kind, text, path=path, line=line, to=to), err=True)


@note.command()
@click.argument("question")
@click.option("--option", "options", multiple=True, help="A possible answer (repeatable).")
@click.option(
    "--wait",
    "wait_s",
    default=600.0,
    show_default=True,
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Give up after this long.",
)
@click.pass_context
def ask(context: click.Context, question: str, options: tuple[str, ...], wait_s: float) -> None:
    """Ask a question and print the answer. Exits with 1 if no answer came in time."""
    answer = own_desk().asked(question, options, wait_s=wait_s)
    if answer is None:
        click.echo("no answer came in time", err=True)
        context.exit(1)
    click.echo(clean(answer))


@note.command()
@click.argument("query")
def recall(query: str) -> None:
    """Search earlier runs, findings and handoffs."""
    click.echo(clean(own_desk().recall(query)))
