"""Which requests are allowed now, and why not.

A face asks before it puts a request, so that the answer comes at once; the supervisor asks again when it takes it,
because the run went on meanwhile. A refusal changes nothing.
"""

from __future__ import annotations

from msgspec import Struct

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.plan.model import AgentType, seconds
from wt_orchestrate.domain.plan.permissions import is_rule
from wt_orchestrate.domain.plan.settings import agent_spec
from wt_orchestrate.domain.plan.stages import find_stage, has_gate, stage_specs
from wt_orchestrate.domain.plan.validation import problems
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.schedule.budget import run_use, workstream_use
from wt_orchestrate.domain.schedule.expansion import misfits
from wt_orchestrate.domain.state.attempt import open_questions
from wt_orchestrate.domain.state.comments import MOST, TEXT_LIMIT, CommentStatus, of_status
from wt_orchestrate.domain.state.lifecycle import DONE, ENDED, STUCK, Stage
from wt_orchestrate.domain.state.run import RunState, agent_name, may_only_read, takes_messages
from wt_orchestrate.domain.state.stages import gate, gate_round, standings, synthesis_of, waiting_gate
from wt_orchestrate.domain.state.workstream import WorkstreamState, live_attempt
from wt_orchestrate.domain.text.status_words import shown


class Refusal(Struct, frozen=True):
    """Why a request is not possible, and what to do instead."""

    reason: str
    hint: str


def refusal(state: RunState, request: e.Request, now: float) -> Refusal | None:
    """Why this cannot be done now; None if it can."""
    name = e.workstream_of(request)
    if name is not None and name not in state.workstreams:
        return Refusal(f"unknown workstream {name!r} in {state.id}", f"known: {', '.join(state.workstreams)}")
    match request:
        case e.AddRequested(workstreams=further):
            found = misfits(state, further)
            return Refusal(f"{found[0].message} (in {_place(found[0].place)})", found[0].hint) if found else None
        case e.EditRequested():
            return _edit(state, state.workstreams[request.workstream], request)
        case e.CleanRequested(workstreams=names):
            return next((no for name in names if (no := _clean(state.workstreams.get(name))) is not None), None)
        case e.LimitRequested():
            return _limit(state, request, now)
        case e.ApproveRequested():
            return _approve(state, request)
        case _:
            return None if name is None else _of_one(state, state.workstreams[name], request)


def _approve(state: RunState, word: e.ApproveRequested) -> Refusal | None:
    """A gate can be passed only while it waits, and only in the round that the person saw."""
    spec = find_stage(state.plan, word.stage)
    if spec is None or not has_gate(spec):
        what = f"unknown stage {word.stage!r}" if spec is None else f"the stage {word.stage} has no gate to approve"
        known = ", ".join(each.name for each in stage_specs(state.plan) if has_gate(each)) or "none"
        return Refusal(f"{what} in {state.id}", f"stages with a gate: {known}")
    if word.no and not word.no.strip():
        return Refusal("an empty reason neither approves nor rejects", "give a reason, or leave out no")
    if gate(state, word.stage).approved:
        return Refusal(f"the stage {word.stage} is already approved", "wto status")
    if waiting_gate(state) != spec:
        return Refusal(
            f"the stage {word.stage} is {shown(standings(state)[word.stage])}, not at its gate", "wto status"
        )
    if word.round and word.round != gate_round(state, word.stage):
        return Refusal(
            f"the stage {word.stage} has changed since you looked", f"wto approve {word.stage} -n, then approve again"
        )
    if word.no and synthesis_of(state, word.stage) is None:
        hint = f"wto add with stage: {word.stage}, to add what is missing; wto edit or wto cancel to change what comes next"
        return Refusal(f"the stage {word.stage} has no synthesis to send back", hint)
    ws = synthesis_of(state, word.stage)
    if word.no and ws is not None and ws.stage is Stage.CANCELLED:
        return _not_so(ws, "nobody would read the reason", hint=f'wto retry {ws.id}, then wto tell {ws.id} "..."')
    if word.no and ws is not None and ws.id in state.wishes.cleaning:
        return Refusal(f"the worktree of {ws.id} is being removed", "try again when that is done")
    return None


_GOES_ON = (
    e.ContinueRequested,
    e.RetryRequested,
    e.TellRequested,
    e.RedirectRequested,
    e.AnswerRequested,
    e.CommentsSendRequested,
)


