"""`wto comment`: comments on lines reach the agent as one message, its answers come back, a person settles them."""

from __future__ import annotations

from typing import Any

from tests.e2e.test_steering import WAIT, _begun, _heard, _open, _plan, _workstream
from tests.support.project import COMMAND_AGENT, HANDOFF, Project
from tests.support.waiting import wait_until

FIRST = "mkdir -p src; printf 'one\\ntwo\\nthree\\n' > src/a.py; git add -A; git commit -qm First\n" + HANDOFF
SECOND = """printf 'zero\\none\\nTWO\\nthree\\n' > src/a.py; touch good; git add -A; git commit -qm Second
echo "$WTO_ATTEMPT" > /dev/null
cat > "$WTO_HANDOFF" <<'H'
---
status: done
---
## Summary
Answered.
## Review
- C1: fixed in the second commit
- C2: No: it has to stay.
H
"""


def _comments(project: Project) -> Any:
    return project.wto("comment", "work", "--list", "--json").json["comments"]


def _statuses(project: Project) -> dict[str, str]:
    return {each["id"]: each["status"] for each in _comments(project)}


def failed_with_work(project: Project) -> None:
    """A workstream whose check failed, and a supervisor that has gone."""
    plan = project.plan(
        "goal: Do it\nchecks: [{run: 'test -e good || ! test -e src/a.py'}]\n"
        + COMMAND_AGENT
        + "workstreams:\n  work: {title: Do the work, brief: Write it, retries: 0}\n",
        {"work": FIRST, "work.2": 'cp "$WTO_BRIEF" "$TEST_FOLDER/brief"\n' + SECOND},
    )
    project.wto("run", plan)
    assert project.stages() == {"work": "failed"}


def test_comments_go_out_as_one_message_and_come_back_answered(project: Project) -> None:
    """Collected with no supervisor at work, sent together, answered by the next attempt, followed to where their lines went,
    and resolved by a person alone."""
    failed_with_work(project)
    for place, text in (("src/a.py:2", "Shout."), ("src/a.py:3", "Must it stay?")):
        assert project.wto("comment", "work", place, text).code == 0
    assert project.wto("comment", "work", "Well done").out == (
        "✓ Collected 1 comment; not sent yet: C1, C2, C3\n  ↳ To send them, run wto comment work --send\n"
    )
    sent = project.wto("comment", "work", "--send")
    assert sent.code == 0, sent.err
    brief = (project.folder / "brief").read_text(encoding="utf-8")
    assert brief.count("A person reviewed your work and has 3 comments.") == 1
    assert "C1, src/a.py:2:\n> two\nShout.\n\nC2, src/a.py:3:\n> three\nMust it stay?\n\nC3:\nWell done" in brief
    assert project.wto("comment", "work", "--list").out == (
        "◎ C1 answered src/a.py:2 (changed since)\n  > two\n  Shout.\n  → its agent: fixed in the second commit\n"
        "    (the lines have changed since)\n"
        "◎ C2 answered src/a.py:4\n  > three\n  Must it stay?\n  → its agent: No: it has to stay.\n"
        "    (the lines are the same; they are at src/a.py:4)\n"
        "? C3 open\n  Well done\n"
    )
    assert _workstream(project, "work")["comments"] == {"open": 1, "answered": 2}
    assert project.wto("comment", "work", "--resolve", "c1").out == "✓ C1 is resolved\n"
    assert _statuses(project) == {"C1": "resolved", "C2": "answered", "C3": "open"}
    assert project.wto("comment", "work", "--resolve", "C1").code == 6
    assert project.wto("comment", "work", "--reopen", "C1").out == "✓ C1 is open again\n"
    refused = project.wto("comment", "work", "More")
    assert (refused.code, refused.err.splitlines()[0]) == (
        6,
        "✗ work is integrated: no agent works on it any more",
    )
    threads = [line for line in project.wto("review", "work").out.splitlines() if line.startswith("Threads")]
    assert threads == [
        "Threads    ○ C1 unsent src/a.py:2 (changed since): Shout.",
        "Threads    ◎ C2 answered src/a.py:4: Must it stay? → No: it has to stay.",
        "Threads    ? C3 open Well done",
    ]


