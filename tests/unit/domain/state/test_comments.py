"""Comments of reviewers: collected, sent as one message, answered, resolved, and found again where their lines went."""

from __future__ import annotations

import pytest

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold.workstream import fold_workstream
from wt_orchestrate.domain.ids import Branch, CommitId, RunId, WorkstreamId
from wt_orchestrate.domain.plan.model import Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.comments import (
    MOST,
    Comment,
    CommentPlace,
    answers,
    open_comments,
    place_after,
    place_of_text,
    review_message,
    says_fixed,
)
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.state.workstream import WorkstreamState, undelivered
from wt_orchestrate.domain.steering import refusal
from wt_orchestrate.domain.text.diff import FileDiff, Line, line_after

W = WorkstreamId("w")
HEAD = CommitId("a" * 40)


def begun(*events: e.Event) -> WorkstreamState:
    """A workstream after these events, one a second."""
    ws = WorkstreamState(id=W, spec=Workstream(brief="x"), since=0.0, branch=Branch("wto/r1/w"))
    return after(ws, *events)


def after(ws: WorkstreamState, *events: e.Event, first: int = 1) -> WorkstreamState:
    for number, event in enumerate(events, first):
        record = e.Record(
            number=number, at=float(number), actor=e.Actor.PERSON, run=RunId("r1"), cause="request:1", event=event
        )
        ws = fold_workstream(ws, record)
    return ws


def said(text: str = "Name it better.", path: str = "src/a.py", line: int = 3) -> e.CommentRequested:
    return e.CommentRequested(workstream=W, text=text, path=path, line=line, end=line, commit=HEAD, quoted="x = 1")


def handed_over(review: str) -> e.HandoffSeen:
    return e.HandoffSeen(workstream=W, text=f"---\nstatus: done\n---\n## Summary\nIt is done.\n## Review\n{review}\n")


SEND = e.CommentsSendRequested(workstream=W)


def statuses(ws: WorkstreamState) -> dict[str, str]:
    return {each.id: each.status.value for each in ws.comments}


def test_comments_are_collected_and_sent_as_one_message() -> None:
    """All that were not sent go out together, with their names, places, quoted lines and how to answer; once."""
    ws = begun(said(), e.CommentRequested(workstream=W, text="All good otherwise."), SEND)
    assert statuses(ws) == {"C1": "open", "C2": "open"}
    assert [(message.id, message.text) for message in undelivered(ws)] == [("m3", review_message(ws.comments))]
    assert review_message(ws.comments) == (
        "A person reviewed your work and has 2 comments.\n\n"
        "C1, src/a.py:3:\n> x = 1\nName it better.\n\n"
        "C2:\nAll good otherwise.\n\n"
        "For each comment: make the change and commit it, or explain why not. Then answer in HANDOFF.md, one line each:\n\n"
        "    ## Review\n    - C1: fixed in <commit>\n    - C2: your answer, if nothing needs to change\n\n"
        "Keep the other sections, and set `status: done` again when you are finished."
    )
    assert after(ws, SEND, first=4) == ws


def test_answers_are_tracked_and_resolve_nothing() -> None:
    """An answer makes a comment answered, in the agent's words; only a person resolves it; others are not touched."""
    ws = begun(said(), said("And this?", line=5), SEND, handed_over("- C1: fixed in 0123abc\n- C9: made up"))
    assert statuses(ws) == {"C1": "answered", "C2": "open"}
    assert (ws.comments[0].answer, says_fixed(ws.comments[0])) == ("fixed in 0123abc", True)
    ws = after(ws, e.CommentResolveRequested(workstream=W, comment="C1"), handed_over("- C1: not so"), first=5)
    assert (statuses(ws), ws.comments[0].answer) == ({"C1": "resolved", "C2": "open"}, "fixed in 0123abc")


def test_what_was_not_sent_cannot_be_answered() -> None:
    """An agent that guesses names answers nothing."""
    assert statuses(begun(said(), handed_over("- C1: fixed"))) == {"C1": "unsent"}


def test_what_is_opened_again_goes_out_again_and_needs_a_new_answer() -> None:
    """The old words do not answer it a second time, and its agent is told what they were."""
    ws = begun(said(), SEND, handed_over("- C1: no"), e.CommentReopenRequested(workstream=W, comment="C1"))
    assert statuses(ws) == {"C1": "unsent"}
    ws = after(ws, SEND, handed_over("- C1: no"), first=5)
    assert statuses(ws) == {"C1": "open"}
    assert "C1, src/a.py:3:\n> x = 1\n(Your answer was: no)\nName it better." in ws.messages[-1].text
    assert statuses(after(ws, handed_over("- C1: fixed"), first=7)) == {"C1": "answered"}


def test_a_new_session_is_told_of_what_it_has_not_answered() -> None:
    """Comments that an earlier session took are in the brief of the next; those in a message to it are not twice."""
    ws = begun(said(), SEND)
    assert "Name it better." in open_comments(ws.comments, carried=[])
    assert open_comments(ws.comments, carried=["m2"]) == ""


