"""`wto approve`: approve a gate between stages. Without a stage it shows what waits, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import click

from wt_orchestrate.cli.commands.run import turn_run
from wt_orchestrate.cli.commands.steer import put_request
from wt_orchestrate.cli.screen.style import symbol
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.plan.validation import problems
from wt_orchestrate.domain.schedule.synthesis import next_workstreams
from wt_orchestrate.domain.state.checks import base_words, held_by_base
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.stages import gate_round, joined_late, members, synthesis_of, waiting_gate
from wt_orchestrate.domain.state.workstream import WorkstreamState
from wt_orchestrate.domain.steering import refusal
from wt_orchestrate.domain.text.clean import clean, counted
from wt_orchestrate.domain.text.secrets import without_secrets
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import ExitCode, NeedsPerson, NotFound, Refused
from wt_orchestrate.wiring import requests as wiring_requests
from wt_orchestrate.wiring.site import Site, find_site, open_log

SCHEMA = "wto.gate/1"
_BRIEF = 12
"""How many lines of a brief are shown."""
_SHOWN = ("decisions", "contradictions", "risks", "follow-ups", "learned")


@click.command()
@click.argument("stage", required=False)
@click.option("--no", "why", metavar="WHY", help="Reject it: send the synthesis back with this reason.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would start; change nothing.")
@click.option("--round", "number", type=int, default=0, help="Approve only this round, as shown by -n.")
@click.option("--run", "run_name", help="The run (default: the newest).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def approve(
    start: str, stage: str | None, why: str | None, dry_run: bool, number: int, run_name: str | None, as_json: bool
) -> None:
    """Approve a stage, so that the stages after it start. Without STAGE, shows what needs approval."""
    if why is not None and not why.strip():  # an empty variable of a script must not turn a no into a yes
        raise click.UsageError("--no needs a reason that the agent can act on")
    site = find_site(start)
    log = open_log(site)
    state = requests.load_state(log, requests.find_run(log, run_name))
    untaken = requests.untaken(log, state.id)
    log.close()
    if stage is None or dry_run:
        _show(state, stage, untaken, as_json=as_json)
        return
    word = e.ApproveRequested(stage=stage, no=(why or "").strip(), round=number)
    if as_json:
        _put_quietly(site, state, word)
        return
    done = f"Sent the synthesis of {stage} back with your reason" if why else f"Approved the stage {stage}"
    put_request(site, state, word, done=done, goes_on=True)


def _put_quietly(site: Site, state: RunState, word: e.ApproveRequested) -> None:
    """Put the request and print its outcome; without a supervisor, turn the run and print its events, one JSON object
    each."""
    put = wiring_requests.put_request(site, state.id, word)
    values = {
        "schema": "wto.approve/1",
        "run": state.id,
        "stage": word.stage,
        "approved": not word.no,
        "request": put.number,
        "taken": put.taken,
    }
    click.echo(json.dumps(values, ensure_ascii=False))
    if not put.taken and not put.supervised:
        turn_run(site, state.id, as_json=True, put=put)


def _show(state: RunState, stage: str | None, untaken: str, *, as_json: bool) -> None:
    waiting = waiting_gate(state)
    if stage is not None:
        no = refusal(state, e.ApproveRequested(stage=stage), state.at)
        if no is not None:
            raise Refused(no.reason, hint=no.hint)
    if as_json:
        shown = {**_values(state, waiting.name), "untaken": untaken} if waiting is not None else None
        click.echo(json.dumps({"schema": SCHEMA, "run": state.id, "gate": shown}, indent=2, ensure_ascii=False))
    elif waiting is None and held_by_base(state):
        raise NeedsPerson(base_words(state), hint="wto release starts the agents all the same, wto resume checks again")
    elif waiting is None:
        raise NotFound(f"no stage of {state.id} needs approval", hint="wto status")
    else:
        click.echo("\n".join(_lines(state, waiting.name)))
        if untaken:
            click.echo(f"{symbol('warning')} Not shown yet: {untaken}; run wto resume, then look again")
    if waiting is not None and stage is None:
        raise SystemExit(ExitCode.NEEDS_PERSON)


def _values(state: RunState, stage: str) -> dict[str, Any]:
    synthesis = synthesis_of(state, stage)
    return {
        "stage": stage,
        "round": gate_round(state, stage),
        "workstreams": [{"id": ws.id, "stage": ws.stage.value} for ws in members(state, stage)],
        "synthesis": synthesis.id if synthesis is not None else None,
        "notes": _notes(synthesis),
        "then": [_planned(state.workstreams[name]) for name in next_workstreams(state, stage)],
        "warnings": _doubts(state, stage),
    }


def _doubts(state: RunState, stage: str) -> list[str]:
    """Warnings about what comes next, such as scopes that overlap."""
    planned = set(next_workstreams(state, stage))
    found = problems(state.plan, state.settings)
    return [
        problem.message for problem in found if problem.warning and problem.place[1:2] and problem.place[1] in planned
    ]


def _notes(synthesis: WorkstreamState | None) -> dict[str, str]:
    """The synthesis's notes, by section; none of one that was cancelled."""
    handoff = synthesis.handoff if synthesis is not None else None
    if synthesis is None or handoff is None or synthesis.stage is Stage.CANCELLED:
        return {}
    found = {"summary": handoff.summary, "decisions": handoff.decisions, **handoff.other}
    return {name: without_secrets(found[name]) for name in ("summary", *_SHOWN) if found.get(name)}


