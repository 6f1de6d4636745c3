"""`wto init` and `wto doctor`."""

from __future__ import annotations

import json
import os

import click

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.errors import ExitCode
from wt_orchestrate.resources import resource
from wt_orchestrate.wiring import site as wiring_site
from wt_orchestrate.wiring.doctor import diagnosis
from wt_orchestrate.wiring.memory import repair_memory
from wt_orchestrate.wiring.plan.plan_files import read_settings, settings_path
from wt_orchestrate.wiring.run.preflight import is_sparse
from wt_orchestrate.wiring.run.supervise import rebuild_log
from wt_orchestrate.wiring.site import Site, find_site, mark


@click.command()
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be written; change nothing.")
@click.pass_obj
def init(start: str, dry_run: bool) -> None:
    """Set up a repository: write .wto/config.yaml. Also keeps HANDOFF.md out of commits. Safe to repeat."""
    site = find_site(start)
    repository = wiring_site.repository(site)
    facts = repository.facts()
    if facts.main_worktree is None:
        raise click.UsageError(
            "a bare repository has no worktree to write .wto/config.yaml into; commit it from a clone"
        )
    path = settings_path(facts)
    if dry_run:
        click.echo(f"{symbol('nothing')} Would write {path} and add HANDOFF.md to {facts.common_dir}/info/exclude")
        return
    excluded = repository.exclude(("/HANDOFF.md",))
    written = _write_config(path)
    mark(site)
    read_settings(facts)
    word = "Wrote" if written else "Kept"
    click.echo(f"{symbol('done' if written else 'nothing')} {word} {path}")
    click.echo(f"{symbol('done' if excluded else 'nothing')} HANDOFF.md is excluded in {facts.common_dir}/info/exclude")
    if is_sparse(site):
        click.echo(f"  {symbol('hint')} Your checkout is sparse: git sparse-checkout add .wto keeps the settings in it")
    click.echo(f"  {symbol('hint')} Next: commit .wto/config.yaml, run wto doctor, then wto plan new plan.yaml")


def _write_config(path: str) -> bool:
    """Write the commented defaults, unless there is a file already."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(resource("templates", "config.yaml"), encoding="utf-8") as template:
        text = template.read()
    try:
        with open(path, "x", encoding="utf-8") as config:
            config.write(text)
    except FileExistsError:
        return False
    return True


def _rebuild(site: Site, *, as_json: bool) -> None:
    aside = rebuild_log(site)
    click.echo(f"{symbol('done')} Rebuilt the event log from its journal", err=as_json)
    if aside:
        click.echo(f"  {symbol('hint')} The old one is {aside}", err=as_json)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--rebuild", is_flag=True, help="Rebuild the event log from its journal; keeps the old log.")
@click.pass_obj
def doctor(start: str, as_json: bool, rebuild: bool) -> None:
    """Check the setup and say how to fix each problem. Exits with 1 if something must be fixed."""
    if rebuild:
        site = find_site(start)
        repaired = repair_memory(site)
        for moved in repaired:
            click.echo(f"{symbol('done')} Repaired the memory; the damaged file is {moved}", err=as_json)
        if not repaired or os.path.exists(site.path("journal.jsonl")):
            _rebuild(site, as_json=as_json)
    findings = diagnosis(start)
    bad = any(finding.weight == "error" for finding in findings)
    if as_json:
        values = [
            {"what": f.what, "state": f.weight, "found": f.found, "remedy": f.remedy or None, "id": f.id or None}
            for f in findings
        ]
        click.echo(
            json.dumps({"schema": "wto.doctor/1", "ok": not bad, "findings": values}, ensure_ascii=False, indent=2)
        )
    else:
        for finding in findings:
            click.echo(f"{symbol({'ok': 'done'}.get(finding.weight, finding.weight))} {finding.what}: {finding.found}")
            if finding.remedy:
                click.echo(f"  {symbol('hint')} {finding.remedy}")
    if bad:
        raise SystemExit(ExitCode.FAILED)
