"""Facts about stages: that one is drawn together, that its gate waits, and what a synthesis takes back; and a person's word.

None of them is about a single workstream, so none has a field of that name.
"""

from __future__ import annotations

from dataclasses import dataclass

from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisCalled:
    """Everything of a stage is integrated or given up: an agent is to draw it together."""

    stage: str
    synthesis: WorkstreamId
    spec: Workstream


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReached:
    """A stage is complete and nothing behind it begins before a person says so. `then` are the workstreams that wait."""

    stage: str
    round: int
    then: tuple[WorkstreamId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalWithdrawn:
    """A synthesis goes on, or was given up: what it had planned and nobody has begun leaves the plan."""

    by: WorkstreamId
    workstreams: tuple[WorkstreamId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveRequested:
    """A person lets the stages behind this one begin; with `no` its synthesis goes on with that word instead."""

    stage: str
    no: str = ""
    round: int = 0
    """Which ending of the stage the person looked at; 0 is whatever there is."""