def _planned(ws: WorkstreamState) -> dict[str, Any]:
    spec = ws.spec
    return {
        "id": ws.id,
        "title": spec.title,
        "stage": spec.stage,
        "kind": spec.kind.value,
        "role": spec.role,
        "agent": spec.agent,
        "brief": without_secrets(spec.brief),
        "scope": list(spec.scope),
        "needs": list(spec.needs),
        "added_by": ws.added_by,
    }


def _lines(state: RunState, stage: str) -> list[str]:
    synthesis = synthesis_of(state, stage)
    streams = (*members(state, stage), *([synthesis] if synthesis is not None else []))
    gone = [ws.id for ws in streams if ws.stage is Stage.CANCELLED]
    lines = [f"The stage {stage} of {state.id} is complete and needs your approval (round {gate_round(state, stage)})."]
    if gone:
        lines.append(f"{symbol('warning')} cancelled: {', '.join(gone)}")
    late = joined_late(state, synthesis) if synthesis is not None else ()
    if late:
        names = ", ".join(ws.id for ws in late)
        lines.append(f"{symbol('warning')} was added after the synthesis, which does not cover it: {names}")
    for name, text in _notes(synthesis).items():
        lines += ["", f"{name.capitalize()}, according to {synthesis.id if synthesis is not None else ''}:"]
        lines += [f"  > {clean(line)}" for line in text.splitlines()]
    planned = [state.workstreams[name] for name in next_workstreams(state, stage)]
    lines += ["", "Starts next:" if planned else "Nothing is planned after it."]
    for ws in planned:
        lines += _planned_lines(ws)
    lines += [f"{symbol('warning')} {clean(text)}" for text in _doubts(state, stage)]
    heard = synthesis is not None and synthesis.stage is not Stage.CANCELLED
    back = f'; to reject it, run wto approve {stage} --no "..."' if heard else ""
    lines += ["", f"{symbol('hint')} To approve it, run wto approve {stage}{back}"]
    lines.append(f"{symbol('hint')} To change what starts next, run wto edit WS, wto cancel WS or wto add FILE first")
    return lines


def _planned_lines(ws: WorkstreamState) -> list[str]:
    """What would start: which agent, where, and its brief; a brief that is cut says so."""
    spec = ws.spec
    who = ", ".join(
        clean(word) for word in (spec.stage, spec.role, f"agent {spec.agent}" if spec.agent else "") if word
    )
    scope = f"  [{', '.join(map(clean, spec.scope))}]" if spec.scope else ""
    needs = f"  after {', '.join(spec.needs)}" if spec.needs else ""
    brief = without_secrets(spec.brief).strip().splitlines()
    lines = [f"  {ws.id:<16} {clean(spec.title)}  ({who}){needs}{scope}"]
    lines += [f"    | {clean(line)}" for line in brief[:_BRIEF]]
    if len(brief) > _BRIEF:
        lines.append(f"    {symbol('hint')} {counted(len(brief) - _BRIEF, 'more line')}: see wto approve --json")
    return lines
