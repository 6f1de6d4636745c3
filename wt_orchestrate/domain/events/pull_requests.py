"""Pull requests of workstreams, as values: what is known of one, and which branch it is to be merged into.

A workstream that was begun when others were integrated holds their work, too. Its pull request shows only its own when its base
is the branch of what it holds; where it holds several that do not hold one another, a branch of its own marks where it began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from wt_orchestrate.domain.ids import Branch, CommitId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


class PullState(StrEnum):
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """What is known of one; `number` is 0 where the forge was only told to make it (push options)."""

    number: int
    url: str
    branch: Branch
    base: Branch
    head: CommitId
    draft: bool = False
    state: PullState = PullState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A comment on a pull request, or a failed check of the forge, as it goes to an agent. `origin` is its name there."""

    origin: str
    text: str
    path: str = ""
    line: int = 0
    end: int = 0
    commit: CommitId | None = None
    quoted: str = ""


def base_branch(branch: Branch) -> Branch:
    """The branch that marks where a workstream began, beside its own; no workstream's name has a dot."""
    return Branch(f"{branch}.base")


def stacked_on(name: str, holds: Mapping[str, Set[str]], opened: Iterable[str]) -> str | None:
    """On which of the others a pull request is stacked: the empty text for the target, None for a branch of its own. `holds`
    says for each which others' unlanded work it holds, `opened` who has a pull request."""
    within = holds[name]
    if not within:
        return ""
    return next((other for other in sorted(within & set(opened)) if holds[other] | {other} >= within), None)


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
