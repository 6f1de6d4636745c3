"""`wto pr`: pull requests of workstreams: open, sync, status."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import chain
from string import Template
from typing import Any

import click

from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain.events.log import workstream_of
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.settings import ForgeKind, ForgeSettings
from wt_orchestrate.domain.replace import plain, replace
from wt_orchestrate.domain.review.packet import packet_text
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState
from wt_orchestrate.domain.text.clean import addressless, clean
from wt_orchestrate.domain.text.status_words import shown
from wt_orchestrate.engine import requests
from wt_orchestrate.engine.exposure import Allowance
from wt_orchestrate.engine.pull_requests.open import (
    Done,
    Wording,
    candidates,
    head_of,
    open_pull_requests,
    withheld_words,
)
from wt_orchestrate.engine.pull_requests.sync import sync_pull_requests
from wt_orchestrate.errors import ExitCode, NotFound, Refused
from wt_orchestrate.wiring import forge
from wt_orchestrate.wiring.forge import pull_request_template
from wt_orchestrate.wiring.read.review import reviewed, reviewed_state
from wt_orchestrate.wiring.requests import Requests, open_requests
from wt_orchestrate.wiring.site import Site, find_site, supervised, vault

_BODY, _REST, _TITLE = 60_000, 2_000, 120
_ALL = "\0all"
_KINDS = tuple(kind.value for kind in ForgeKind if kind not in {ForgeKind.AUTO, ForgeKind.OFF})


@click.group()
def pr() -> None:
    """Open, update and show pull requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pushing:
    """What may be pushed, and which forge to use if its name does not say: a person's options for this time."""

    word: Allowance
    kind: str | None
    api: str | None

    def settings(self, state: RunState) -> ForgeSettings:
        """The settings when the run started, because agents may have changed the file since; a person's options come
        first."""
        known = state.settings.forge
        return replace(known, kind=ForgeKind(self.kind) if self.kind else known.kind, api=self.api or known.api)


