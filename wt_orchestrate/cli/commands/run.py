"""`wto run`, `resume`, `stop`, `wait`, `continue`, `answer`."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from typing import Any

import click

from wt_orchestrate.cli.screen.findings import tell_finding
from wt_orchestrate.cli.screen.follow import display, exit_code_of, follow
from wt_orchestrate.cli.screen.status_table import status_lines
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import RunId
from wt_orchestrate.domain.machine import quiet
from wt_orchestrate.domain.state.lifecycle import ENDED, PROGRESS, Phase, Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.stages import Standing, waiting_gate
from wt_orchestrate.domain.status.view import HELD, view
from wt_orchestrate.domain.text.clean import counted
from wt_orchestrate.domain.text.status_words import shown
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import ExitCode, NeedsPerson, WtError
from wt_orchestrate.wiring import site as wiring_site
from wt_orchestrate.wiring.memory import memories
from wt_orchestrate.wiring.plan.plan_files import load_plan, load_settings
from wt_orchestrate.wiring.requests import Put, put_request
from wt_orchestrate.wiring.run.start_run import begin_run, planned_effects, require_free
from wt_orchestrate.wiring.run.supervise import leave_supervisor
from wt_orchestrate.wiring.site import Site, find_site, open_log

_LOOK_S = 0.1
_GONE = frozenset({Stage.FAILED.value, Stage.ESCALATED.value, Stage.STOPPED.value, Stage.CANCELLED.value, HELD})


@click.command()
@click.argument("plan", type=click.Path(dir_okay=False))
@click.option("--detach", is_flag=True, help="Run in the background.")
@click.option("--land", is_flag=True, help="Land when all work is integrated.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event.")
@click.pass_obj
def run(start: str, plan: str, detach: bool, land: bool, dry_run: bool, as_json: bool) -> None:
    """Run a plan: start its agents, check and merge their work. PLAN is a file, or - for standard input."""
    site = find_site(start)
    settings = load_settings(site)
    loaded = load_plan(plan, settings)
    for warning in loaded.warnings:
        click.echo(f"{symbol('warning')} {warning}", err=True)
    log = open_log(site)
    if dry_run:
        for line in planned_effects(site, loaded, settings, path=plan, tell=tell_finding):
            click.echo(line)
        return
    require_free(site, log)
    name = begin_run(site, log, loaded, settings, path=plan, land=land, tell=tell_finding)
    log.close()
    if detach:
        _leave(site, name, as_json=as_json)
        return
    turn_run(site, name, as_json=as_json)


def turn_run(
    site: Site, name: RunId, *, as_json: bool, after: int | None = None, land: bool = False, put: Put | None = None
) -> None:
    """Follow a run to its rest in the foreground, then end with its summary and exit code. What anybody writes behind record
    `after` is shown; `land` lands what is integrated in the end, even if not all is (a run begun with that wish lands only
    whole). Raises Refused where the request `put` is not possible any more when it is taken."""
    try:
        with display(site, name, as_json=as_json) as show:
            state = follow(site, name, show=show, after=after, put=put)
            if (land and _has_ended_with_some(state)) or (state.land_when_done and _is_whole(state)):
                seen, put = state.number, put_request(site, name, e.LandRequested(), seconds=0)
                state = follow(
                    site, name, show=show, until=lambda s: s.landing is None and quiet(s), after=seen, put=put
                )
    except KeyboardInterrupt:
        click.echo(
            f"\n{symbol('warning')} stopped watching {name}; its agents continue\n"
            f"  {symbol('hint')} To follow it again, run wto resume; to stop the agents, run wto stop",
            err=True,
        )
        raise SystemExit(ExitCode.INTERRUPTED) from None
    if not as_json and not sys.stdout.isatty():  # a terminal has the board, which stays
        _summary(state)
    if not as_json:
        _learned(site, name)
    raise SystemExit(_code(state, land=land))


def _has_ended_with_some(state: RunState) -> bool:
    """Whether a run has come to its end, not been stopped, and something is integrated and not landed."""
    ended = state.phase is Phase.FINISHED and waiting_gate(state) is None
    return ended and any(ws.stage is Stage.INTEGRATED for ws in state.workstreams.values())


def _is_whole(state: RunState) -> bool:
    """Whether everything is integrated and no gate waits for a person."""
    return waiting_gate(state) is None and all(ws.stage is Stage.INTEGRATED for ws in state.workstreams.values())


def _learned(site: Site, name: RunId) -> None:
    """How many entries later runs will know from this one; a memory that cannot be read was reported when it was
    written."""
    with suppress(WtError):
        entries = memories(site).learned(name).entries
        if entries:
            click.echo(f"{symbol('done')} {counted(entries, 'thing')} learned from {name}: wto memory list")


def _code(state: RunState, *, land: bool = False) -> ExitCode:
    code = exit_code_of(state)
    if code is ExitCode.OK and (land or state.land_when_done) and state.landed.commit is None:
        return ExitCode.CONFLICT
    return code


def _summary(state: RunState) -> None:
    click.echo("")
    for line in status_lines(view(state), now=time.time(), width=None):
        click.echo(line)


def _leave(site: Site, name: RunId, *, as_json: bool) -> None:
    leave_supervisor(site, name)
    if as_json:
        click.echo(json.dumps({"schema": "wto.run/1", "run": name}))
        return
    click.echo(f"{symbol('working')} Run {name} continues in the background")
    click.echo(f"  {symbol('hint')} To follow it, run wto watch; to stop it, run wto stop")


@click.command(hidden=True)
@click.argument("name")
@click.pass_obj
def supervise(start: str, name: str) -> None:
    """Turn a run without a terminal (what --detach leaves behind)."""
    site = find_site(start)
    with display(site, RunId(name), as_json=False, details=True) as show:
        state = follow(site, RunId(name), show=show)
        if state.land_when_done and _is_whole(state) and not state.land_refusal:
            put = put_request(site, state.id, e.LandRequested(), seconds=0)
            follow(
                site, state.id, show=show, until=lambda s: s.landing is None and quiet(s), after=state.number, put=put
            )


@click.command()
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--detach", is_flag=True, help="Run in the background.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event.")
@click.pass_obj
def resume(start: str, run_name: str | None, detach: bool, as_json: bool) -> None:
    """Resume a run that was stopped or interrupted. Agents that still run are kept, never started twice."""
    site = find_site(start)
    log = open_log(site)
    name = requests.find_run(log, run_name)
    state = requests.load_state(log, name)
    log.close()
    put = None
    if state.phase is not Phase.RUNNING or any(ws.stage is Stage.STOPPED for ws in state.workstreams.values()):
        put = put_request(site, name, e.ResumeRequested(), seconds=0)
    if detach and not wiring_site.supervised(site):
        _leave(site, name, as_json=as_json)
        return
    turn_run(site, name, as_json=as_json, after=state.number, put=put)


@click.command()
@click.argument("workstream", required=False)
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.pass_obj
def stop(start: str, workstream: str | None, run_name: str | None) -> None:
    """Stop all agents of a run, or one workstream. No work is lost: wto resume continues."""
    site = find_site(start)
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    if workstream is None and quiet(state):
        click.echo(f"{symbol('nothing')} Run {state.id} is {state.phase} already")
        return
    log.close()
    name = requests.find_workstream(state.workstreams, workstream) if workstream is not None else None
    put = put_request(site, state.id, e.StopRequested(workstream=name), seconds=0)

    def stopped(now: RunState) -> bool:
        if name is not None:
            return now.workstreams[name].stage in ENDED
        return now.phase in {Phase.STOPPED, Phase.FINISHED}

    with display(site, state.id, as_json=False) as show:
        follow(site, state.id, show=show, until=stopped, put=put)
    what = name or f"run {state.id}"
    click.echo(f"{symbol('done')} Stopped {what}\n  {symbol('hint')} To continue, run wto resume")


@click.command(name="continue")
@click.argument("workstream")
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event.")
@click.pass_obj
def continue_(start: str, workstream: str, run_name: str | None, as_json: bool) -> None:
    """Check a workstream again after you fixed it by hand."""
    site = find_site(start)
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    log.close()
    wish = e.ContinueRequested(workstream=requests.find_workstream(state.workstreams, workstream))
    turn_run(site, state.id, as_json=as_json, put=put_request(site, state.id, wish, seconds=0))


@click.command()
@click.argument("workstream")
@click.argument("text")
@click.option("--question", type=int, default=0, metavar="N", help="The question's number, where several are open.")
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.pass_obj
def answer(start: str, workstream: str, text: str, question: int, run_name: str | None) -> None:
    """Answer an agent's question. Questions asked at once are passed on when each has its answer."""
    site = find_site(start)
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    log.close()
    put = put_request(site, state.id, requests.answered(state, workstream, text, question=question))
    if put.taken or put.supervised:
        click.echo(f"{symbol('done')} Sent the answer to {workstream}")
        return
    turn_run(site, state.id, as_json=False, put=put)


