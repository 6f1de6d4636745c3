"""Conflict forecasts for `wto forecast` and `wto plan forecast`: of a run, of branches, of a plan, without a
supervisor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wt_orchestrate.wiring.site import Site, open_log, repository, require_common, vault

_RUNS = 5
"""How many earlier runs are measured."""

if TYPE_CHECKING:
    from wt_orchestrate.domain.drafting.cochange import PlanForecast
    from wt_orchestrate.domain.drafting.estimate import Advice, EarlierRuns
    from wt_orchestrate.domain.effects import Side
    from wt_orchestrate.domain.ids import Branch, CommitId
    from wt_orchestrate.domain.plan.model import Plan
    from wt_orchestrate.ports.git.forecast import MergeForecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """A forecast, with its sides. `onto`: the branch that all are merged onto."""

    run: str
    """Empty for branches of no run."""
    onto: str
    against: CommitId
    sides: tuple[Side, ...]
    forecast: MergeForecast


def foresee_run(site: Site, run: str | None) -> Foresight:
    """The unfinished workstreams of a run (the newest by default), uncommitted work included, against each other and
    the integration branch. Raises NotFound if there is no run, or it has not started."""
    from wt_orchestrate.domain.ids import integration_branch
    from wt_orchestrate.domain.state.forecast import forecast_sides
    from wt_orchestrate.engine.effects.forecast import indexed
    from wt_orchestrate.engine.requests import find_run, load_state
    from wt_orchestrate.errors import NotFound

    log = open_log(site)
    try:
        state = load_state(log, find_run(log, run))
    finally:
        log.close()
    if state.integration.commit is None:
        raise NotFound(f"{state.id} has not started", hint="wto status")
    sides = indexed(forecast_sides(state), site.path("indexes"))
    found = vault(site, run=state.seed).forecasts.forecast(sides, against=state.integration.commit)
    return Foresight(
        run=state.id, onto=integration_branch(state.id), against=state.integration.commit, sides=sides, forecast=found
    )


def foresee_plan(site: Site, plan: Plan, *, commits: int) -> tuple[Branch, PlanForecast]:
    """The forecast of a plan by the history of its target; with the target. Raises NotFound without one."""
    from wt_orchestrate.domain.drafting.cochange import plan_forecast
    from wt_orchestrate.domain.ids import branch_ref

    repo, kept = repository(site), vault(site)
    target = _known(plan.target or repo.facts().branch or "", repo.heads(""))
    kept.ensure()
    ref = f"refs/wto/target/{target}"
    head = kept.refs.fetch({branch_ref(target): ref})[ref]
    return target, plan_forecast(plan, kept.commits.past(head=head, commits=commits))


def advise_plan(site: Site, plan: Plan, forecast: PlanForecast | None) -> Advice:
    """Whether it pays to run a plan in parallel, with what earlier runs of this repository took."""
    from wt_orchestrate.domain.drafting.estimate import advise

    return advise(plan, forecast, measured_here(site))


def measured_here(site: Site) -> EarlierRuns:
    """What the newest runs of this repository took; empty if none can be read."""
    from wt_orchestrate.domain.drafting.estimate import EarlierRuns, measured
    from wt_orchestrate.domain.report.report import report
    from wt_orchestrate.errors import WtError

    try:
        log = open_log(site)
    except WtError:
        return EarlierRuns()
    try:
        records = [log.read(each.id) for each in log.runs()[-_RUNS:]]
    except WtError:
        return EarlierRuns()
    finally:
        log.close()
    return measured([report(each, now=each[-1].at) for each in records if each])


def foresee_branches(site: Site, names: Sequence[str], target: str | None) -> Foresight:
    """Any branches, by their commits, against each other and the target. Raises NotFound for one that does not exist."""
    from wt_orchestrate.domain.effects import Side
    from wt_orchestrate.domain.ids import branch_ref

    repo, kept = repository(site), vault(site)
    onto = _known(target or repo.facts().branch or "", known := repo.heads(""))
    wanted = [_known(name, known) for name in dict.fromkeys(names)]
    kept.ensure()
    refs = {name: f"refs/wto/branches/{name.replace('%', '%25').replace('/', '%2F')}" for name in (onto, *wanted)}
    heads = kept.refs.fetch({branch_ref(name): ref for name, ref in refs.items()})
    sides = tuple(Side(name=name, head=heads[refs[name]]) for name in wanted if refs[name] in heads)
    against = heads[refs[onto]]
    for side in sides:
        require_common(site, onto=against, head=side.head, name=side.name)
    return Foresight(
        run="", onto=onto, against=against, sides=sides, forecast=kept.forecasts.forecast(sides, against=against)
    )


def _known(name: str, known: Mapping[Branch, CommitId]) -> Branch:
    from difflib import get_close_matches

    from wt_orchestrate.errors import NotFound

    branch = next((each for each in known if each == name), None)
    if branch is not None:
        return branch
    if not name:
        raise NotFound("HEAD is detached, so there is no target branch", hint="wto forecast --target BRANCH")
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "see git branch --list; a remote branch needs a local one first"
    raise NotFound(f"there is no branch {name!r}", hint=hint)
