"""The recovery ladder: what is tried after each kind of trouble, how often, and what a person is told in the end.

The agent is the scripted stand-in of the client; the same faults at the real client are in `test_real_faults.py`.
"""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Ended, Project, use_fake_client
from tests.support.waiting import wait_until

MAKE = "do echo x > $WTO_WORKSTREAM.txt && git add -A && git commit -qm Work\n"


def _run(project: Project, streams: str, scripts: dict[str, str], *, settings: str = "", plan: str = "") -> Ended:
    return project.wto("run", _plan(project, streams, scripts, settings=settings, plan=plan), timeout=60)


def _plan(project: Project, streams: str, scripts: dict[str, str], *, settings: str = "", plan: str = "") -> str:
    project.repository.commit({".wto/config.yaml": "poll: 1s\nstagger: 0s\n" + settings})
    text = "goal: Do it\n" + plan + use_fake_client(project) + f"workstreams: {{{streams}}}\n"
    return project.plan(text, scripts)


def _workstream(project: Project, name: str = "a") -> Any:
    return next(ws for ws in project.status()["workstreams"] if ws["id"] == name)


def _attempts(project: Project, name: str = "a") -> list[tuple[str, bool]]:
    report = project.wto("report", "--format", "json").json
    found = next(ws for ws in report["workstreams"] if ws["id"] == name)
    return [(attempt["reason"], attempt["resumed"]) for attempt in found["attempts"]]


def _resting(project: Project, name: str = "a") -> None:
    """Wait until its account rests."""

    def rests() -> bool:
        found = _workstream(project, name)
        return found["stage"] == "preparing" and bool(found["resumes_at"]) and found["condition"] == "limited"

    wait_until(lambda: name in project.stages(), what="the run")
    wait_until(rests, what=f"{name} resting")


GATE = 'do while [ ! -e "$TEST_FOLDER/open" ]; do sleep 0.02; done\n'
OVERLOAD = "recovery: {overload: [{times: 3, waits: [1s]}], jitter: 0}\n"


def test_P4_an_overload_is_waited_out_in_the_same_session_and_burns_no_attempt(project: Project) -> None:
    """After 529 the same session goes on once the pause is over; a second one pauses longer; the work is integrated."""
    scripts = {"a.1": "api 529\n", "a.2": "api 500\n", "a.3": MAKE}
    assert _run(project, "a: {brief: x}", scripts, settings=OVERLOAD).code == 0
    assert _attempts(project) == [("first", False), ("overload", True), ("overload", True)]


def test_an_overload_without_end_is_for_a_person_with_what_was_tried(project: Project) -> None:
    """When the ladder is used up the workstream is escalated; it says what was tried and what a person can do."""
    settings = "recovery: {overload: [{times: 2, waits: [1s]}], jitter: 0}\n"
    assert _run(project, "a: {brief: x}", {f"a.{n}": "api 529\n" for n in range(1, 9)}, settings=settings).code == 8
    ws = _workstream(project)
    assert (ws["stage"], ws["attempts"], len(ws["tried"])) == ("escalated", 3, 3)
    assert ws["tried"][1].startswith("attempt 2 (overload, same session) ended: overloaded")
    assert "wto retry a --fresh" in ws["commands"]


def test_one_overload_pauses_the_account_for_all(project: Project) -> None:
    """While an account rests after an overload nothing is started on it; agents at work go on."""
    settings = "recovery: {overload: [{times: 9, waits: [8s]}], jitter: 0}\n"
    plan = _plan(
        project,
        "a: {brief: x}, b: {brief: x}, c: {brief: x, needs: [b]}",
        {
            "a.1": "do while [ ! -e $TEST_FOLDER/heard.b ]; do sleep 0.02; done\napi 529\n",
            "a.2": MAKE,
            "b": MAKE + GATE,
            "c": MAKE,
        },
        settings=settings,
    )
    project.start("run", plan)
    _resting(project)
    assert _workstream(project, "b")["condition"] == "working"
    assert "account default limit reached" in project.wto("status").out
    (project.folder / "open").touch()
    project.wait_for("c", "integrated")
    report = project.wto("report", "--format", "json").json
    assert report["waiting_s"]["limit"] > 0.3


