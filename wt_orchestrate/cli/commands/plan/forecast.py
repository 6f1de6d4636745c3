"""`wto plan forecast FILE`: which workstreams will likely change the same files, before anything is run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.drafting.cochange import ENOUGH, LARGE, Level, PairForecast, PlanForecast
from wt_orchestrate.domain.drafting.estimate import advice_lines
from wt_orchestrate.domain.replace import plain
from wt_orchestrate.domain.text.clean import clean, counted
from wt_orchestrate.errors import ExitCode
from wt_orchestrate.wiring.plan.plan_files import load_plan, settings_around
from wt_orchestrate.wiring.read.forecast import advise_plan, foresee_plan
from wt_orchestrate.wiring.site import find_site

_SHOWN = 20
_MARKS = {Level.HIGH: "error", Level.MEDIUM: "warning", Level.LOW: "nothing", Level.NONE: "done"}


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--commits",
    type=click.IntRange(1, 100_000),
    default=2_000,
    show_default=True,
    help="How many commits of history to read.",
)
@click.option("--check", is_flag=True, help="Exit with 6 if two are likely to overlap.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def forecast(start: str, file: str, commits: int, check: bool, as_json: bool) -> None:
    """Predict which workstreams will change the same files. Also says whether running them in parallel pays off."""
    site = find_site(start)
    loaded = load_plan(file, settings_around(start))
    target, found = foresee_plan(site, loaded.plan, commits=commits)
    advice = advise_plan(site, loaded.plan, found)
    if as_json:
        click.echo(json.dumps({**_values(target, found), "advice": plain(advice)}, ensure_ascii=False, indent=2))
    else:
        for line in (*forecast_lines(target, found), *(f"{symbol('hint')} {each}" for each in advice_lines(advice))):
            click.echo(clean(line))
    if check and any(pair.level is Level.HIGH for pair in found.pairs):
        raise SystemExit(ExitCode.CONFLICT)


def _values(target: str, found: PlanForecast) -> dict[str, Any]:
    return {"schema": "wto.plan-forecast/1", "target": target, **plain(found)}


def forecast_lines(target: str, found: PlanForecast) -> Iterator[str]:
    """The forecast for people."""
    if not found.pairs:
        yield f"{symbol('done')} no two workstreams run at the same time"
    told = [pair for pair in found.pairs if pair.level is not Level.NONE]
    for pair in told[:_SHOWN]:
        yield f"{symbol(_MARKS[pair.level])} {pair.one} and {pair.other}: {pair.level.value}, {pair.chance:.2f}{_why(pair)}"
        for met in pair.meetings[:3]:
            if met.one * met.other >= 0.01:
                yield (
                    f"    {met.path}: in {met.one:.0%} of the commits that touch {pair.one}, {met.other:.0%} of "
                    f"the commits that touch {pair.other}"
                )
    if len(told) > _SHOWN:
        yield f"  and {len(told) - _SHOWN} more; see --json"
    apart = len(found.pairs) - len(told)
    if apart:
        yield f"{symbol('done')} {counted(apart, 'pair')} without overlap"
    for name in found.unscoped:
        yield f"{symbol('warning')} {name} has no scope, so it may write everything; give it one for a better forecast"
    yield from _advice(found)
    large = f", {found.large} of more than {LARGE} files ignored" if found.large else ""
    yield f"{symbol('hint')} Estimated from {counted(found.commits, 'commit')} of {target}{large}; git may still merge an overlap"


def _why(pair: PairForecast) -> str:
    shared = (
        f"; both may write {counted(pair.shared, 'file')} ({', '.join(pair.shared_files[:3])})" if pair.shared else ""
    )
    return shared + (f"; fewer than {ENOUGH} commits to judge by" if pair.little_history else "")


def _advice(found: PlanForecast) -> Iterator[str]:
    for name, needs in found.serialise.items():
        yield f"{symbol('hint')} {name} should start after {', '.join(needs)}: add needs: [{', '.join(needs)}] to it"
    if found.serialise:
        before, after = len(found.before), len(found.after)
        longer = (
            f"would be {after} workstreams instead of {before}" if after > before else f"stays at {before} workstreams"
        )
        yield f"{symbol('hint')} The longest chain {longer}: {' > '.join(found.after)}"
