"""Events of reviews by agents."""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain.agent.review_findings import ReviewFinding
from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


class ReviewerCalled(Struct, frozen=True, kw_only=True):
    """An agent in a worktree of its own is to review a claim: exactly this head."""

    workstream: WorkstreamId
    reviewer: WorkstreamId
    head: CommitId
    spec: Workstream


class ReviewGiven(Struct, frozen=True, kw_only=True):
    """The findings of a reviewer about a head; empty if there are none."""

    workstream: WorkstreamId
    reviewer: WorkstreamId
    head: CommitId
    findings: tuple[ReviewFinding, ...] = ()
