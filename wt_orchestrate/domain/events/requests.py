"""Requests of people, as events. The number of the request that the supervisor took is the event's cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wt_orchestrate.domain.events.pull_requests import FollowUpRequested, MergedElsewhere, PullRequestNoted
from wt_orchestrate.domain.events.stages import ApproveRequested
from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """Stop the agents of one workstream, or of the whole run."""

    workstream: WorkstreamId | None = None
    reason: str = "stopped on request"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequested:
    """Resume a stopped run, or go on after a person fixed something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueRequested:
    """A person fixed this workstream in its worktree: verify it again."""

    workstream: WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequested:
    workstream: WorkstreamId
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TellRequested:
    """A message for an agent: in its next turn, or starting one."""

    workstream: WorkstreamId
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptRequested:
    """End the running turn of an agent; its process waits for the next message."""

    workstream: WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectRequested:
    """A new brief: for the running session, or for the next attempt."""

    workstream: WorkstreamId
    brief: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequested:
    """Another attempt at what failed, was cancelled or needs a person; counters are reset."""

    workstream: WorkstreamId
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """Give a workstream up: its agent is stopped, its work stays where it is."""

    workstream: WorkstreamId
    reason: str = "cancelled on request"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequested:
    """Start nothing new for a workstream, or for the run."""

    workstream: WorkstreamId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequested:
    workstream: WorkstreamId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRequested:
    """New limits for the run or for one workstream; None leaves a limit as it is."""

    workstream: WorkstreamId | None = None
    agents: int | None = None
    checks: int | None = None
    budget_usd: float | None = None
    tokens: int | None = None
    turns: int | None = None
    wall: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequested:
    """Additional workstreams for a run."""

    workstreams: Mapping[str, Workstream]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRequested:
    """A new text for a workstream that has not started."""

    workstream: WorkstreamId
    spec: Workstream


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentRequested:
    """A reviewer's comment, kept until it is sent. `line` to `end` are lines of `path` at `commit`, with the text
    `quoted`; without a path it is about the work as a whole."""

    workstream: WorkstreamId
    text: str
    path: str = ""
    line: int = 0
    end: int = 0
    commit: CommitId | None = None
    quoted: str = ""
    origin: str = ""
    """Its id on the forge, if it comes from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentsSendRequested:
    """Send the agent all comments that were not sent yet, as one message."""

    workstream: WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentResolveRequested:
    workstream: WorkstreamId
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentReopenRequested:
    """Open an answered or resolved comment again; it is sent with the next ones."""

    workstream: WorkstreamId
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LandRequested:
    """Land what is integrated. `allow_secrets`: marks of findings that look like secrets and are not."""

    allow_protected: bool = False
    allow_secrets: tuple[str, ...] = ()
    allow_large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRequested:
    workstreams: tuple[WorkstreamId, ...]
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequested:
    workstream: WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOverRequested:
    """Put commits that an agent made elsewhere on its workstream's branch; without a name those that its HEAD is at."""

    workstream: WorkstreamId
    branch: str = ""


Request = (
    StopRequested
    | ResumeRequested
    | ContinueRequested
    | AnswerRequested
    | TellRequested
    | InterruptRequested
    | RedirectRequested
    | RetryRequested
    | CancelRequested
    | HoldRequested
    | ReleaseRequested
    | LimitRequested
    | AddRequested
    | EditRequested
    | LandRequested
    | CleanRequested
    | RestoreRequested
    | TakeOverRequested
    | CommentRequested
    | CommentsSendRequested
    | CommentResolveRequested
    | CommentReopenRequested
    | PullRequestNoted
    | FollowUpRequested
    | MergedElsewhere
    | ApproveRequested
)
