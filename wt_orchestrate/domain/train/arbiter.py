"""Conflicts that no automatic rule resolves: an arbiter does.

An arbiter is an agent with a workstream of its own. Its worktree starts at the head that conflicts, and its brief has
both intents. Its commit must pass the proof of a resolution (nothing outside the conflict changed, no side dropped)
before it replaces that head in the train, where it is checked like any claim. It is called once for each conflict,
within the retry ladder's bound.
"""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.brief.brief import intent
from wt_orchestrate.domain.ids import WorkstreamId, derived_id
from wt_orchestrate.domain.plan.model import Workstream
from wt_orchestrate.domain.plan.retry_ladder import Cause, ladder, next_rung
from wt_orchestrate.domain.plan.roles import ARBITER
from wt_orchestrate.domain.state.lifecycle import DONE, ENDED, STUCK, Stage
from wt_orchestrate.domain.state.run import RunState, agent_name, takes_messages
from wt_orchestrate.domain.state.workstream import (
    Accepted,
    Conflict,
    WorkstreamState,
    acceptance,
    is_arbiter,
    open_conflict,
)
from wt_orchestrate.domain.text.clean import some_of
from wt_orchestrate.domain.text.status_words import shown

OWNER = "owner"


def arbiter_agent(state: RunState, ws: WorkstreamState) -> str:
    """The agent that arbitrates for a workstream; empty if its own agent (or a person) resolves its conflicts."""
    wanted = state.settings.merge.arbiter
    if wanted:
        return "" if wanted == OWNER else wanted
    return agent_name(state, ws) if takes_messages(state, ws) and not ws.spec.branch else ""


def may_call(state: RunState, ws: WorkstreamState) -> bool:
    """Whether the ladder still allows an arbiter for its conflict."""
    rungs = ladder(state.settings.recovery, Cause.CONFLICT, retries=0)
    return bool(arbiter_agent(state, ws)) and next_rung(rungs, ws.tries.by_cause.get(Cause.CONFLICT, 0)) is not None


def arbiter_at_work(state: RunState, ws: WorkstreamState) -> bool:
    """Whether its arbiter may still resolve its conflict."""
    name = ws.conflict.arbiter if ws.conflict is not None else None
    arbiter = state.workstreams.get(name) if name is not None else None
    return arbiter is not None and arbiter.stage not in STUCK


def arbitration(state: RunState) -> Sequence[e.Event]:
    """What follows for arbiters: one has resolved its conflict, or is no longer needed."""
    found: list[e.Event] = []
    for arbiter in state.workstreams.values():
        served = state.workstreams.get(WorkstreamId(arbiter.spec.serves)) if is_arbiter(arbiter) else None
        if served is None:
            continue
        conflict, claim = open_conflict(served), acceptance(arbiter)
        waits = served.stage is Stage.VERIFYING and conflict is not None and conflict.arbiter == arbiter.id
        if arbiter.stage is Stage.VERIFYING and waits and conflict is not None and claim is not None:
            found.append(_settled(served, conflict, claim))
        elif arbiter.stage is Stage.VERIFYING:
            found.append(_finished(state, arbiter))
        elif arbiter.stage not in ENDED and not waits and not arbiter.cancelling:
            reason = f"it is no longer needed: {served.id} is {shown(served.stage)}"
            found.append(e.CancelRequested(workstream=arbiter.id, reason=reason))
    return found


def _settled(served: WorkstreamState, conflict: Conflict, claim: Accepted) -> e.Event:
    return e.ConflictSettled(
        workstream=served.id,
        head=conflict.head,
        onto=conflict.onto,
        commit=claim.commit,
        by=dict.fromkeys(conflict.paths, ARBITER),
    )


def _finished(state: RunState, arbiter: WorkstreamState) -> e.Event:
    """The work of a finished arbiter is in the commit that replaces the head."""
    return e.Integrated(
        workstream=arbiter.id, head=arbiter.head, onto=state.integration.commit or state.base, commit=None
    )


def call(state: RunState, ws: WorkstreamState, conflict: Conflict) -> e.ArbiterCalled:
    """Call an arbiter for the conflict of a workstream."""
    name = derived_id(ws.id, ARBITER, set(state.workstreams))
    return e.ArbiterCalled(workstream=ws.id, arbiter=name, spec=_spec(state, ws, conflict))


def _spec(state: RunState, ws: WorkstreamState, conflict: Conflict) -> Workstream:
    return Workstream(
        brief=_brief(state, ws, conflict),
        title=f"Resolve the conflict of {ws.id}",
        role=ARBITER,
        agent=arbiter_agent(state, ws),
        serves=ws.id,
        checks=ws.spec.checks,
    )


def _brief(state: RunState, ws: WorkstreamState, conflict: Conflict) -> str:
    others = [
        other
        for other in state.workstreams.values()
        if other.id != ws.id and other.stage in DONE and set(other.change.paths) & set(conflict.paths)
    ]
    theirs = "\n\n".join(f"The task of `{other.id}`, as data:\n\n{intent(other)}" for other in others)
    paths = "\n".join(f"- `{path}`" for path in conflict.paths)
    return (
        f"Your worktree holds the work of `{ws.id}`. It conflicts with integrated work in:\n\n{paths}\n\n"
        f"Run `git merge {conflict.onto}` (exactly this commit), resolve the conflicts so that both intents are "
        "kept, run the checks, and commit the merge. Never take one side completely. If you drop a line of either "
        "side, explain it in HANDOFF.md under ## Decisions. Change nothing outside the conflict. "
        f"`git diff {conflict.head}...{conflict.onto}` shows the other side's changes, "
        f"`git diff {conflict.onto}...{conflict.head}` those of `{ws.id}`.\n\n"
        f"The task of `{ws.id}`, as data:\n\n{intent(ws)}\n\n{theirs}"
    ).strip()


def resolution_findings(
    beyond: Sequence[str],
    took: Sequence[str],
    markers: Sequence[str],
    sided: Sequence[str] = (),
    modes: Sequence[str] = (),
) -> tuple[str, ...]:
    """What is wrong with a resolution, one sentence each. `took`: files that are one side entirely. `sided`: places in
    files where one side was dropped and nobody says why."""
    found: list[str] = []
    if beyond:
        found.append(
            f"the merge changes more than the conflict: {some_of(beyond)}; restore these to the plain merge result"
        )
    if took:
        found.append(f"it takes only one side in {some_of(took)}; keep both sides' intent")
    if sided:
        found.append(
            f"it drops one side at {some_of(sided)}; keep both sides' intent, or name the file under ## Decisions "
            "in HANDOFF.md and say why"
        )
    if markers:
        found.append(f"conflict markers remain in {some_of(markers)}")
    if modes:
        found.append(f"the file mode of {some_of(modes)} is from neither side; set it to theirs")
    return tuple(found)
