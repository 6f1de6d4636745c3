"""`wto plan draft "GOAL"`: an agent reads the repository and drafts a plan, which a person edits, approves and runs.

The answer (where the plan is, which workstreams overlap, whether parallel work pays, what needs approval) is on stdout,
progress on stderr. Nothing that a plan says is run except by `--yes`, and then only if no command in it needs approval.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from wt_orchestrate.cli.commands.plan.forecast import forecast_lines
from wt_orchestrate.cli.commands.run import run
from wt_orchestrate.cli.screen.style import money, symbol
from wt_orchestrate.domain.drafting.estimate import advice_lines, length
from wt_orchestrate.domain.drafting.progress import DraftPhase, DraftProgress, DraftWish
from wt_orchestrate.domain.plan.model import seconds
from wt_orchestrate.domain.replace import plain
from wt_orchestrate.domain.text.clean import clean, counted
from wt_orchestrate.errors import ExitCode, WtError
from wt_orchestrate.wiring.drafting import (
    DraftResult,
    begin_draft,
    draft_on,
    draft_result,
    draft_words,
    newest_draft,
    take_up_draft,
)
from wt_orchestrate.wiring.site import Site, find_site

_PROBLEMS = 12


def _length(context: click.Context, param: click.Parameter, value: str) -> float:
    """A duration such as 20m, in seconds."""
    found = seconds(value)
    if not found:
        raise click.BadParameter(f"{value!r} is not a duration; write it as 45s, 10m or 1h30m", context, param)
    return found


@click.command()
@click.argument("goal", required=False, default="")
@click.option("-o", "--output", default="plan.yaml", show_default=True, type=click.Path(), help="Write the plan here.")
@click.option("--agent", default="", help="The agent that drafts (default: claude-code).")
@click.option("--target", help="The branch to plan for (default: the current one).")
@click.option(
    "--rounds", type=click.IntRange(1, 10), default=4, show_default=True, help="Give up after this many plans."
)
@click.option("--timeout", callback=_length, metavar="TIME", default="20m", show_default=True, help="The time limit.")
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), help="The cost limit in US dollars.")
@click.option("--resume", is_flag=True, help="Resume the newest draft that was not finished.")
@click.option("--yes", is_flag=True, help="Run the plan at once if nothing needs approval.")
@click.option("-n", "--dry-run", is_flag=True, help="Show the prompt; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def draft(
    context: click.Context,
    goal: str,
    output: str,
    agent: str,
    target: str | None,
    rounds: int,
    timeout: float,
    budget: float | None,
    resume: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Let an agent draft a plan for GOAL. It reads the repository; its plan is checked and sent back until it is
    valid."""
    if bool(goal.strip()) is resume:
        raise click.UsageError("give either a GOAL, or --resume for the newest draft")
    site = find_site(context.obj)
    if dry_run:
        click.echo(draft_words(site, goal, agent=agent, target=target), nl=False)
        return
    _require_free(output)
    if resume:
        name = newest_draft(site)
        wish = take_up_draft(site, name, rounds=rounds, timeout_s=timeout, budget_usd=budget)
    else:
        wish = begin_draft(site, goal, agent=agent, target=target, rounds=rounds, timeout_s=timeout, budget_usd=budget)
    _follow(site, wish)
    result = draft_result(site, wish.id)
    if result.phase is not DraftPhase.READY:
        if as_json:
            click.echo(json.dumps(draft_values(result), ensure_ascii=False, indent=2))
        _fail(result, output)
    _write(output, result.text)
    refused = yes and bool(result.proposed)
    if as_json:
        click.echo(json.dumps(draft_values(result, path=output), ensure_ascii=False, indent=2))
    else:
        for line in _ready_lines(result, output):
            click.echo(clean(line))
    if refused:
        raise WtError(
            f"{counted(len(result.proposed), 'command')} in the plan need your approval, so it was not run",
            hint=f"read {output}, remove the # from commands you approve, then run wto run {output}",
            exit_code=ExitCode.NEEDS_PERSON,
        )
    if yes:
        context.invoke(run, plan=output, detach=False, land=False, dry_run=False, as_json=as_json)


@click.command(hidden=True)
@click.argument("name")
@click.pass_obj
def drafting(start: str, name: str) -> None:
    """Draft without a terminal (what the MCP server leaves behind)."""
    site = find_site(start)
    with _terminable():
        draft_on(site, name, noted=lambda progress: None)


# ---------------------------------------------------------------- while it goes on


def _follow(site: Site, wish: DraftWish) -> None:
    click.echo(
        f"{symbol('working')} {wish.agent} reads {wish.target} at {wish.commit[:12]} "
        f"(at most {counted(wish.rounds, 'round')}, {length(wish.timeout_s)})",
        err=True,
    )
    try:
        with _terminable():
            draft_on(site, wish.id, noted=_teller(wish))
    except KeyboardInterrupt:
        click.echo(
            f"\n{symbol('warning')} stopped drafting; its agent was stopped, its plans so far are kept\n"
            f"  {symbol('hint')} To resume it, run wto plan draft --resume",
            err=True,
        )
        raise SystemExit(ExitCode.INTERRUPTED) from None


