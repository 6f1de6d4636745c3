"""Work that an agent left elsewhere than on its workstream's branch: kept, told by name, and taken over."""

from __future__ import annotations

import re

import pytest

from tests.support.project import COMMAND_AGENT, Project
from tests.support.waiting import wait_until

AGENT = COMMAND_AGENT.replace("{agent: scripted}", "{agent: scripted, retries: 0}")
PLAN = "goal: Do it\n" + AGENT + "workstreams: {a: {brief: x}}\n"
_COMMITS = "echo {0} > {0}.txt\ngit add {0}.txt\ngit commit -qm {0}\n"


def _run(project: Project, script: str) -> str:
    ended = project.wto("run", project.plan(PLAN, {"a": script}))
    return ended.out + ended.err


def _in_the_vault(project: Project, commit: str) -> bool:
    project.repository.git("reflog", "expire", "--expire=now", "--all")
    project.repository.git("gc", "-q", "--prune=now")
    vault = str(project.state / "vault.git")
    return project.repository.git("--git-dir", vault, "cat-file", "-t", commit) == "commit"


@pytest.mark.parametrize(
    ("script", "place"),
    [
        ("git checkout -q --detach\n" + _COMMITS.format("one"), "a detached HEAD"),
        ("git checkout -q -b fix/x\n" + _COMMITS.format("one"), "fix/x"),
        (
            '[ "$WTO_ATTEMPT" = 1 ] || exit 0\ngit branch -m fix/x\n' + _COMMITS.format("one"),
            "fix/x",
        ),  # its branch may be missed and made again
        ("git checkout -q -b fix/x\n" + _COMMITS.format("one") + "git checkout -q wto/r1/a\n", "fix/x"),
    ],
    ids=["detached", "other branch", "renamed", "other branch and back"],
)
def test_D1_commits_made_elsewhere_are_told_by_name_and_taken_over(project: Project, script: str, place: str) -> None:
    """The claim goes back with the place and the commands; one command of a person takes the commits over and they land."""
    said = _run(project, script)
    assert f"your 1 commit is on {place}, not on wto/r1/a" in said
    taken = project.wto("take-over", "a")
    assert taken.code == 0, taken.err
    assert f"taken over from {place}" in taken.out
    assert project.wto("resume").code == 0
    assert project.wto("land").code == 0
    assert "one.txt" in project.repository.git("ls-tree", "--name-only", "main").split()


def test_D1_commits_on_another_branch_are_told_where_git_keeps_no_reflogs(project: Project) -> None:
    """`core.logAllRefUpdates=false`: HEAD itself says where the agent is."""
    project.repository.git("config", "core.logAllRefUpdates", "false")
    said = _run(project, _COMMITS.format("own") + "git checkout -q -b fix/x\n" + _COMMITS.format("one"))
    assert "your 2 commits are on fix/x, not on wto/r1/a" in said
    assert project.wto("take-over", "a").code == 0


def test_D1_a_commit_amended_between_two_looks_survives_clean_and_gc(project: Project) -> None:
    """What only a reflog of the worktree still knows is in the vault before the worktree goes."""
    script = (
        "git checkout -q --detach\n"
        + _COMMITS.format("one")
        + 'git rev-parse HEAD > "$TEST_FOLDER/first"\necho two > one.txt\ngit commit -qa --amend -m two\n'
        + "git checkout -q wto/r1/a\n"
    )
    _run(project, script)
    first = (project.folder / "first").read_text().strip()
    assert project.wto("clean", "--force").code == 0
    assert not project.worktree("a").exists()
    assert _in_the_vault(project, first)


def test_D1_commits_that_an_agent_left_behind_are_told_by_their_id(project: Project) -> None:
    """Back on its own branch: what is on no branch is named, with the command that brings it, also after a gc."""
    gate = 'while [ ! -e "$TEST_FOLDER/seen" ]; do sleep 0.02; done\n'
    script = "git checkout -q --detach\n" + _COMMITS.format("one") + gate + "git checkout -q wto/r1/a\n"
    running = project.start("run", project.plan(PLAN, {"a": script}))
    wait_until(
        lambda: "1 commit on a detached HEAD" in project.wto("status", "a").out, timeout_s=60, what="it being noticed"
    )
    (project.folder / "seen").touch()
    assert running.wait(timeout=120) == 1  # its own branch has nothing
    story = project.wto("status", "a").out
    found = re.search(r"without 1 commit that it made elsewhere: wto (take-over a ([0-9a-f]{40}))", story)
    assert found and _in_the_vault(project, found[2]), story
    assert project.wto(*found[1].split()).code == 0
    assert project.wto("resume").code == 0
    assert project.wto("land").code == 0
    assert "one.txt" in project.repository.git("ls-tree", "--name-only", "main").split()


def test_take_over_refuses_what_would_lose_something(project: Project) -> None:
    """Nothing to take over, an unknown branch, commits on both sides, and uncommitted files are each refused by name."""
    _run(project, _COMMITS.format("own") + "exit 1\n")
    nothing = project.wto("take-over", "a")
    assert nothing.code == 6 and "already contains the work of its worktree" in nothing.err
    unknown = project.wto("take-over", "a", "no/such")
    assert "there is no branch" in unknown.err
    project.repository.git("branch", "other", "main")
    project.repository.git("-C", str(project.worktree("a")), "checkout", "-q", "other")
    (project.worktree("a") / "two.txt").write_text("two\n")
    project.repository.git("-C", str(project.worktree("a")), "add", "two.txt")
    project.repository.git("-C", str(project.worktree("a")), "commit", "-qm", "two")
    both = project.wto("take-over", "a", "other")
    assert "has commits that other does not contain" in both.err


def test_a_repository_inside_a_worktree_is_no_whole_work(project: Project) -> None:
    """A gitlink that no .gitmodules explains goes back to the agent with what to do, and is not integrated."""
    script = (
        "mkdir app\ncd app\ngit init -q\ngit config user.name a\ngit config user.email a@example.org\n"
        + _COMMITS.format("code")
        + "cd ..\ngit add -A 2>/dev/null\ngit commit -qm app\n"
    )
    said = _run(project, script)
    assert "app is a repository of its own: only its commit id was committed" in said
    assert project.stages()["a"] != "integrated"
    assert project.wto("land").code != 0
