"""Comments of reviewers, folded: collected, sent as one message, answered by a handoff, resolved and opened again."""

from __future__ import annotations

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.comments import Comment, CommentStatus, answers, of_status, review_message
from wt_orchestrate.domain.fold_messages import put
from wt_orchestrate.domain.state import MessageKind, WorkstreamState
from wt_orchestrate.domain.values import replace


def fold_comments(ws: WorkstreamState, record: e.Record) -> WorkstreamState:
    """The workstream with its comments after one more record; its handoff and messages are folded already."""
    match record.event:
        case e.CommentRequested() as said:
            return replace(ws, comments=(*ws.comments, _comment(f"C{len(ws.comments) + 1}", said, record.at)))
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


def _comment(name: str, said: e.CommentRequested, at: float) -> Comment:
    return Comment(
        id=name,
        text=said.text,
        at=at,
        path=said.path,
        line=said.line,
        end=said.end or said.line,
        commit=said.commit,
        quoted=said.quoted,
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


def _answered(ws: WorkstreamState, at: float) -> WorkstreamState:
    """What was sent and not resolved takes the words of the handoff; the answer to what was opened again has to be a new one."""
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