def _of_one(state: RunState, ws: WorkstreamState, request: e.Request) -> Refusal | None:
    if ws.id in state.wishes.cleaning and isinstance(request, _GOES_ON):
        return Refusal(f"the worktree of {ws.id} is being removed", "try again when that is done; a new one is created")
    match request:
        case e.ContinueRequested() if ws.stage not in STUCK - {Stage.CANCELLED}:
            return _not_so(ws, "only what failed, was stopped or needs a person can be continued")
        case e.TakeOverRequested():
            return _take_over(ws)
        case e.RetryRequested() if ws.stage not in STUCK:
            return _not_so(ws, "only what failed, was stopped, was cancelled or needs a person can be retried")
        case e.CancelRequested() if ws.stage in DONE:
            return _not_so(ws, "its work is already integrated")
        case e.FollowUpRequested() as wanted:
            return _follow_up(state, ws, wanted)
        case e.AllowRequested(rules=rules):
            return _allow(state, ws, rules)
        case e.MergedElsewhere() if ws.stage is not Stage.INTEGRATED:
            return _not_so(ws, "only what is integrated and not landed yet can have been merged elsewhere")
        case e.TellRequested() | e.RedirectRequested() if ws.spec.branch:
            return Refusal(f"{ws.id} has no agent: it is the branch {ws.branch}", "commit the fix on it")
        case e.TellRequested() | e.RedirectRequested() if ws.stage in DONE | {Stage.CANCELLED, Stage.VERIFIED}:
            return _not_so(ws, "no agent works on it any more", hint="wto add, to add more work")
        case (
            e.CommentRequested() | e.CommentsSendRequested() | e.CommentResolveRequested() | e.CommentReopenRequested()
        ):
            return _comment(ws, request)
        case e.InterruptRequested():
            return _interrupt(state, ws)
        case e.AnswerRequested(ask=named):
            asks = [ask.id for attempt in ws.attempts[-1:] for ask in open_questions(attempt.asks)]
            if named and named not in asks:
                return _not_so(ws, "this question is not open any more")
            return None if asks or ws.stage is Stage.ESCALATED else _not_so(ws, "it has no open question")
        case e.HoldRequested() if ws.stage in ENDED:
            return _not_so(ws, "nothing will start for it")
        case e.ReleaseRequested() if not ws.on_hold:
            return _not_so(ws, "it is not on hold")
        case _:
            return None


def _not_so(ws: WorkstreamState, why: str, *, hint: str = "") -> Refusal:
    return Refusal(f"{ws.id} is {shown(ws.stage)}: {why}", hint or f"wto status {ws.id}")


def _allow(state: RunState, ws: WorkstreamState, rules: tuple[str, ...]) -> Refusal | None:
    wrong = next((rule for rule in rules if not is_rule(rule)), None)
    if wrong is not None:
        return Refusal(f"{wrong!r} is no rule", "such as 'Bash(npm test *)', 'Bash(make)' or WebFetch")
    if ws.spec.branch:
        return Refusal(f"{ws.id} has no agent: it is the branch {ws.branch}", "commit the fix on it")
    spec = agent_spec(agent_name(state, ws), plan_agents=state.plan.agents, settings=state.settings)
    if spec is not None and spec.type is not AgentType.CLAUDE_CODE:
        return Refusal(f"the agent of {ws.id} is a command: nothing is denied to it", f"wto logs {ws.id}")
    if may_only_read(state, ws):
        return Refusal(f"the agents of {ws.id} may only read", f"give it another role: wto edit {ws.id}")
    if ws.stage in DONE:
        return _not_so(ws, "no agent works on it any more", hint="wto add, to add more work")
    return None


def _take_over(ws: WorkstreamState) -> Refusal | None:
    if ws.worktree is None or ws.checkout.removed or ws.spec.branch:
        return Refusal(f"{ws.id} has no worktree whose commits could be taken over", f"wto status {ws.id}")
    if live_attempt(ws) is not None:
        return _not_so(ws, "its agent is running", hint=f"wto stop {ws.id}, then wto take-over {ws.id}")
    if ws.stage not in STUCK | {Stage.PREPARING, Stage.CLAIMED, Stage.VERIFYING}:
        return _not_so(ws, "its work is integrated, or was not started")
    return None


def _interrupt(state: RunState, ws: WorkstreamState) -> Refusal | None:
    if live_attempt(ws) is None:
        return _not_so(ws, "no agent is running for it")
    if not takes_messages(state, ws):
        return Refusal(f"the agent of {ws.id} is a command and cannot be interrupted", f"wto stop {ws.id}")
    return None


