"""Steering a run that goes on: tell, interrupt, answer, redirect, retry, cancel, hold, release, limit, add, edit.

The agent is the scripted stand-in of the client where it must be spoken to (the same with the real client is in
`test_real_client.py`), else a command.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.support.project import COMMAND_AGENT, COMMIT, Project, use_fake_client
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.store.eventlog import SqliteLog
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import RunId, WorkstreamId

WAIT = 'while [ ! -e "$TEST_FOLDER/open" ]; do sleep 0.02; done'
MAKE = "echo x > $WTO_WORKSTREAM.txt && git add -A && git commit -qm Work"


def _open(project: Project) -> None:
    (project.folder / "open").touch()


def _heard(project: Project, workstream: str) -> list[str]:
    path = project.folder / f"heard.{workstream}"
    return path.read_text(encoding="utf-8").split("\n----\n")[:-1] if path.exists() else []


def _workstream(project: Project, name: str) -> Any:
    return next(ws for ws in project.status()["workstreams"] if ws["id"] == name)


def _condition(project: Project, name: str, wanted: str) -> None:
    project.wait_for(name, "working")
    wait_until(lambda: _workstream(project, name)["condition"] == wanted, what=f"{name} being {wanted}")


def _begun(project: Project, name: str) -> None:
    wait_until(lambda: bool(_heard(project, name)), what=f"{name} having begun")


def _plan(project: Project, streams: str, scripts: dict[str, str], settings: str = "") -> str:
    project.repository.commit({".wto/config.yaml": "poll: 1s\nstagger: 0s\n" + settings})
    return project.plan("goal: Do it\n" + use_fake_client(project) + f"workstreams: {{{streams}}}\n", scripts)


def test_a_working_agent_is_told_something_and_its_stream_proves_it(project: Project) -> None:
    """`tell` reaches an agent inside its running turn, says so only once it was read, and nothing is told twice."""
    plan = _plan(project, "a: {brief: x}", {"a": f"do {WAIT}\ndo {MAKE}\n"})
    project.start("run", plan)
    _begun(project, "a")
    slow = project.wto("tell", "a", "Mind the tests", "--wait", "0.2")
    assert slow.code == 0, slow.err
    assert "a has not read it yet" in slow.out
    assert _workstream(project, "a")["messages"][0]["delivered_at"] is None
    _open(project)
    project.wait_for("a", "integrated")
    assert _heard(project, "a")[1:] == ["Mind the tests"]
    message = _workstream(project, "a")["messages"][0]
    assert (message["text"], message["delivered_at"] is not None) == ("Mind the tests", True)
    assert "message: Mind the tests (request 1 of a person)" in project.wto("status", "a").out


def test_what_is_told_survives_a_killed_supervisor_and_a_killed_agent(project: Project) -> None:
    """A message put while nobody supervises, to an agent that dies before it reads it, arrives once, with the next attempt."""
    plan = _plan(project, "a: {brief: x}", {"a.1": "do sleep 60\n", "a.2": f"do {MAKE}\n"})
    supervisor = project.start("run", plan)
    _begun(project, "a")
    supervisor.kill()
    supervisor.wait()
    told = project.start("tell", "a", "Mind the tests")
    wait_until(lambda: bool(_workstream(project, "a")["messages"]), what="the message being put")
    client = _workstream(project, "a")["process"]
    folder = project.state / "processes" / client
    pid = int((folder / "started").read_text().split('"child": ')[1].split(",")[0])
    wait_until(lambda: any((folder / "inbox" / "sent").iterdir()), what="the message lying in the inbox")
    os.kill(pid, 9)
    assert told.wait(timeout=60) == 0
    assert project.stages() == {"a": "integrated"}
    assert sum(text.count("Mind the tests") for text in _heard(project, "a")) == 1
    assert _workstream(project, "a")["messages"][0]["delivered_at"] is not None


def test_an_interrupted_agent_waits_for_what_it_is_told_next(project: Project) -> None:
    """`interrupt` ends the turn and leaves the agent idle, which status shows with the way on; `tell` begins its next turn."""
    busy = (
        "edit a.txt\ndo sleep 0.5\n" * 120
    )  # it gives signs of life: only once it is interrupted nothing is heard of it
    plan = _plan(project, "a: {brief: x, idle: 2s}", {"a.1.1": busy, "a.1.2": f"do {MAKE}\n"})
    project.start("run", plan)
    _begun(project, "a")
    assert project.wto("interrupt", "a").code == 0
    _condition(project, "a", "idle")
    assert 'wto tell a "..."' in project.status()["next"]
    told = project.wto("tell", "a", "Now commit")
    assert "a has read it" in told.out, told.out + told.err
    project.wait_for("a", "integrated")
    assert _workstream(project, "a")["attempts"] == 1


def test_a_question_is_an_ask_and_a_number_picks_an_option(project: Project) -> None:
    """An agent's question is shown with its options, waits as long as it must, and is answered by number or in words."""
    script = f"ask Cents or decimals?|cents|decimals\ndo {MAKE}\n"
    plan = _plan(project, "a: {brief: x, idle: 1s}, b: {brief: x}", {"a": script, "b": f"do {MAKE}\n"})
    project.start("run", plan)
    _condition(project, "a", "waiting for an answer")
    project.wait_for("b", "integrated")
    ask = _workstream(project, "a")["asks"][0]
    assert (ask["text"], ask["options"]) == ("Cents or decimals?", ["cents", "decimals"])
    assert project.wto("answer", "b", "x").code == 6
    assert project.wto("answer", "a", "2").code == 0
    project.wait_for("a", "integrated")
    assert (project.folder / "answer.a").read_text() == "decimals"