def test_a_usage_limit_is_waited_for_until_its_reset(project: Project) -> None:
    """Nothing is started into the wall: dispatch rests until the reset, then the same sessions resume by themselves."""
    plan = _plan(
        project,
        "a: {brief: x}, b: {brief: x, needs: [c]}, c: {brief: x}",
        {"a.1": "limit 8\n", "a.2": MAKE, "b": MAKE, "c": f"{GATE}{MAKE}"},
    )
    child = project.start("run", plan)
    _resting(project)
    (project.folder / "open").touch()
    project.wait_for("b", "preparing")
    assert _workstream(project, "b")["condition"] == "limited"
    assert _workstream(project, "b")["attempts"] == 0
    assert child.wait(timeout=60) == 0
    assert _attempts(project) == [("first", False), ("limit", True)]


def test_work_is_spread_over_accounts_and_may_move(project: Project) -> None:
    """Accounts of the user's configuration share the work; with `move`, work that met a limit goes on elsewhere, begun anew."""
    (project.folder / "config").mkdir()
    (project.folder / "config" / "config.yaml").write_text(
        "accounts:\n  one: {env: {CLAUDE_CONFIG_DIR: ~/one}, agents: 1}\n  two: {env: {CLAUDE_CONFIG_DIR: ~/two}, agents: 1}\n"
    )
    project.environment["WTO_CONFIG_DIR"] = str(project.folder / "config")
    show = 'do echo "$CLAUDE_CONFIG_DIR ${ANTHROPIC_API_KEY-none}" >> "$TEST_FOLDER/used.$WTO_WORKSTREAM"\n'
    ended = _run(
        project,
        "a: {brief: x}, b: {brief: x}",
        {"a.1": show + "limit 3600\n", "a.2": show + MAKE, "b": show + MAKE},
        settings="recovery: {move: true}\n",
    )
    assert ended.code == 0, ended.out
    used = (project.folder / "used.a").read_text().split()
    first, second = used[0].rpartition("/")[2], used[2].rpartition("/")[2]
    assert {first, second} == {"one", "two"}
    assert set(used[1::2]) == {"none"}
    assert (project.folder / "used.b").read_text().split()[0].endswith(f"/{second}")
    assert _attempts(project) == [("first", False), ("limit", False)]
    accounts = {each["name"]: each["rests_until"] for each in project.status()["run"]["accounts"]}
    assert accounts[first] is not None and accounts[second] is None
    assert str(project.folder / "config") not in project.wto("report", "--format", "json").out


def test_a_login_that_is_refused_starts_nobody_else(project: Project) -> None:
    """One refused login is enough: the others are not started into it, and a person is told what to do."""
    plan = _plan(project, "a: {brief: x}, b: {brief: x, needs: [c]}, c: {brief: x, agent: hand}", {"a": "login\n"})
    commit = "sleep 1; touch c.txt; git add -A; git commit -qm Work"
    text = (
        (project.folder / "plan.yaml")
        .read_text()
        .replace("agents: {", f"agents: {{hand: {{type: command, run: '{commit}'}}, ")
    )
    (project.folder / "plan.yaml").write_text(text)
    ended = project.wto("run", plan, timeout=60)
    assert ended.code == 8
    assert project.stages() == {"a": "escalated", "b": "escalated", "c": "integrated"}
    assert _workstream(project, "b")["attempts"] == 0
    assert "no account can log in: Not logged in" in _workstream(project, "b")["reason"]