def _pushes(function: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that pushes, passed to it as `pushing`."""

    @wraps(function)
    def command(
        *args: Any,
        allow_protected: bool,
        marks: tuple[str, ...],
        allow_large: bool,
        allow_held: bool,
        kind: str | None,
        api: str | None,
        **given: Any,
    ) -> None:
        word = Allowance(protected=allow_protected, large=allow_large, held=allow_held, secrets=marks)
        function(*args, pushing=_Pushing(word=word, kind=kind, api=api), **given)

    options = (
        click.option("--allow-protected", is_flag=True, help="Also push changes to protected paths."),
        click.option(
            "--allow-secret", "marks", multiple=True, metavar="MARK", help="Allow this finding: it is not a secret."
        ),
        click.option("--allow-large", is_flag=True, help="Also push files larger than largest_mb."),
        click.option("--allow-held", is_flag=True, help="Also push unusual names and deletions that are held."),
        click.option("--forge", "kind", type=click.Choice(_KINDS), help="The kind of forge, for this call."),
        click.option("--api", metavar="URL", help="The URL of the forge's API, for this call."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@pr.command("open")
@click.argument("workstreams", nargs=-1)
@click.option(
    "--run", "run_name", is_flag=False, flag_value=_ALL, metavar="[RUN]",
    help="All integrated workstreams of this run (default: the newest).",
)  # fmt: skip
@click.option("--draft", is_flag=True, help="Open drafts; allows work that is not integrated yet.")
@click.option("--label", "labels", multiple=True, help="Add a label to those in the settings (repeatable).")
@_pushes
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be opened; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def open_(
    start: str,
    workstreams: tuple[str, ...],
    run_name: str | None,
    draft: bool,
    labels: tuple[str, ...],
    pushing: _Pushing,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Push branches and open or update their pull requests."""
    if not workstreams and run_name is None:
        raise click.UsageError("name WORKSTREAMS, or use --run for all of a run")
    site = find_site(start)
    state = reviewed_state(site, None if run_name == _ALL else run_name)
    settings = pushing.settings(state)
    names = _wanted(state, workstreams, draft=draft)
    words = {name: _wording(site, state, state.workstreams[name]) for name in names}
    if dry_run:
        for name in names:
            _preview(site, state, state.workstreams[name], pushing.word, words[name].title)
        return
    with open_requests(site) as put:
        ports = forge.pull_request_ports(site, state, settings, put, word=pushing.word)
        done = open_pull_requests(
            ports, state, names, wording=words, draft=draft or settings.draft, labels=(*settings.labels, *labels)
        )
        _tell(chain(done, _refused(put)), state, as_json=as_json)


@pr.command()
@click.option("--run", "run_name", help="The run (default: the newest).")
@_pushes
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def sync(
    start: str,
    run_name: str | None,
    pushing: _Pushing,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Push new work, send review remarks to agents, note merges."""
    site = find_site(start)
    state = reviewed_state(site, run_name)
    if not any(ws.pull_request is not None for ws in state.workstreams.values()):
        raise NotFound(f"{state.id} has no pull requests", hint="wto pr open --run")
    with open_requests(site) as put:
        ports = forge.pull_request_ports(site, state, pushing.settings(state), put, word=pushing.word, dry=dry_run)
        if dry_run and not as_json:
            click.echo(f"{symbol('nothing')} Dry run; this is what would be done", err=True)
        done = sync_pull_requests(ports, state, wording=lambda ws: _wording(site, state, ws))
        _tell(chain(done, _refused(put)), state, as_json=as_json)
        waiting = bool(put.waiting(state.id))
    if waiting and not dry_run and not supervised(site) and not as_json:
        click.echo(f"{symbol('hint')} No supervisor runs {state.id}; to work on the remarks, run wto resume")


@pr.command()
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(start: str, run_name: str | None, as_json: bool) -> None:
    """Show the pull requests of a run as last seen."""
    state = reviewed_state(find_site(start), run_name)
    found = [(ws, ws.pull_request) for ws in state.workstreams.values() if ws.pull_request is not None]
    if as_json:
        rows = [{"workstream": ws.id, "stage": ws.stage.value, **plain(known)} for ws, known in found]
        click.echo(json.dumps({"schema": "wto.pull-requests/1", "run": state.id, "pull_requests": rows}, indent=2))
        return
    if not found:
        click.echo(f"{symbol('nothing')} {state.id} has no pull requests; to open them, run wto pr open --run")
    for ws, known in found:
        draft = " (draft)" if known.draft else ""
        number = f"#{known.number} " if known.number else ""
        click.echo(
            clean(
                f"{symbol('done')} {ws.id}: {number}{known.state.value}{draft} into {known.base}  {known.url}".rstrip()
            )
        )


def _preview(site: Site, state: RunState, ws: WorkstreamState, word: Allowance, title: str) -> None:
    withheld = withheld_words(vault(site), state, ws, word)
    if withheld:
        click.echo(clean(f"{symbol('warning')} {ws.id}: {withheld}"))
    else:
        click.echo(f"{symbol('nothing')} Would push {head_of(state, ws)[:10]} as {ws.branch}: {title}")


def _wanted(state: RunState, names: Sequence[str], *, draft: bool) -> tuple[WorkstreamId, ...]:
    """The named workstreams, or all integrated ones. Raises Refused for what is not verified, unless it is for a draft."""
    able = {ws.id: ws for ws in candidates(state)}
    if not names:
        found = tuple(name for name, ws in able.items() if ws.stage is Stage.INTEGRATED)
        if not found:
            raise NotFound(f"nothing of {state.id} is integrated and not landed yet", hint="wto status")
        return found
    wanted = tuple(requests.find_workstream(state.workstreams, name) for name in names)
    for name in wanted:
        ws = state.workstreams[name]
        if name not in able:
            raise Refused(f"{name} has no commits for a pull request", hint=f"wto status {name}")
        if ws.stage is Stage.LANDED:
            raise Refused(f"{name} has already landed on {state.target}", hint="git log")
        if ws.stage is not Stage.INTEGRATED and not draft:
            raise Refused(
                f"{name} is {shown(ws.stage)}: only integrated work has passed the checks",
                hint=f"wto pr open {name} --draft",
            )
    return wanted


def _wording(site: Site, state: RunState, ws: WorkstreamState) -> Wording:
    found = reviewed(site, state, ws)
    title = " ".join(clean(ws.spec.title or ws.spec.brief.strip().partition("\n")[0]).split())[:_TITLE] or ws.id
    template = Template(pull_request_template(state.repository))
    packet = packet_text(found.packet, _BODY)

    def body(stack: str) -> str:
        values = {"packet": packet, "stack": stack, "run": state.id, "workstream": ws.id, "goal": state.plan.goal}
        text = template.safe_substitute(values, head=head_of(state, ws), target=state.target)
        return text[: _BODY + _REST]

    return Wording(title=addressless(title), body=body)


def _refused(put: Requests) -> Iterator[Done]:
    """Requests that the run refused in the end: it went on meanwhile."""
    for request, became in put.refusals():
        hint = f" ({became.hint})" if became.hint else ""
        name = workstream_of(request) or WorkstreamId("run")
        yield Done(workstream=name, words=f"{became.reason}{hint}", warning=True)


def _tell(done: Iterator[Done], state: RunState, *, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    warned = False
    for each in done:
        warned = warned or each.warning
        if as_json:
            known = plain(each.pull_request) if each.pull_request is not None else None
            rows.append(
                {"workstream": each.workstream, "words": each.words, "warning": each.warning, "pull_request": known}
            )
            continue
        click.echo(clean(f"{symbol('warning' if each.warning else 'done')} {each.workstream}: {each.words}"))
        if each.pull_request is not None and each.pull_request.url:
            click.echo(clean(f"    {each.pull_request.url}"))
    if as_json:
        click.echo(json.dumps({"schema": "wto.pr/1", "run": state.id, "done": rows}, ensure_ascii=False, indent=2))
    if warned:
        raise SystemExit(ExitCode.NEEDS_PERSON)
