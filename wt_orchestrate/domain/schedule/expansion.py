"""Workstreams that join a run: by a person's `wto add`, or by the handoff of a workstream that `expands`.

They must fit the rules of a plan, together with the existing ones. An agent's must fit more rules: no command that the
plan does not run already, no agent and no role that may do more, no further expansion. What an agent writes must not
widen what agents may do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan import stages
from wt_orchestrate.domain.plan.model import Plan, Workstream
from wt_orchestrate.domain.plan.permissions import widens
from wt_orchestrate.domain.plan.settings import role_of
from wt_orchestrate.domain.plan.validation import PlanProblem, problems
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.lifecycle import DONE, Stage
from wt_orchestrate.domain.state.run import RunState, agent_name
from wt_orchestrate.domain.state.stages import Standing, members, standings
from wt_orchestrate.domain.state.workstream import WorkstreamState
from wt_orchestrate.domain.text.clean import clean

SECTION = "workstreams"
"""The section of a handoff that adds workstreams, as YAML like that of a plan."""
MOST = 20
"""How many workstreams one handoff may add."""
_TITLE = 120
_OURS = ("serves", "continues", "synthesises", "branch")
_BOUNDS = ("limits", "retries", "idle")
_BARE = Workstream(brief="")


def grown(plan: Plan, further: Mapping[str, Workstream]) -> Plan:
    """The plan with additional workstreams."""
    return replace(plan, workstreams={**plan.workstreams, **further})


def misfits(state: RunState, further: Mapping[str, Workstream]) -> Sequence[PlanProblem]:
    """Why workstreams cannot join the run; places are those in a plan."""
    doubled = [
        PlanProblem(
            place=("workstreams", name), message=f"there is a workstream {name!r} already", hint="choose another name"
        )
        for name in further
        if WorkstreamId(name) in state.workstreams
    ]
    if doubled:
        return doubled
    return [problem for problem in problems(grown(state.plan, further), state.settings) if not problem.warning]


def placed(state: RunState, ws: WorkstreamState, further: Mapping[str, Workstream]) -> Mapping[str, Workstream]:
    """An agent's workstreams with their stages: without a stage, the next one for a synthesis, else its own. Their
    titles become single lines, because other agents and people read them in lists."""
    later = stages.behind(state.plan, ws.spec.stage)
    own = (later[0] if later else "") if ws.spec.synthesises else ws.spec.stage
    return {
        name: replace(spec, stage=spec.stage or own, title=" ".join(clean(spec.title).split())[:_TITLE])
        for name, spec in further.items()
    }


def still_to_join(state: RunState, ws: WorkstreamState, further: Mapping[str, Workstream]) -> Mapping[str, Workstream]:
    """Those that did not join on an earlier look at the same handoff; a person may have edited them since."""
    known = {name for name, other in state.workstreams.items() if other.added_by == ws.id}
    return {name: spec for name, spec in further.items() if name not in known}


def agents_misfits(state: RunState, ws: WorkstreamState, further: Mapping[str, Workstream]) -> Iterator[str]:
    """Why an agent's workstreams cannot join the run, one sentence each. They may not enter a stage that is before its
    own or over, look like a workstream that the tool adds, or be reviewed less than the plan says."""
    if len(further) > MOST:
        yield f"it adds {len(further)} workstreams, more than the {MOST} allowed"
    commands = {check.run for check in state.plan.checks}
    commands |= {check.run for spec in state.plan.workstreams.values() for check in spec.checks}
    for name, spec in further.items():
        foreign = [check.run for check in spec.checks if check.run not in commands]
        if foreign:
            yield f"{name} defines its own check ({foreign[0]}); only the plan's own checks may be used"
        if spec.expands:
            yield f"{name} has expands: an added workstream may not"
        for key in _OURS:
            if getattr(spec, key):
                yield f"{name} has {key}: only a person may set that; remove it"
        for key in _BOUNDS:
            if getattr(spec, key) != getattr(_BARE, key):
                yield f"{name} has {key}: only the plan sets limits; remove it"
        if spec.review is not None:
            yield f"{name} has review: the plan decides how an added workstream is reviewed; remove it"
        yield from _too_wide(state, name, spec)
        yield from _misplaced(state, ws, name, spec)
    for problem in misfits(state, further):
        yield f"{'.'.join(map(str, problem.place))}: {problem.message}; {problem.hint}"


def _too_wide(state: RunState, name: str, spec: Workstream) -> Iterator[str]:
    """Agents or roles that may do more than those a person put into the run."""
    by_people = [other for other in state.workstreams.values() if other.added_by is None]
    agents = {state.plan.defaults.agent, *state.plan.agents, *(agent_name(state, other) for other in by_people)}
    if spec.agent and spec.agent not in agents:
        yield f"{name} has the agent {spec.agent!r}, which the plan does not use; remove agent:"
    if spec.role not in {other.spec.role for other in by_people} and widens(
        role_of(spec.role, settings=state.settings)
    ):
        yield f"{name} has the role {spec.role!r}, which has more rights than the plan's workstreams; choose another one"


def _misplaced(state: RunState, ws: WorkstreamState, name: str, spec: Workstream) -> Iterator[str]:
    """Where an added workstream may not be: before its own gate, in a stage whose gate was passed, or, for a synthesis,
    in the stage it summarises."""
    later = stages.behind(state.plan, ws.spec.stage)
    if ws.spec.synthesises and spec.stage not in later:
        yield f"{name} is in the stage {spec.stage!r}; a synthesis plans only stages behind its own: {', '.join(later) or 'none'}"
    elif spec.stage in stages.before(state.plan, ws.spec.stage):
        yield f"{name} is in the stage {spec.stage!r}, which is over; name {ws.spec.stage!r} or a later one"
    elif not ws.spec.stage and spec.stage and _is_over(state, spec.stage):
        yield f"{name} is in the stage {spec.stage!r}, which is over; name a later one, or none"


def _is_over(state: RunState, stage: str) -> bool:
    """Whether a stage of a pipeline had work and is passed."""
    over = stages.is_pipeline(state.plan) and standings(state).get(stage) is Standing.PASSED
    return over and bool(members(state, stage))


def expansions(state: RunState) -> Iterator[e.Event]:
    """Workstreams of integrated handoffs that have not joined yet, or why they cannot any more. What a synthesis plans
    joins as soon as its claim holds, so that it can be looked at, edited and cancelled at the gate."""
    for ws in state.workstreams.values():
        early = bool(ws.spec.synthesises) and ws.stage is Stage.VERIFYING
        if not ws.further or not (early or ws.stage in DONE):
            continue
        further = still_to_join(state, ws, ws.further)
        reasons = tuple(agents_misfits(state, ws, further))
        if reasons:
            yield e.ExpansionRefused(workstream=ws.id, problems=reasons)
        else:
            yield e.WorkstreamsAdded(by=ws.id, workstreams=further)
