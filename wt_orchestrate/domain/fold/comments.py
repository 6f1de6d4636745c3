"""Fold events into comments of reviewers: kept, sent as one message, answered by a handoff, resolved, opened again."""

from __future__ import annotations

from collections.abc import Sequence

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.review_findings import Review, to_answer
from wt_orchestrate.domain.events.pull_requests import Remark
from wt_orchestrate.domain.fold.messages import put
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.attempt import MessageKind
from wt_orchestrate.domain.state.comments import Comment, CommentStatus, answers, of_status, review_message
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.workstream import WorkstreamState


def fold_comments(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    """The workstream with its comments after one more record; its handoff and messages are folded already."""
    match record.event:
        case e.CommentRequested() as said:
            return replace(ws, comments=(*ws.comments, _comment(len(ws.comments) + 1, said, record.at)))
        case e.ReviewerCalled(reviewer=name):
            return replace(ws, reviewer=name, tries=replace(ws.tries, called_for=ws.claims))
        case e.ReviewGiven() as given if ws.stage is Stage.VERIFYING and given.reviewer == ws.reviewer:
            return _reviewed(ws, given, record)
        case e.CommentsSendRequested():
            return _sent(ws, record)
        case e.CommentResolveRequested(comment=name):
            return _with(ws, name, resolved_at=record.at)
        case e.CommentReopenRequested(comment=name):
            return _with(ws, name, resolved_at=None, answered_at=None, sent_as="")
        case e.HandoffSeen(problem="") if ws.comments and ws.handoff is not None and ws.handoff.review:
            return _answered(ws, record.at)
        case _:
            return ws


def _comment(number: int, said: e.CommentRequested | Remark, at: float, *, sent_as: str = "") -> Comment:
    return Comment(
        id=f"C{number}",
        text=said.text,
        at=at,
        path=said.path,
        line=said.line,
        end=said.end or said.line,
        commit=said.commit,
        quoted=said.quoted,
        origin=said.origin,
        sent_as=sent_as,
    )


def _with(ws: WorkstreamState, name: str, **changes: object) -> WorkstreamState:
    return replace(ws, comments=tuple(replace(each, **changes) if each.id == name else each for each in ws.comments))


def _sent(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    waiting = of_status(ws.comments, CommentStatus.UNSENT)
    if not waiting:
        return ws
    ws = put(ws, record, MessageKind.PERSON, review_message(waiting), interrupts=False)
    message = ws.messages[-1].id
    return replace(
        ws, comments=tuple(replace(each, sent_as=message) if each in waiting else each for each in ws.comments)
    )


def remarked(ws: WorkstreamState, remarks: Sequence[Remark], record: e.Record) -> WorkstreamState:
    """A new workstream with what reviewers said on a pull request: its first brief contains it."""
    sent_as = f"f{record.number}"
    said = (_comment(number, each, record.at, sent_as=sent_as) for number, each in enumerate(remarks, 1))
    return replace(ws, comments=tuple(said))


def _reviewed(ws: WorkstreamState, given: e.ReviewGiven, record: e.Record) -> WorkstreamState:
    """A review's remarks that must be answered become comments that are sent; a review without any resolves a
    reviewer's earlier ones."""
    review = Review(reviewer=given.reviewer, head=given.head, claim=ws.tries.called_for, findings=given.findings)
    comments = tuple(
        replace(each, resolved_at=record.at) if each.by and each.resolved_at is None else each for each in ws.comments
    )
    if not review.asks:
        return replace(ws, review=review, comments=comments)
    sent_as = f"r{record.number}"
    said = (
        Comment(
            id=f"C{len(comments) + number}",
            text=finding.text,
            at=record.at,
            path=finding.path,
            line=finding.line,
            end=finding.line,
            commit=given.head,
            by=given.reviewer,
            sent_as=sent_as,
        )
        for number, finding in enumerate(to_answer(given.findings), 1)
    )
    return replace(ws, review=replace(review, sent_as=sent_as), comments=(*comments, *said))


def _answered(ws: WorkstreamState, at: float) -> WorkstreamState:
    """Sent, unresolved comments get the answers in the handoff; a reopened comment needs a new answer."""
    assert ws.handoff is not None
    given = answers(ws.handoff.review)
    comments = tuple(
        replace(each, answer=given[each.id], answered_at=at)
        if each.status in {CommentStatus.OPEN, CommentStatus.ANSWERED}
        and given.get(each.id, each.answer) != each.answer
        else each
        for each in ws.comments
    )
    return ws if comments == ws.comments else replace(ws, comments=comments)