def test_two_questions_at_once_are_answered_one_by_one(project: Project) -> None:
    """Each has its own options and its own answer; an answer that names none is refused with both shown, a corrected one
    counts, and the agent gets them together, never one answer for both."""
    script = f"ask Which store?|pg|my||Delete the old rows?|yes|no\ndo {MAKE}\n"
    plan = _plan(project, "a: {brief: x}", {"a": script})
    project.start("run", plan)
    _condition(project, "a", "waiting for an answer")
    asks = _workstream(project, "a")["asks"]
    assert [(ask["text"], ask["options"]) for ask in asks] == [
        ("Which store?", ["pg", "my"]),
        ("Delete the old rows?", ["yes", "no"]),
    ]
    refused = project.wto("answer", "a", "pg")
    assert refused.code == 6 and "1: Which store?; 2: Delete the old rows?" in refused.err
    assert project.wto("answer", "a", "x", "--question", "3").code == 5
    assert project.wto("answer", "a", "1", "--question", "2").code == 0
    wait_until(lambda: "(answered: yes)" in project.wto("status", "a").out, timeout_s=30, what="the first answer")
    assert project.wto("answer", "a", "2", "--question", "2").code == 0
    wait_until(lambda: "(answered: no)" in project.wto("status", "a").out, timeout_s=30, what="the corrected answer")
    assert not (project.folder / "answer.a").exists()
    assert project.wto("answer", "a", "1").code == 0
    project.wait_for("a", "integrated")
    assert (project.folder / "answer.a").read_text() == "pg\nno"
    assert _workstream(project, "a")["attempts"] == 1


def test_a_running_agent_gets_a_new_brief_in_its_session(project: Project) -> None:
    """`redirect` interrupts the running turn and gives the new brief to the same session."""
    plan = _plan(project, "a: {brief: first}", {"a.1.1": "do sleep 60\n", "a.1.2": f"do {MAKE}\n"})
    project.start("run", plan)
    _begun(project, "a")
    assert project.wto("redirect", "a", "Do it otherwise").code == 0
    project.wait_for("a", "integrated")
    assert "Do it otherwise" in _heard(project, "a")[1]
    assert _workstream(project, "a")["attempts"] == 1


def test_a_command_gets_its_new_brief_with_a_new_attempt(project: Project) -> None:
    """An agent that takes no messages is ended and begun anew with the new brief."""
    begin = 'touch "$TEST_FOLDER/begun"\nsleep 60\n'
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: first}}\n",
        {"a.1": begin, "a.2": 'grep -q otherwise "$WTO_BRIEF"\n' + COMMIT},
    )
    project.start("run", plan)
    wait_until((project.folder / "begun").exists, what="the agent having begun")
    assert project.wto("interrupt", "a").code == 6
    assert project.wto("redirect", "a", "Do it otherwise").code == 0
    project.wait_for("a", "integrated")


