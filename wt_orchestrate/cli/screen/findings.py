"""Findings of a preflight as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

import click

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.preflight import FindingWeight, PreflightFinding
from wt_orchestrate.domain.text.clean import clean

_SYMBOLS = {FindingWeight.REFUSE: "error", FindingWeight.WARN: "warning", FindingWeight.NOTE: "nothing"}


def finding_lines(found: PreflightFinding) -> Iterator[str]:
    """What was found, and below it what to do."""
    yield f"{symbol(_SYMBOLS[found.weight])} {found.what}: {clean(found.found)}"
    if found.remedy:
        yield f"  {symbol('hint')} {clean(found.remedy)}"


def tell_finding(found: PreflightFinding) -> None:
    """Say it beside the answer."""
    for line in finding_lines(found):
        click.echo(line, err=True)


def finding_values(found: PreflightFinding) -> dict[str, str | None]:
    """The form of `--json`."""
    return {
        "id": found.id,
        "weight": found.weight.value,
        "what": found.what,
        "found": found.found,
        "remedy": found.remedy or None,
    }