def test_P5_a_silent_agent_is_nudged_in_its_session_then_begun_anew(project: Project) -> None:
    """No progress for `idle`: the running turn is interrupted and told why; if that does not help, a new session goes on."""
    scripts = {"a.1.1": "hang\n", "a.1.2": "hang\n", "a.2": MAKE, "b.1.1": "hang\n", "b.1.2": MAKE}
    ended = _run(project, "a: {brief: x, idle: 2s}, b: {brief: x, idle: 2s}", scripts)
    assert ended.code == 0, ended.out
    assert _attempts(project, "b") == [("first", False)]
    assert _attempts(project, "a") == [("first", False), ("stuck", False)]
    heard = (project.folder / "heard.b").read_text()
    assert "there was no progress for a long time" in heard


def test_the_same_failing_action_is_a_loop_by_evidence_not_by_time(project: Project) -> None:
    """Six times the same failure with nothing edited between is interrupted; with edits between it is honest work."""
    loop = "do false\n" * 6
    honest = "do false\nedit a.py\n" * 8 + MAKE
    ended = _run(project, "a: {brief: x}, b: {brief: x}", {"a.1.1": loop + "hang\n", "a.1.2": MAKE, "b": honest})
    assert ended.code == 0, ended.out
    assert (
        "the same action keeps failing (6 times in a row: Bash false: Exit code 1)"
        in (project.folder / "heard.a").read_text()
    )
    assert "interrupted" not in (project.folder / "heard.b").read_text()


@pytest.mark.parametrize(("trouble", "reason"), [("context\n", "context"), ("refuse\n", "refused")])
def test_an_exhausted_context_and_a_refusal_begin_a_new_session(project: Project, trouble: str, reason: str) -> None:
    """A session that cannot go on is followed by a new one in the same worktree, with the last handoff in its brief."""
    handoff = "do printf -- '---\\nstatus: working\\n---\\n## Summary\\nHalf of it.\\n' > HANDOFF.md; sleep 0.3\n"
    assert _run(project, "a: {brief: x}", {"a.1": handoff + trouble, "a.2": MAKE}).code == 0
    assert _attempts(project) == [("first", False), (reason, False)]
    assert "> Summary: Half of it." in (project.folder / "heard.a").read_text()


def test_P4_new_commits_start_the_count_anew_and_all_attempts_are_bounded(project: Project) -> None:
    """An agent that commits something and dies each time goes on as long as it commits, but not for ever."""
    work = 'do echo "$WTO_ATTEMPT" >> n.txt && git add -A && git commit -qm "Step $WTO_ATTEMPT"; sleep 0.3\ndie 9\n'
    ended = _run(project, "a: {brief: x}", {f"a.{n}": work for n in range(1, 12)}, settings="recovery: {attempts: 6}\n")
    assert ended.code == 1
    assert (_workstream(project)["stage"], _workstream(project)["attempts"]) == ("failed", 6)


def test_P4_a_budget_warns_then_ends_gently_with_a_handoff(project: Project) -> None:
    """At 80 per cent it warns; when used up the agent is told to end and does; a raised bound and a retry finish the work."""
    gate = 'do while [ ! -e "$TEST_FOLDER/open" ]; do sleep 0.02; done\n'
    half = "do printf -- '---\\nstatus: working\\n---\\n## Summary\\nHalf.\\n## Next\\nThe rest.\\n' > HANDOFF.md\nsilent\n"
    plan = _plan(
        project,
        "a: {brief: x, limits: {budget_usd: 1}}",
        {"a.1.1": "silent\ncost 0.9\n", "a.2.1": "silent\ncost 0.2\n", "a.2.2": half, "a.3": gate + MAKE},
    )
    assert project.wto("run", plan).code == 8
    ws = _workstream(project)
    assert "its budget is used up (money)" in ws["reason"]
    assert ws["used"] == [{"what": "money", "used": 1.1, "cap": 1.0, "words": "$1.10 of $1.00"}]
    heard = (project.folder / "heard.a").read_text()
    assert "The budget for this work is used up (money). Finish now" in heard
    assert ws["summary"] == "Half."
    assert project.wto("limit", "--workstream", "a", "budget-usd=1").code == 6
    assert project.wto("limit", "--workstream", "a", "budget-usd=5").code == 0
    (project.folder / "open").touch()
    retried = project.wto("retry", "a")
    assert retried.code == 0, retried.out + retried.err
    assert "90% of the limit on money used" in project.wto("status", "a").out