@click.command()
@click.argument("workstreams", nargs=-1)
@click.option(
    "--for",
    "stage",
    default=Stage.INTEGRATED.value,
    type=click.Choice([s.value for s in Stage]),
    show_default=True,
    help="The stage.",
)
@click.option("--timeout", type=float, help="Give up after this many seconds.")
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def wait(
    start: str, workstreams: tuple[str, ...], stage: str, timeout: float | None, run_name: str | None, as_json: bool
) -> None:
    """Wait until workstreams reach a stage (default: all of them). Exits with 0 when they did, 1 when they cannot, 8
    when a gate needs your approval, 124 on timeout."""
    site = find_site(start)
    log = open_log(site)
    name = requests.find_run(log, run_name)
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        supervised = wiring_site.supervised(site)
        text = log.view(name)
        seen = json.loads(text) if text else {"workstreams": []}
        stages = _stages(seen, workstreams)
        code = _waited(stages, stage, supervised=supervised)
        gate = _gate(seen) if code is ExitCode.FAILED and not supervised else ""
        red = seen.get("run", {}).get("red") if code is ExitCode.FAILED and not supervised else None
        code = ExitCode.NEEDS_PERSON if gate or red else code
        if code is None and deadline is not None and time.monotonic() >= deadline:
            code = ExitCode.TIMED_OUT
        if code is not None:
            break
        time.sleep(_LOOK_S)
    if as_json:
        click.echo(json.dumps({"schema": "wto.wait/1", "run": name, "reached": code is ExitCode.OK, "stages": stages}))
    elif code is not ExitCode.OK:
        if red:
            raise NeedsPerson(seen["run"]["reason"], hint="fix it and start the plan again, or wto release")
        _explain(code, stages, stage, supervised=supervised, gate=gate)
    raise SystemExit(code)


