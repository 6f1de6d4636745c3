"""What people and their faces ask for, as events: a wish that the supervisor took, with the request it came from as its cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wt_orchestrate.domain.events.pull_requests import FollowUpRequested, MergedElsewhere, PullRequestNoted
from wt_orchestrate.domain.events.stages import ApproveRequested
from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """End the agents of one workstream, or of the whole run."""

    workstream: WorkstreamId | None = None
    reason: str = "stopped on request"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequested:
    """Go on with a stopped run, or with what a person mended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueRequested:
    """A person mended this workstream in its worktree: look at it again."""

    workstream: WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequested:
    workstream: WorkstreamId
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TellRequested:
    """Something for an agent to know: at its next turn, or beginning one."""

    workstream: WorkstreamId
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptRequested:
    """End the running turn of an agent; its process waits for what it is told next."""

    workstream: WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectRequested:
    """A new brief: to the running session, or for the next attempt."""

    workstream: WorkstreamId
    brief: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequested:
    """Another attempt at what failed, was cancelled or needs a person; counters start anew."""

    workstream: WorkstreamId
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """Give a workstream up: its agent is ended, its work stays where it is."""

    workstream: WorkstreamId
    reason: str = "cancelled on request"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequested:
    """Begin nothing new for a workstream, or for the run."""

    workstream: WorkstreamId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequested:
    workstream: WorkstreamId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRequested:
    """New bounds for the run, or for one workstream; what is None stays as it is."""

    workstream: WorkstreamId | None = None
    agents: int | None = None
    checks: int | None = None
    budget_usd: float | None = None
    tokens: int | None = None
    turns: int | None = None
    wall: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequested:
    """Further workstreams for a run that goes on."""

    workstreams: Mapping[str, Workstream]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRequested:
    """A workstream that has not begun, written anew."""

    workstream: WorkstreamId
    spec: Workstream


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentRequested:
    """A reviewer's comment, collected until it is sent. `line` to `end` are lines of `path` at `commit`, where they read
    `quoted`; without a path it is on the work as a whole."""

    workstream: WorkstreamId
    text: str
    path: str = ""
    line: int = 0
    end: int = 0
    commit: CommitId | None = None
    quoted: str = ""
    origin: str = ""
    """Its name on the forge, if it comes from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentsSendRequested:
    """Give its agent all comments that were not sent yet, as one message."""

    workstream: WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentResolveRequested:
    workstream: WorkstreamId
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentReopenRequested:
    """What was answered or resolved is to be looked at again; it goes out with the next ones that are sent."""

    workstream: WorkstreamId
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LandRequested:
    """`allow_secrets` are marks of what looks like a secret and is none."""

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
