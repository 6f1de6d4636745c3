"""`wto review WS`: the review packet of a workstream, as text, Markdown or JSON."""

from __future__ import annotations

import json
from typing import Any

import click

from wt_orchestrate import wiring
from wt_orchestrate.cli.render import symbol
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.domain.packet import packet, packet_text
from wt_orchestrate.domain.state import RunState, WorkstreamState
from wt_orchestrate.domain.text import clean, counted
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import NotFound

_FLAGS = 40
_MARKDOWN = 65_000
_WEIGHTS = {"high": "error", "medium": "warning", "low": "nothing"}


@click.command()
@click.argument("workstream")
@click.option("--diff", "with_diff", is_flag=True, help="The diff behind it.")
@click.option("--format", "form", type=click.Choice(["text", "md", "json"]), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--run", "run_name", help="The run; the newest by default.")
@click.pass_obj
def review(start: str, workstream: str, with_diff: bool, form: str, as_json: bool, run_name: str | None) -> None:
    """What was asked, what its agent says, what the diff really does, what was checked, and what to look at."""
    site = wiring.find_site(start)
    log = wiring.open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    log.close()
    ws = state.workstreams[requests.find_workstream(state.workstreams, workstream)]
    base, head = _ends(state, ws)
    found = packet(state, ws, wiring.file_diffs(site, base=base, head=head))
    if as_json or form == "json":
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if form == "md":
        click.echo(packet_text(found, _MARKDOWN), nl=False)
    else:
        _tell(found)
    if with_diff:
        text = wiring.vault(site).diff(base=base, head=head).decode("utf-8", "replace")
        click.echo("\n" + "\n".join(clean(line) for line in text.split("\n")), nl=False)


def _ends(state: RunState, ws: WorkstreamState) -> tuple[CommitId, CommitId]:
    """From where to where its work reaches. Raises NotFound while there is none."""
    base, head = ws.base or state.base, ws.conflict_head or ws.accepted or ws.head
    if head is None or head == ws.base:
        raise NotFound(f"{ws.id} has no commits yet", hint=f"wto status {ws.id}")
    return base, head


def _tell(found: dict[str, Any]) -> None:
    does, says = found["does"], found["says"]
    click.echo(
        f"{found['workstream']} → {found['target']}   {found['stage']} · {counted(len(does['files']), 'file')} "
        f"+{does['added']} -{does['deleted']}"
    )
    _row("Asked", found["asked"]["title"] or found["asked"]["brief"].strip().partition("\n")[0])
    _row("Says", f"{says['status'] or 'nothing'}{': ' if says['summary'] else ''}{says['summary']}")
    for area in does["areas"][:8]:
        _row("Does", f"{area['area']}: {counted(area['files'], 'file')} +{area['added']} -{area['deleted']}")
    for moved in does["moved"][:5]:
        _row("", f"{counted(moved['lines'], 'line')} moved from {moved['from']} to {moved['to']}")
    for check in found["checks"]:
        mark = symbol("done" if check["outcome"] == "passed" else "error")
        _row(
            "Checks",
            f"{mark} {check['command']} {check['outcome']} in {check['duration_s']:.1f} s on {check['tree'][:10]}",
        )
    if not found["checks"]:
        _row("Checks", "none has run on its work yet")
    for path, how in found["conflict"]["settled_by"].items():
        _row("Merged", f"{path} was in conflict; settled by {how}")
    for flag in found["flags"][:_FLAGS]:
        place = f"{flag['path']}:{flag['line']}" if flag["line"] else flag["path"]
        _row("Look at", f"{symbol(_WEIGHTS[flag['weight']])} {place} {flag['text']} ({flag['kind']})")
    if len(found["flags"]) > _FLAGS:
        _row("", f"and {len(found['flags']) - _FLAGS} more; see --json")
    for other in found["overlaps"]:
        _row("Beside", f"{other['workstream']} ({other['stage']}) touches {', '.join(other['paths'][:5])}")
    for text in found["contradictions"]:
        _row("Against", text)
    for text in found["questions"]:
        _row("Asks you", text)
    if found["read_first"]:
        _row("Read first", ", ".join(found["read_first"][:5]))
    click.echo(f"{symbol('hint')} To see the diff, run wto review {found['workstream']} --diff")


def _row(name: str, text: str) -> None:
    first, *rest = clean(text).splitlines() or [""]
    click.echo(f"{name:<10} {first}")
    for line in rest[:6]:
        click.echo(f"{'':<10} {line}")
