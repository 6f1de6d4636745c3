"""Bounds: idle agents, the wall limit, missing agents; and looking into worktrees."""

from __future__ import annotations

import json

from tests.support.project import COMMAND_AGENT, COMMIT, HANDOFF, Project


def test_P5_an_idle_agent_is_ended_and_tried_again_then_a_person_is_asked(project: Project) -> None:
    """No sign of progress within `idle` ends the attempt; the next one is told why; after the ladder a person is asked."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {once: {brief: x, idle: 2s}, always: {brief: x, idle: 2s}}\n",
        {"once.1": "sleep 60", "once.2": 'grep -q "no progress" "$WTO_BRIEF"\n' + COMMIT, "always": "sleep 60"},
    )
    assert project.wto("run", plan).code == 8
    status = {ws["id"]: ws for ws in project.status()["workstreams"]}
    assert (status["once"]["stage"], status["once"]["attempts"]) == ("integrated", 2)
    assert (status["always"]["stage"], status["always"]["attempts"]) == ("escalated", 3)
    assert "no progress" in status["always"]["reason"]
    assert status["always"]["commands"] == [
        'wto redirect always "..."',
        "wto retry always --fresh",
        "wto cancel always",
    ]


def test_P4_the_wall_limit_stops_the_run_and_says_so(project: Project) -> None:
    """A run over its wall limit is stopped like by a person: agents are ended, nothing is lost, `resume` would go on."""
    plan = project.plan(
        "goal: Do it\nlimits: {wall: 1s}\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n",
        {"a": "touch draft\nsleep 60"},
    )
    ended = project.wto("run", plan)
    assert ended.code == 130
    assert "the run reached its time limit of 1s" in ended.out
    assert (project.worktree("a") / "draft").exists()
    assert project.processes() == []


def test_a_missing_agent_is_refused_before_anything_is_made(project: Project) -> None:
    """A plan whose client is not installed ends with exit code 4 and says how to get it; no run, no worktree is left."""
    plan = project.plan("goal: Do it\nagents: {claude-code: {binary: no-such-client}}\nworkstreams: {a: {brief: x}}\n")
    refused = project.wto("run", plan)
    assert refused.code == 4
    assert "no-such-client was not found" in refused.err and "npm install" in refused.err
    assert project.wto("status").code == 5


def test_status_looks_into_worktrees_when_asked(project: Project) -> None:
    """`status --dirty` counts uncommitted paths, whatever bits the agent set in its own index."""
    script = COMMIT + "echo changed > README.md\ngit update-index --assume-unchanged README.md\ntouch new.txt\nexit 5\n"
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a.1": script, "a": "exit 5"}
    )
    assert project.wto("run", plan).code == 1
    seen = project.wto("status", "--dirty", "--json").json["workstreams"][0]
    assert seen["uncommitted"] == 2
    assert "2 uncommitted paths" in [evidence["text"] for evidence in seen["evidence"]]


def test_one_workstream_has_its_story_and_its_output(project: Project) -> None:
    """`status WS` tells the story in order with causes; `logs WS` the agent's output, harmless to a terminal."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n",
        {"a": "printf 'red \\033[31m text\\n'\n" + COMMIT},
    )
    assert project.wto("run", plan).code == 0
    story = project.wto("status", "a").out
    order = [
        "worktree created",
        "attempt 1 (first)",
        "commit 1: Add a",
        "claimed done",
        "claim confirmed",
        "integrated as",
    ]
    assert [story.index(part) for part in order] == sorted(story.index(part) for part in order)
    assert project.wto("logs", "a").out == "red \\x1b[31m text\n"
    assert project.wto("logs", "a", "--attempt", "7").code == 5
    stat = project.wto("diff", "a", "--stat").out
    assert stat == "A a.txt  +1 -0\n"
    hunks = project.wto("diff", "a", "--json").json["changes"]
    assert [(file["path"], file["added"], len(file["hunks"])) for file in hunks] == [("a.txt", 1, 1)]
    assert "+a" in project.wto("diff", "a").out
    near = project.wto("status", "aa")
    assert near.code == 5 and "known: a" in near.err


