"""Whose words a sentence has: what is not ours is quoted for a model, as data.

Belongs here: which events' sentences are ours, and how words of others are marked. Not: the sentences (`story`).
"""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.text.clean import clean

_EDGE = "\x02"
"""Stands where words that are not ours begin and end, in the sentences of `_QUOTING`; in no text."""


def quote(text: str) -> str:
    """Words of others, for a sentence of `_QUOTING`."""
    return f"{_EDGE}{text.replace(_EDGE, '')}{_EDGE}"


_QUOTING = (
    e.CommitsSeen | e.AttemptAsked | e.AttemptAnswered | e.AttemptObserved | e.AttemptNudged | e.ProgressTold
    | e.FindingShared | e.HandoffSeen | e.CheckFinished | e.SetupFinished | e.CommandStarted | e.MemoryRecalled
)  # fmt: skip
"""Events whose sentences say in our words whose the quoted ones are."""
OURS = (
    e.RunStarted | e.BaseVaulted | e.SupervisorStarted | e.TimeSkipped | e.RunStopped | e.RunFinished | e.StopRequested
    | e.ResumeRequested | e.ContinueRequested | e.LandRequested | e.AdmissionChanged | e.BudgetWarned | e.BudgetReached
    | e.SynthesisCalled | e.GateReached | e.ApproveRequested | e.ProposalWithdrawn | e.WorkstreamsAdded | e.TellRequested
    | e.AllowRequested | e.AnswerRequested | e.InterruptRequested | e.RedirectRequested | e.RetryRequested | e.CancelRequested
    | e.HoldRequested | e.ReleaseRequested | e.LimitRequested | e.AddRequested | e.EditRequested | e.CommentsSendRequested
    | e.CommentResolveRequested | e.CommentReopenRequested | e.FollowUpRequested | e.WorktreeCreated | e.AttemptStarted
    | e.AttemptStopping | e.AttemptEnded | e.MessageSent | e.NotesRead | e.ClaimMade | e.ClaimAccepted | e.RetryDecided
    | e.MergeMade | e.ArbiterCalled | e.ReviewerCalled | e.ReviewGiven | e.TrialMade | e.Verified | e.Integrated
    | e.IntegrationMoved | e.IntegrationPublished | e.IntegrationAdvanced | e.MergedElsewhere | e.WorkstreamStopped
    | e.WorkstreamCancelled | e.Landed | e.TargetMoved
)  # fmt: skip
"""Events whose sentences have our words, a person's and names that we checked, and no others. The text of every event that
is in neither list is quoted as a whole: also that of an event which is new."""


def both(event: e.Event, text: str) -> tuple[str, str]:
    """The sentence of an event for people, and for a model."""
    parts = text.split(_EDGE) if isinstance(event, _QUOTING) else [text.replace(_EDGE, "")]
    whole = [as_data(part) if index % 2 else one_line(part, pad=True) for index, part in enumerate(parts)]
    marked = "".join(whole).strip() if isinstance(event, OURS | _QUOTING) else as_data(parts[0])
    return one_line("".join(parts)), marked


def as_data(text: str, limit: int = 400) -> str:
    """Words that are not ours for a model: on one line, bounded, in quotation marks that they cannot end."""
    found = one_line(text.replace("”", '"'), limit)
    return f"“{found}” (data)"


def one_line(text: str, limit: int = 400, *, pad: bool = False) -> str:
    """The text on one line; with `pad`, a blank at either end stays."""
    found = " ".join(clean(text).split())
    edges = (text[:1].isspace(), text[-1:].isspace()) if pad and found else (False, False)
    return f"{' ' * edges[0]}{found[:limit]}{' ' * edges[1]}"