def _stages(seen: dict[str, Any], wanted: tuple[str, ...]) -> dict[str, str]:
    stages = {ws["id"]: ws["stage"] for ws in seen["workstreams"]}
    if not stages:
        return {}
    return {requests.find_workstream(stages, name): stages.get(name, "") for name in wanted} or stages


def _waited(stages: dict[str, str], wanted: str, *, supervised: bool) -> ExitCode | None:
    """The exit code, once it is known."""
    if not stages:
        return None if supervised else ExitCode.FAILED
    if all(_reached(stage, wanted) for stage in stages.values()):
        return ExitCode.OK
    behind = [stage for stage in stages.values() if not _reached(stage, wanted)]
    if any(stage in _GONE for stage in behind) or not supervised:
        return ExitCode.FAILED
    return None


def _reached(stage: str, wanted: str) -> bool:
    order = [known.value for known in PROGRESS]
    if stage in order and wanted in order:
        return order.index(stage) >= order.index(wanted)
    return stage == wanted


def _gate(seen: dict[str, Any]) -> str:
    """The stage whose gate a person has to decide."""
    waits = (stage["name"] for stage in seen.get("stages", ()) if stage["standing"] == Standing.GATE)
    return str(next(waits, ""))


def _explain(code: ExitCode, stages: dict[str, str], wanted: str, *, supervised: bool, gate: str) -> None:
    if gate:
        raise NeedsPerson(f"the stage {gate} needs approval", hint=f"wto approve {gate}")
    behind = ", ".join(f"{name} is {shown(stage)}" for name, stage in stages.items() if not _reached(stage, wanted))
    if code is ExitCode.TIMED_OUT:
        raise WtError(f"timed out: {behind}", hint="wto status", exit_code=code)
    why = "" if supervised else " and no supervisor is running"
    raise WtError(
        f"not {wanted}: {behind or 'nothing has started'}{why}", hint="wto status, wto resume", exit_code=code
    )