def _teller(wish: DraftWish) -> Callable[[DraftProgress], None]:
    """Prints each plan that is sent back, once."""
    told: list[int] = []  # how many were told; those of before a resumption count as told

    def tell(progress: DraftProgress) -> None:
        count = len(progress.sent_back)
        if not told or count == told[-1]:
            told.append(count)
            return
        told.append(count)
        problems = progress.sent_back[-1]
        again = "sent back" if progress.round < wish.rounds else "gave up"
        click.echo(
            f"{symbol('warning')} round {progress.round}: {counted(len(problems), 'problem')}, {again}", err=True
        )
        for line in problems[:_PROBLEMS]:
            click.echo(f"    {clean(line)}", err=True)
        if len(problems) > _PROBLEMS:
            click.echo(f"    and {len(problems) - _PROBLEMS} more", err=True)

    return tell


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and a lost terminal end the drafting as Ctrl-C does, including its agent; under nohup it outlives the
    terminal."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    heard = (signal.SIGTERM,) if outlives else (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ---------------------------------------------------------------- what comes of it


def _require_free(path: str) -> None:
    """Refuse to overwrite a file before anything is paid for."""
    if os.path.lexists(path):
        raise WtError(f"{path} exists already", hint="name another file with -o", exit_code=ExitCode.CONFLICT)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise WtError(f"there is no folder {folder}", hint="create it, or name another file with -o")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "x", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise WtError(
            f"{path} cannot be written: {error.strerror}; the plan is kept", hint="wto plan draft --resume -o FILE"
        ) from error


def _fail(result: DraftResult, output: str) -> None:
    """Save the result and say why it is no valid plan."""
    progress, phase = result.progress, result.phase
    saved = ""
    if result.text:
        saved = _beside(output)
        _write(saved, result.text)
    kept = f"; the last one is in {saved}" if saved else ""
    spent = f"{length(progress.spent_s)}, {money(progress.cost_usd)}"
    match phase:
        case DraftPhase.INVALID:
            raise WtError(
                f"no valid plan in {counted(progress.round, 'round')} ({spent}){kept}\n"
                + "\n".join(f"    {line}" for line in progress.problems[:_PROBLEMS]),
                hint=f"fix {saved} by hand, or run wto plan draft --resume" if saved else "wto plan draft --resume",
                exit_code=ExitCode.INVALID,
            )
        case DraftPhase.TIMED_OUT:
            message = f"time ran out after {spent}{kept}"
            raise WtError(message, hint="wto plan draft --resume --timeout 40m", exit_code=ExitCode.TIMED_OUT)
        case DraftPhase.CANCELLED | DraftPhase.CUT_OFF:
            message = f"the draft was stopped{kept}"
            raise WtError(message, hint="wto plan draft --resume", exit_code=ExitCode.INTERRUPTED)
        case _:
            message = f"{result.wish.agent} cannot continue: {progress.reason}{kept}"
            raise WtError(message, hint=progress.hint, exit_code=ExitCode.NO_AGENT)


def _beside(output: str) -> str:
    """A file for an invalid plan, beside the plan's place, never over an existing one."""
    stem, _ = os.path.splitext(output)
    number = 0
    while True:
        path = f"{stem}.invalid{f'-{number}' if number else ''}.yaml"
        if not os.path.lexists(path):
            return path
        number += 1


def _ready_lines(result: DraftResult, path: str) -> Iterator[str]:
    plan, progress = result.plan, result.progress
    assert plan is not None and result.forecast is not None and result.advice is not None
    yield (
        f"{symbol('done')} Wrote {path}: {counted(len(plan.workstreams), 'workstream')}, "
        f"{counted(progress.round, 'round')}, {length(progress.spent_s)}, {money(progress.cost_usd)}"
    )
    for name, stream in plan.workstreams.items():
        after = f", after {', '.join(stream.needs)}" if stream.needs else ""
        estimate = f", {stream.estimate} (estimated)" if stream.estimate else ""
        yield f"  {name:<16} {stream.title}{after}{estimate}"
    if result.notes:
        yield "Notes of the planner (data):"
        yield from (f"  > {line}" for line in result.notes.strip()[:2_000].splitlines())
    yield from forecast_lines(result.wish.target, result.forecast)
    yield from (f"{symbol('hint')} {line}" for line in advice_lines(result.advice))
    for remark in result.remarks:
        yield f"{symbol('warning')} {remark}"
    for each in result.proposed:
        of = f" of {each.of}" if each.of else ""
        yield f"{symbol('asks')} {each.key}{of}, needs approval: {' '.join(clean(each.command).split())}"
    if result.proposed:
        yield f"{symbol('hint')} They are comments in {path}; remove the # from those you approve"
    yield f"{symbol('hint')} Read and edit it, then run wto run {path}"


def draft_values(result: DraftResult, *, path: str = "") -> dict[str, Any]:
    """A drafting as plain values."""
    progress = result.progress
    return {
        "schema": "wto.plan-draft/1",
        "id": result.wish.id,
        "state": result.phase.value,
        "path": path,
        "target": result.wish.target,
        "commit": result.wish.commit,
        "round": progress.round,
        "rounds": result.wish.rounds,
        "problems": list(progress.problems),
        "sent_back": [list(each) for each in progress.sent_back],
        "plan": result.text,
        "notes": result.notes,
        "remarks": list(result.remarks),
        "to_approve": [plain(each) for each in result.proposed],
        "forecast": plain(result.forecast) if result.forecast is not None else None,
        "advice": plain(result.advice) if result.advice is not None else None,
        "cost_usd": progress.cost_usd,
        "tokens": progress.tokens,
        "seconds": round(progress.spent_s, 1),
    }
