"""Reviewers: agents that read a claim before it is integrated, change nothing, and whose findings the verdict counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.claude_client import NEWEST, OLDEST, client, use_client
from tests.support.project import Project, use_fake_client
from tests.support.stub_model import serve
from tests.support.turns import bash, work, write

WORK = 'do echo one > f.txt && git add -A && git commit -qm "First try"\n'
MENDED = (
    'do echo two > f.txt && git commit -qam "Mended"\n'
    "do printf -- '---\\nstatus: done\\n---\\n## Summary\\nMended.\\n## Review\\n- C1: fixed\\n' > HANDOFF.md\nsilent\n"
)


def says(*lines: str) -> str:
    """A reviewer's turn that ends with these remarks."""
    review = "\\n".join(lines)
    return (
        f"do printf -- '---\\nstatus: done\\n---\\n## Summary\\nRead.\\n## Review\\n{review}\\n' > HANDOFF.md\nsilent\n"
    )


def _plan(project: Project, scripts: dict[str, str], *, more: str = "") -> str:
    project.repository.commit({"f.txt": "zero\n", ".wto/config.yaml": f"poll: 1s\nstagger: 0s\n{more}"})
    return project.plan(
        "goal: Do it\nchecks: [{run: 'test -s f.txt'}]\ndefaults: {review: claude-code}\n"
        + use_fake_client(project)
        + "workstreams: {work: {brief: write f.txt}}\n",
        scripts,
    )


def _streams(project: Project) -> dict[str, Any]:
    return {ws["id"]: ws for ws in project.status()["workstreams"]}


def test_what_a_reviewer_asks_for_goes_back_and_is_reviewed_again(project: Project) -> None:
    """A finding that must be mended returns as a comment with its place; the mended head is read anew, then integrated."""
    plan = _plan(
        project,
        {
            "work.1": WORK,
            "work.2": MENDED,
            "work-review": says("- must f.txt:1: it has to say two", "- note: short"),
            "work-review-2": says("none"),
        },
    )
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    found = {name: (ws["stage"], ws["attempts"], ws["role"]) for name, ws in _streams(project).items()}
    assert found == {
        "work": ("landed", 2, ""),
        "work-review": ("landed", 1, "reviewer"),
        "work-review-2": ("landed", 1, "reviewer"),
    }
    assert project.repository.git("show", "main:f.txt") == "two"
    heard = (project.folder / "heard.work").read_text(encoding="utf-8")
    assert "The reviewer `work-review` reviewed your work and has a comment." in heard
    assert "C1, f.txt:1:\nit has to say two" in heard and "short" not in heard
    again = (project.folder / "heard.work-review-2").read_text(encoding="utf-8")
    assert "> C1 f.txt:1: it has to say two (answer: fixed)" in again
    packet = project.wto("review", "work", "--json").json
    assert packet["review"]["by"] == "work-review-2" and packet["review"]["findings"] == []
    assert [(each["id"], each["status"], each["answer"]) for each in packet["threads"]] == [("C1", "resolved", "fixed")]


def test_nothing_rides_before_it_is_reviewed_and_remarks_alone_hold_nothing_up(project: Project) -> None:
    """The integration branch holds the work only after the review; `should` and `note` are shown and stop nobody."""
    look = 'do git -C "$TEST_FOLDER/repository" show wto/r1/integration:f.txt > "$TEST_FOLDER/seen"\n'
    plan = _plan(project, {"work": WORK, "work-review": look + says("- should f.txt:1: a better word")})
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    assert (project.folder / "seen").read_text(encoding="utf-8") == "zero\n"
    assert _streams(project)["work"]["attempts"] == 1
    assert "should f.txt:1: a better word (work-review)" in project.wto("review", "work").out
    page = project.folder / "page.html"
    assert project.wto("review", "work", "--html", str(page)).code == 0
    assert "a better word" in page.read_text(encoding="utf-8")


def test_after_the_rounds_a_person_decides(project: Project) -> None:
    """A reviewer that is never content sends the work back as often as the ladder allows; `wto continue` overrules it."""
    never = says("- must: not good enough")
    scripts = {"work.1": WORK, "work.2": "do true\n", "work-review": never, "work-review-2": never}
    plan = _plan(project, scripts, more="recovery: {review: [{times: 1}]}\n")
    ended = project.wto("run", plan)
    assert ended.code == 8, ended.out + ended.err
    work = _streams(project)["work"]
    assert (work["stage"], work["attempts"]) == ("escalated", 2)
    assert work["reason"] == "work-review-2 still requests a change (C2)"
    assert project.wto("continue", "work").code == 0
    ended = project.wto("resume")
    assert ended.code == 0, ended.out + ended.err
    assert project.wto("land").code == 0
    assert project.repository.git("show", "main:f.txt") == "one"


