"""The stages of a plan: their names, their order, and how each ends.

In a plan a stage is a name, or a mapping with a gate and a synthesis; here it is always a `StageSpec`.
"""

from __future__ import annotations

from functools import lru_cache

from wt_orchestrate.domain.plan.model import Gate, Plan, StageSpec, SynthesisSpec


def stage_specs(plan: Plan) -> tuple[StageSpec, ...]:
    """The stages in order."""
    return _specs(plan.stages)


@lru_cache(maxsize=256)
def _specs(stages: tuple[str | StageSpec, ...]) -> tuple[StageSpec, ...]:
    return tuple(StageSpec(name=each) if isinstance(each, str) else each for each in stages)


def stage_names(plan: Plan) -> tuple[str, ...]:
    return _names(plan.stages)


@lru_cache(maxsize=256)
def _names(stages: tuple[str | StageSpec, ...]) -> tuple[str, ...]:
    return tuple(spec.name for spec in _specs(stages))


def find_stage(plan: Plan, name: str) -> StageSpec | None:
    return next((spec for spec in stage_specs(plan) if spec.name == name), None)


def is_pipeline(plan: Plan) -> bool:
    """Whether any stage ends with more than its workstreams: a gate or a synthesis."""
    return any(has_synthesis(spec) or has_gate(spec) for spec in stage_specs(plan))


def has_synthesis(spec: StageSpec) -> bool:
    return spec.synthesis is not False


def has_gate(spec: StageSpec) -> bool:
    return spec.gate is Gate.APPROVAL


def synthesis_spec(spec: StageSpec) -> SynthesisSpec:
    """How the stage is summarised; the defaults if the plan only says that it is."""
    return spec.synthesis if isinstance(spec.synthesis, SynthesisSpec) else SynthesisSpec()


def before(plan: Plan, stage: str) -> tuple[str, ...]:
    """The stages before this one; none for a stage the plan does not have."""
    names = stage_names(plan)
    return names[: names.index(stage)] if stage in names else ()


def behind(plan: Plan, stage: str) -> tuple[str, ...]:
    """The stages after this one; none for a stage the plan does not have."""
    names = stage_names(plan)
    return names[names.index(stage) + 1 :] if stage in names else ()
