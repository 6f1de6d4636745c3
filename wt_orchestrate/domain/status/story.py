"""Events as sentences, the same for every face.

Text that agents wrote passes through `clean`, so that it is harmless on a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent import stream as s
from wt_orchestrate.domain.agent.review_findings import Weighing
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.effects import parse_key
from wt_orchestrate.domain.events.forecast import Clash
from wt_orchestrate.domain.events.memory import RecalledEntry
from wt_orchestrate.domain.state.phrases import blame_words, doubt, listed, not_resolved, progress_words
from wt_orchestrate.domain.status.marks import both, one_line, quote
from wt_orchestrate.domain.text.clean import at_line, clean, counted


class StoryWeight(StrEnum):
    """How much an event matters to somebody who follows a run."""

    STEP = "step"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    ASKS = "asks"
    DETAIL = "detail"
    """Shown only with the whole story."""


class Sentence(Struct, frozen=True, kw_only=True):
    """`about` is the workstream, or empty for the run; `marked` is the text for a model: what is not ours is quoted in it, as
    data."""

    about: str
    weight: StoryWeight
    text: str
    marked: str


def sentence(event: e.Event) -> Sentence | None:
    """An event as a sentence; None if it is only bookkeeping."""
    told = _run(event) or _work(event) or _verdict(event) or _end(event)
    if told is None:
        return None
    weight, text = told
    plain, marked = both(event, text)
    return Sentence(about=e.workstream_of(event) or "", weight=weight, text=plain, marked=marked)


def cause(record: e.Record) -> str:
    """The cause of an event, to stand after its sentence; empty if the sentence says it."""
    kind, _, rest = record.cause.partition(":")
    if kind == "request":
        return f" (request {rest} of a person)"
    if record.cause == "rule":
        return " (follows from what is known)"
    return "" if record.cause in {"", "machine"} else f" (seen in {parse_key(record.cause).kind})"


Told = tuple[StoryWeight, str] | None


def _run(event: e.Event) -> Told:
    match event:
        case e.RunStarted(plan=plan, target=target):
            return (
                StoryWeight.STEP,
                f"run started: {plan.goal} ({counted(len(plan.workstreams), 'workstream')}, target {target})",
            )
        case e.BaseVaulted(base=base):
            return StoryWeight.DETAIL, f"the vault has the base {base[:10]}"
        case e.BaseJudged(target=target, command=""):
            return StoryWeight.STEP, f"the checks pass on {target}; agents may start"
        case e.BaseJudged() as red:
            log = f" (its output is in {red.log})" if red.log else ""
            return (
                StoryWeight.ASKS,
                f"needs you: `{red.command}` {red.outcome} on {red.target} as it is, before any work{log}; no agent starts",
            )
        case e.SupervisorStarted(pid=pid):
            return StoryWeight.DETAIL, f"supervisor started as process {pid}"
        case e.TimeSkipped(seconds=seconds):
            return StoryWeight.WARNING, f"the machine slept or its clock changed ({seconds:.0f} s not counted)"
        case e.RunStopped(reason=reason):
            return StoryWeight.WARNING, f"run stopped: {reason}"
        case e.RunFinished(gate=stage, integrated=done) if stage:
            return (
                StoryWeight.ASKS,
                f"run needs approval: wto approve {stage} ({counted(done, 'workstream')} integrated so far)",
            )
        case e.RunFinished(integrated=done, unfinished=0):
            return StoryWeight.GOOD, f"run finished: all {done} workstreams are integrated"
        case e.RunFinished(integrated=done, unfinished=left):
            return StoryWeight.BAD, f"run finished: {counted(done, 'workstream')} integrated, {left} not"
        case e.EffectFailed(key=key, reason=reason):
            return StoryWeight.WARNING, f"{parse_key(key).kind} was refused: {reason}"
        case e.StopRequested(reason=reason):
            return StoryWeight.STEP, f"stop: {reason}"
        case e.ResumeRequested():
            return StoryWeight.STEP, "resume requested"
        case e.ContinueRequested():
            return StoryWeight.STEP, "a person continued it"
        case e.LandRequested():
            return StoryWeight.STEP, "landing requested"
        case e.RequestRefused(reason=reason):
            return StoryWeight.WARNING, f"request refused: {reason}"
        case e.AdmissionChanged(reason=""):
            return StoryWeight.STEP, "the machine has room for more agents again"
        case e.AdmissionChanged(reason=reason):
            return StoryWeight.WARNING, f"no new agent starts: {reason}"
        case e.BudgetWarned(what=what, used=used, cap=cap):
            return StoryWeight.WARNING, f"{used / cap:.0%} of the limit on {what} used"
        case e.BudgetReached(what=what):
            return StoryWeight.BAD, f"the limit on {what} is used up; agents were asked to stop"
        case e.ForecastMade() as made:
            return _foreseen(made)
        case e.MemoryRecalled(entries=entries, problem=problem):
            return _recalled(entries, problem)
        case _:
            return _stages(event) or _steering(event)


def _stages(event: e.Event) -> Told:
    match event:
        case e.SynthesisCalled(stage=stage, synthesis=name):
            return StoryWeight.STEP, f"the stage {stage} is over; {name} writes its synthesis"
        case e.GateReached(stage=stage, then=then):
            waits = f"; {', '.join(then)} wait{'s' if len(then) == 1 else ''}" if then else ""
            return StoryWeight.ASKS, f"the stage {stage} is complete and needs approval: wto approve {stage}{waits}"
        case e.ApproveRequested(stage=stage, no=""):
            return StoryWeight.GOOD, f"a person approved the stage {stage}"
        case e.ApproveRequested(stage=stage, no=why):
            return StoryWeight.WARNING, f"a person rejected the synthesis of {stage}: {why}"
        case e.ProposalWithdrawn(by=by, workstreams=names):
            return StoryWeight.WARNING, f"removed from the run, planned by {by}: {', '.join(names)}"
        case e.WorkstreamsAdded(by=by, workstreams=further) if not further:
            return StoryWeight.DETAIL, f"{by} added nothing new"
        case _:
            return None


def _recalled(entries: Sequence[RecalledEntry], problem: str) -> Told:
    if problem:
        return StoryWeight.WARNING, f"the memory could not be read: {quote(problem)}"
    if not entries:
        return StoryWeight.DETAIL, "the memory has no match"
    told = "; ".join(
        f"{each.id} ({each.kind}, {each.source}{doubt(each)}) {one_line(each.text, 120)}" for each in entries
    )
    return StoryWeight.STEP, f"{len(entries)} memory entries added to its brief: {quote(told)}"


def _foreseen(made: e.ForecastMade) -> Told:
    parts = [f"{_pair(each)} would conflict in {listed(each)}" for each in made.found]
    parts += [f"{_pair(each)} would no longer conflict" for each in made.gone]
    if not parts:
        parts = [
            f"the uncommitted work of {each.workstream} is not in the forecast: {each.reason}" for each in made.blind
        ]
    return StoryWeight.WARNING if made.found else StoryWeight.DETAIL, "; ".join(
        parts
    ) or "all uncommitted work is in the forecast again"


def _pair(each: Clash) -> str:
    return f"{each.one} and {each.other or 'the integration branch'}"


def _review(event: e.Event) -> Told:
    match event:
        case e.CommentRequested(text=text, path=path, line=line):
            place = f" on {at_line(path, line)}" if path else ""
            return StoryWeight.STEP, f"comment{place}: {text}"
        case e.PullRequestNoted(pull_request=noted):
            where = noted.url or f"branch {noted.branch}"
            return StoryWeight.STEP, f"pull request {noted.state.value}: {where} into {noted.base}"
        case e.FollowUpRequested(follower=follower, remarks=remarks):
            return (
                StoryWeight.WARNING,
                f"{counted(len(remarks), 'remark')} on its pull request; {follower} works on them",
            )
        case e.MergedElsewhere(commit=commit):
            return StoryWeight.GOOD, f"landed: merged elsewhere, in {commit[:10]}"
        case e.CommentsSendRequested():
            return StoryWeight.STEP, "review comments sent"
        case e.CommentResolveRequested(comment=name):
            return StoryWeight.STEP, f"comment {name} resolved"
        case e.CommentReopenRequested(comment=name):
            return StoryWeight.STEP, f"comment {name} reopened"
        case _:
            return None


def _steering(event: e.Event) -> Told:
    match event:
        case e.TellRequested(text=text):
            return StoryWeight.STEP, f"message: {text}"
        case (
            e.CommentRequested() | e.CommentsSendRequested() | e.CommentResolveRequested() | e.CommentReopenRequested()
        ):
            return _review(event)
        case e.AnswerRequested(text=text):
            return StoryWeight.STEP, f"answered: {text}"
        case e.InterruptRequested():
            return StoryWeight.STEP, "interrupt requested"
        case e.RedirectRequested(brief=brief):
            return StoryWeight.STEP, f"new brief: {brief}"
        case e.AllowRequested(rules=rules):
            return StoryWeight.STEP, f"its agents may also: {', '.join(rules)}"
        case e.RetryRequested(fresh=fresh):
            return StoryWeight.STEP, f"retry requested{', in a new session' if fresh else ''}"
        case e.CancelRequested(reason=reason):
            return StoryWeight.STEP, f"cancel requested: {reason}"
        case e.HoldRequested():
            return StoryWeight.STEP, "put on hold"
        case e.ReleaseRequested():
            return StoryWeight.STEP, "released"
        case e.LimitRequested() as wanted:
            bounds = (wanted.agents, wanted.budget_usd, wanted.tokens, wanted.turns, wanted.wall)
            names = ("agents", "budget-usd", "tokens", "turns", "wall")
            pairs = zip(names, bounds, strict=True)
            given = ", ".join(f"{name}={value}" for name, value in pairs if value is not None)
            return StoryWeight.STEP, f"new limits: {given}"
        case e.AddRequested(workstreams=further):
            return StoryWeight.STEP, f"added: {', '.join(further)}"
        case e.WorkstreamsAdded(by=by, workstreams=further):
            return StoryWeight.STEP, f"{by} added: {', '.join(further)}"
        case e.ExpansionRefused(problems=problems):
            return StoryWeight.BAD, f"the workstreams it added no longer fit the plan: {'; '.join(problems)}"
        case e.EditRequested():
            return StoryWeight.STEP, "edited"
        case _:
            return None


def _work(event: e.Event) -> Told:
    match event:
        case e.WorktreeCreated(path=path, base=base, included=included):
            came = f", {included} ignored files copied" if included else ""
            return StoryWeight.STEP, f"worktree created from {base[:10]} at {path}{came}"
        case e.CommandStarted(purpose=purpose, command=command):
            return StoryWeight.DETAIL, f"{purpose} started: {quote(command)}"
        case e.SetupFinished(command=command, exit_code=0):
            return StoryWeight.DETAIL, f"setup passed: {quote(command)}"
        case e.SetupFinished(command=command, exit_code=code):
            return StoryWeight.BAD, f"setup failed with exit code {code}: {quote(command)}"
        case e.AttemptStarted(epoch=epoch, agent=agent, reason=reason, resumed=resumed):
            how = "resumes the session" if resumed else "starts"
            return StoryWeight.STEP, f"attempt {epoch} ({reason}): {agent} {how}"
        case e.AttemptObserved(outcome=outcome, text=text) if outcome not in {None, TurnOutcome.COMPLETED}:
            return StoryWeight.WARNING, f"its turn ended: {outcome} {quote(text) if text else ''}"
        case e.AttemptNudged(evidence=evidence):
            return StoryWeight.WARNING, f"interrupted and told to try another way: {quote(evidence)}"
        case e.MessageSent():
            return StoryWeight.DETAIL, "message queued"
        case e.AttemptObserved(taken=taken) if taken:
            return StoryWeight.DETAIL, "message read"
        case e.AttemptObserved(waits=waits) if waits:
            return StoryWeight.WARNING, f"waits: {quote(waits)}"
        case e.AttemptObserved(tool=tool, target=target) if tool:
            return StoryWeight.DETAIL, quote(f"{tool} {target}")
        case e.AttemptObserved(said=said) if said:
            return StoryWeight.DETAIL, f"says: {quote(said)}"
        case e.AttemptAsked(question=True, text=text, options=options):
            choice = f" ({' | '.join(options)})" if options else ""
            return StoryWeight.ASKS, f"asks: {quote(text + choice)}"
        case e.ProgressTold() | e.FindingShared() | e.NotesRead():
            return _said(event)
        case e.AttemptAsked(tool=tool, text=text):
            return StoryWeight.DETAIL, f"asks permission for {quote(f'{tool} {text}')}"
        case e.AttemptAnswered(allowed=allowed, text=text):
            return StoryWeight.DETAIL, f"{'allowed' if allowed else 'denied'}: {quote(text)}"
        case e.AttemptStopping(reason=reason):
            return StoryWeight.DETAIL, f"its agent is asked to stop ({reason})"
        case e.AttemptEnded(cause="stopped", exit_code=0):
            return StoryWeight.DETAIL, "agent stopped as requested"
        case e.AttemptEnded(cause=cause, exit_code=code, survivors=survivors):
            left = f", {survivors} leftover processes killed" if survivors else ""
            weight = StoryWeight.DETAIL if cause == "exit" and code == 0 else StoryWeight.STEP
            return weight, f"agent exited ({cause}, exit code {code}){left}"
        case e.CommitsSeen(commits=commits, rewritten=rewritten, count=count):
            what = quote(commits[-1].subject) if commits else "no new commit"
            return StoryWeight.STEP, f"{'history rewritten, ' if rewritten else ''}commit {count}: {what}"
        case e.HandoffSeen(problem=problem) if problem:
            return StoryWeight.WARNING, f"handoff unreadable: {quote(problem)}"
        case e.HandoffSeen():
            return StoryWeight.DETAIL, "handoff written"
        case _:
            return None


def _said(event: e.Event) -> Told:
    """What an agent reported through its tools."""
    match event:
        case e.ProgressTold(percent=percent, note=note):
            return StoryWeight.DETAIL, f"says it is {quote(progress_words(percent, note))}"
        case e.FindingShared(kind=kind, text=text, path=path, line=line, to=to):
            place = f" at {path}{f':{line}' if line else ''}" if path else ""
            whom = f" for {', '.join(to)}" if to else ""
            return StoryWeight.STEP, f"shares {quote(f'a {kind}{place}{whom}: {text}')}"
        case e.NotesRead(dropped=dropped) if dropped:
            return StoryWeight.DETAIL, f"{counted(dropped, 'note')} of its agent ignored"
        case _:
            return None


def _verdict(event: e.Event) -> Told:
    match event:
        case e.ClaimMade(by=e.Actor.PERSON):
            return StoryWeight.STEP, "is checked as it is"
        case e.ClaimMade(by=by):
            return StoryWeight.STEP, f"claimed done by the {by}"
        case e.ClaimAccepted(files=files, added=added, deleted=deleted):
            return StoryWeight.STEP, f"claim confirmed: {counted(files, 'file')} +{added} -{deleted}"
        case e.ClaimRejected(findings=findings):
            return StoryWeight.WARNING, f"claim rejected: {'; '.join(findings)}"
        case e.RetryDecided(reason=reason):
            return StoryWeight.WARNING, f"next attempt ({reason})"
        case e.MergeMade(onto=onto, commit=commit):
            return StoryWeight.DETAIL, f"merged in memory onto {onto[:10]} as {commit[:10]}"
        case e.RiderWaits(partners=partners, paths=paths):
            return StoryWeight.WARNING, f"waits for {', '.join(partners)}, because they conflict in {', '.join(paths)}"
        case e.MergeConflicted(paths=paths):
            return StoryWeight.WARNING, f"conflicts with the integration branch in {', '.join(paths)}"
        case e.ProofFailed(lost=lost):
            return StoryWeight.BAD, f"the merge would lose {', '.join(lost)}"
        case e.ConflictSettled(by=by):
            ways = ", ".join(f"{path} by {how}" for path, how in by.items())
            return StoryWeight.STEP, f"conflict resolved: {ways}"
        case e.SettleFailed(paths=paths, why=why):
            return StoryWeight.DETAIL, not_resolved(paths, why)
        case e.UnionRejected() as rejected:
            return StoryWeight.WARNING, (
                f"`{rejected.command}` failed, confirmed, where union was tried in {', '.join(rejected.paths)}, and passed "
                "without it: the conflict is open again"
            )
        case e.ArbiterCalled(arbiter=arbiter):
            return StoryWeight.WARNING, f"{arbiter} starts to resolve its conflict"
        case e.ReviewerCalled(reviewer=reviewer, head=head):
            return StoryWeight.STEP, f"{reviewer} starts to review {head[:10]}"
        case e.ReviewGiven() as given:
            return _given(given)
        case e.CheckFinished() as check:
            return _check(check)
        case e.RiderSuspected(command=command):
            return (
                StoryWeight.WARNING,
                f"set aside, because `{command}` first failed here; the failure is being confirmed",
            )
        case e.TrialMade(onto=onto):
            return (
                StoryWeight.DETAIL,
                f"merged in memory onto the earlier {onto[:10]}, to find which work it fails with",
            )
        case e.SuspectCleared(command=command, reason=reason):
            return StoryWeight.STEP, f"queued again, the failure is not its fault: `{command}`: {reason}"
        case e.RiderBlamed() as blamed:
            return StoryWeight.WARNING, f"`{blamed.command}` failed, confirmed: {blame_words(blamed)}"
        case e.Verified(tree=tree, checks=checks):
            return StoryWeight.STEP, f"verified: {counted(checks, 'check')} passed on tree {tree[:10]}"
        case e.Integrated(commit=None):
            return StoryWeight.GOOD, "integrated (nothing to merge)"
        case e.Integrated(commit=commit):
            return StoryWeight.GOOD, f"integrated as {str(commit)[:10]}"
        case e.IntegrationMoved():
            return StoryWeight.WARNING, "the integration branch had moved; merging again"
        case e.IntegrationPublished(commit=commit):
            return StoryWeight.DETAIL, f"the integration branch is at {commit[:10]}"
        case e.IntegrationAdvanced(commit=commit):
            return StoryWeight.DETAIL, f"target merged into the integration branch, as {commit[:10]}"
        case _:
            return None


def _given(given: e.ReviewGiven) -> Told:
    count = {weighs: sum(each.weighs is weighs for each in given.findings) for weighs in Weighing}
    if not given.findings:
        return StoryWeight.GOOD, f"{given.reviewer} found nothing to change"
    words = ", ".join(f"{number} {weighs}" for weighs, number in count.items() if number)
    return StoryWeight.WARNING if count[Weighing.MUST] else StoryWeight.STEP, f"{given.reviewer} reviewed it: {words}"


_WHY = {
    "confirm": ", on the same tree again",
    "base": ", on the target before any work",
    "target": ", on the target without it",
    "alone": ", on its work alone",
    "trial": ", on an earlier combination",
}


def _check(check: e.CheckFinished) -> Told:
    why = _WHY.get(check.probe, f", together with {', '.join(check.ahead)}" if check.ahead else "")
    if check.outcome is e.CheckOutcome.PASSED:
        return StoryWeight.STEP, f"check passed in {check.duration_s:.1f} s{why}: {quote(check.command)}"
    return StoryWeight.WARNING, f"check {check.outcome}{why}: {quote(check.command)}"


def _end(event: e.Event) -> Told:
    match event:
        case e.WorkstreamFailed(reason=reason, hint=hint):
            return StoryWeight.BAD, f"failed: {reason}{f' ({hint})' if hint else ''}"
        case e.WorkstreamEscalated(reason=reason):
            return StoryWeight.ASKS, f"needs you: {reason}"
        case e.WorkstreamStopped():
            return StoryWeight.WARNING, "stopped"
        case e.WorkstreamCancelled():
            return StoryWeight.WARNING, "cancelled"
        case e.RepositoryChanged(changes=()):
            return StoryWeight.GOOD, "the repository is as it was when the run started"
        case e.RepositoryChanged(changes=changes):
            return _changed(changes)
        case e.CommitsElsewhere(workstream=name, head=None, left=left, count=count) if left is not None:
            return (
                StoryWeight.WARNING,
                f"back on its own branch, without {counted(count, 'commit')} that it made elsewhere: wto take-over {name} {left}",
            )
        case e.CommitsElsewhere(head=None):
            return StoryWeight.STEP, "back on its own branch"
        case e.CommitsElsewhere(where=where, count=count):
            return (
                StoryWeight.WARNING,
                f"{counted(count, 'commit')} on {where or 'a detached HEAD'}, not on its own branch",
            )
        case e.WorkTakenOver(where=where, head=head):
            return (
                StoryWeight.GOOD,
                f"commits taken over from {where or 'a detached HEAD'}: its branch is at {head[:10]}",
            )
        case e.TakeOverRefused(reason=reason):
            return StoryWeight.BAD, f"commits not taken over: {reason}"
        case e.WorktreeLost(what=what):
            return StoryWeight.WARNING, f"its {what} was removed; it is created again"
        case e.Landed(target=target, commit=commit):
            return StoryWeight.GOOD, f"landed on {target} as {commit[:10]}"
        case e.TargetMoved(target=target):
            return StoryWeight.WARNING, f"{target} moved during landing; trying again"
        case e.LandRefused(reason=reason):
            return StoryWeight.BAD, f"landing refused: {reason}"
        case e.WorktreeRemoved(trash=trash):
            return StoryWeight.STEP, f"worktree moved to {trash}" if trash else "worktree was already removed"
        case e.WorktreeKept(reason=reason):
            return StoryWeight.WARNING, f"worktree kept: {reason}"
        case e.WorktreeRestored(path=path):
            return StoryWeight.GOOD, f"worktree created again at {path}"
        case e.RestoreRefused(reason=reason):
            return StoryWeight.BAD, f"cannot be restored: {reason}"
        case _:
            return None


def _changed(changes: Sequence[e.RepositoryChange]) -> tuple[StoryWeight, str]:
    newest = max(each.since for each in changes)
    fresh = [each for each in changes if each.since == newest]
    by = ", ".join(dict.fromkeys(name for each in fresh for name in each.during))
    when = f"while {by} {'was' if ',' not in by else 'were'} running" if by else "while no agent was running"
    told = "; ".join(each.words for each in fresh)
    stops = any(each.stops for each in fresh)
    return (StoryWeight.BAD if stops else StoryWeight.WARNING), f"the repository changed {when}: {clean(told)}"


def sign_line(sign: s.Sign) -> str | None:
    """A part of an agent's output as a line of its log; None if it is only bookkeeping."""
    match sign:
        case s.ToolUsed(tool=tool, target=target):
            return one_line(f"> {tool} {target}")
        case s.Said(text=text):
            return clean(text)
        case s.ToolFailed(tool=tool, error=error):
            return one_line(f"! {tool} failed: {error}")
        case s.PermissionAsked(tool=tool, target=target):
            return one_line(f"? asks permission for {tool} {target}")
        case s.QuestionAsked(question=question):
            return one_line(f"? {question}")
        case s.TurnEnded(outcome=outcome):
            return f"= turn ended: {outcome}"
        case s.RetryWaited(reason=reason, delay_s=delay):
            return f"~ waits {delay:.0f} s: {reason}"
        case s.Denied(tools=tools):
            return f"! denied: {', '.join(tools)}"
        case _:
            return None