def _comment(ws: WorkstreamState, request: e.Request) -> Refusal | None:
    """Comments are kept while somebody can still act on them, and sent while an agent can be called back."""
    match request:
        case e.CommentResolveRequested(comment=name) | e.CommentReopenRequested(comment=name):
            found = next((each for each in ws.comments if each.id == name), None)
            if found is None:
                return Refusal(f"there is no comment {name!r} on {ws.id}", f"wto comment {ws.id} --list")
            resolved = found.status is CommentStatus.RESOLVED
            if resolved and isinstance(request, e.CommentResolveRequested):
                return Refusal(f"{name} is already resolved", f"wto comment {ws.id} --list")
            return None
        case _ if ws.spec.branch:
            return Refusal(f"{ws.id} has no agent: it is the branch {ws.branch}", "commit the fix on it")
        case _ if ws.stage in DONE | {Stage.CANCELLED}:
            hint = "wto add, to add more work" if ws.stage in DONE else f"wto retry {ws.id}"
            return _not_so(ws, "no agent works on it any more", hint=hint)
        case e.CommentRequested():
            return _new_comment(ws, request)
        case _ if ws.stage is Stage.VERIFIED:
            return _not_so(ws, "it is being integrated right now", hint="wto add, to add more work")
        case _ if not of_status(ws.comments, CommentStatus.UNSENT):
            return Refusal(f"there is no comment on {ws.id} to send", f'wto comment {ws.id} FILE:LINE "..."')
        case _:
            return None


def _follow_up(state: RunState, ws: WorkstreamState, wanted: e.FollowUpRequested) -> Refusal | None:
    if ws.stage is not Stage.INTEGRATED:
        return _not_so(ws, "only work that is integrated and not landed can be continued")
    found = misfits(state, {wanted.follower: wanted.spec})
    return Refusal(found[0].message, found[0].hint) if found else None


def _new_comment(ws: WorkstreamState, said: e.CommentRequested) -> Refusal | None:
    if not said.text.strip():
        return Refusal("the comment is empty", f'wto comment {ws.id} FILE:LINE "..."')
    if len(said.text) > TEXT_LIMIT:
        return Refusal(
            f"a comment has at most {TEXT_LIMIT} characters, this one has {len(said.text)}", "make it shorter"
        )
    if len(ws.comments) >= MOST:
        return Refusal(f"{ws.id} has {MOST} comments already", f'wto redirect {ws.id} "..."')
    for each in ws.comments:
        same = (each.path, each.line, each.text) == (said.path, said.line, said.text) and each.commit == said.commit
        if same and each.status is not CommentStatus.RESOLVED:
            return Refusal(f"{each.id} says that already", f"wto comment {ws.id} --list")
    return None


def _clean(ws: WorkstreamState | None) -> Refusal | None:
    if ws is None or ws.stage in ENDED:
        return None
    return _not_so(ws, "its worktree is in use", hint=f"wto stop {ws.id}, or wto cancel {ws.id}")


def _edit(state: RunState, ws: WorkstreamState, request: e.EditRequested) -> Refusal | None:
    if ws.stage is not Stage.QUEUED:
        return _not_so(ws, "only a workstream that has not started can be edited", hint=f'wto redirect {ws.id} "..."')
    plan = replace(state.plan, workstreams={**state.plan.workstreams, ws.id: request.spec})
    found = [problem for problem in problems(plan, state.settings) if not problem.warning]
    return Refusal(f"{found[0].message} (in {_place(found[0].place)})", found[0].hint) if found else None


def _limit(state: RunState, request: e.LimitRequested, now: float) -> Refusal | None:
    if request.checks is not None and request.checks < 1:
        return Refusal("checks must be at least 1", "write checks=1")
    if request.agents is not None and request.agents < 1:
        return Refusal("agents must be at least 1", "wto hold, to start nothing new")
    if request.wall is not None and not seconds(request.wall):
        return Refusal(f"{request.wall!r} is not a duration", "write it as 45s, 10m or 1h30m")
    wanted = {
        "money": request.budget_usd,
        "tokens": request.tokens,
        "turns": request.turns,
        "time": seconds(request.wall) if request.wall else None,
    }
    ws = state.workstreams[request.workstream] if request.workstream is not None else None
    uses = workstream_use(state, ws, now) if ws is not None else run_use(state, now)
    for use in uses:
        cap = wanted[use.what]
        if cap is not None and cap <= use.used:
            return Refusal(f"{use.words()} are used already; a limit of {cap:g} is none", "choose a higher one")
    if any(cap is not None and cap <= 0 for cap in wanted.values()):
        return Refusal("a limit must be more than 0", "choose a higher one")
    return None


def _place(place: tuple[str | int, ...]) -> str:
    return ".".join(map(str, place))
