"""Events of stages: a synthesis was called, a gate waits, a proposal was withdrawn; and a person's approval.

None of them is about a single workstream, so none has a field `workstream`.
"""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


class SynthesisCalled(Struct, frozen=True, kw_only=True):
    """Everything of a stage is integrated or cancelled: an agent is to summarise it."""

    stage: str
    synthesis: WorkstreamId
    spec: Workstream


class GateReached(Struct, frozen=True, kw_only=True):
    """A stage is complete and waits for a person's approval. `then` are the workstreams that wait for it."""

    stage: str
    round: int
    then: tuple[WorkstreamId, ...] = ()


class ProposalWithdrawn(Struct, frozen=True, kw_only=True):
    """A synthesis continues, or was cancelled: what it had planned and has not started leaves the plan."""

    by: WorkstreamId
    workstreams: tuple[WorkstreamId, ...]


class ApproveRequested(Struct, frozen=True, kw_only=True):
    """A person lets the stages after this one start; with `no`, its synthesis continues with that message instead."""

    stage: str
    no: str = ""
    round: int = 0
    """The round of the gate that the person looked at; 0 for the current one."""