def test_a_cancelled_workstream_holds_what_needs_it_until_it_is_retried(project: Project) -> None:
    """`cancel` ends the agent and keeps its work; the run ends with what is left; `retry` takes it up and all is integrated."""
    first = 'echo draft > draft.txt\ntouch "$TEST_FOLDER/begun"\nsleep 60\n'
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}, b: {brief: x}, c: {brief: x, needs: [a]}}\n",
        {"a.1": first, "a.2": COMMIT, "b": COMMIT, "c": COMMIT},
    )
    child = project.start("run", plan)
    wait_until((project.folder / "begun").exists, what="the agent having begun")
    project.wait_for("b", "integrated")
    cancelled = project.wto("cancel", "a")
    assert cancelled.code == 0, cancelled.err
    assert child.wait(timeout=30) == 11
    assert project.stages() == {"a": "cancelled", "b": "integrated", "c": "held"}
    assert (project.worktree("a") / "draft.txt").exists()
    assert project.processes() == []
    assert project.wto("resume").code == 11
    retried = project.wto("retry", "a")
    assert retried.code == 0, retried.out + retried.err
    assert set(project.stages().values()) == {"integrated"}


def test_a_request_that_is_refused_by_the_turn_that_takes_it_up_is_told(project: Project) -> None:
    """With nobody at work a command takes its own request up: when another one came first, it ends with that refusal."""
    script = f'touch "$TEST_FOLDER/begun"\n{WAIT}\n' + COMMIT
    project.start(
        "run", project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": script})
    )
    wait_until((project.folder / "begun").exists, what="the agent having begun")
    assert project.wto("stop").code == 0
    log = SqliteLog(str(project.state / "log.db"))
    log.ask(RunId("r1"), e.RetryRequested(workstream=WorkstreamId("a")), now=1.0)
    log.close()
    continued = project.wto("continue", "a")
    assert (continued.code, "can be continued" in continued.err) == (6, True), continued.out + continued.err
    _open(project)
    assert project.wto("resume").code == 0
    assert project.stages() == {"a": "integrated"}


def test_hold_begins_nothing_new_and_release_goes_on(project: Project) -> None:
    """On hold the running agent goes on, nothing else begins, the run comes to rest with code 8, and `release` finishes it."""
    plan = project.plan(
        "goal: Do it\nlimits: {agents: 1}\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}, b: {brief: x}}\n",
        {"a": f'touch "$TEST_FOLDER/begun"\n{WAIT}\n' + COMMIT, "b": COMMIT},
    )
    child = project.start("run", plan)
    wait_until((project.folder / "begun").exists, what="the agent having begun")
    assert project.wto("hold", "b").code == 0
    assert project.wto("hold").code == 0
    _open(project)
    assert child.wait(timeout=30) == 8
    assert project.stages()["b"] == "queued"
    assert _workstream(project, "b")["condition"] == "on hold"
    assert project.wto("release").code == 8
    assert project.stages() == {"a": "integrated", "b": "queued"}
    released = project.wto("release", "b")
    assert released.code == 0, released.out + released.err
    assert project.stages() == {"a": "integrated", "b": "integrated"}


def test_limits_change_while_the_run_goes_on(project: Project) -> None:
    """`limit agents=N` admits more agents at once; bounds that are none are refused."""
    begin = f'touch "$TEST_FOLDER/begun.$WTO_WORKSTREAM"\n{WAIT}\n' + COMMIT
    plan = project.plan(
        "goal: Do it\nlimits: {agents: 1}\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}, b: {brief: x}}\n",
        {"a": begin, "b": begin},
    )
    project.start("run", plan)
    wait_until((project.folder / "begun.a").exists, what="the first agent having begun")
    assert not (project.folder / "begun.b").exists()
    assert project.wto("limit", "agents=0").code == 6
    assert project.wto("limit", "walls=2h").code == 2
    assert project.wto("limit", "agents=2").code == 0
    wait_until((project.folder / "begun.b").exists, what="the second agent having begun")
    _open(project)
    project.wait_for("b", "integrated")


def test_workstreams_are_added_and_edited_while_the_run_goes_on(project: Project) -> None:
    """`add` takes further workstreams that fit and refuses the others with their place; `edit` rewrites what has not begun."""
    begin = f'touch "$TEST_FOLDER/begun"\n{WAIT}\n' + COMMIT
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}, b: {brief: x, needs: [a]}}\n",
        {"a": begin, "b": 'grep -q better "$WTO_BRIEF"\n' + COMMIT, "c": COMMIT},
    )
    child = project.start("run", plan)
    wait_until((project.folder / "begun").exists, what="the agent having begun")
    bad = project.plan("workstreams:\n  c:\n    brief: x\n    needs: [nobody]\n", name="bad.yaml")
    refused = project.wto("add", bad)
    assert (refused.code, "bad.yaml:4:13: unknown workstream 'nobody'" in refused.err) == (3, True)
    doubled = project.wto("add", project.plan("workstreams: {a: {brief: x}}\n", name="doubled.yaml"))
    assert (doubled.code, "there is a workstream 'a' already" in doubled.err) == (3, True)
    good = project.wto("add", project.plan("workstreams: {c: {brief: x, needs: [b]}}\n", name="good.yaml"))
    assert good.code == 0, good.err
    assert project.wto("edit", "b", "--needs", "c").code == 6
    assert project.wto("edit", "a", "--brief", "x").code == 6
    assert project.wto("edit", "b", "--brief", "a better brief").code == 0
    _open(project)
    assert child.wait(timeout=30) == 0
    assert project.stages() == {"a": "integrated", "b": "integrated", "c": "integrated"}


