"""The MCP tool that drafts a plan: starts a drafting, reports how far it is, waits a moment for news, and cancels one.

The drafting goes on in a process of its own, also if the client or this server ends; the caller's key names it, so that
the same call is the same drafting. What the agent returns is data: a plan to read, edit and pass to `start`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import anyio
import anyio.to_thread
from mcp.server.mcpserver import Context
from pydantic import Field

from wt_orchestrate.domain.drafting.cochange import Level
from wt_orchestrate.domain.drafting.estimate import advice_lines
from wt_orchestrate.domain.drafting.progress import OVER, DraftPhase
from wt_orchestrate.domain.text.clean import counted
from wt_orchestrate.mcp_server.desk import Desk
from wt_orchestrate.mcp_server.terms import WISHES, Key, Repository, Toolbox, in_words
from wt_orchestrate.wiring.drafting import (
    DraftResult,
    begin_draft,
    cancel_draft,
    draft_result,
    draft_state,
    leave_draft,
    take_up_draft,
)
from wt_orchestrate.wiring.site import Site

LONGEST_S = 40.0
_LOOK_S = 0.3
_TELL_S = 3.0
_LISTED = 20
_INVALID = 20_000
_NEXT = {
    DraftPhase.DRAFTING: "call again with the same key; seconds waits for news",
    DraftPhase.READY: "read the plan with the person, edit it, then pass its text to start",
    DraftPhase.INVALID: "fix the text yourself and pass it to check_plan, or call once with go_on: {next_try}",
    DraftPhase.TIMED_OUT: "call once with go_on: {next_try} for the same time again",
    DraftPhase.FAILED: "fix the cause given in reason, then call once with go_on: {next_try}",
    DraftPhase.CANCELLED: "call once with go_on: {next_try} to resume it",
    DraftPhase.CUT_OFF: "call once with go_on: {next_try} to resume it",
}


@dataclass(frozen=True, kw_only=True)  # the SDK makes no schema of slots
class Draft:
    """How far a drafting is. `plan` is plan.yaml when `state` is ready, else what was returned with its problems; its words, and
    `notes`, are an agent's. `to_approve` are commands that the agent proposes: they stand in the plan as comments. `next_try` is
    what `go_on` takes, so that the same call said again takes up nothing a second time."""

    handle: str
    state: str
    next: str
    round: int
    rounds: int
    next_try: int
    activity: str
    problems: tuple[str, ...]
    sent_back: tuple[str, ...]
    reason: str
    seconds: float
    cost_usd: float
    plan: str
    notes: str
    to_approve: tuple[str, ...]
    remarks: tuple[str, ...]
    forecast: tuple[str, ...]
    serialise: dict[str, list[str]]
    advice: tuple[str, ...]


def add_to(tools: Toolbox, desk: Desk) -> None:
    @tools.tool(title="Draft a plan", annotations=WISHES)
    async def draft_plan(
        context: Context,
        key: Key,
        goal: Annotated[
            str,
            Field(
                description="The goal in the person's words; may be empty when you call again.",
                max_length=20_000,
            ),
        ] = "",
        repository: Repository = "",
        agent: Annotated[
            str, Field(description="The agent that drafts, from the settings; empty for claude-code.")
        ] = "",
        target: Annotated[str, Field(description="The branch to plan for; empty for the current one.")] = "",
        rounds: Annotated[int, Field(ge=1, le=10, description="Give up after this many plans.")] = 4,
        minutes: Annotated[float, Field(gt=0, le=240, description="The time limit.")] = 20.0,
        budget_usd: Annotated[float, Field(ge=0, description="The cost limit; 0 for none.")] = 0.0,
        seconds: Annotated[float, Field(ge=0, le=LONGEST_S, description="How long to wait for news.")] = 3.0,
        go_on: Annotated[
            int,
            Field(ge=0, description="Resume a draft that ended without a plan: its next_try; 0 for none."),
        ] = 0,
        cancel: Annotated[bool, Field(description="Stop the draft; what it returned is kept.")] = False,
    ) -> Draft:
        """Let an agent read the repository and draft a plan for a goal. The plan is checked and sent back until it is valid.
        Returns at once or with news; call again with the same key for the state, the plan, its forecast and advice."""

        def begun() -> tuple[Site, str]:
            site = desk.site(repository)
            wish = begin_draft(
                site,
                goal,
                key=key,
                agent=agent,
                target=target or None,
                rounds=rounds,
                timeout_s=minutes * 60,
                budget_usd=budget_usd or None,
            )
            taken_up = not cancel and go_on == _next_try(draft_state(site, wish.id))
            if cancel:
                cancel_draft(site, wish.id)
            elif taken_up:
                take_up_draft(site, wish.id, rounds=rounds, timeout_s=minutes * 60, budget_usd=budget_usd or None)
            if not cancel:
                _at_work(site, wish.id, go_on=taken_up)
            return site, wish.id

        async def tell(gone: float, text: str) -> None:
            await context.report_progress(gone, seconds, text)

        with in_words():
            site, name = await anyio.to_thread.run_sync(begun)
            return await _news(site, name, seconds=0.0 if cancel else seconds, tell=tell)


def _next_try(found: DraftResult) -> int:
    return found.progress.tries + 1


def _at_work(site: Site, name: str, *, go_on: bool) -> None:
    """Make sure that a process drafts, if there is something to draft."""
    found = draft_state(site, name)
    begun = found.progress.tries > 0
    if found.phase is DraftPhase.CUT_OFF and (go_on or not begun):
        leave_draft(site, name)


async def _news(site: Site, name: str, *, seconds: float, tell: Callable[[float, str], Awaitable[None]]) -> Draft:
    """Wait until another plan was judged or it is over, at most so long."""
    state = partial(draft_state, site, name)
    first = (await anyio.to_thread.run_sync(state)).progress.round
    began = told_at = anyio.current_time()
    while True:
        found = await anyio.to_thread.run_sync(state)
        gone = anyio.current_time() - began
        if found.phase is not DraftPhase.DRAFTING or found.progress.round != first or gone >= seconds:
            return _draft(await anyio.to_thread.run_sync(partial(draft_result, site, name)))
        if anyio.current_time() - told_at >= _TELL_S:
            told_at = anyio.current_time()
            await tell(gone, f"round {found.progress.round + 1}: {found.progress.activity}")
        await anyio.sleep(min(_LOOK_S, seconds - gone))


def _draft(found: DraftResult) -> Draft:
    progress, forecast = found.progress, found.forecast
    over = found.phase in OVER
    return Draft(
        handle=found.wish.id,
        state=found.phase.value,
        next=_NEXT[found.phase].format(next_try=_next_try(found)),
        round=progress.round,
        rounds=found.wish.rounds,
        next_try=_next_try(found),
        activity="" if over else progress.activity,
        problems=progress.problems[:_LISTED],
        sent_back=tuple(
            f"round {number}: {counted(len(each), 'problem')}" for number, each in enumerate(progress.sent_back, 1)
        ),
        reason=progress.reason,
        seconds=round(progress.spent_s, 1),
        cost_usd=progress.cost_usd,
        plan=found.text if found.phase is DraftPhase.READY else found.text[:_INVALID],
        notes=found.notes[:4_000],
        to_approve=tuple(
            f"{each.key}{f' of {each.of}' if each.of else ''}: {' '.join(each.command.split())[:500]}"
            for each in found.proposed
        ),
        remarks=found.remarks,
        forecast=tuple(
            f"{pair.one} and {pair.other}: {pair.level.value}"
            for pair in (forecast.pairs if forecast is not None else ())
            if pair.level is not Level.NONE
        )[:_LISTED],
        serialise={name: list(needs) for name, needs in forecast.serialise.items()} if forecast is not None else {},
        advice=advice_lines(found.advice) if found.advice is not None else (),
    )