def test_a_run_out_of_turns_begins_nothing_new(project: Project) -> None:
    """A bound of the run stops every start; what is done is integrated, the rest waits for a person."""
    ended = _run(
        project,
        "a: {brief: x}, b: {brief: x, needs: [a]}",
        {"a": "turns 50\n" + MAKE, "b": MAKE},
        plan="limits: {turns: 40}\n",
    )
    assert ended.code == 8
    assert project.stages() == {"a": "integrated", "b": "escalated"}
    assert "the run's budget is used up (turns)" in _workstream(project, "b")["reason"]


def test_R3_a_worktree_that_is_taken_away_is_made_again(project: Project) -> None:
    """A worktree deleted under its agent is made again from the last commit, and the same session goes on in it."""
    first = MAKE + 'do touch "$TEST_FOLDER/begun"\nhang\n'
    plan = _plan(project, "a: {brief: x}", {"a.1": first, "a.2": "do test -e a.txt && git status --short\n"})
    child = project.start("run", plan)
    wait_until((project.folder / "begun").exists, what="the agent having committed")
    wait_until(lambda: _workstream(project)["commits"] == 1, what="the commit being seen")
    shutil.rmtree(project.worktree("a"))
    assert child.wait(timeout=60) == 0
    assert _attempts(project) == [("first", False), ("worktree", True)]
    assert (project.worktree("a") / "a.txt").exists()


def test_D1_a_branch_that_is_deleted_under_its_agent_is_put_back(project: Project) -> None:
    """The branch is there again at the last commit that was seen, and the agent goes on without noticing."""
    script = MAKE + 'do touch "$TEST_FOLDER/begun"; while [ ! -e "$TEST_FOLDER/open" ]; do sleep 0.02; done\n'
    plan = _plan(project, "a: {brief: x}", {"a": script})
    child = project.start("run", plan)
    wait_until(lambda: project.stages() != {} and _workstream(project)["commits"] == 1, what="the commit being seen")
    head = project.repository.git("rev-parse", "wto/r1/a").strip()
    project.repository.git("update-ref", "-d", "refs/heads/wto/r1/a")
    wait_until(
        lambda: "wto/r1/a" in project.repository.git("branch", "--list", "wto/r1/a"), what="the branch being back"
    )
    assert project.repository.git("rev-parse", "wto/r1/a").strip() == head
    (project.folder / "open").touch()
    assert child.wait(timeout=60) == 0
    assert _attempts(project) == [("first", False)]


def test_a_busy_machine_admits_one_agent_at_a_time_and_says_so(project: Project) -> None:
    """Without room for more, one agent works at a time; status says what is missing."""
    project.repository.commit({".wto/config.yaml": "poll: 1s\nadmission: {memory_mb: 1000000000}\n"})
    count = 'echo x >> "$TEST_FOLDER/live"; wc -l < "$TEST_FOLDER/live" > "$TEST_FOLDER/n.$WTO_WORKSTREAM"; sleep 0.3; '
    count += 'sed -i 1d "$TEST_FOLDER/live"\n'
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}, b: {brief: x}, c: {brief: x}}\n",
        dict.fromkeys("abc", count + COMMIT),
    )
    ended = project.wto("run", plan)
    assert ended.code == 0, ended.out
    assert {(project.folder / f"n.{name}").read_text().strip() for name in "abc"} == {"1"}
    assert "no new agent starts:" in ended.out and "MiB of memory are free" in ended.out