def test_an_edit_in_the_editor_is_checked_like_a_plan(project: Project) -> None:
    """`edit` without options opens $EDITOR; what does not fit is refused with its place and nothing is changed."""
    begin = f'touch "$TEST_FOLDER/begun"\n{WAIT}\n' + COMMIT
    plan = project.plan(
        "goal: Do it\n"
        + COMMAND_AGENT
        + "workstreams: {a: {brief: x}, b: {brief: old, scope: [src/**], needs: [a]}}\n",
        {"a": begin, "b": 'grep -q new "$WTO_BRIEF"\nmkdir src\n' + COMMIT.replace("$WTO_WORKSTREAM.txt", "src/b.txt")},
    )
    project.start("run", plan)
    wait_until((project.folder / "begun").exists, what="the agent having begun")
    _editor(project, "sed -i 's/brief: old/brief: [/' \"$1\"")
    broken = project.wto("edit", "b")
    assert broken.code == 3 and "this is not valid YAML" in broken.err
    _editor(project, "true")
    assert project.wto("edit", "b").code == 5
    _editor(project, "sed -i 's/brief: old/brief: new/' \"$1\"")
    assert project.wto("edit", "b").code == 0
    _open(project)
    project.wait_for("b", "integrated")


def _editor(project: Project, script: str) -> None:
    path = Path(project.folder / "editor")
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    project.environment["EDITOR"] = str(path)


def test_an_agent_adds_workstreams_by_its_handoff(project: Project) -> None:
    """A workstream that expands hands over further ones; what does not fit goes back to it, what does is run and integrated."""
    wrong = _handoff("mend: {brief: x, needs: [nobody]}")
    right = _handoff("mend: {brief: Mend it, scope: [mend.txt]}\nmore: {brief: More, needs: [mend]}")
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {find: {brief: x, kind: research, expands: true}}\n",
        {
            "find.1": wrong,
            "find.2": 'grep -q "unknown workstream .nobody." "$WTO_BRIEF"\n' + right,
            "mend": COMMIT,
            "more": COMMIT,
        },
    )
    ended = project.wto("run", plan)
    assert ended.code == 0, ended.out
    assert project.stages() == {"find": "integrated", "mend": "integrated", "more": "integrated"}
    assert "find added: mend, more" in ended.out


def test_an_agent_cannot_add_commands_of_its_own(project: Project) -> None:
    """An added workstream that brings a check or expands further is refused: an agent's text widens nothing."""
    plan = project.plan(
        "goal: Do it\n"
        + COMMAND_AGENT
        + "workstreams: {find: {brief: x, kind: research, expands: true, retries: 0}}\n",
        {"find": _handoff("mend: {brief: x, expands: true, checks: [{run: 'curl example.org'}]}")},
    )
    assert project.wto("run", plan).code == 1
    reason = _workstream(project, "find")["reason"]
    assert "mend defines its own check (curl example.org)" in reason and "mend has expands" in reason
    assert project.stages() == {"find": "failed"}


def _handoff(streams: str) -> str:
    body = f"---\nstatus: done\n---\n## Summary\nFound.\n\n## Workstreams\n```yaml\n{streams}\n```\n"
    return f"cat > \"$WTO_HANDOFF\" <<'H'\n{body}H\n"


def test_a_command_is_not_allowed_what_nobody_denies_it(project: Project) -> None:
    """Rules are for agents that ask; for a command it is said that there are none, and nothing is written down."""
    plan = project.plan("goal: g\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": "exit 1\n"})
    project.wto("run", plan)
    refused = project.wto("allow", "a", "Bash(make)")
    assert refused.code == 6 and "the agent of a is a command: nothing is denied to it" in refused.err, refused.err
