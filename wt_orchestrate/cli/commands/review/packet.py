"""`wto review [WS]`: the review packet of a workstream, or of all there is to review, as text, Markdown, HTML or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from wt_orchestrate.cli.commands.steer import put_request
from wt_orchestrate.cli.html.review_page import page
from wt_orchestrate.cli.screen.hunks import hunk_lines
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.review.packet import packet_text, reviewed_head
from wt_orchestrate.domain.review.review_file import render_review_file
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState
from wt_orchestrate.domain.text.clean import at_line, clean, counted, some_of
from wt_orchestrate.domain.text.secrets import without_secrets
from wt_orchestrate.domain.text.status_words import shown
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import NotFound, Refused
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.wiring.read.review import Reviewed, reviewed, reviewed_state
from wt_orchestrate.wiring.site import Site, find_site, vault

_FLAGS = 40
_MARKDOWN = 65_000
_WEIGHTS = {"high": "error", "medium": "warning", "low": "nothing"}
_FOR_REVIEW = frozenset({Stage.CLAIMED, Stage.VERIFYING, Stage.VERIFIED, Stage.INTEGRATED})


@click.command()
@click.argument("workstream", required=False)
@click.option("--diff", "with_diff", is_flag=True, help="Include the diff.")
@click.option("--stat", "with_files", is_flag=True, help="Include every changed file, with line counts.")
@click.option("--html", "html_file", metavar="FILE", help="Write an HTML page to FILE (- for standard output).")
@click.option("--edit-file", metavar="FILE", help="Write the diff to FILE, for you to comment in.")
@click.option("--send", "sends", is_flag=True, help="Send all unsent comments to the agent.")
@click.option("--calls", is_flag=True, help="Also flag new calls to network, programs and eval.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "json"]),
    default="text",
    show_default=True,
    help="The output format.",
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.pass_obj
def review(
    start: str,
    workstream: str | None,
    with_diff: bool,
    with_files: bool,
    html_file: str | None,
    edit_file: str | None,
    sends: bool,
    calls: bool,
    form: str,
    as_json: bool,
    run_name: str | None,
) -> None:
    """Review a workstream: its brief, changes, checks and risks. Without WORKSTREAM, reviews all work that is claimed
    done."""
    site = find_site(start)
    state = reviewed_state(site, run_name)
    if (sends or edit_file) and workstream is None:
        raise click.UsageError("--send and --edit-file need a WORKSTREAM")
    if sends:
        assert workstream is not None
        send(site, state, requests.find_workstream(state.workstreams, workstream))
        return
    found = [reviewed(site, state, ws, calls=calls) for ws in _wanted(state, workstream)]
    if edit_file:
        text = render_review_file(found[0].packet["workstream"], found[0].head, found[0].files)
        _write(edit_file, text, hint=f"To send it, run wto comment {workstream} --from {edit_file}")
    elif html_file:
        text = page([(each.packet, each.files) for each in found])
        _write(html_file, text, hint=f"To comment, run wto comment {workstream or 'WORKSTREAM'} FILE:LINE ...")
    elif as_json or form == "json":
        packets = [each.packet for each in found]
        all_of_it = packets[0] if workstream else {"schema": "wto.reviews/1", "run": state.id, "packets": packets}
        click.echo(json.dumps(all_of_it, indent=2, ensure_ascii=False))
    elif form == "md":
        click.echo("\n".join(packet_text(each.packet, _MARKDOWN) for each in found), nl=False)
    else:
        for number, each in enumerate(found):
            _tell_all(site, each, first=number == 0, with_files=with_files, with_diff=with_diff)


def send(site: Site, state: RunState, name: str) -> None:
    """Send a workstream's unsent comments to its agent."""
    workstream = requests.find_workstream(state.workstreams, name)
    put_request(
        site,
        state,
        e.CommentsSendRequested(workstream=workstream),
        done=f"Sent to the agent of {workstream}; wto status {workstream} shows when it has read them",
        goes_on=True,
    )


def _wanted(state: RunState, workstream: str | None) -> Sequence[WorkstreamState]:
    if workstream is not None:
        return (state.workstreams[requests.find_workstream(state.workstreams, workstream)],)
    found = [
        ws for ws in state.workstreams.values() if ws.stage in _FOR_REVIEW and reviewed_head(ws) not in {None, ws.base}
    ]
    if not found:
        raise NotFound(f"nothing in {state.id} is claimed done", hint="wto status")
    return found


def _write(path: str, text: str, *, hint: str) -> None:
    """Write an answer to a file that only its owner reads, or to the output; an existing file is replaced whole."""
    if path == "-":
        click.echo(text, nl=False)
        return
    try:
        replace_file(path, text.encode("utf-8", "replace"), mode=0o600)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}", hint="choose another place") from error
    click.echo(f"{symbol('done')} Wrote {path}\n  {symbol('hint')} {hint}")


