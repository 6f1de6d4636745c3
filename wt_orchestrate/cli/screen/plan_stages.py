"""The stages of a plan for people and programs: what is in each, how it ends, and a diagram."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wt_orchestrate.domain.plan.model import Plan
from wt_orchestrate.domain.plan.stages import before, has_gate, has_synthesis, stage_specs
from wt_orchestrate.domain.text.clean import counted


def _members(shown: Plan, stage: str) -> list[str]:
    return [name for name, stream in shown.workstreams.items() if stream.stage == stage]


def _is_filled(shown: Plan, stage: str) -> bool:
    """Whether an earlier synthesis may plan its workstreams."""
    return any(has_synthesis(spec) for spec in stage_specs(shown) if spec.name in before(shown, stage))


def stage_values(shown: Plan) -> list[dict[str, Any]]:
    """The stages in order, as plain values."""
    return [
        {
            "name": spec.name,
            "workstreams": _members(shown, spec.name),
            "synthesis": has_synthesis(spec),
            "gate": spec.gate.value,
            "filled_by_synthesis": _is_filled(shown, spec.name),
        }
        for spec in stage_specs(shown)
    ]


def stage_lines(shown: Plan) -> list[str]:
    """One line for each stage, and an empty one after; nothing for a plan without stages."""
    lines = [f"stage {spec.name:<12} {', '.join(_words(shown, spec.name))}" for spec in stage_specs(shown)]
    return [*lines, ""] if lines else []


def _words(shown: Plan, stage: str) -> Iterator[str]:
    spec = next(each for each in stage_specs(shown) if each.name == stage)
    count = len(_members(shown, stage))
    planned = "planned by the synthesis before it"
    if count or not _is_filled(shown, stage):
        yield counted(count, "workstream")
    if _is_filled(shown, stage):
        yield f"and what is {planned}" if count else planned
    if has_synthesis(spec):
        yield "then a synthesis"
    if has_gate(spec):
        yield f"then needs wto approve {stage}"


def mermaid_lines(shown: Plan) -> Iterator[str]:
    """Edges of a pipeline: into each stage, through its synthesis and its gate, into the next one."""
    ends: list[str] = []
    for number, spec in enumerate(stage_specs(shown)):
        own = _members(shown, spec.name)
        if not own and _is_filled(shown, spec.name):
            own = [f"stage_{number}"]
            yield f'  {own[0]}["{spec.name}: planned by the synthesis"]'
        yield from (f"  {end} --> {name}" for name in own for end in ends)
        ends = own or ends
        if has_synthesis(spec):
            yield f'  synthesis_{number}(["synthesis of {spec.name}"])'
            yield from (f"  {end} --> synthesis_{number}" for end in ends)
            ends = [f"synthesis_{number}"]
        if has_gate(spec):
            yield f'  gate_{number}{{"wto approve {spec.name}"}}'
            yield from (f"  {end} --> gate_{number}" for end in ends)
            ends = [f"gate_{number}"]
    yield from (f"  {need} --> {name}" for name, stream in shown.workstreams.items() for need in stream.needs)