def test_a_reviewer_that_changes_the_work_is_refused(project: Project) -> None:
    """A commit, a changed file or a handoff without a review counts for nothing: each is said, and sent back to the reviewer."""
    plan = _plan(
        project,
        {
            "work": WORK,
            "work-review.1": 'do echo mine > f.txt && git commit -qam "Mine"\n' + says("none"),
            "work-review.2": "do git reset -q --hard HEAD~1 && echo mine > f.txt\n" + says("none"),
            "work-review.3": "do git checkout -q f.txt\ndo touch left-by-a-check\n" + says("none"),
        },
    )
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    heard = (project.folder / "heard.work-review").read_text(encoding="utf-8")
    assert "this is research, which must not commit" in heard
    assert "the worktree has uncommitted changes: f.txt" in heard
    assert project.repository.git("show", "main:f.txt") == "one"


def test_a_reviewer_that_says_nothing_is_asked_and_then_a_person_is(project: Project) -> None:
    """Without a section `## Review` nothing counts as reviewed; when it never comes, the work waits for a person."""
    ended = project.wto("run", _plan(project, {"work": WORK}))
    assert ended.code == 8, ended.out + ended.err
    heard = (project.folder / "heard.work-review").read_text(encoding="utf-8")
    assert "HANDOFF.md has no review: list your findings in the section '## Review'" in heard
    work = _streams(project)["work"]
    assert work["stage"] == "escalated"
    assert work["reason"].startswith("work-review could not review it: ")
    assert project.repository.git("show", "wto/r1/integration:f.txt") == "zero"


def test_a_plan_that_names_no_such_reviewer_is_refused_before_anything_begins(project: Project) -> None:
    """The reviewer is an agent's name and is looked up like one, with its place in the plan."""
    plan = project.plan(
        "goal: g\ndefaults: {agent: a, review: b}\nagents: {a: {type: command, run: x}}\nworkstreams: {w: {brief: x}}\n"
    )
    ended = project.wto("plan", "check", plan)
    assert ended.code == 3 and "plan.yaml:2:" in ended.err and "unknown agent 'b'" in ended.err


@pytest.mark.real_client
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_real_client_lets_a_reviewer_write_nothing_but_its_handoff(project: Project, version: str) -> None:
    """Whatever the agent's mode allows elsewhere: an edit and a commit of a reviewer are denied, its handoff is written."""
    review = "---\nstatus: done\n---\n## Summary\nRead.\n## Review\n- note work.py:1: short\n"
    stub = serve(
        {
            "work": work("work"),
            "default": [
                write("work.py", "x = 2\n"),
                bash("echo more > more.py && git add -A && git commit -qm Mine"),
                write("HANDOFF.md", review),
                {"text": "It is reviewed."},
            ],
        }
    )
    try:
        use_client(project, stub)
        agent = (
            f"{{binary: {json.dumps(client(version))}, permission_mode: acceptEdits, allow: ['Bash(echo *)', Edit]}}"
        )
        unquoted = "The rest of the brief says no more. " * 40  # what is quoted to others ends before the marker
        plan = project.plan(
            f"goal: Do it\ndefaults: {{review: claude-code}}\nagents: {{claude-code: {agent}}}\n"
            f"workstreams: {{work: {{brief: 'Write work. {unquoted}[[script:work]]'}}}}\n"
        )
        ended = project.wto("run", "--land", plan)
    finally:
        stub.close()
    assert ended.code == 0, ended.out + ended.err
    found = {name: (ws["stage"], ws["attempts"]) for name, ws in _streams(project).items()}
    assert found == {"work": ("landed", 1), "work-review": ("landed", 1)}
    assert (project.worktree("work-review") / "work.py").read_text(encoding="utf-8") == "x = 1\n"
    assert not (project.worktree("work-review") / "more.py").exists()
    told = project.wto("review", "work", "--json").json["review"]["findings"]
    assert told == [{"weighs": "note", "path": "work.py", "line": 1, "text": "short"}]