def _tell_all(site: Site, found: Reviewed, *, first: bool, with_files: bool, with_diff: bool) -> None:
    if not first:
        click.echo("")
    _tell(found.packet)
    if with_files:
        click.echo("")
        for file in found.packet["does"]["files"]:
            old = f" (was {file['old']})" if file["old"] else ""
            lines = "binary" if file["binary"] else f"+{file['added']} -{file['deleted']}"
            click.echo(clean(f"{file['status']}  {lines:>12}  {file['path']}{old}"))
    if with_diff:
        text = vault(site).commits.diff(base=found.base, head=found.head).decode("utf-8", "replace")
        click.echo("\n" + "\n".join(clean(without_secrets(line)) for line in text.split("\n")), nl=False)


def _tell(found: dict[str, Any]) -> None:
    does, says = found["does"], found["says"]
    click.echo(
        f"{found['workstream']} → {found['target']}   {shown(found['stage'])} · {counted(len(does['files']), 'file')} "
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
        flaky = ", flaky" if check["flaky"] else ""
        words = f"{check['command']} {check['outcome']} in {check['duration_s']:.1f} s on {check['tree'][:10]}{flaky}"
        _row("Checks", f"{mark} {words}")
    if not found["checks"]:
        _row("Checks", "none has run on this work yet")
    _merged(found)
    _reviewed(found["review"])
    for flag in found["flags"][:_FLAGS]:
        place = at_line(flag["path"], flag["line"])
        _row("Flag", f"{symbol(_WEIGHTS[flag['weight']])} {place} {flag['text']} ({flag['kind']})")
    if len(found["flags"]) > _FLAGS:
        _row("", f"and {len(found['flags']) - _FLAGS} more; see --json")
    for other in found["overlaps"]:
        foreseen = {"conflict": ", would conflict", "clean": ", merges cleanly"}.get(other["forecast"] or "", "")
        _row(
            "Beside", f"{other['workstream']} ({shown(other['stage'])}{foreseen}) touches {some_of(other['paths'], 5)}"
        )
        _row("", f"to {other['asked']}")
    for text in found["contradictions"]:
        _row("Against", text)
    for text in found["questions"]:
        _row("Questions", text)
    _threads(found)
    if found["read_first"]:
        _row("Read first", some_of(found["read_first"], 5))
    click.echo(f"{symbol('hint')} To see the diff, run wto review {found['workstream']} --diff")


def _merged(found: dict[str, Any]) -> None:
    """How its conflict was resolved, conflict by conflict."""
    resolution = found["conflict"]["resolution"]
    told = resolution["files"] if resolution is not None else ()
    for path, how in found["conflict"]["settled_by"].items():
        if path not in {file["path"] for file in told}:
            _row("Merged", f"{path} had a conflict; resolved by {how}")
    for file in told:
        mark = "" if not file["took"] else f"; {symbol('warning')} it is exactly one side"
        _row("Merged", f"{file['path']} had a conflict; resolved by {file['by']}{mark}")
        for line in hunk_lines(file, ours=found["workstream"], theirs="integrated"):
            _row("", line)


def _reviewed(review: dict[str, Any] | None) -> None:
    """The findings of a reviewing agent, the weightiest first."""
    if review is None:
        return
    older = "" if review["current"] else f" in the earlier {review['head'][:10]}"
    if not review["findings"]:
        _row("Reviewed", f"{symbol('done')} {review['by']} found nothing to change{older}")
    for remark in review["findings"]:
        place = f" {at_line(remark['path'], remark['line'])}" if remark["path"] else ""
        mark = symbol("error" if remark["weighs"] == "must" else "hint")
        _row("Reviewed", f"{mark} {remark['weighs']}{place}: {remark['text']} ({review['by']}{older})")


def _threads(found: dict[str, Any]) -> None:
    """Its unresolved comments, one line each; the rest as a number."""
    settled = [thread for thread in found["threads"] if thread["status"] == "resolved"]
    for thread in found["threads"]:
        if thread not in settled:
            _row("Threads", thread_line(thread))
    if settled:
        _row("Threads", f"{len(settled)} resolved")


def thread_line(thread: dict[str, Any]) -> str:
    """A comment on one line: its id, its status, where it is now, and the words of both sides."""
    marks = {"unsent": "nothing", "open": "asks", "answered": "working", "resolved": "done"}
    text = f"{symbol(marks[thread['status']])} {thread['id']} {thread['status']} {thread_place(thread)}{thread['text']}"
    answer = f" → {thread['answer']}" if thread["answer"] else ""
    return " ".join(f"{text}{answer}".split())


def thread_place(thread: dict[str, Any]) -> str:
    """Where a comment is now, and whether its lines were changed."""
    if not thread["path"]:
        return ""
    if not thread["line"]:
        return f"{thread['path']}: "
    was = at_line(thread["path"], thread["line"])
    if thread["changed"]:
        return f"{was} (changed since): "
    return f"{at_line(thread['now']['path'], thread['now']['line'])}: " if thread["now"] else f"{was}: "


def _row(name: str, text: str) -> None:
    first, *rest = clean(text).splitlines() or [""]
    click.echo(f"{name:<10} {first}")
    for line in rest[:6]:
        click.echo(f"{'':<10} {line}")
