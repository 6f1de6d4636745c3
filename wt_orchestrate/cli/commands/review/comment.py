"""`wto comment WS`: comment on a line or on the work, send comments, and resolve answered ones."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from wt_orchestrate.cli.commands.review.packet import send, thread_line, thread_place
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.review.review_file import Written, parse_review_file
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState
from wt_orchestrate.domain.steering import refusal
from wt_orchestrate.domain.text.clean import clean, counted
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import NotFound, PlanInvalid, Refused
from wt_orchestrate.wiring.read.review import Reviewed, reviewed, reviewed_state
from wt_orchestrate.wiring.requests import comment_in, comment_on, put_request
from wt_orchestrate.wiring.site import Site, clock, find_site

_FILE_LIMIT = 1 << 24


@click.command()
@click.argument("workstream")
@click.argument("words", nargs=-1, metavar='[FILE:LINE[-END]] "TEXT"')
@click.option("--from", "from_file", metavar="FILE", help="Read comments from a file of wto review --edit-file.")
@click.option("--list", "lists", is_flag=True, help="List all comments and answers.")
@click.option("--send", "sends", is_flag=True, help="Send all unsent comments to the agent, as one message.")
@click.option("--resolve", metavar="C1", help="Mark a comment as resolved.")
@click.option("--reopen", metavar="C1", help="Reopen a comment; it is sent again with the next ones.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON.")
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.pass_obj
def comment(
    start: str,
    workstream: str,
    words: tuple[str, ...],
    from_file: str | None,
    lists: bool,
    sends: bool,
    resolve: str | None,
    reopen: str | None,
    as_json: bool,
    run_name: str | None,
) -> None:
    """Comment on a workstream's changes. Comments are collected until you send them with --send."""
    site = find_site(start)
    state = reviewed_state(site, run_name)
    name = requests.find_workstream(state.workstreams, workstream)
    if not (words or from_file or lists or sends or resolve or reopen):
        raise click.UsageError("give a TEXT, or one of --from, --list, --send, --resolve, --reopen")
    if words:
        _collect(site, state, (_typed(site, state, name, words),))
    if from_file:
        _collect(site, state, _read(site, state, name, from_file))
    for wish in (resolve, reopen):
        if wish:
            kind = e.CommentResolveRequested if wish is resolve else e.CommentReopenRequested
            put_request(site, state.id, kind(workstream=name, comment=wish.upper()))
            click.echo(f"{symbol('done')} {wish.upper()} is {'resolved' if wish is resolve else 'open again'}")
    if lists:
        _list(reviewed(site, state, state.workstreams[name]), as_json=as_json)
    if sends:
        send(site, reviewed_state(site, state.id), name)


# ---------------------------------------------------------------- new comments


def _typed(site: Site, state: RunState, name: WorkstreamId, words: Sequence[str]) -> e.CommentRequested:
    """The comment on a command line: a text, or a place and a text."""
    if len(words) > 2:
        raise click.UsageError('put the text in quotes: wto comment WORKSTREAM FILE:LINE "TEXT"')
    if len(words) == 1:
        return e.CommentRequested(workstream=name, text=words[0])
    path, first, last = _place(words[0])
    return comment_on(site, state, state.workstreams[name], words[1], path=path, first=first, last=last)


def _place(text: str) -> tuple[str, int, int]:
    path, _, lines = text.rpartition(":")
    first, _, last = lines.partition("-")
    if not path or not first.isdecimal() or not (last or first).isdecimal() or not int(first):
        raise click.UsageError(f"{text!r} is not a place; write it as FILE:LINE or FILE:LINE-END")
    return path, int(first), max(int(first), int(last or first))


def _read(site: Site, state: RunState, name: WorkstreamId, file: str) -> Sequence[e.CommentRequested]:
    """The comments in an edited review file. Raises PlanInvalid with the file's own line if one cannot be read."""
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            text = opened.read(_FILE_LIMIT)
    except OSError as error:
        raise NotFound(
            f"{file} cannot be read: {error.strerror}", hint=f"wto review {name} --edit-file FILE"
        ) from error
    found = reviewed(site, state, state.workstreams[name])
    parsed = parse_review_file(text, paths=[each.path for each in found.files])
    if parsed.problems:
        raise PlanInvalid([f"{file}:{each.at}: {each.text}" for each in parsed.problems])
    if parsed.head not in {None, found.head}:
        raise Refused(
            f"{file} is of {str(parsed.head)[:10]}, and {name} is now at {found.head[:10]}",
            hint=f"wto review {name} --edit-file another file, and copy your comments there",
        )
    if not parsed.written:
        raise NotFound(f"{file} has no comments", hint="write below the quoted lines")
    return [_of_file(site, found, state.workstreams[name], each, file) for each in parsed.written]


def _of_file(site: Site, found: Reviewed, ws: WorkstreamState, said: Written, file: str) -> e.CommentRequested:
    if not said.path:
        return e.CommentRequested(workstream=ws.id, text=said.text)
    try:
        return comment_in(site, found, ws, said.text, path=said.path, first=said.line)
    except NotFound as error:
        raise PlanInvalid([f"{file}:{said.at}: {error.message}"]) from error


def _collect(site: Site, state: RunState, said: Sequence[e.CommentRequested]) -> None:
    """Put comments: all, or none if one cannot be put; repeated ones are left out."""
    new: list[e.CommentRequested] = []
    for each in said:
        why_not = refusal(state, each, clock().now())
        if why_not is not None and not (len(said) > 1 and "already" in why_not.reason):
            raise Refused(why_not.reason, hint=why_not.hint)
        if why_not is None and each not in new:
            new.append(each)
    for each in new:
        put_request(site, state.id, each)
    waiting = [
        each.id
        for each in reviewed_state(site, state.id).workstreams[said[0].workstream].comments
        if each.status == "unsent"
    ]
    left_out = f", {len(said) - len(new)} existed already" if len(new) < len(said) else ""
    click.echo(
        f"{symbol('done')} Collected {counted(len(new), 'comment')}{left_out}; not sent yet: {', '.join(waiting)}"
    )
    click.echo(f"  {symbol('hint')} To send them, run wto comment {said[0].workstream} --send")


# ---------------------------------------------------------------- what there is


def _list(found: Reviewed, *, as_json: bool) -> None:
    threads = found.packet["threads"]
    if as_json:
        named = {"schema": "wto.comments/1", "workstream": found.packet["workstream"], "head": found.head}
        click.echo(json.dumps({**named, "comments": threads}, indent=2, ensure_ascii=False))
        return
    for thread in threads:
        click.echo(clean(thread_line({**thread, "text": "", "answer": ""})).rstrip(": "))
        for line in clean(thread["quoted"]).splitlines()[:6]:
            click.echo(f"  > {line}")
        for line in clean(thread["text"]).splitlines():
            click.echo(f"  {line}")
        if thread["answer"]:
            words = " ".join(clean(thread["answer"]).split())
            click.echo(f"  → its agent: {words}")
            click.echo(f"    {_seen(thread)}")
    if not threads:
        click.echo("No comments")


def _seen(thread: dict[str, object]) -> str:
    """Our own observation beside an answer: whether the lines changed."""
    if not thread["line"]:
        return "(its claim; check the diff)"
    place = thread_place(thread).rstrip(": ")
    if thread["changed"]:
        return "(the lines have changed since)"
    claim = "it claims a change, but " if thread["says_fixed"] else ""
    return f"({claim}the lines are the same; they are at {place})"