@pytest.mark.parametrize(
    ("section", "read"),
    [
        ("- C1: fixed in abc", {"C1": "fixed in abc"}),
        ("* **C2**: no,\n  because of x\n\nC3. done", {"C2": "no,\nbecause of x", "C3": "done"}),
        ("1. `c4` - kept", {"C4": "kept"}),
        ("- C1: one\n- C1: two", {"C1": "two"}),
        ("Nothing was said\n- C: x\n- C1:", {}),
        ("- C1: \x1b[31mred", {"C1": "\\x1b[31mred"}),
    ],
)
def test_answers_are_read_tolerantly(section: str, read: dict[str, str]) -> None:
    """Bullets, numbers, emphasis and lines below; what has no name or no words is none."""
    assert answers(section) == read


# ---------------------------------------------------------------- where the lines went


def diff(gone: tuple[int, ...] = (), new: tuple[int, ...] = (), path: str = "src/a.py", old: str = "") -> FileDiff:
    return FileDiff(
        path=path,
        status="R" if old else "M",
        old=old,
        gone=tuple(Line(number=number, text="") for number in gone),
        new=tuple(Line(number=number, text="") for number in new),
    )


@pytest.mark.parametrize(
    ("file", "places"),
    [
        (diff(new=(1, 2)), {1: 3, 3: 5}),
        (diff(gone=(1,)), {1: None, 2: 1, 5: 4}),
        (diff(gone=(2,), new=(2, 3)), {1: 1, 2: None, 3: 4}),
        (diff(new=(4,)), {3: 3, 4: 5}),
        (diff(), {7: 7}),
    ],
)
def test_lines_are_followed_through_a_diff(file: FileDiff, places: dict[int, int | None]) -> None:
    """What was added above moves a line down, what was removed up; what was changed itself is nowhere."""
    assert {number: line_after(file, number) for number in places} == places


def test_a_comment_follows_its_lines_and_knows_when_they_changed() -> None:
    """Renames and moves are followed; a changed, deleted or torn range has no line any more."""
    comment = Comment(id="C1", text="x", at=0.0, path="src/a.py", line=3, end=5, commit=HEAD)
    assert place_after(comment, [diff(new=(1,))]) == CommentPlace(path="src/a.py", line=4, end=6)
    assert place_after(comment, [diff(path="src/b.py", old="src/a.py")]) == CommentPlace(path="src/b.py", line=3, end=5)
    assert place_after(comment, [diff(path="other.py", gone=(3,))]) == CommentPlace(path="src/a.py", line=3, end=5)
    assert place_after(comment, [diff(gone=(4,), new=(4,))]) == CommentPlace(path="src/a.py", line=0, end=0)
    assert place_after(comment, [diff(new=(4,))]) == CommentPlace(path="src/a.py", line=0, end=0)
    assert place_after(comment, [replace(diff(), status="D")]) == CommentPlace(path="src/a.py", line=0, end=0)


def test_where_history_was_rewritten_the_text_is_looked_for() -> None:
    """It counts only where it stands just once."""
    comment = Comment(id="C1", text="x", at=0.0, path="a", line=3, end=4, commit=HEAD, quoted="one\ntwo")
    assert place_of_text(comment, "zero\none\ntwo\n") == CommentPlace(path="a", line=2, end=3)
    assert place_of_text(comment, "one\ntwo\none\ntwo\n") == CommentPlace(path="a", line=0, end=0)
    assert place_of_text(comment, "two\none\n") == CommentPlace(path="a", line=0, end=0)


# ---------------------------------------------------------------- what is refused


def state(ws: WorkstreamState) -> RunState:
    return RunState(
        id=RunId("r1"),
        plan=Plan(goal="g", workstreams={W: ws.spec}),
        settings=Settings(),
        plan_path="plan.yaml",
        repository="r",
        target=Branch("main"),
        base=HEAD,
        seed="s",
        land_when_done=False,
        started_at=0.0,
        workstreams={W: ws},
    )


def refused(ws: WorkstreamState, request: e.Request) -> str:
    found = refusal(state(ws), request, 0.0)
    return f"{found.reason} / {found.hint}" if found else ""


def test_what_cannot_be_is_refused_with_what_to_do() -> None:
    """Integrated work, nothing to send, unknown names, empty, long, doubled and too many comments."""
    ws, one = begun(), begun(said())
    integrated = replace(one, stage=Stage.INTEGRATED)
    assert refused(one, SEND) == ""
    assert refused(ws, SEND) == 'there is no comment on w to send / wto comment w FILE:LINE "..."'
    assert (
        refused(integrated, SEND)
        == refused(integrated, said("x"))
        == "w is integrated: no agent works on it any more / wto add, to add more work"
    )
    assert refused(replace(one, stage=Stage.VERIFIED), SEND).startswith(
        "w is verified: it is being integrated right now"
    )
    assert refused(one, said()) == "C1 says that already / wto comment w --list"
    assert refused(one, said(" \n")).startswith("the comment is empty")
    assert refused(one, said("x" * 4001)).startswith("a comment has at most 4000 characters, this one has 4001")
    crowded = replace(one, comments=one.comments * MOST)
    assert refused(crowded, said("new")) == 'w has 500 comments already / wto redirect w "..."'
    assert refused(one, e.CommentResolveRequested(workstream=W, comment="C7")).startswith("there is no comment 'C7'")
    branch = replace(ws, spec=Workstream(brief="", branch="mine"))
    assert refused(branch, said()).startswith("w has no agent: it is the branch")
