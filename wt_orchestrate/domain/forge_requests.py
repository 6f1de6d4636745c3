"""What faces tell of pull requests: that one was made or has changed, what reviewers said on it, and that it was merged."""

from __future__ import annotations

from dataclasses import dataclass

from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.plan import Workstream
from wt_orchestrate.domain.pull_requests import PullRequest, Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestNoted:
    """A pull request as it is now."""

    workstream: WorkstreamId
    pull_request: PullRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpRequested:
    """Reviewers said something of work that is integrated: another workstream goes on with it, on a branch that begins there."""

    workstream: WorkstreamId
    follower: WorkstreamId
    spec: Workstream
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedElsewhere:
    """Its work is in the target, merged by the forge or by anybody; `commit` is where it was found."""

    workstream: WorkstreamId
    commit: CommitId
