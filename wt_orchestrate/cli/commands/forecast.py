"""`wto forecast`: which workstreams or branches would conflict if all were merged now, as a matrix and a list."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence

import click

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.events.forecast import Clash
from wt_orchestrate.domain.text.clean import clean, counted, some_of
from wt_orchestrate.errors import ExitCode
from wt_orchestrate.ports.git.forecast import MergeForecast
from wt_orchestrate.wiring.read.forecast import Foresight, foresee_branches, foresee_run
from wt_orchestrate.wiring.site import find_site

_ROWS = 24
"""The most sides that a matrix shows."""
_LISTED = 50
_PATHS = 5


@click.command()
@click.argument("branches", nargs=-1)
@click.option("--run", "run_name", help="The run (default: the newest). Not with BRANCHES.")
@click.option("--target", help="Merge BRANCHES onto this (default: the current branch).")
@click.option("--check", "--exit-code", "judging", is_flag=True, help="Exit with 6 if there is a conflict.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def forecast(
    start: str, branches: tuple[str, ...], run_name: str | None, target: str | None, judging: bool, as_json: bool
) -> None:
    """Predict merge conflicts between workstreams or branches. Includes uncommitted work. With BRANCHES, needs no run."""
    if branches and run_name:
        raise click.UsageError("name either branches or a run")
    if target and not branches:
        raise click.UsageError("--target works only with branches; a run uses its integration branch")
    site = find_site(start)
    found = foresee_branches(site, branches, target) if branches else foresee_run(site, run_name)
    if as_json:
        click.echo(json.dumps(_values(found), indent=2, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in forecast_lines(found, width=width):
            click.echo(line)
    if judging and found.forecast.conflicts:
        raise SystemExit(ExitCode.CONFLICT)


def _values(found: Foresight) -> dict[str, object]:
    return {
        "schema": "wto.forecast/1",
        "run": found.run or None,
        "onto": {"branch": found.onto, "head": found.against},
        "sides": [{"name": s.name, "head": s.head, "worktree": s.worktree or None} for s in found.sides],
        "conflicts": [_pair(each) for each in found.forecast.conflicts],
        "touching": [_pair(each) for each in found.forecast.touching],
        "untold": [{"name": each.workstream, "reason": each.reason} for each in found.forecast.blind],
        "merged": found.forecast.merged,
    }


def _pair(each: Clash) -> dict[str, object]:
    return {"one": each.one, "other": each.other or None, "paths": list(each.paths)}


# ---------------------------------------------------------------- for people


def forecast_lines(found: Foresight, *, width: int | None) -> list[str]:
    """The matrix, what conflicts where, and a summary."""
    seen, names = found.forecast, [side.name for side in found.sides]
    if not names:
        return [f"{symbol('nothing')} nothing to compare"]
    shown = _shown(names, seen, most=_ROWS if width is None else max(2, min(_ROWS, (width - 24) // 4)))
    lines = _matrix(shown, seen) if seen.conflicts or seen.touching else []
    if len(shown) < len(names) and lines:
        lines.append(f"({len(shown)} of {len(names)} shown, most conflicts first; see --json)")
    lines += [_told(each, found.onto) for each in seen.conflicts[:_LISTED]]
    if len(seen.conflicts) > _LISTED:
        lines.append(f"({len(seen.conflicts) - _LISTED} more conflicts; see --json)")
    lines += [
        f"{symbol('warning')} {clean(each.workstream)}: uncommitted work not included: {clean(each.reason)}"
        for each in seen.blind
    ]
    return [*lines, _summary(found)]


def _summary(found: Foresight) -> str:
    seen = found.forecast
    count = len(found.sides)
    what = counted(count, "workstream") if found.run else f"{count} {'branch' if count == 1 else 'branches'}"
    told = (
        f"{counted(len(seen.conflicts), 'conflict')}, {counted(len(seen.touching), 'pair')} in the same files "
        "without a conflict"
    )
    return f"{symbol('error' if seen.conflicts else 'done')} {what} onto {clean(found.onto)}: {told}"


def _told(each: Clash, onto: str) -> str:
    where = some_of([_one_line(path) for path in each.paths], _PATHS) or "what git cannot merge at all"
    return f"{symbol('error')} {clean(each.one)} and {clean(each.other or onto)}: {where}"


def _one_line(text: str) -> str:
    return clean(text).replace("\n", "\\n")


def _shown(names: Sequence[str], seen: MergeForecast, *, most: int) -> Sequence[str]:
    """All sides if there are few, else those with the most conflicts or overlaps; in order."""
    if len(names) <= most:
        return names
    weight = {name: [0, 0] for name in names}
    for place, pairs in enumerate((seen.conflicts, seen.touching)):
        for each in pairs:
            for name in filter(None, (each.one, each.other)):
                weight[name][place] += 1
    concerned = [name for name in names if any(weight[name])]
    chosen = set(sorted(concerned, key=lambda name: [-count for count in weight[name]])[:most])
    return [name for name in names if name in chosen]


def _matrix(names: Sequence[str], seen: MergeForecast) -> list[str]:
    """One row for each, against the target and those above; columns by number."""
    cells = {(each.one, each.other): symbol("touching") for each in seen.touching}
    cells |= {(each.one, each.other): f"{symbol('error')}{len(each.paths) or ''}" for each in seen.conflicts}
    labels = [f"{number} {clean(name)}" for number, name in enumerate(names, 1)]
    rows = [
        [label, _cell(cells, name, ""), *(_cell(cells, other, name) for other in names[:place])]
        for place, (label, name) in enumerate(zip(labels, names, strict=True))
    ]
    head = ["", "onto", *(str(number) for number in range(1, len(names)))]
    sizes = [max(len(row[column]) for row in (head, *rows) if column < len(row)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=False)).rstrip() for row in (head, *rows)
    ]


def _cell(cells: dict[tuple[str, str], str], one: str, other: str) -> str:
    return cells.get((one, other)) or cells.get((other, one)) or symbol("apart")
