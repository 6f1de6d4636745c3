"""`wto plan check`, `show`, `schema` and `new` need no repository; `forecast` reads the history of one."""

from __future__ import annotations

import json

import click

from wt_orchestrate.cli.commands.plan.forecast import forecast
from wt_orchestrate.cli.commands.plan.new import new
from wt_orchestrate.cli.screen.findings import finding_values, tell_finding
from wt_orchestrate.cli.screen.plan_stages import mermaid_lines, stage_lines, stage_values
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.plan.graph import longest_chain, needs_of, waves
from wt_orchestrate.domain.plan.model import Plan
from wt_orchestrate.domain.plan.stages import is_pipeline
from wt_orchestrate.domain.preflight import PreflightFinding, refusal
from wt_orchestrate.errors import ExitCode, Refused
from wt_orchestrate.wiring.plan.plan_files import load_plan, plan_schema, settings_around, settings_schema
from wt_orchestrate.wiring.run.start_run import plan_findings
from wt_orchestrate.wiring.site import find_site

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wt_orchestrate.adapters.planfile import LoadedPlan

_FILE = click.Path(dir_okay=False)


class _Plans(click.Group):
    """Commands on plans; `draft` is imported when it is asked for, because it brings what a run needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "draft"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "draft":
            from wt_orchestrate.cli.commands.plan.draft import draft

            return draft
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Plans)
def plan() -> None:
    """Draft, check and show plans."""


plan.add_command(forecast)
plan.add_command(new)


@plan.command()
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def check(start: str, file: str, as_json: bool) -> None:
    """Check a plan and the repository around you. FILE may be - for standard input. Exits with 3 if the plan has a problem,
    with 6 if a run would be refused."""
    loaded = load_plan(file, settings_around(start))
    found = _around(start, loaded, file)
    refused = refusal(found)
    if as_json:
        values = {"schema": "wto.plan-check/1", "ok": refused is None, "warnings": list(loaded.warnings)}
        click.echo(json.dumps({**values, "findings": [finding_values(each) for each in found]}, ensure_ascii=False))
    else:
        for warning in loaded.warnings:
            click.echo(f"{symbol('warning')} {warning}", err=True)
        for each in found:
            tell_finding(each)
        if refused is None:
            click.echo(f"{symbol('done')} {_named(file)}: {len(loaded.plan.workstreams)} workstreams, no problems")
    if refused is not None:
        raise SystemExit(ExitCode.CONFLICT)


def _named(file: str) -> str:
    return "standard input" if file == "-" else file


def _around(start: str, loaded: LoadedPlan, file: str) -> tuple[PreflightFinding, ...]:
    """What a run would say about the repository around a folder; nothing where there is none."""
    try:
        site = find_site(start)
    except Refused:
        return ()
    return plan_findings(site, loaded, settings_around(start), path=file)


@plan.command()
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--mermaid", is_flag=True, help="Print a mermaid diagram.")
@click.pass_obj
def show(start: str, file: str, as_json: bool, mermaid: bool) -> None:
    """Show the order of workstreams and the longest chain."""
    loaded = load_plan(file, settings_around(start))
    for warning in loaded.warnings:
        click.echo(f"{symbol('warning')} {warning}", err=True)
    if mermaid:
        click.echo(_mermaid(loaded.plan))
    elif as_json:
        click.echo(json.dumps(_values(loaded.plan, loaded.warnings), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(_lines(loaded.plan)))


def _values(shown: Plan, warnings: tuple[str, ...]) -> dict[str, object]:
    return {
        "schema": "wto.plan/1",
        "goal": shown.goal,
        "target": shown.target,
        "waves": [list(wave) for wave in waves(shown)],
        "critical_path": list(longest_chain(shown)),
        "stages": stage_values(shown),
        "workstreams": [
            {
                "id": name,
                "title": stream.title,
                "needs": list(needs_of(shown, name)),
                "scope": list(stream.scope),
                "agent": stream.agent or shown.defaults.agent,
                "kind": stream.kind.value,
                "stage": stream.stage,
            }
            for name, stream in shown.workstreams.items()
        ],
        "warnings": list(warnings),
    }


def _lines(shown: Plan) -> list[str]:
    lines = [" ".join(shown.goal.split()), "", *stage_lines(shown)]
    for number, wave in enumerate(waves(shown), start=1):
        lines.append(f"wave {number}")
        for name in wave:
            needs = needs_of(shown, name)
            after = f"  after {', '.join(needs)}" if needs else ""
            scope = f"  [{', '.join(shown.workstreams[name].scope)}]" if shown.workstreams[name].scope else ""
            lines.append(f"  {name:<16} {shown.workstreams[name].title}{after}{scope}")
    chain = longest_chain(shown)
    widest = max(len(wave) for wave in waves(shown))
    at_once = min(widest, shown.limits.agents)
    lines += [
        "",
        f"critical path: {' > '.join(chain)} ({len(chain)} of {len(shown.workstreams)} workstreams one after another)",
        f"forecast: at best {len(shown.workstreams) / len(chain):.1f} times as fast as one after another, if all take "
        f"equally long (an estimate; up to {at_once} agents at once)",
    ]
    return lines


def _mermaid(shown: Plan) -> str:
    lines = ["graph LR"]
    for name, stream in shown.workstreams.items():
        title = stream.title.replace('"', "'").replace("\n", " ")
        lines.append(f'  {name}["{name}: {title}"]' if title else f"  {name}")
    if is_pipeline(shown):
        return "\n".join([*lines, *mermaid_lines(shown)])
    lines += [f"  {need} --> {name}" for name in shown.workstreams for need in needs_of(shown, name)]
    return "\n".join(lines)


@plan.command()
@click.option("--settings", is_flag=True, help="Print the schema of .wto/config.yaml instead.")
def schema(settings: bool) -> None:
    """Print the JSON Schema of plan.yaml, for editors."""
    click.echo(json.dumps(settings_schema() if settings else plan_schema(), indent=2))
