"""Requests of people, as events. The number of the request that the supervisor took is the event's cause."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from wt_orchestrate.domain.events.pull_requests import FollowUpRequested, MergedElsewhere, PullRequestNoted
from wt_orchestrate.domain.events.stages import ApproveRequested
from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


class StopRequested(Struct, frozen=True, kw_only=True):
    """Stop the agents of one workstream, or of the whole run."""

    workstream: WorkstreamId | None = None
    reason: str = "stopped on request"


class ResumeRequested(Struct, frozen=True, kw_only=True):
    """Resume a stopped run, or continue after a person fixed something."""


class ContinueRequested(Struct, frozen=True, kw_only=True):
    """A person fixed this workstream in its worktree: verify it again."""

    workstream: WorkstreamId


class AnswerRequested(Struct, frozen=True, kw_only=True):
    """An answer to the question `ask`; without it, to the oldest one that has none."""

    workstream: WorkstreamId
    text: str
    ask: str = ""


class TellRequested(Struct, frozen=True, kw_only=True):
    """A message for an agent: in its next turn, or starting one."""

    workstream: WorkstreamId
    text: str


class InterruptRequested(Struct, frozen=True, kw_only=True):
    """End the running turn of an agent; its process waits for the next message."""

    workstream: WorkstreamId


class RedirectRequested(Struct, frozen=True, kw_only=True):
    """A new brief: for the running session, or for the next attempt."""

    workstream: WorkstreamId
    brief: str


class AllowRequested(Struct, frozen=True, kw_only=True):
    """Rules that a workstream's agents get beside theirs: the running one with its next question for leave, later ones from
    their start."""

    workstream: WorkstreamId
    rules: tuple[str, ...]


class RetryRequested(Struct, frozen=True, kw_only=True):
    """Another attempt at what failed, was cancelled or needs a person; counters are reset."""

    workstream: WorkstreamId
    fresh: bool = False


class CancelRequested(Struct, frozen=True, kw_only=True):
    """Give a workstream up: its agent is stopped, its work stays where it is."""

    workstream: WorkstreamId
    reason: str = "cancelled on request"


class HoldRequested(Struct, frozen=True, kw_only=True):
    """Start nothing new for a workstream, or for the run."""

    workstream: WorkstreamId | None = None


class ReleaseRequested(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId | None = None


class LimitRequested(Struct, frozen=True, kw_only=True):
    """New limits for the run or for one workstream; None leaves a limit as it is."""

    workstream: WorkstreamId | None = None
    agents: int | None = None
    checks: int | None = None
    budget_usd: float | None = None
    tokens: int | None = None
    turns: int | None = None
    wall: str | None = None


class AddRequested(Struct, frozen=True, kw_only=True):
    """Additional workstreams for a run."""

    workstreams: Mapping[str, Workstream]


class EditRequested(Struct, frozen=True, kw_only=True):
    """A new text for a workstream that has not started."""

    workstream: WorkstreamId
    spec: Workstream


class CommentRequested(Struct, frozen=True, kw_only=True):
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


class CommentsSendRequested(Struct, frozen=True, kw_only=True):
    """Send the agent all comments that were not sent yet, as one message."""

    workstream: WorkstreamId


class CommentResolveRequested(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    comment: str


class CommentReopenRequested(Struct, frozen=True, kw_only=True):
    """Open an answered or resolved comment again; it is sent with the next ones."""

    workstream: WorkstreamId
    comment: str


class LandRequested(Struct, frozen=True, kw_only=True):
    """Land what is integrated. `allow_secrets`: marks of findings that look like secrets and are not."""

    allow_protected: bool = False
    allow_secrets: tuple[str, ...] = ()
    allow_large: bool = False
    allow_changed: bool = False
    """What changed in the repository while agents were at work is the person's own doing."""
    allow_held: bool = False
    """A person let through what is held for its names or deletions."""
    onto: str = ""
    """Another branch than the run's target, which becomes the target once this has landed."""


class CleanRequested(Struct, frozen=True, kw_only=True):
    workstreams: tuple[WorkstreamId, ...]
    force: bool = False


class RestoreRequested(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId


class TakeOverRequested(Struct, frozen=True, kw_only=True):
    """Put commits that an agent made elsewhere on its workstream's branch; without a name (of a branch, or a commit's id) those
    that its HEAD is at."""

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
    | AllowRequested
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
