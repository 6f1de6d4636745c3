"""`wto memory`: what later runs are told about a repository (add, list, search, show, forget, export, import, learn)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import click

from wt_orchestrate.cli.screen.style import age, symbol
from wt_orchestrate.domain.memory.entries import (
    KINDS,
    PERSON,
    MemoryEntry,
    MemoryLayer,
    Recalled,
    Source,
    note,
    paths_of,
    source_words,
    withheld,
)
from wt_orchestrate.domain.text.clean import clean, counted, time_of_day
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import ExitCode
from wt_orchestrate.ports.memory import Kept
from wt_orchestrate.wiring import memory as wiring_memory
from wt_orchestrate.wiring.memory import (
    aged,
    export_memory,
    import_memory,
    looked_from,
    memories,
    memory_path,
    named_entry,
    recall,
    remember,
)
from wt_orchestrate.wiring.site import clock, find_site, open_log

SCHEMA = "wto.memory/1"
_SHOWN = 160

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_dry = click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; change nothing.")
_layer = click.option("--layer", type=click.Choice([layer.value for layer in MemoryLayer]), help="Only this layer.")
_path = click.option(
    "--path", "paths", multiple=True, metavar="PATH", help="A file, folder or glob it is about (repeatable)."
)


@click.group()
def memory() -> None:
    """Show and edit what later runs learn about this repository."""


@memory.command()
@click.argument("text")
@click.option(
    "--layer",
    type=click.Choice([layer.value for layer in MemoryLayer]),
    default="strategic",
    show_default=True,
    help="How far it reaches.",
)
@click.option("--kind", type=click.Choice(KINDS), default="note", show_default=True, help="What it is.")
@_path
@_dry
@_json
@click.pass_obj
def add(start: str, text: str, layer: str, kind: str, paths: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Remember something. If it is known already, this adds a source. With --path it is marked stale when those files
    change."""
    site = find_site(start)
    now = clock().now()
    commit = looked_from(site) if paths and not dry_run else None
    source = Source(who=PERSON, commit=commit or "", paths=paths, at=now)
    try:
        made = note(text, layer=MemoryLayer(layer), kind=kind, sources=(source,), vouched=True)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    kept = memories(site).preview((made,), now=now)[0] if dry_run else remember(site, (made,))[0]
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, **_kept_values(kept)}, ensure_ascii=False))
        return
    word = {True: "Would remember" if dry_run else "Remembered", False: "Known already as"}[kept.new]
    click.echo(f"{symbol('done' if kept.changed else 'nothing')} {word} {kept.entry.id}")
    for flag in kept.entry.flags:
        click.echo(f"  {symbol('warning')} it {flag}; agents get it anyway, because you added it")


@memory.command("list")
@_layer
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option("--stale", "only_stale", is_flag=True, help="Only entries whose files have changed since.")
@click.option("--flagged", "only_flagged", is_flag=True, help="Only entries that look like an instruction.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Show at most this many.")
@_json
@click.pass_obj
def list_(
    start: str, layer: str | None, kind: str | None, only_stale: bool, only_flagged: bool, limit: int, as_json: bool
) -> None:
    """List the entries, newest first."""
    site = find_site(start)
    store = memories(site)
    filtered = only_stale or only_flagged
    entries = store.entries(
        layer=MemoryLayer(layer) if layer else None, kind=kind or "", limit=None if filtered else limit
    )
    found = aged(site, [entry for entry in entries if entry.flags or not only_flagged])
    shown = [each for each in found if each.stale or not only_stale][:limit]
    _tell(shown, total=store.count(), as_json=as_json)


@memory.command()
@click.argument("query", nargs=-1)
@_path
@click.option("--limit", type=click.IntRange(1, 1_000), default=10, show_default=True, help="Show at most this many.")
@_json
@click.pass_obj
def search(start: str, query: tuple[str, ...], paths: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find the entries that best match words or paths."""
    if not query and not paths:
        raise click.UsageError("give search words, a --path, or both")
    site = find_site(start)
    found = recall(site, query=" ".join(query), paths=paths, limit=limit, characters=1_000_000)
    _tell(found, total=memories(site).count(), as_json=as_json)


@memory.command()
@click.argument("entry")
@_json
@click.pass_obj
def show(start: str, entry: str, as_json: bool) -> None:
    """Show one entry: its text, sources and uses."""
    site = find_site(start)
    found = named_entry(site, entry)
    recalled = aged(site, [found])[0]
    uses = [{"run": run, "workstream": workstream} for run, workstream in memories(site).uses(found.id)]
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, **_values(recalled), "used_by": uses}, ensure_ascii=False, indent=2))
        return
    click.echo(
        f"{found.id} {found.layer.value} {found.kind}, recorded {counted(found.times, 'time')}{_doubts(recalled)}"
    )
    for line in clean(found.text).splitlines():
        click.echo(f"  {line}")
    for source in found.sources:
        one = source_words(MemoryEntry(id=found.id, layer=found.layer, kind=found.kind, text="", sources=(source,)))
        about = f": {', '.join(source.paths)}" if source.paths else ""
        click.echo(f"{symbol('detail')} {one}{f', {time_of_day(source.at)}' if source.at else ''}{about}")
    for flag in found.flags:
        click.echo(f"{symbol('warning')} it {flag}{'; not shown to agents' if withheld(found) else ''}")
    told = ", ".join(f"{use['run']}/{use['workstream']}" for use in uses)
    click.echo(
        f"{symbol('detail')} used in the briefs of {told}" if told else f"{symbol('nothing')} not used in a brief yet"
    )


@memory.command()
@click.argument("entries", nargs=-1, required=True)
@_dry
@_json
@click.pass_obj
def forget(start: str, entries: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Forget entries for good. No later brief contains them, and learning from a run again does not bring them back.
    Logs of past runs stay as they are."""
    site = find_site(start)
    named = [named_entry(site, entry).id for entry in entries]
    gone = list(dict.fromkeys(named)) if dry_run else memories(site).forget(named)
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "forgotten": list(gone), "dry_run": dry_run}))
        return
    click.echo(f"{symbol('done')} {'Would forget' if dry_run else 'Forgot'} {', '.join(gone)}")


