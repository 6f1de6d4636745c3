"""What is in the way of a run is said beforehand, and the remedy that is named is one."""

from __future__ import annotations

from pathlib import Path

from tests.support.project import COMMAND_AGENT, COMMIT, Project
from tests.support.worlds import git, make_world, shallow
from wt_orchestrate.errors import ExitCode

AGENT = COMMAND_AGENT + "workstreams: {a: {brief: x}}\n"


def test_a_branch_from_before_the_cut_of_a_shallow_clone(project: Project) -> None:
    """The forecast, the train and a landing say that there is no common ancestor; after `git fetch --unshallow` each knows it,
    also where the cut commits had come to us before."""
    origin = project.repository
    for number in range(3):
        origin.commit({"a.txt": f"{number}\n"})
    origin.git("branch", "old", "HEAD~2")
    origin.git("checkout", "-q", "old")
    origin.commit({"old.txt": "x\n"})
    origin.git("checkout", "-q", "main")
    make_world(project, shallow)
    git(project, "fetch", "-q", "--depth=1", "origin", "old:old")
    asked = (("forecast", "old"), ("train", "add", "old", "--check", "true"))
    for words in asked:
        refused = project.wto(*words)
        assert "old and its target have no common ancestor in this shallow clone" in refused.err, words
        assert "git fetch --unshallow" in refused.err
    assert project.wto("run", project.plan("goal: x\n" + AGENT, {"a": COMMIT})).code == 0
    origin.commit({"b.txt": "b\n"})
    origin.commit({"c.txt": "c\n"})
    git(project, "fetch", "-q", "--depth=1", "origin", "main")
    git(project, "reset", "-q", "--hard", "FETCH_HEAD")
    refused = project.wto("land")
    assert "main and the run have no common ancestor in this shallow clone" in refused.err
    assert "git fetch --unshallow" in refused.err
    git(project, "fetch", "-q", "--unshallow")
    assert "0 conflicts" in project.wto("forecast", "old").out


def test_a_plan_that_is_given_from_a_subfolder(project: Project) -> None:
    """Its path counts from there, for `plan check` and `run`; the plan itself is no uncommitted work that agents would miss."""
    project.repository.commit({"sub/x.txt": "x\n"})
    sub = f"{project.repository.path}/sub"
    Path(sub, "plan.yaml").write_text(Path(project.plan("goal: x\n" + AGENT, {"a": COMMIT})).read_text())
    assert project.wto("plan", "check", "plan.yaml", cwd=sub).code == 0
    ended = project.wto("run", "plan.yaml", cwd=sub)
    assert ended.code == 0, ended.out + ended.err
    assert "uncommitted" not in ended.err
    assert project.wto("land", cwd=sub).code == 0


def test_what_agents_will_not_see_is_looked_for_where_the_target_is_checked_out(project: Project) -> None:
    """In a linked worktree of the user's, whose branch is the target, its own uncommitted files are named, not the main one's."""
    linked = str(project.folder / "linked")
    git(project, "worktree", "add", "-q", "-b", "work", linked)
    Path(linked, "here.txt").write_text("x\n")
    project.repository.write({"there.txt": "x\n"})
    plan = project.plan("goal: x\n" + AGENT, {"a": COMMIT})
    assert "1 uncommitted file: here.txt" in project.wto("plan", "check", plan, cwd=linked).err
    assert "1 uncommitted file: there.txt" in project.wto("plan", "check", plan).err


def test_init_in_a_sparse_checkout_says_how_the_settings_stay(project: Project) -> None:
    """It changes nothing of the checkout; what it says keeps the file; without it a run refuses to go by defaults. Agents have
    every file and may change each; what lands outside of the sparse checkout stays out of it."""
    project.repository.commit({"kept/a.txt": "a\n", "left/b.txt": "b\n"})
    git(project, "sparse-checkout", "set", "--cone", "kept")
    said = project.wto("init").out
    assert "git sparse-checkout add .wto" in said
    assert git(project, "sparse-checkout", "list").split() == ["kept"]
    git(project, "add", "--sparse", ".wto")
    git(project, "commit", "-qm", "settings")
    git(project, "sparse-checkout", "reapply")
    plan = project.plan("goal: x\n" + AGENT, {"a": "echo more >> left/b.txt\n" + COMMIT})
    refused = project.wto("run", plan)
    assert refused.code != 0 and "your sparse checkout leaves out .wto/config.yaml" in refused.err
    git(project, "sparse-checkout", "add", ".wto")
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    assert not Path(project.repository.path, "left").exists()
    assert git(project, "show", "HEAD:left/b.txt") == "b\nmore\n"
    assert git(project, "status", "--porcelain") == ""


CHECKED = "goal: x\nchecks: [{run: 'echo x >> \"%s/ran\"; test -e good'}]\n" + AGENT


def test_P4_a_red_target_holds_the_run_before_anything_is_paid(project: Project) -> None:
    """No worktree and no attempt: the run needs a person, who is told why and what can be done. Fixed on the target, another run
    goes on, and the one after it does not check the same tree again."""
    ran = project.folder / "ran"
    plan = project.plan(CHECKED % project.folder, {"a": COMMIT})
    held = project.wto("run", "--land", plan)
    assert held.code == ExitCode.NEEDS_PERSON and ran.read_text().split() == ["x", "x"]
    assert "fails on main as it is, before any work" in held.out and "wto release" in held.out
    status = project.status()
    assert [(ws["condition"], ws["attempts"], ws["worktree"]) for ws in status["workstreams"]] == [
        ("escalated", 0, None)
    ]
    assert not Path(f"{project.repository.path}.worktrees").exists()
    assert project.wto("wait").code == ExitCode.NEEDS_PERSON
    assert "fails on main as it is" in project.wto("report").out
    asked = project.wto("approve")
    assert asked.code == ExitCode.NEEDS_PERSON and "wto release" in asked.err
    assert project.wto("resume").code == ExitCode.NEEDS_PERSON and len(ran.read_text().split()) == 4
    project.repository.commit({"good": "x\n"})
    landed = project.wto("run", "--land", plan)
    assert landed.code == 0, landed.out + landed.err
    assert len(ran.read_text().split()) == 6  # once on the target, once on the work
    again = project.wto(
        "run", project.plan(CHECKED % project.folder, {"a": "echo more >> a.txt\ngit commit -qam More\n"})
    )
    assert again.code == 0 and "the checks pass on main" in again.out
    assert len(ran.read_text().split()) == 7


def test_a_red_target_is_taken_as_it_is_by_release_or_by_a_setting(project: Project) -> None:
    """Then the agents start, and work that mends it lands; a run whose check was cut off by a crash is held all the same."""
    mends = "touch good\n" + COMMIT
    plan = project.plan(CHECKED % project.folder, {"a": mends})
    project.environment["WTO_CRASH_AT"] = "RunCheck:done"
    project.wto("run", plan)
    del project.environment["WTO_CRASH_AT"]
    assert project.wto("resume").code == ExitCode.NEEDS_PERSON
    released = project.wto("release")
    assert released.code == 0, released.out + released.err
    assert project.stages() == {"a": "integrated"} and project.status()["workstreams"][0]["attempts"] == 1
    project.repository.commit({".wto/config.yaml": "check_target: false\n"})
    ended = project.wto("run", "--land", project.plan(CHECKED % project.folder, {"a": mends}))
    assert ended.code == 0 and "before any work" not in ended.out
