"""From a plan to landed work, with the real program, real git, real keepers and scripted agents."""

from __future__ import annotations

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, HANDOFF, Project


def test_three_workstreams_and_one_that_needs_two_of_them_are_landed(project: Project) -> None:
    """A plan's work is integrated in the order of its needs, landed on the target, and reported with what was measured."""
    plan = project.plan(
        "goal: Do it\nchecks: [{run: 'ls *.*'}]\n"
        + COMMAND_AGENT
        + "workstreams:\n  a: {brief: a, scope: [a.txt]}\n  b: {brief: b}\n  c: {brief: c}\n  d: {brief: d, needs: [a, b]}\n",
        {"a": COMMIT + HANDOFF, "b": COMMIT, "c": COMMIT, "d": "test -e a.txt\ntest -e b.txt\n" + COMMIT},
    )
    ended = project.wto("run", plan)
    assert (ended.code, ended.err) == (0, "")
    assert project.repository.git("status", "--porcelain") == ""
    assert project.repository.git("log", "--format=%s") == "begin"

    status = project.status()
    assert status["schema"] == "wto.status/1"
    assert (status["run"]["id"], status["run"]["integration"]) == ("r1", "wto/r1/integration")
    shown = [(ws["id"], ws["stage"], ws["attempts"], ws["commits"]) for ws in status["workstreams"]]
    assert shown == [
        ("a", "integrated", 1, 1),
        ("b", "integrated", 1, 1),
        ("c", "integrated", 1, 1),
        ("d", "integrated", 1, 1),
    ]
    assert all(ws["evidence"] for ws in status["workstreams"])

    landed = project.wto("land")
    assert landed.code == 0, landed.err
    files = project.repository.git("ls-tree", "-r", "--name-only", "main").split()
    assert files == ["README.md", "a.txt", "b.txt", "c.txt", "d.txt"]
    assert project.repository.git("status", "--porcelain") == ""
    trailers = project.repository.git(
        "log", "--first-parent", "--format=%(trailers:key=Wto-Workstream,valueonly,separator=)"
    )
    assert sorted(trailers.split()) == ["a", "b", "c", "d"]

    report = project.wto("report", "--format", "json").json
    assert report["cost_usd"] == 0
    assert report["critical_path"][-1] == "d"
    assert report["wall_s"] >= report["critical_path_s"] > 0
    assert report["speedup"] == pytest.approx(report["gain"]["serial_s"] / report["wall_s"], abs=0.01)
    by_id = {ws["id"]: ws for ws in report["workstreams"]}
    assert by_id["a"]["summary"] == "It is done."
    assert by_id["a"]["findings"] == [{"kind": "risk", "text": "src/a.py:3 is slow", "path": "src/a.py", "line": 3}]
    assert by_id["b"]["summary"] == "Add b"
    assert [check["outcome"] for check in by_id["d"]["evidence"]] == ["passed"]
    assert "- Speed-up: " in project.wto("report").out


def test_workstreams_run_at_once_up_to_the_limit(project: Project) -> None:
    """No more agents work at the same time than `limits.agents` says, and that many do."""
    count = (
        'mkdir -p "$TEST_FOLDER/live"\ntouch "$TEST_FOLDER/live/$WTO_WORKSTREAM"\nsleep 0.5\n'
        'ls "$TEST_FOLDER/live" | wc -l > "$TEST_FOLDER/n.$WTO_WORKSTREAM"\n'
        'rm "$TEST_FOLDER/live/$WTO_WORKSTREAM"\n'
    )
    plan = project.plan(
        "goal: Do it\nlimits: {agents: 2}\n"
        + COMMAND_AGENT
        + "workstreams: {a: {brief: a}, b: {brief: b}, c: {brief: c}, e: {brief: e}}\n",
        dict.fromkeys("abce", count + COMMIT),
    )
    assert project.wto("run", plan).code == 0
    counts = [int((project.folder / f"n.{name}").read_text()) for name in "abce"]
    assert max(counts) == 2


def test_a_failed_workstream_holds_only_what_needs_it(project: Project) -> None:
    """One stream's failure never stops the others: what depends on it is held, the rest is integrated."""
    plan = project.plan(
        "goal: Do it\n"
        + COMMAND_AGENT
        + "workstreams: {bad: {brief: x}, good: {brief: x}, after: {brief: x, needs: [bad]}}\n",
        {"bad": "exit 3", "good": COMMIT, "after": COMMIT},
    )
    ended = project.wto("run", plan)
    assert ended.code == 11
    assert project.stages() == {"bad": "failed", "good": "integrated", "after": "held"}
    status = {ws["id"]: ws for ws in project.status()["workstreams"]}
    assert status["bad"]["attempts"] == 3
    assert "exit code 3" in status["bad"]["reason"]
    assert status["after"]["held_by"] == ["bad"]
    assert project.wto("wait", "good").code == 0
    assert project.wto("wait", "after").code == 1
    report = project.wto("report", "--format", "json").json
    assert [each["id"] for each in report["not_integrated"]] == ["bad", "after"]


