"""Everything to do: what the machine asks for and `engine/effects/` does.

An effect is idempotent. Its key names it: at most one effect of a key is under way, and a restart that asks for the same
key means the same thing, because what was chosen for it is pinned in the log before it is performed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_OID, uuid5

from wt_orchestrate.domain.ids import AttemptId, Branch, CommitId, ProcessId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultBase:
    """Bring the target's base into the vault and start the integration branch there."""

    base: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWorktree:
    workstream: WorkstreamId
    path: str
    branch: Branch
    base: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSetup:
    workstream: WorkstreamId
    process: ProcessId
    command: str
    worktree: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAttempt:
    workstream: WorkstreamId
    attempt: AttemptId
    epoch: int
    session: str
    resume: bool
    reason: str
    prompt: str
    budget_usd: float | None
    turns: int | None = None
    account: str = ""
    carries: tuple[str, ...] = ()
    """Messages that the prompt holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAttempt:
    workstream: WorkstreamId
    attempt: AttemptId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCommand:
    """End a setup command or a check that nobody needs any more."""

    process: ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerAsk:
    """Answer a permission question by rule, or an agent's question by a person's words."""

    workstream: WorkstreamId
    attempt: AttemptId
    ask: str
    question: bool
    payload: str
    allow: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """Tell a running agent something; with `interrupts` its running turn is ended first."""

    workstream: WorkstreamId
    attempt: AttemptId
    message: str
    text: str
    interrupts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Gather the evidence for a claim: commits, clean worktree, scope, handoff."""

    workstream: WorkstreamId
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assemble:
    """Merge these heads in memory one upon another, the first one onto `onto`, and prove each merge."""

    onto: CommitId
    riders: tuple[tuple[WorkstreamId, CommitId], ...]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Settle a conflict by what was decided beforehand: remembered resolutions, drivers, union, lockfiles."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    paths: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeTrial:
    """Merge a suspect's head onto an earlier integration commit, to see whether a check fails there."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """Run one check on exactly this commit's tree; `workstream` None is the landing."""

    workstream: WorkstreamId | None
    commit: CommitId
    tree: TreeId
    process: ProcessId
    check: Check
    slot: int
    """The place it runs in: a tree of ours on the disk."""
    fresh: bool
    """The tree is brought there anew, with setup; else it is as the check before left it."""
    probe: str
    ahead: tuple[WorkstreamId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A claim that an advance takes in: the head, and the merge commit that carries it."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    commit: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Move the integration branch in the vault to a commit whose tree passed, by compare-and-swap. It takes in these
    claims; none for a landing."""

    commit: CommitId
    onto: CommitId
    takes: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Show the integration head in the user's repository; beside the train, so several steps may become one."""

    commit: CommitId
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareLanding:
    target: Branch
    integration: CommitId
    allow_protected: bool
    allow_secrets: tuple[str, ...] = ()
    allow_large: bool = False
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    target: Branch
    commit: CommitId
    expected: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanWorktree:
    workstream: WorkstreamId
    force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreWorktree:
    workstream: WorkstreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """Put commits that were made elsewhere on a workstream's branch; `branch` empty: those that its HEAD is at."""

    workstream: WorkstreamId
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """Whose merges are foreseen: a workstream's head, and the worktree whose uncommitted work counts as well."""

    workstream: WorkstreamId
    head: CommitId
    worktree: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Foresee which of these would conflict with each other, or with the integration head."""

    against: CommitId
    sides: tuple[Glance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Find what the memory says to a workstream: by words, and by the paths it may write."""

    workstream: WorkstreamId
    terms: tuple[str, ...]
    paths: tuple[str, ...]


FORECAST = "forecast:"
"""The key of every forecast: one at a time, whatever it is made of."""


Effect = (
    VaultBase
    | CreateWorktree
    | RunSetup
    | StartAttempt
    | StopAttempt
    | StopCommand
    | AnswerAsk
    | SendMessage
    | Verify
    | Assemble
    | Settle
    | MakeTrial
    | RunCheck
    | Advance
    | Publish
    | PrepareLanding
    | Land
    | CleanWorktree
    | RestoreWorktree
    | TakeOver
    | Forecast
    | Recall
)


def effect_key(effect: Effect) -> str:
    """The name of an effect: the same for the same thing to do, whenever it is asked for."""
    match effect:
        case VaultBase(base=base):
            return f"vault:{base}"
        case CreateWorktree(workstream=workstream):
            return f"worktree:{workstream}"
        case RunSetup(process=process) | RunCheck(process=process):
            return f"command:{process}"
        case StartAttempt(attempt=attempt):
            return f"start:{attempt}"
        case StopAttempt(attempt=name) | StopCommand(process=name):
            return f"stop:{name}"
        case AnswerAsk(ask=ask, attempt=attempt):
            return f"answer:{attempt}:{ask}"
        case SendMessage(attempt=attempt, message=message):
            return f"tell:{attempt}:{message}"
        case Verify(workstream=workstream, round=number):
            return f"verify:{workstream}:{number}"
        case Assemble(onto=onto, riders=riders):
            return f"assemble:{onto}:{_digest(riders)}"
        case Settle(workstream=workstream, head=head, onto=onto):
            return f"settle:{workstream}:{head}:{onto}"
        case MakeTrial(workstream=workstream, head=head, onto=onto):
            return f"trial:{workstream}:{head}:{onto}"
        case Advance(commit=commit):
            return f"advance:{commit}"
        case Publish():
            return "publish:integration"
        case PrepareLanding(integration=integration):
            return f"landing:{integration}"
        case Land(commit=commit, expected=expected):
            return f"land:{commit}:{expected}"
        case CleanWorktree(workstream=workstream):
            return f"clean:{workstream}"
        case RestoreWorktree(workstream=workstream):
            return f"restore:{workstream}"
        case TakeOver(workstream=workstream):
            return f"takeover:{workstream}"
        case Forecast():
            return FORECAST
        case Recall(workstream=workstream):
            return f"recall:{workstream}"


def _digest(riders: tuple[tuple[WorkstreamId, CommitId], ...]) -> str:
    return uuid5(NAMESPACE_OID, repr(riders)).hex[:16]


def pins(effect: Effect) -> Mapping[str, str]:
    """What a restart must know of an effect that was under way: choices made from a state that has moved on, and the
    identity of a process that may have been started."""
    match effect:
        case CreateWorktree(base=base, path=path):
            return {"base": base, "path": path}
        case StartAttempt(session=session, resume=resume, reason=reason, account=account, carries=carries):
            return {
                "session": session,
                "resume": "yes" if resume else "",
                "reason": reason,
                "account": account,
                "carries": " ".join(carries),
            }
        case RunSetup(workstream=workstream, command=command):
            return {"workstream": workstream, "purpose": "setup", "command": command}
        case RunCheck() as run:
            return {
                "workstream": run.workstream or "",
                "purpose": "check",
                "command": run.check.run,
                "commit": run.commit,
                "tree": run.tree,
                "slot": str(run.slot),
                "fresh": "yes" if run.fresh else "",
                "probe": run.probe,
                "ahead": " ".join(run.ahead),
            }
        case Assemble(onto=onto, riders=riders, at=at):
            return {"onto": onto, "at": repr(at), "riders": " ".join(f"{name}={head}" for name, head in riders)}
        case _:
            return {}