@memory.command("export")
@click.argument("file", required=False)
@click.option("--all", "everything", is_flag=True, help="Include entries about single attempts and flagged ones.")
@_dry
@_json
@click.pass_obj
def export_(start: str, file: str | None, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Write the memory as markdown. The default is .wto/memory.md, which a team can share; - is standard output."""
    site = find_site(start)
    path = "" if file == "-" else os.path.abspath(file) if file else memory_path(site)
    text, count = export_memory(site, path, everything=everything, dry=dry_run)
    if file == "-":
        click.echo(text, nl=False)
        return
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "path": path, "entries": count, "dry_run": dry_run}))
        return
    many = f"{count} {'entry' if count == 1 else 'entries'}"
    click.echo(f"{symbol('done')} {'Would write' if dry_run else 'Wrote'} {many} to {path}")


@memory.command("import")
@click.argument("file", required=False)
@_dry
@_json
@click.pass_obj
def import_(start: str, file: str | None, dry_run: bool, as_json: bool) -> None:
    """Read entries from a markdown file. Safe to repeat. Exits with 3 if a part cannot be read."""
    site = find_site(start)
    path = os.path.abspath(file) if file else memory_path(site)
    kept, problems = import_memory(site, path, dry=dry_run)
    new, changed = sum(each.new for each in kept), sum(each.changed and not each.new for each in kept)
    if as_json:
        values = {
            "schema": SCHEMA,
            "path": path,
            "new": new,
            "changed": changed,
            "known": len(kept) - new - changed,
            "dry_run": dry_run,
            "entries": [_kept_values(each) for each in kept],
            "problems": [{"line": each.line, "message": each.message} for each in problems],
        }
        click.echo(json.dumps(values, ensure_ascii=False))
    else:
        for problem in problems:
            click.echo(f"{path}:{problem.line}: {clean(problem.message)}", err=True)
        would = "Would import" if dry_run else "Imported"
        click.echo(f"{symbol('done')} {would} {new} new, {changed} changed; {len(kept) - new - changed} known already")
    if problems:
        raise SystemExit(ExitCode.INVALID)


@memory.command()
@click.option("--run", "run_name", help="The run (default: the newest).")
@_json
@click.pass_obj
def learn(start: str, run_name: str | None, as_json: bool) -> None:
    """Learn from a run that has ended. Every run does this at its end; it is safe to repeat."""
    site = find_site(start)
    log = open_log(site)
    name = requests.find_run(log, run_name)
    log.close()
    learned = wiring_memory.learn(site, name, again=True)
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "run": name, "entries": learned.entries}))
        return
    click.echo(f"{symbol('done')} {counted(learned.entries, 'thing')} learned from {name}: wto memory list")


# ---------------------------------------------------------------- showing


def _tell(found: Sequence[Recalled], *, total: int, as_json: bool) -> None:
    if as_json:
        values = {"schema": SCHEMA, "total": total, "entries": [_values(each) for each in found]}
        click.echo(json.dumps(values, ensure_ascii=False, indent=2))
        return
    for each in found:
        entry = each.entry
        text = " ".join(clean(entry.text).split())
        short = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
        click.echo(f"{entry.id:<5} {entry.kind:<10} {short}")
        click.echo(f"      {symbol('detail')} {source_words(entry)}, {_since(entry)}{_doubts(each)}")
    if not found:
        click.echo(f"{symbol('nothing')} no match among {total}" if total else f"{symbol('nothing')} no entries yet")


def _since(entry: MemoryEntry) -> str:
    return f"{age(max(0.0, clock().now() - entry.seen_at))} ago"


def _doubts(each: Recalled) -> str:
    words = f"; stale: {', '.join(each.stale[:3])} changed since" if each.stale else ""
    words += "; unknown whether its files changed" if each.unknown else ""
    return words + (f"; flagged: it {each.entry.flags[0]}" if each.entry.flags else "")


def _kept_values(kept: Kept) -> dict[str, Any]:
    return {"id": kept.entry.id, "new": kept.new, "changed": kept.changed, "flags": list(kept.entry.flags)}


def _values(each: Recalled) -> dict[str, Any]:
    entry = each.entry
    return {
        "id": entry.id,
        "layer": entry.layer.value,
        "kind": entry.kind,
        "text": entry.text,
        "paths": list(paths_of(entry)),
        "stale": list(each.stale),
        "stale_unknown": each.unknown,
        "flags": list(entry.flags),
        "kept_from_agents": withheld(entry),
        "times": entry.times,
        "added_at": time_of_day(entry.added_at),
        "seen_at": time_of_day(entry.seen_at),
        "score": round(each.score, 4),
        "sources": [
            {
                "who": source.who,
                "run": source.run or None,
                "workstream": source.workstream or None,
                "commit": source.commit or None,
                "paths": list(source.paths),
                "at": time_of_day(source.at) if source.at else None,
            }
            for source in entry.sources
        ],
    }
