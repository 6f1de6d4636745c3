"""Workstreams that join a run that goes on: a person's `wto add`, or an agent's handoff where its workstream `expands`.

They are held to the rules of a plan, together with what runs already. An agent's are held to more: they run no command that
the plan does not run already, and they do not expand further, because what an agent writes must not widen what agents may.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.graph import Problem, problems
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan import Plan, Workstream
from wt_orchestrate.domain.state import DONE, RunState

SECTION = "workstreams"
"""The section of a handoff that adds workstreams, as YAML like that of a plan."""
MOST = 20
"""How many workstreams one handoff may add."""


def grown(plan: Plan, further: Mapping[str, Workstream]) -> Plan:
    """The plan with further workstreams."""
    return replace(plan, workstreams={**plan.workstreams, **further})


def misfits(state: RunState, further: Mapping[str, Workstream]) -> Sequence[Problem]:
    """What keeps further workstreams from joining the run; their places are those in a plan."""
    doubled = [
        Problem(
            place=("workstreams", name), message=f"there is a workstream {name!r} already", hint="name it otherwise"
        )
        for name in further
        if WorkstreamId(name) in state.workstreams
    ]
    if doubled:
        return doubled
    return [problem for problem in problems(grown(state.plan, further), state.settings) if not problem.warning]


def agents_misfits(state: RunState, further: Mapping[str, Workstream]) -> Iterator[str]:
    """What keeps an agent's further workstreams from joining the run, one sentence each."""
    if len(further) > MOST:
        yield f"it adds {len(further)} workstreams, more than the {MOST} it may"
    commands = {check.run for check in state.plan.checks}
    commands |= {check.run for spec in state.plan.workstreams.values() for check in spec.checks}
    for name, spec in further.items():
        foreign = [check.run for check in spec.checks if check.run not in commands]
        if foreign:
            yield f"{name} brings a check of its own ({foreign[0]}); only the plan's own checks may be used"
        if spec.expands:
            yield f"{name} expands; an added workstream may not"
    for problem in misfits(state, further):
        yield f"{'.'.join(map(str, problem.place))}: {problem.message}; {problem.hint}"


def expansions(state: RunState) -> Iterator[e.Event]:
    """Workstreams of integrated handoffs that have not joined yet, or why they cannot any more."""
    for ws in state.workstreams.values():
        if not ws.further or ws.stage not in DONE:
            continue
        reasons = tuple(agents_misfits(state, ws.further))
        if reasons:
            yield e.ExpansionRefused(workstream=ws.id, problems=reasons)
        else:
            yield e.WorkstreamsAdded(by=ws.id, workstreams=ws.further)
