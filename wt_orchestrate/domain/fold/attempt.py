"""Fold events into the attempts of one workstream."""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.notes import BY_CALL, asked_by_tool
from wt_orchestrate.domain.ids import AttemptId
from wt_orchestrate.domain.plan.retry_ladder import Cause
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import Ask, Attempt, NotesHeard
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.workstream import WorkstreamState


def fold_attempt(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    match record.event:
        case e.AttemptStarted() as started:
            attempt = Attempt(
                id=started.attempt,
                epoch=started.epoch,
                session=started.session,
                resumed=started.resumed,
                agent=started.agent,
                agent_type=started.agent_type,
                reason=started.reason,
                started_at=started.started_at,
                account=started.account,
                carries=started.carries,
            )
            return replace(
                ws,
                stage=Stage.WORKING,
                attempts=(*ws.attempts, attempt),
                retry=None,
                answer=None,
                redirected=False,
                usage=replace(ws.usage, wrapping_since=None),
            )
        case e.AttemptObserved(attempt=name) as seen:
            return _change(ws, name, _observed(_attempt(ws, name), seen, record.at))
        case e.AttemptAsked(attempt=name) as asked:
            ask = Ask(
                id=asked.ask,
                question=asked.question,
                tool=asked.tool,
                text=asked.text,
                payload=asked.payload,
                options=asked.options,
                at=record.at,
            )
            attempt = _attempt(ws, name)
            if any(known.id == ask.id for known in attempt.asks):
                return ws
            return _change(ws, name, replace(attempt, asks=(*attempt.asks, ask)))
        case e.AttemptAnswered(attempt=name, ask=answered, text=text, by=by):
            attempt = _attempt(ws, name)
            left = tuple(ask for ask in attempt.asks if ask.id != answered)
            question = any(ask.id == answered and ask.question for ask in attempt.asks)
            given = ((answered, text),) if by == BY_CALL else ()
            changed = replace(attempt, asks=left, seen_at=record.at, answers=(*attempt.answers, *given))
            after = _change(ws, name, changed)
            return replace(after, answer=None) if question else after
        case e.NotesRead(attempt=name) as read:
            attempt = _attempt(ws, name)
            return _change(ws, name, replace(attempt, notes=_heard(attempt.notes, read)))
        case e.ProgressTold(attempt=name, percent=percent, note=note):
            attempt = _attempt(ws, name)
            notes = replace(attempt.notes, percent=percent, note=note, told_at=record.at)
            return _change(ws, name, replace(attempt, notes=notes))
        case e.AnswerRead(attempt=name, ask=ask_read):
            attempt = _attempt(ws, name)
            waiting = tuple(each for each in attempt.answers if each[0] != ask_read)
            return _change(ws, name, replace(attempt, answers=waiting))
        case e.AttemptNudged(attempt=name, cause=cause):
            nudged = replace(_attempt(ws, name), nudged_at=record.at, failing="", failing_times=0)
            return _change(counted(ws, cause), name, nudged)
        case e.AttemptStopping(attempt=name, reason=reason):
            return _change(ws, name, replace(_attempt(ws, name), stopping=reason))
        case e.AttemptEnded(attempt=name) as ended:
            attempt = _attempt(ws, name)
            unanswered = tuple((ask.id, "") for ask in attempt.asks if asked_by_tool(ask.id))
            attempt = replace(
                attempt,
                answers=(*attempt.answers, *unanswered),
                ended_at=ended.ended_at,
                exit_code=ended.exit_code,
                cause=ended.cause,
                detail=ended.detail,
                asks=(),
            )
            return _change(ws, name, attempt)
        case _:
            return ws


def _attempt(ws: WorkstreamState, name: AttemptId) -> Attempt:
    return next(attempt for attempt in reversed(ws.attempts) if attempt.id == name)


def _change(ws: WorkstreamState, name: AttemptId, changed: Attempt) -> WorkstreamState:
    return replace(ws, attempts=tuple(changed if attempt.id == name else attempt for attempt in ws.attempts))


def _heard(notes: NotesHeard, read: e.NotesRead) -> NotesHeard:
    return replace(
        notes,
        offset=read.offset,
        lines=notes.lines + read.lines,
        dropped=notes.dropped + read.dropped,
        findings=notes.findings + read.findings,
        questions=notes.questions + read.questions,
        progress=notes.progress + read.progress,
    )


def _observed(attempt: Attempt, seen: e.AttemptObserved, at: float) -> Attempt:
    return replace(
        attempt,
        offset=seen.offset,
        seen_at=at,
        answered=attempt.answered or seen.answered,
        version=seen.version or attempt.version,
        model=seen.model or attempt.model,
        tool=seen.tool or attempt.tool,
        target=seen.target if seen.tool else attempt.target,
        said=seen.said or attempt.said,
        outcome=seen.outcome or attempt.outcome,
        text=seen.text if seen.outcome else attempt.text,
        idle=seen.idle,
        waits=seen.waits,
        waits_until=at + seen.waits_s if seen.waits_s else attempt.waits_until,
        resets_at=seen.resets_at or attempt.resets_at,
        cost_usd=attempt.cost_usd + seen.cost_usd,
        input_tokens=attempt.input_tokens + seen.input_tokens,
        output_tokens=attempt.output_tokens + seen.output_tokens,
        cache_tokens=attempt.cache_tokens + seen.cache_tokens,
        turns=attempt.turns + seen.turns,
        denied=(*attempt.denied, *seen.denied)[-100:],
        failing=seen.failing,
        failing_times=seen.failing_times,
    )


def counted(ws: WorkstreamState, cause: Cause | None) -> WorkstreamState:
    """The workstream with one more try counted for this cause."""
    if cause is None:
        return ws
    by_cause = {**ws.tries.by_cause, cause: ws.tries.by_cause.get(cause, 0) + 1}
    return replace(ws, tries=replace(ws.tries, by_cause=by_cause))
