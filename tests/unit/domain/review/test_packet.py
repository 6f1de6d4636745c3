"""The packet beyond its parts: what does not agree, what is masked, and its text for a pull request."""

from __future__ import annotations

import json

import pytest

from tests.unit.domain.state.test_comments import after, begun, handed_over, said, state
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import CommitId, WorkstreamId
from wt_orchestrate.domain.plan.model import Workstream
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.review.packet import packet, packet_text, reviewed_head
from wt_orchestrate.domain.state.comments import CommentPlace
from wt_orchestrate.domain.state.workstream import Accepted, Claim, WorkstreamState
from wt_orchestrate.domain.text.diff import FileDiff

W = WorkstreamId("w")
SECRET = "ghp_" + "a1B2" * 10
FILES = (
    FileDiff(path="src/db/a.py", status="M", added=1),
    FileDiff(path="tests/test_a.py", status="R", old="tests/old.py"),
)


def claimed(summary: str, verification: str = "") -> WorkstreamState:
    text = f"---\nstatus: done\n---\n## Summary\n{summary}\n## Verification\n{verification}\n"
    return after(begun(), e.HandoffSeen(workstream=W, text=text))


@pytest.mark.parametrize(
    ("summary", "told"),
    [
        ("Changed `src/db/b.py` and db/a.py", ["src/db/b.py"]),
        ("Added tests/test_new.py:3", ["tests/test_new.py"]),
        ("Renamed tests/old.py", []),
        ("It reads `src/other.py` as before", []),
        ("Fixed it in `a.py`, see https://example.org and version 1.2.3, e.g. and/or", []),
    ],
)
def test_a_handoff_that_tells_of_other_files_is_held_against_the_diff(summary: str, told: list[str]) -> None:
    """Only sentences that tell of a change count, and a path may be told by its end."""
    found = packet(state(claimed(summary)), claimed(summary), FILES)["contradictions"]
    wanted = [f"its handoff reports a change in {path}, but the diff does not touch it" for path in told]
    assert [text for text in found if "reports a change" in text] == wanted


def test_commands_that_nobody_else_ran_are_told() -> None:
    """What it says it ran and no check of ours ran is the agent's word alone."""
    ws = claimed("x", "`make test` passed\n$ npm run lint\nand `x`")
    assert packet(state(ws), ws, FILES)["contradictions"][-3:] == [
        "its handoff reports `make test`, which none of our checks ran",
        "its handoff reports `npm run lint`, which none of our checks ran",
        "its handoff reports commands it ran, but none of our checks has run on its work yet",
    ]


def test_S11_no_secret_is_in_a_packet_whoever_wrote_it() -> None:
    """Brief, handoff, comments and quoted lines are masked in every form."""
    ws = after(claimed(f"The token is {SECRET}"), replace(said(f"Remove {SECRET}"), quoted=f"t = '{SECRET}'"), first=2)
    ws = replace(ws, spec=Workstream(brief=f"Use {SECRET}"))
    found = packet(state(ws), ws, FILES)
    assert SECRET not in json.dumps(found) + packet_text(found, 65_000)
    assert json.dumps(found).count("ghp_\\u2026 (44 characters)") == 4


def test_threads_say_where_their_lines_are_now() -> None:
    """A line that moved is told by its new place, one that changed is told as changed, beside what the agent says."""
    ws = begun(said(), said("Second"), e.CommentsSendRequested(workstream=W), handed_over("- C2: fixed in abc"))
    places = {"C1": CommentPlace(path="src/b.py", line=9, end=9), "C2": CommentPlace(path="src/a.py", line=0, end=0)}
    first, second = packet(state(ws), ws, FILES, places=places)["threads"]
    assert first == {
        "id": "C1",
        "status": "open",
        "path": "src/a.py",
        "line": 3,
        "end": 3,
        "commit": "a" * 40,
        "now": {"path": "src/b.py", "line": 9, "end": 9},
        "changed": False,
        "quoted": "x = 1",
        "text": "Name it better.",
        "answer": "",
        "says_fixed": False,
    }
    assert (second["now"], second["changed"], second["answer"], second["says_fixed"]) == (
        None,
        True,
        "fixed in abc",
        True,
    )


def test_text_of_agents_is_inert_in_markdown() -> None:
    """No picture, link, tag, mention, reference or heading comes from what an agent wrote."""
    ws = claimed("<script>x</script> ![p](http://e) @octocat fixes #12\n# Heading `code`")
    text = packet_text(packet(state(ws), ws, FILES), 65_000)
    quoted = [line for line in text.splitlines() if line.startswith("> ") and "octocat" in line]
    assert quoted == ["> \\<script\\>x\\</script\\> \\!\\[p\\](http:\u2060//e) @\u2060octocat fixes #\u206012"]
    assert "\n# Heading" not in text


def test_text_of_agents_gives_a_forge_no_orders() -> None:
    """No line begins with a quick action, no other spelling closes an issue, and no name of a file ends its code span."""
    ws = claimed("/merge\nfixes GH-12, closes https://github.com/o/r/issues/3")
    ws = replace(ws, spec=Workstream(brief="/close\n/label ~x", title="/approve"))
    odd = FileDiff(path="a`` @boss fixes #1 <!--/b.py", status="A", added=1)
    text = packet_text(packet(state(ws), ws, [odd]), 65_000)
    assert [line for line in text.splitlines() if line.lstrip("> ").startswith("/")] == []
    assert "GH-12" not in text and "://" not in text
    area = next(line for line in text.splitlines() if line.startswith("- ```"))
    assert area == "- ``` a`` @boss fixes #1 <!-- ```: 1 file +1 -0"


@pytest.mark.parametrize("limit", [10, 100, 1_000, 65_000])
def test_the_text_keeps_its_bound(limit: int) -> None:
    """However much there is, and it says when it was cut."""
    ws = claimed("long " * 5_000)
    ws = replace(ws, spec=Workstream(brief="brief " * 5_000))
    many = [FileDiff(path=f"a{number}/b/{number}.py", status="A", added=1) for number in range(3_000)]
    text = packet_text(packet(state(ws), ws, many), limit)
    assert len(text) <= limit
    assert limit < 1_000 or limit > 60_000 or text.endswith("(cut; the whole packet: wto review --json)\n")


def test_what_is_reviewed_is_its_own_newest_work() -> None:
    """What was last accepted, not what settled its conflict; after it was called back, its branch again."""
    own, settled, newer = CommitId("1" * 40), CommitId("2" * 40), CommitId("3" * 40)
    claim = Claim(order=1, accepted=Accepted(commit=settled, at=1.0, order=2))
    ws = replace(begun(), head=own, looked_at=own, claim=claim)
    assert reviewed_head(ws) == own
    assert reviewed_head(replace(ws, claim=None, head=newer)) == newer
