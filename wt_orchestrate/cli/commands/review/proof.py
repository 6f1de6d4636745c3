"""`wto proof COMMIT`: show path by path that a merge lost nothing; exit code 6 if it did."""

from __future__ import annotations

import json

import click

from wt_orchestrate.cli.screen.hunks import hunk_lines
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.replace import plain
from wt_orchestrate.domain.text.clean import clean, counted, some_of
from wt_orchestrate.errors import ExitCode
from wt_orchestrate.ports.git.conflicts import ResolvedFile
from wt_orchestrate.ports.git.merges import Explained
from wt_orchestrate.wiring.read.runs import explained, passed_on
from wt_orchestrate.wiring.site import find_site

_SHOWN = 20


@click.command()
@click.argument("commit")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def proof(start: str, commit: str, as_json: bool) -> None:
    """Show where each change in a merge commit comes from. Lists every path, every patch and every line that is gone."""
    site = find_site(start)
    found = explained(site, commit)
    checks = passed_on(site, found.trailers.get("Wto-Run", ""), found.tree)
    if as_json:
        passed = [plain(check) for check in checks]
        shown = {"schema": "wto.proof/1", "proven": not found.gone, **plain(found), "checks": passed}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        _tell(found)
        for check in checks:
            click.echo(f"{symbol('done')} `{clean(check.command)}` passed on its tree in {check.duration_s:.1f} s")
    if found.gone:
        raise SystemExit(ExitCode.CONFLICT)


def _tell(found: Explained) -> None:
    of = " ".join(f"{key}: {clean(value)}" for key, value in found.trailers.items() if key.startswith("Wto-"))
    click.echo(
        f"{found.merge[:12]} merges {found.theirs[:12]} into {found.ours[:12]} (base {found.base[:12]})  {of}".rstrip()
    )
    ways: dict[str, list[str]] = {}
    for path, how in found.paths.items():
        ways.setdefault(how, []).append(path)
    for how, paths in ways.items():
        mark = symbol("error" if how == "not explained" else "done")
        click.echo(f"{mark} {how}: {clean(some_of(paths, _SHOWN))}")
    for patch in found.patches:
        mark = symbol("done" if patch.whole else "error")
        click.echo(
            f"{mark} patch {patch.commit[:12]} {clean(patch.subject)}{'' if patch.whole else ' (not all of it)'}"
        )
    for file in found.resolved:
        click.echo(f"{symbol('done' if file.whole else 'warning')} {clean(file.path)} had a conflict:")
        for line in hunk_lines(plain(file), ours="first parent", theirs="second parent"):
            click.echo(f"    {clean(line)}")
    for file in found.gone:
        _tell_gone(file)
    if found.gone:
        click.echo(
            f"{symbol('error')} not proven: {counted(len(found.gone), 'path')} of the result cannot come from a merge of both"
        )
    else:
        click.echo(f"{symbol('done')} proven: nothing that either side changed is lost")


def _tell_gone(file: ResolvedFile) -> None:
    took = f"; it is the {'first' if file.took == 'ours' else 'second'} parent unchanged" if file.took else ""
    click.echo(f"{symbol('warning')} {clean(file.path)}{'' if file.text else ' is not text'}{took}")
    for whose, lines, count in (
        ("the first parent", file.dropped_ours, file.dropped[0]),
        ("the second parent", file.dropped_theirs, file.dropped[1]),
    ):
        for line in lines[:_SHOWN]:
            click.echo(f"    removed by {whose}: {clean(line)}")
        if count > len(lines[:_SHOWN]):
            click.echo(f"    and {count - len(lines[:_SHOWN])} more; see --json")
    if file.mode:
        click.echo(f"    its mode {file.mode} is from neither parent")
    for number in file.markers:
        click.echo(f"    line {number} is a conflict marker")
