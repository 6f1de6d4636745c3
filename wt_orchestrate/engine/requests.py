"""What faces may ask: each request is checked against what is known, then put in the log for the supervisor to take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold import fold_all
from wt_orchestrate.domain.ids import RunId, WorkstreamId, parse_run_id
from wt_orchestrate.domain.state import DONE, RunState, Stage
from wt_orchestrate.errors import NotFound, Refused
from wt_orchestrate.ports import Clock, Log, RunLine

_CONTINUABLE = frozenset({Stage.FAILED, Stage.ESCALATED, Stage.STOPPED})


def find_run(log: Log, name: str | None) -> RunId:
    """The run of that name, or the newest. Raises NotFound."""
    runs: Sequence[RunLine] = log.runs()
    if not runs:
        raise NotFound("there is no run in this repository yet", hint="wto run plan.yaml")
    if name is None:
        return runs[-1].id
    try:
        run = parse_run_id(name)
    except ValueError as error:
        raise NotFound(str(error), hint="wto status") from error
    if all(line.id != run for line in runs):
        raise NotFound(f"there is no run {run}; the newest is {runs[-1].id}", hint="wto status")
    return run


def load_state(log: Log, run: RunId) -> RunState:
    """The present of a run, folded from its events."""
    state = fold_all(log.read(run))
    if state is None:
        raise NotFound(f"there is no run {run}", hint="wto status")
    return state


def find_workstream(names: Iterable[str], wanted: str) -> WorkstreamId:
    """The workstream of that name. Raises NotFound with the nearest known one."""
    known = list(names)
    if wanted in known:
        return WorkstreamId(wanted)
    near = get_close_matches(wanted, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known[:20])}"
    raise NotFound(f"there is no workstream {wanted!r} in this run", hint=hint)


def ask_stop(log: Log, clock: Clock, state: RunState, workstream: str | None) -> int:
    """Wish that a workstream, or the run, be stopped."""
    name = find_workstream(state.workstreams, workstream) if workstream is not None else None
    return log.ask(state.id, e.StopRequested(workstream=name), now=clock.now())


def ask_resume(log: Log, clock: Clock, state: RunState) -> int:
    return log.ask(state.id, e.ResumeRequested(), now=clock.now())


def ask_continue(log: Log, clock: Clock, state: RunState, workstream: str) -> int:
    """Wish that a workstream be looked at again. Raises Refused when it is not waiting for that."""
    name = find_workstream(state.workstreams, workstream)
    stage = state.workstreams[name].stage
    if stage not in _CONTINUABLE:
        raise Refused(
            f"{name} is {stage}; only what failed, was stopped or needs a person can be continued",
            hint=f"wto status {name}",
        )
    return log.ask(state.id, e.ContinueRequested(workstream=name), now=clock.now())


def ask_answer(log: Log, clock: Clock, state: RunState, workstream: str, text: str) -> int:
    """Answer what an agent asked. Raises Refused when it asks nothing."""
    name = find_workstream(state.workstreams, workstream)
    ws = state.workstreams[name]
    asks = [ask for attempt in ws.attempts[-1:] for ask in attempt.asks if ask.question]
    if not asks and ws.stage is not Stage.ESCALATED:
        raise Refused(f"{name} asks nothing at the moment", hint=f"wto status {name}")
    return log.ask(state.id, e.AnswerRequested(workstream=name, text=text), now=clock.now())


def ask_land(log: Log, clock: Clock, state: RunState, *, allow_protected: bool) -> int:
    return log.ask(state.id, e.LandRequested(allow_protected=allow_protected), now=clock.now())


def ask_clean(log: Log, clock: Clock, state: RunState, workstreams: Sequence[str], *, force: bool) -> int:
    """Wish that worktrees be removed: those named, or all that are integrated."""
    if workstreams:
        names = tuple(find_workstream(state.workstreams, name) for name in workstreams)
    else:
        names = tuple(
            ws.id for ws in state.workstreams.values() if ws.worktree and not ws.removed and (ws.stage in DONE)
        )
    if not names:
        raise Refused("there is nothing to clean: no integrated workstream has a worktree", hint="wto status")
    return log.ask(state.id, e.CleanRequested(workstreams=names, force=force), now=clock.now())


def ask_restore(log: Log, clock: Clock, state: RunState, workstream: str) -> int:
    name = find_workstream(state.workstreams, workstream)
    return log.ask(state.id, e.RestoreRequested(workstream=name), now=clock.now())
