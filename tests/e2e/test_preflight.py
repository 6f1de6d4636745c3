"""What is in the way of a run is said beforehand, and the remedy that is named is one."""

from __future__ import annotations

from pathlib import Path

from tests.support.project import COMMAND_AGENT, COMMIT, Project
from tests.support.worlds import git, make_world, shallow

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


def test_init_in_a_sparse_checkout_says_how_the_settings_stay(project: Project) -> None:
    """It changes nothing of the checkout; what it says keeps the file; without it a run refuses to go by defaults."""
    project.repository.commit({"kept/a.txt": "a\n", "left/b.txt": "b\n"})
    git(project, "sparse-checkout", "set", "--cone", "kept")
    said = project.wto("init").out
    assert "git sparse-checkout add .wto" in said
    assert git(project, "sparse-checkout", "list").split() == ["kept"]
    git(project, "add", "--sparse", ".wto")
    git(project, "commit", "-qm", "settings")
    git(project, "sparse-checkout", "reapply")
    plan = project.plan("goal: x\n" + AGENT, {"a": COMMIT})
    refused = project.wto("run", plan)
    assert refused.code != 0 and "your sparse checkout leaves out .wto/config.yaml" in refused.err
    git(project, "sparse-checkout", "add", ".wto")
    assert project.wto("run", "--land", plan).code == 0
    assert not Path(project.repository.path, "left").exists()
