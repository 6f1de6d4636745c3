"""Branches that people or other tools made, put into the newest run while that is unfinished, else into a queue of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wt_orchestrate.errors import Refused
from wt_orchestrate.wiring.plan.plan_files import checked_plan, load_settings
from wt_orchestrate.wiring.requests import put_request
from wt_orchestrate.wiring.run.preflight import Tell, untold
from wt_orchestrate.wiring.run.start_run import begin_run, queued_branches
from wt_orchestrate.wiring.site import Site, supervised

if TYPE_CHECKING:
    from wt_orchestrate.domain.ids import RunId
    from wt_orchestrate.domain.plan.model import Check, Workstream
    from wt_orchestrate.domain.plan.settings import Settings
    from wt_orchestrate.domain.state.run import RunState
    from wt_orchestrate.ports.engine import Log


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueWish:
    """What to queue, and what judges it; without checks those of the settings, and with `unchecked` none at all."""

    branches: tuple[str, ...]
    target: str | None = None
    checks: tuple[str, ...] = ()
    workers: int = 1
    unchecked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedUp:
    """What was queued, into which run (None: nothing was written), as which request of it (0: it began with them), and the
    command that moves them."""

    run: RunId | None
    number: int
    further: Mapping[str, Workstream]
    moved_by: str = "wto train run"


def unfinished_run(log: Log) -> RunState | None:
    """The newest run, if branches can be added to it."""
    from wt_orchestrate.domain.machine import quiet
    from wt_orchestrate.engine import requests

    state = requests.newest_state(log)
    return None if state is None or quiet(state) else state


def moved_by(site: Site, state: RunState) -> str:
    """The command that moves what is queued in an unfinished run. A run with agents that nobody turns is taken up by name."""
    from wt_orchestrate.domain.plan.branch_queue import is_queue

    return "wto train run" if is_queue(state.plan) or supervised(site) else "wto resume"


def asked_names(log: Log, state: RunState) -> tuple[str, ...]:
    """Ids that a run was asked to add and has not taken up yet."""
    from wt_orchestrate.domain import events as e

    asked = (each.request for each in log.asked(state.id))
    further = (name for request in asked if isinstance(request, e.AddRequested) for name in request.workstreams)
    return tuple(name for name in further if name not in state.workstreams)


def queue_up(
    site: Site, log: Log, wish: QueueWish, *, key: str = "", dry: bool = False, tell: Tell = untold
) -> QueuedUp:
    """Queue branches; nothing moves by that. Raises Refused, or NotFound for a branch that is not there."""
    from wt_orchestrate.domain import events as e
    from wt_orchestrate.domain.plan.branch_queue import queue_plan, queued_workstreams

    state = unfinished_run(log)
    settings = load_settings(site)
    if state is not None and (wish.checks or wish.target):
        raise Refused(
            f"{state.id} already has its checks and its target: {state.target}",
            hint=f"leave out --check and --target, or finish it first: {moved_by(site, state)}",
        )
    read = queued_branches(site, wish.branches, wish.target if state is None else state.target)
    taken = (*state.workstreams, *asked_names(log, state)) if state is not None else ()
    further = queued_workstreams(read, taken)
    if dry:
        return QueuedUp(run=None, number=0, further=further)
    if state is not None:
        put = put_request(site, state.id, e.AddRequested(workstreams=further), key=key)
        return QueuedUp(run=state.id, number=put.number, further=further, moved_by=moved_by(site, state))
    judged = _checks(settings, wish)
    plan = queue_plan(further, target=wish.target, checks=judged, workers=wish.workers)
    loaded = checked_plan(plan, settings)
    run = begin_run(site, log, loaded, settings, path="train", land=False, key=key, tell=tell)
    return QueuedUp(run=run, number=0, further=further)


def _checks(settings: Settings, wish: QueueWish) -> Sequence[Check]:
    from wt_orchestrate.domain.plan.model import Check

    found = tuple(Check(run=command) for command in wish.checks) or settings.checks
    if not found and not wish.unchecked:
        raise Refused(
            "no checks are given, so nothing would test these branches",
            hint="--check 'make test', or checks: in .wto/config.yaml (--no-checks skips checks)",
        )
    return found
