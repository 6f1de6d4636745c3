"""Every effect: a thing to do that `machine` asks for and `engine/effects/` performs.

An effect is idempotent. Its key names it: at most one effect of a key is under way, and a restart that asks for the
same key means the same thing, because the choices made for it are in the log before it is performed (`pins`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from uuid import NAMESPACE_OID, uuid5

from msgspec import Struct

from wt_orchestrate.domain.events.train import MergeMade
from wt_orchestrate.domain.ids import AttemptId, Branch, CommitId, ProcessId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Check


class VaultBase(Struct, frozen=True, kw_only=True):
    """Fetch the target's base into the vault and start the integration branch there."""

    base: CommitId


class CreateWorktree(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    path: str
    branch: Branch
    base: CommitId


class RunSetup(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    process: ProcessId
    command: str
    worktree: str


class StartAttempt(Struct, frozen=True, kw_only=True):
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
    """Messages that are part of the prompt."""


class StopAttempt(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    attempt: AttemptId
    reason: str


class StopCommand(Struct, frozen=True, kw_only=True):
    """Stop a setup command or a check that is no longer needed."""

    process: ProcessId


class AnswerAsk(Struct, frozen=True, kw_only=True):
    """Answer a permission question by rule, or an agent's question with a person's answer."""

    workstream: WorkstreamId
    attempt: AttemptId
    ask: str
    question: bool
    payload: str
    allow: bool
    text: str
    others: tuple[str, ...] = ()
    """The answers to further questions that were asked at once with it."""


class SendMessage(Struct, frozen=True, kw_only=True):
    """Send a message to a running agent; with `interrupts`, its running turn is ended first."""

    workstream: WorkstreamId
    attempt: AttemptId
    message: str
    text: str
    interrupts: bool


class Verify(Struct, frozen=True, kw_only=True):
    """Gather the evidence for a claim: commits, clean worktree, scope, handoff."""

    workstream: WorkstreamId
    round: int


class Assemble(Struct, frozen=True, kw_only=True):
    """Merge these heads in memory, one on another, the first one onto `onto`, and prove each merge. What conflicts is
    resolved by automatic rules at its place: remembered resolutions, drivers, union, lockfiles."""

    onto: CommitId
    riders: tuple[tuple[WorkstreamId, CommitId], ...]
    at: float


class MakeTrial(Struct, frozen=True, kw_only=True):
    """Merge a suspect's head onto an earlier integration commit, to check that combination."""

    workstream: WorkstreamId
    head: CommitId
    onto: CommitId
    at: float


class RunCheck(Struct, frozen=True, kw_only=True):
    """Run one check on exactly this commit's tree; `workstream` is None for the landing."""

    workstream: WorkstreamId | None
    commit: CommitId
    tree: TreeId
    process: ProcessId
    check: Check
    slot: int
    """The slot it runs in: a checkout of ours."""
    fresh: bool
    """Check the tree out again, with setup; else it is as the check before left it."""
    probe: str
    ahead: tuple[WorkstreamId, ...] = ()


class Advance(Struct, frozen=True, kw_only=True):
    """Move the integration branch in the vault to a commit whose tree passed, by compare-and-swap. It integrates these
    claims; none for a landing."""

    commit: CommitId
    onto: CommitId
    takes: tuple[MergeMade, ...] = ()


class Publish(Struct, frozen=True, kw_only=True):
    """Copy the integration head to the user's repository. Not in step with the train: several moves may become one."""

    commit: CommitId
    order: int


class PrepareLanding(Struct, frozen=True, kw_only=True):
    target: Branch
    integration: CommitId
    allow_protected: bool
    allow_secrets: tuple[str, ...] = ()
    allow_large: bool = False
    allow_changed: bool = False
    allow_held: bool = False
    at: float


class Land(Struct, frozen=True, kw_only=True):
    target: Branch
    commit: CommitId
    expected: CommitId


class CleanWorktree(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId
    force: bool


class RestoreWorktree(Struct, frozen=True, kw_only=True):
    workstream: WorkstreamId


class TakeOver(Struct, frozen=True, kw_only=True):
    """Put commits that were made elsewhere on a workstream's branch; `branch` empty: those that its HEAD is at."""

    workstream: WorkstreamId
    branch: str


class Side(Struct, frozen=True, kw_only=True):
    """One side of a forecast, a workstream or a branch. With a worktree and the index that `dirty` keeps for it, uncommitted
    work counts too."""

    name: str
    head: CommitId
    worktree: str = ""
    index: str = ""
    """Where the index file is; only who makes the forecast knows."""


class Forecast(Struct, frozen=True, kw_only=True):
    """Find out which of these would conflict with each other, or with the integration head."""

    against: CommitId
    sides: tuple[Side, ...]


class Recall(Struct, frozen=True, kw_only=True):
    """Find what the memory has for a workstream, by words and by the paths it may write."""

    workstream: WorkstreamId
    terms: tuple[str, ...]
    paths: tuple[str, ...]


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


# ---------------------------------------------------------------- keys


class EffectKind(StrEnum):
    """What sort of effect a key names. The values are stored in logs for good."""

    VAULT = "vault"
    WORKTREE = "worktree"
    COMMAND = "command"
    START = "start"
    STOP = "stop"
    ANSWER = "answer"
    TELL = "tell"
    VERIFY = "verify"
    ASSEMBLE = "assemble"
    TRIAL = "trial"
    ADVANCE = "advance"
    PUBLISH = "publish"
    LANDING = "landing"
    LAND = "land"
    CLEAN = "clean"
    RESTORE = "restore"
    TAKE_OVER = "takeover"
    FORECAST = "forecast"
    RECALL = "recall"


class EffectKey(Struct, frozen=True, order=True, array_like=True):
    """The name of an effect: the same for the same thing to do, whenever it is asked for. `text` is how logs have it, and
    `parse_key` reads that again; nothing else takes a key apart."""

    kind: str
    """One of `EffectKind`, or a kind that only older logs have."""
    about: str = ""
    """What it is done to or with: ids, `:` between them."""

    @property
    def text(self) -> str:
        return f"{self.kind}:{self.about}"

    def __str__(self) -> str:
        return self.text

    @property
    def workstream(self) -> WorkstreamId:
        """The workstream it names, directly or by one of its processes; what it says for an effect that names none is no
        workstream of the run."""
        first = self.about.partition(":")[0]
        _, dot, further = first.partition(".")
        return WorkstreamId(further.partition(".")[0] if dot else first)

    @property
    def process(self) -> ProcessId:
        """The process that an effect of the kinds `start`, `stop` and `command` is about."""
        return ProcessId(self.about)


FORECAST = EffectKey(EffectKind.FORECAST)
"""The key of every forecast: only one is under way at a time."""


def parse_key(text: str) -> EffectKey:
    """The key that a log has as this text."""
    kind, _, about = text.partition(":")
    return EffectKey(kind, about)


def start_key(attempt: AttemptId) -> EffectKey:
    """The key of an attempt's start."""
    return EffectKey(EffectKind.START, attempt)


def worktree_key(workstream: WorkstreamId) -> EffectKey:
    """The key of making a workstream's worktree."""
    return EffectKey(EffectKind.WORKTREE, workstream)


def advance_key(commit: CommitId) -> EffectKey:
    """The key of moving the integration branch to a commit."""
    return EffectKey(EffectKind.ADVANCE, commit)


def recall_key(workstream: WorkstreamId) -> EffectKey:
    """The key of what is recalled for a workstream."""
    return EffectKey(EffectKind.RECALL, workstream)


def restore_key(workstream: WorkstreamId) -> EffectKey:
    """The key of making a removed or lost worktree again."""
    return EffectKey(EffectKind.RESTORE, workstream)


def take_over_key(workstream: WorkstreamId) -> EffectKey:
    """The key of putting a person's branch in place of an agent's work."""
    return EffectKey(EffectKind.TAKE_OVER, workstream)


def of_kind(keys: Iterable[EffectKey], kind: EffectKind) -> tuple[EffectKey, ...]:
    """Those of a kind, in a fixed order."""
    return tuple(sorted(key for key in keys if key.kind == kind))


def effect_key(effect: Effect) -> EffectKey:
    """The key of an effect."""
    match effect:
        case VaultBase(base=base):
            return EffectKey(EffectKind.VAULT, base)
        case CreateWorktree(workstream=workstream):
            return worktree_key(workstream)
        case RunSetup(process=process) | RunCheck(process=process):
            return EffectKey(EffectKind.COMMAND, process)
        case StartAttempt(attempt=attempt):
            return start_key(attempt)
        case StopAttempt(attempt=name) | StopCommand(process=name):
            return EffectKey(EffectKind.STOP, name)
        case AnswerAsk(ask=ask, attempt=attempt):
            return EffectKey(EffectKind.ANSWER, f"{attempt}:{ask}")
        case SendMessage(attempt=attempt, message=message):
            return EffectKey(EffectKind.TELL, f"{attempt}:{message}")
        case Verify(workstream=workstream, round=number):
            return EffectKey(EffectKind.VERIFY, f"{workstream}:{number}")
        case Assemble(onto=onto, riders=riders):
            return EffectKey(EffectKind.ASSEMBLE, f"{onto}:{_digest(riders)}")
        case MakeTrial(workstream=workstream, head=head, onto=onto):
            return EffectKey(EffectKind.TRIAL, f"{workstream}:{head}:{onto}")
        case Advance(commit=commit):
            return advance_key(commit)
        case Publish():
            return EffectKey(EffectKind.PUBLISH, "integration")
        case PrepareLanding(integration=integration):
            return EffectKey(EffectKind.LANDING, integration)
        case Land(commit=commit, expected=expected):
            return EffectKey(EffectKind.LAND, f"{commit}:{expected}")
        case CleanWorktree(workstream=workstream):
            return EffectKey(EffectKind.CLEAN, workstream)
        case RestoreWorktree(workstream=workstream):
            return restore_key(workstream)
        case TakeOver(workstream=workstream):
            return take_over_key(workstream)
        case Forecast():
            return FORECAST
        case Recall(workstream=workstream):
            return recall_key(workstream)


def _digest(riders: tuple[tuple[WorkstreamId, CommitId], ...]) -> str:
    return uuid5(NAMESPACE_OID, repr(riders)).hex[:16]


def pins(effect: Effect) -> Mapping[str, str]:
    """What a restart must know of an effect that was interrupted: choices made from an earlier state, and the identity
    of a process that may have been started."""
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
