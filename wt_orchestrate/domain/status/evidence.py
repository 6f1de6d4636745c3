"""What is known about a workstream, each fact with the time since when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wt_orchestrate.domain.review.reviewers import awaits_review, reviewer_at_work
from wt_orchestrate.domain.state.attempt import Attempt, MessageKind, open_questions
from wt_orchestrate.domain.state.checks import awaits_base, base_words
from wt_orchestrate.domain.state.comments import Comment, CommentStatus, of_status
from wt_orchestrate.domain.state.contradictions import contradictions
from wt_orchestrate.domain.state.findings import findings_of, place_of, told_progress
from wt_orchestrate.domain.state.forecast import of as clashes_of
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.phrases import listed, progress_words
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.stages import at_gate
from wt_orchestrate.domain.state.workstream import Retry, WorkstreamState, conflict_paths, last_attempt
from wt_orchestrate.domain.status.activity import Activity
from wt_orchestrate.domain.text.clean import counted, some_of, time_of_day
from wt_orchestrate.domain.text.status_words import shown
from wt_orchestrate.domain.verdict.verdict import how_it_ended

_SHARED = 8
"""How many of the newest findings are in the evidence; the story has all."""


def evidence(state: RunState, ws: WorkstreamState, live: Attempt | None, doing: Activity) -> list[dict[str, Any]]:
    """What is known and since when, the newest first."""
    found: list[dict[str, Any]] = []

    def add(kind: str, text: str, at: float | None) -> None:
        found.append({"kind": kind, "text": text, "at": at})

    for text in contradictions(ws):
        add("contradiction", text, ws.since)
    for other, foreseen in clashes_of(state, ws.id):
        where = other or "the integration branch"
        add("forecast", f"would conflict with {where} in {listed(foreseen)}", state.forecast.seen_at)
    for blind in state.forecast.blind:
        if blind.workstream == ws.id and live is not None:
            add("forecast", f"its uncommitted work is not in the forecast: {blind.reason}", state.forecast.seen_at)
    if live is not None:
        _live_evidence(add, ws, live)
    elif (last := last_attempt(ws)) is not None:
        add("process", f"attempt {last.epoch} {how_it_ended(last)}", last.ended_at)
    if ws.stage is Stage.PREPARING and ws.retry is not None:
        add("retry", _retry(ws.retry, doing), ws.since)
    told = told_progress(ws)
    if told is not None:
        add("told", f"says it is {progress_words(told.percent, told.note)}", told.told_at)
    for shared in findings_of(state, ws.id)[-_SHARED:]:
        place = f" at {place_of(shared)}" if shared.path else ""
        add("shared", f"{shared.kind} {shared.id}{place}: {shared.text}", shared.at)
    for message in ws.messages:
        if message.delivered_at is None and message.text and (live or message.kind is not MessageKind.SHARED):
            add("message", f"not delivered yet: {message.text}", message.at)
    add("review", review_words(ws.comments), ws.comments[-1].at if ws.comments else None)
    if awaits_review(state, ws) and (reviewer := reviewer_at_work(state, ws)) is not None:
        add("review", f"waits for the review by {reviewer.id} ({shown(reviewer.stage)})", ws.since)
    waits = at_gate(state, ws) if ws.stage is Stage.VERIFYING else ""
    add("gate", f"needs approval: wto approve {waits}" if waits else "", ws.since)
    if ws.commits:
        newest = ws.history[-1].subject if ws.history else ""
        add("commits", f"{counted(ws.commits, 'commit')}, newest: {newest}", ws.head_at)
    if ws.handoff is not None:
        add("handoff", f"status {ws.handoff.status.value}, version {ws.handoffs.versions}", ws.handoffs.at)
    add("handoff", ws.handoffs.problem, ws.since)
    add("lost", f"its {ws.checkout.lost} was removed and is being created again" if ws.checkout.lost else "", ws.since)
    for check in ws.checks:
        add("check", f"`{check.command}` {check.outcome.value} in {check.duration_s:.1f} s", check.at)
    for finding in ws.faults.findings:
        add("finding", finding, ws.since)
    for what, used_up in ws.usage.limits.items():
        add("budget", f"its limit on {what} is {'used up' if used_up else 'nearly used up'}", ws.since)
    add("conflict", ", ".join(conflict_paths(ws)), ws.since)
    queued = ws.stage is Stage.QUEUED and not ws.spec.branch
    add("base", base_words(state, log=False) if queued else "", ws.since)
    if queued and awaits_base(state):
        add("base", f"starts once the checks pass on {state.target}", ws.since)
    add("outcome", ws.outcome.reason, ws.since)
    return found


def review_words(comments: Sequence[Comment]) -> str:
    """What reviewers' comments wait for, by their ids; empty if for nothing."""
    waits = {
        CommentStatus.ANSWERED: "answered, not resolved yet",
        CommentStatus.OPEN: "waiting for an answer",
        CommentStatus.UNSENT: "not sent yet",
    }
    found = [(of_status(comments, status), words) for status, words in waits.items()]
    return "; ".join(
        f"{counted(len(those), 'comment')} {words} ({some_of([each.id for each in those])})"
        for those, words in found
        if those
    )


def _live_evidence(add: Callable[[str, str, float | None], None], ws: WorkstreamState, live: Attempt) -> None:
    add("process", f"attempt {live.epoch} of {live.agent} is running", live.started_at)
    questions = open_questions(live.asks)
    for ask in live.asks:
        number = f" ({questions.index(ask) + 1} of {len(questions)})" if ask.question and len(questions) > 1 else ""
        given = f" (answered: {ask.answer})" if ask.answer is not None else ""
        add("ask", f"{'asks' if ask.question else 'asks permission for'}{number}: {ask.text}{given}", ask.at)
    add("paused", f"interrupted; it waits for wto tell {ws.id}" if live.paused else "", live.seen_at)
    add("waits", live.waits, live.seen_at)
    if live.failing_times > 1:
        add("failing", f"fails {live.failing_times} times in a row: {live.failing}", live.seen_at)
    add("tool", f"{live.tool} {live.target}".strip(), live.seen_at)
    add("said", live.said, live.seen_at)


def _retry(retry: Retry, doing: Activity) -> str:
    at = f", not before {time_of_day(doing.until)}" if doing.until is not None else ""
    return f"another attempt is due ({retry.reason}){at}"