def test_S11_a_secret_that_an_agent_or_a_check_prints_is_not_written_down(project: Project) -> None:
    """A token in an agent's output, its handoff, a commit's subject and a failed check's output is masked in the journal, the
    database and `logs`; only `logs --raw` shows what was printed."""
    token = "ghp_" + "aBcDeFgH" * 4 + "1234"
    project.repository.commit({"check.sh": f"test ! -e a.txt || {{ echo tried {token}; exit 1; }}\n"})
    said = f"echo 'my token {token}'\necho '{token}' >&2\n"
    handoff = f"printf -- '---\\nstatus: done\\n---\\n## Summary\\nkey {token}\\n' > HANDOFF.md\n"
    plan = project.plan(
        "goal: Do it\nchecks: [{run: sh check.sh}]\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}, b: {brief: x}}\n",
        {"a": COMMIT + said + handoff, "b": f"git commit -q --allow-empty -m 'subject {token}'\n"},
    )
    project.wto("run", plan)
    shown = project.wto("logs", "a", "--attempt", "1").out
    assert token not in shown and "my token ghp_" in shown and "stderr: ghp_" in shown
    assert token in project.wto("logs", "a", "--attempt", "1", "--raw").out
    stored = [path for path in project.state.rglob("*") if path.name.startswith(("journal", "log.db"))]
    assert {path.name for path in stored} >= {"journal.jsonl", "log.db"}
    told = b"".join(path.read_bytes() for path in stored)
    assert token.encode() not in told and all(words in told for words in (b"tried ghp_", b"key ghp_", b"subject ghp_"))


def test_events_stream_as_json_lines(project: Project) -> None:
    """`run --json` prints one object an event, each with its schema, number and type."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    ended = project.wto("run", "--json", plan)
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert {event["schema"] for event in events} == {"wto.event/1"}
    numbers = [event["number"] for event in events]
    assert numbers == sorted(numbers)
    types = [event["type"] for event in events]
    assert (
        types.index("WorktreeCreated")
        < types.index("AttemptStarted")
        < types.index("Integrated")
        < types.index("RunFinished")
    )
    intents = [event for event in events if event["type"] == "EffectIntended"]
    concluded = {event["body"]["key"] for event in events if event["type"] == "EffectConcluded"}
    assert {event["body"]["key"] for event in intents} == concluded


def test_O3_polling_alone_gives_the_same_result(project: Project) -> None:
    """Where file events do not work, commits, handoffs and ends are found by looking."""
    project.repository.commit({".wto/config.yaml": "watch: poll\npoll: 1s\n"})
    script = COMMIT + HANDOFF + "sleep 2.5\n"
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": script})
    ended = project.wto("run", "--json", plan)
    assert ended.code == 0, ended.err
    types = [json.loads(line)["type"] for line in ended.out.splitlines()]
    assert types.index("CommitsSeen") < types.index("AttemptEnded")
    assert types.index("HandoffSeen") < types.index("AttemptEnded")


def test_settings_of_the_repository_are_obeyed(project: Project) -> None:
    """Worktrees go where the settings say, settings' setup comes before the plan's, and their agents are known."""
    config = "worktrees: ../elsewhere/{run}/{workstream}\nsetup: ['echo one >> .order']\nagents:\n  mine: {type: command, run: "
    project.repository.commit(
        {".wto/config.yaml": config + "'cp .order seen.txt; git add seen.txt; git commit -qm seen'}\n"}
    )
    project.repository.commit({".gitignore": ".order\n"})
    plan = project.plan(
        "goal: Do it\nsetup: ['echo two >> .order']\ndefaults: {agent: mine}\nworkstreams: {a: {brief: x}}\n"
    )
    ended = project.wto("run", plan)
    assert ended.code == 0, ended.out + ended.err
    assert (project.folder / "elsewhere" / "r1" / "a" / "seen.txt").read_text() == "one\ntwo\n"


def test_what_a_command_wrote_to_its_stderr_is_in_its_logs(project: Project) -> None:
    """A program that does not begin at all tells why in `logs`, also with --raw; its stderr comes last, marked and harmless."""
    plan = project.plan(
        "goal: Do it\nagents:\n  none: {type: command, run: /nonexistent/prog}\n"
        "defaults: {agent: none}\nworkstreams: {a: {brief: x}}\n"
    )
    assert project.wto("run", plan).code == 1
    for words in ((), ("--raw",), ("--follow",)):
        (line,) = project.wto("logs", "a", *words).out.splitlines()
        assert line.startswith("stderr: ") and "/nonexistent/prog" in line
    script = "printf 'bad \\033[31m\\nthing\\n' >&2\necho fine\n" + COMMIT
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {b: {brief: x}}\n", {"b": script}, "p2.yaml")
    assert project.wto("run", plan).code == 0
    assert project.wto("logs", "b").out == "fine\nstderr: bad \\x1b[31m\nstderr: thing\n"