def test_a_running_agent_gets_them_in_one_message(project: Project) -> None:
    """What is collected while it works waits; sent, it arrives once, as one message; status names them all the while."""
    plan = _plan(
        project, "work: {brief: x}", {"work": f"do echo one > a.py; git add -A; git commit -qm A\ndo {WAIT}\n"}
    )
    project.start("run", plan)
    _begun(project, "work")
    wait_until(lambda: _workstream(project, "work")["commits"] == 1, what="its commit being seen")
    assert project.wto("comment", "work", "a.py:1", "Better.").code == 0
    assert project.wto("comment", "work", "Thanks.").code == 0
    assert _workstream(project, "work")["comments"] == {"unsent": 2}
    assert "2 comments not sent yet (C1, C2)" in project.wto("status").out
    assert project.wto("review", "work", "--send").code == 0
    _open(project)
    project.wait_for("work", "integrated")
    (heard,) = _heard(project, "work")[1:]
    assert heard.startswith(
        "A person reviewed your work and has 2 comments.\n\nC1, a.py:1:\n> one\nBetter.\n\nC2:\nThanks."
    )
    assert _workstream(project, "work")["comments"] == {"open": 2}


def test_a_review_file_is_written_edited_and_read(project: Project) -> None:
    """What a person writes under the lines becomes comments, once however often it is read; errors name file and line."""
    failed_with_work(project)
    file = project.folder / "review.md"
    assert project.wto("review", "work", "--edit-file", str(file)).code == 0
    nothing = project.wto("comment", "work", "--from", str(file))
    assert (nothing.code, nothing.err.splitlines()[0]) == (5, f"✗ {file} has no comments")
    text = file.read_text(encoding="utf-8").replace(">     2 |+ two\n", ">     2 |+ two\nLouder,\nplease.\n")
    file.write_text(text.replace("## file src/a.py\n", "Good.\n\n## file src/a.py\nShort file.\n"), encoding="utf-8")
    assert project.wto("comment", "work", "--from", str(file)).out.startswith(
        "✓ Collected 3 comments; not sent yet: C1,"
    )
    again = project.wto("comment", "work", "--from", str(file)).out
    assert again.startswith("✓ Collected 0 comments, 3 existed already")
    told = [(each["path"], each["line"], each["quoted"], each["text"]) for each in _comments(project)]
    assert told == [
        (None, None, "", "Good."),
        ("src/a.py", None, "", "Short file."),
        ("src/a.py", 2, "two", "Louder,\nplease."),
    ]
    assert project.wto("comment", "work", "--resolve", "C2").code == 0
    file.write_text("## file src/a.py\n> 1 |\nSame\n> 1 |\nSame\n", encoding="utf-8")
    twice = project.wto("comment", "work", "--from", str(file)).out
    assert twice.startswith("✓ Collected 1 comment, 1 existed already; not sent yet: C1, C3, C4\n")
    file.write_text("## file src/a.py\n> 9 |\nx\n", encoding="utf-8")
    ended = project.wto("comment", "work", "--from", str(file))
    assert (ended.code, ended.err.splitlines()[0]) == (3, f"{file}:3: src/a.py has no line 9")


def test_places_are_checked_against_the_diff(project: Project) -> None:
    """A file that the work does not change, a line that is not there, and what is no place are refused with what is."""
    failed_with_work(project)
    for words, code, said in (
        (("src/b.py:1", "x"), 5, "✗ the work of work does not change 'src/b.py'\n  ↳ did you mean src/a.py?\n"),
        (("src/a.py:2-4", "x"), 5, "✗ src/a.py has no line 4\n"),
        (("src/a.py", "x"), 2, "is not a place; write it as FILE:LINE or FILE:LINE-END\n"),
        ((), 2, "give a TEXT, or one of --from, --list, --send, --resolve, --reopen\n"),
        (("--send",), 6, "✗ there is no comment on work to send\n"),
    ):
        ended = project.wto("comment", "work", *words)
        assert (ended.code, said in ended.err) == (code, True), ended.err
    assert project.wto("comment", "work", "--list").out == "No comments\n"
