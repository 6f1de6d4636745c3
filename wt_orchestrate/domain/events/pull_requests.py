"""Pull requests of workstreams: values, events, and the branch that each is merged into.

A workstream that started when others were integrated contains their work too. Its pull request shows only its own work
if its base is the branch of what it contains; if it contains several that do not contain one another, a branch of its
own marks where it started.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from enum import StrEnum

from msgspec import Struct

from wt_orchestrate.domain.ids import Branch, CommitId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


class PullState(StrEnum):
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class PullRequest(Struct, frozen=True, kw_only=True):
    """What is known of a pull request; `number` is 0 if the forge was only asked to make it (push options)."""

    number: int
    url: str
    branch: Branch
    base: Branch
    head: CommitId
    draft: bool = False
    state: PullState = PullState.OPEN


class Remark(Struct, frozen=True, kw_only=True):
    """A comment on a pull request, or a failed check of the forge, as it is passed to an agent. `origin` is its id on
    the forge."""

    origin: str
    text: str
    path: str = ""
    line: int = 0
    end: int = 0
    commit: CommitId | None = None
    quoted: str = ""


def base_branch(branch: Branch) -> Branch:
    """The branch that marks where a workstream started; no workstream's name has a dot."""
    return Branch(f"{branch}.base")


def stacked_on(name: str, holds: Mapping[str, Set[str]], opened: Iterable[str]) -> str | None:
    """The workstream that a pull request is stacked on: an empty text for the target, None for a branch of its own.
    `holds`: for each workstream, whose unlanded work it contains. `opened`: who has a pull request."""
    within = holds[name]
    if not within:
        return ""
    return next((other for other in sorted(within & set(opened)) if holds[other] | {other} >= within), None)


class PullRequestNoted(Struct, frozen=True, kw_only=True):
    """A pull request as it is now."""

    workstream: WorkstreamId
    pull_request: PullRequest


class FollowUpRequested(Struct, frozen=True, kw_only=True):
    """Reviewers remarked on integrated work: another workstream continues it, on a branch that starts there."""

    workstream: WorkstreamId
    follower: WorkstreamId
    spec: Workstream
    remarks: tuple[Remark, ...]


class MergedElsewhere(Struct, frozen=True, kw_only=True):
    """Its work is in the target, merged by the forge or by a person; `commit` is where it was found."""

    workstream: WorkstreamId
    commit: CommitId