def test_failed_checks_go_back_to_the_same_agent(project: Project) -> None:
    """A check that fails on the combined tree is brought to the agent, which mends it; the branch never held the failure."""
    plan = project.plan(
        "goal: Do it\nchecks: [{run: 'test ! -e bad'}]\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n",
        {
            "a.1": "touch bad\n" + COMMIT,
            "a.2": 'grep -q "test ! -e bad" "$WTO_BRIEF"\ngit rm -q bad\ngit commit -qm "Remove bad"\n',
        },
    )
    assert project.wto("run", plan).code == 0
    assert project.status()["workstreams"][0]["attempts"] == 2
    assert "bad" not in project.repository.git("ls-tree", "--name-only", "wto/r1/integration").split()


def test_false_claims_are_not_believed(project: Project) -> None:
    """Exit 0 without a commit, with a dirty worktree, or outside the scope, is never integrated; the reasons are told."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams:\n"
        "  none: {brief: x, retries: 0}\n  dirty: {brief: x, retries: 0}\n  outside: {brief: x, retries: 0, scope: [src/**]}\n",
        {
            "none": "exit 0",
            "dirty": COMMIT + "echo more >> dirty.txt\n",
            "outside": COMMIT.replace("commit", "commit --no-verify"),
        },
    )
    assert project.wto("run", plan).code == 1
    reasons = {ws["id"]: ws["reason"] for ws in project.status()["workstreams"]}
    assert "there is no commit on the branch" in reasons["none"]
    assert "uncommitted changes: dirty.txt" in reasons["dirty"]
    assert "outside the scope (src/**): outside.txt" in reasons["outside"]
    assert project.repository.git("rev-parse", "wto/r1/integration") == project.repository.git("rev-parse", "main")


def test_a_conflict_goes_to_the_owning_agent_and_then_to_a_person(project: Project) -> None:
    """Nobody's side is taken: the agent gets one try in its worktree, then a person resolves it and continues."""
    project.repository.commit({"f.txt": "one\n"})
    shown = 'git -C "$TEST_FOLDER/repository" show wto/r1/integration:f.txt'
    slow = f"while ! {shown} 2>/dev/null | grep -q first; do sleep 0.05; done\n"
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {first: {brief: one way}, second: {brief: the other way}}\n",
        {
            "first": 'echo first > f.txt\ngit commit -qam "First"\n',
            "second.1": slow + 'echo second > f.txt\ngit commit -qam "Second"\n',
            "second.2": 'grep -q "git merge wto/r1/integration" "$WTO_BRIEF"\ngrep -q "one way" "$WTO_BRIEF"\n',
        },
    )
    ended = project.wto("run", plan)
    assert ended.code == 8, ended.out
    status = {ws["id"]: ws for ws in project.status()["workstreams"]}
    assert (status["first"]["stage"], status["second"]["stage"]) == ("integrated", "escalated")
    worktree = project.repository.at(str(project.worktree("second")))
    assert f"cd {worktree.path}" in status["second"]["commands"]
    assert "git merge wto/r1/integration" in status["second"]["commands"]
    worktree.git("merge", "-q", "-X", "ours", "wto/r1/integration")
    worktree.commit({"f.txt": "first and second\n"}, "Say both")
    continued = project.wto("continue", "second")
    assert continued.code == 0, continued.out + continued.err
    assert project.repository.git("show", "wto/r1/integration:f.txt") == "first and second"


def test_an_agent_that_drops_the_other_side_is_sent_back(project: Project) -> None:
    """A conflict resolved by taking the own side whole is not accepted, though every check passes; one that keeps both is."""
    project.repository.commit({"f.txt": "one\n"})
    shown = 'git -C "$TEST_FOLDER/repository" show wto/r1/integration:f.txt'
    slow = f"while ! {shown} 2>/dev/null | grep -q first; do sleep 0.05; done\n"
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {first: {brief: one way}, second: {brief: the other way}}\n",
        {
            "first": 'echo first > f.txt\ngit commit -qam "First"\n',
            "second.1": slow + 'echo second > f.txt\ngit commit -qam "Second"\n',
            "second.2": "git merge -q -X ours -m Merge wto/r1/integration\n",
            "second.3": 'grep -q "kept only your side of f.txt" "$WTO_BRIEF"\n'
            'echo "first and second" > f.txt\ngit commit -qam "Both"\n',
        },
    )
    ended = project.wto("run", plan)
    assert ended.code == 0, ended.out
    assert project.repository.git("show", "wto/r1/integration:f.txt") == "first and second"
    assert [ws["attempts"] for ws in project.status()["workstreams"]] == [1, 3]


def test_research_ends_with_findings_and_no_commits(project: Project) -> None:
    """A research workstream is integrated with its handoff alone, which the brief of what needs it quotes."""
    plan = project.plan(
        "goal: Do it\n"
        + COMMAND_AGENT
        + "workstreams:\n  look: {brief: x, kind: research}\n  work: {brief: x, needs: [look]}\n",
        {"look": HANDOFF, "work": 'grep -q "> Summary: It is done." "$WTO_BRIEF"\n' + COMMIT},
    )
    assert project.wto("run", plan).code == 0
    assert project.stages() == {"look": "integrated", "work": "integrated"}


def test_a_dry_run_changes_nothing(project: Project) -> None:
    """`run --dry-run` prints the effects in order and leaves no worktree, branch or run behind."""
    plan = project.plan(
        "goal: Do it\nsetup: [true]\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT}
    )
    ended = project.wto("run", "--dry-run", plan)
    assert ended.code == 0, ended.err
    assert "create the worktree" in ended.out and "start the agent scripted on a" in ended.out
    assert project.repository.git("worktree", "list").count("\n") == 0
    assert project.wto("status").code == 5
