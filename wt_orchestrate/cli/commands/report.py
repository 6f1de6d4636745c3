"""`wto report` and `wto stats`: what one run did, and all runs in numbers."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from wt_orchestrate import __version__
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.report.markdown import report_markdown
from wt_orchestrate.domain.report.stats import stats_text
from wt_orchestrate.domain.report.telemetry import metrics, stats_metrics, trace
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import Refused
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.wiring.memory import learned_from
from wt_orchestrate.wiring.read.reports import Ledgers, all_stats, keep_summary
from wt_orchestrate.wiring.site import find_site

_OTEL = click.option(
    "--otel",
    metavar="[FILE]",
    is_flag=False,
    flag_value="-",
    help="Write OpenTelemetry metrics (OTLP/JSON) to FILE or standard output.",
)


@click.command()
@click.argument("run_argument", metavar="[RUN]", required=False)
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--workstream", "-w", help="Report only this workstream.")
@click.option(
    "--format", "form", type=click.Choice(["md", "json"]), default="md", show_default=True, help="The output format."
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@_OTEL
@click.option("--trace", "trace_file", metavar="FILE", help="Write a trace for Perfetto to FILE.")
@click.pass_obj
def report(
    start: str,
    run_argument: str | None,
    run_name: str | None,
    workstream: str | None,
    form: str,
    as_json: bool,
    otel: str | None,
    trace_file: str | None,
) -> None:
    """Report what a run did, learned, cost and saved."""
    site = find_site(start)
    ledger, watched = Ledgers().read(site, run_argument or run_name)
    now = time.time()
    if trace_file is not None:
        _write(trace(ledger.recorder.measured(now, watched=watched)), trace_file)
    values = ledger.report(now=now, watched=watched, learned=learned_from(site, ledger.run))
    keep_summary(site, values, number=ledger.number)
    if otel is not None:
        _write(metrics(values, version=__version__, now=now), otel)
    if otel is not None or trace_file is not None:
        return
    wanted = requests.find_workstream([ws["id"] for ws in values["workstreams"]], workstream) if workstream else ""
    if as_json or form == "json":
        if wanted:
            values = {**values, "workstreams": [ws for ws in values["workstreams"] if ws["id"] == wanted]}
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    click.echo(report_markdown(values, workstream=wanted), nl=False)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all runs as JSON.")
@_OTEL
@click.pass_obj
def stats(start: str, as_json: bool, otel: str | None) -> None:
    """Show time, speed-up, cost and rework of all runs."""
    now = time.time()
    values = all_stats(find_site(start), now=now)
    if otel is not None:
        _write(stats_metrics(values, version=__version__, now=now), otel)
        return
    click.echo(json.dumps(values, indent=2, ensure_ascii=False) if as_json else stats_text(values), nl=as_json)


def _write(values: dict[str, Any], where: str) -> None:
    """Write values as JSON to standard output (`-`) or into a file, which is replaced as a whole."""
    text = json.dumps(values, ensure_ascii=False)
    if where == "-":
        click.echo(text)
        return
    try:
        replace_file(where, f"{text}\n")
    except OSError as error:
        raise Refused(
            f"{where} cannot be written: {error.strerror}", hint="name a file in an existing folder"
        ) from error
    click.echo(f"{symbol('done')} Wrote {where}", err=True)
