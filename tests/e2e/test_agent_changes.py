"""What an agent changed in the repository's own settings: shown, kept from landing and from the next run, and put back."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Project


def test_settings_that_an_agent_changed_are_shown_and_stop_a_landing(project: Project) -> None:
    """Status, the preview and the landing name the key and how to undo it; undone, or allowed by a person, it lands."""
    script = COMMIT + "git config core.sshCommand /bin/evil\n"
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": script})
    assert project.wto("run", plan).code == 0
    (change,) = project.status()["run"]["repository_changes"]
    assert change["stops"] and change["during"] == ["a"]
    for words in (("status",), ("land", "-n"), ("land",)):
        ended = project.wto(*words)
        assert "core.sshcommand is '/bin/evil' (was not set)" in ended.out + ended.err
        assert "git config --unset-all core.sshcommand" in ended.out + ended.err
        assert ended.code == (0 if words == ("status",) else 8)
    project.repository.git("config", "--unset-all", "core.sshcommand")
    assert project.wto("land").code == 0
    assert project.status()["run"]["repository_changes"] == []


@pytest.mark.parametrize("words", [("trust",), ("land", "--allow-changed")])
def test_S2_what_an_agent_changed_is_not_taken_for_the_users_own(project: Project, words: tuple[str, ...]) -> None:
    """The next run does not start under settings that an agent left, until they are put back or a person says that they are
    right."""
    script = COMMIT + "git config core.sshCommand /bin/evil\n"
    text = "goal: Do it\n" + COMMAND_AGENT
    plan = project.plan(text + "workstreams: {a: {brief: x}}\n", {"a": script})
    assert project.wto("run", plan).code == 0
    plan = project.plan(text + "workstreams: {b: {brief: x}}\n", {"b": COMMIT})
    refused = project.wto("run", plan)
    assert refused.code == 6, refused.out + refused.err
    assert "agents changed what git does in this repository" in refused.err
    assert "workstream a of r1: core.sshcommand is '/bin/evil' (was not set)" in refused.err
    assert "git config --unset-all core.sshcommand; or, if it is right so: wto trust" in refused.err
    assert "agents changed what git does" in project.wto("doctor").out
    assert "core.sshcommand" in project.wto("trust", "--list").out
    assert project.wto(*words).code == 0
    assert project.wto("run", plan).code == 0


def test_S2_a_word_for_one_run_is_none_for_another(project: Project) -> None:
    """Landing what one run changed trusts nothing that another one left."""
    text = "goal: Do it\n" + COMMAND_AGENT
    first, second = COMMIT + "git config core.sshCommand /bin/evil\n", COMMIT + "git config core.editor /bin/worse\n"
    assert project.wto("run", project.plan(text + "workstreams: {a: {brief: x}}\n", {"a": first})).code == 0
    assert project.wto("trust").code == 0
    assert project.wto("run", project.plan(text + "workstreams: {b: {brief: x}}\n", {"b": second})).code == 0
    assert project.wto("land", "--run", "r1", "--allow-changed").code == 0
    refused = project.wto("run", project.plan(text + "workstreams: {c: {brief: x}}\n", {"c": COMMIT}))
    assert refused.code == 6 and "workstream b of r2: core.editor is '/bin/worse'" in refused.err, refused.err


def test_S5_a_remedy_that_a_person_pastes_runs_nothing_of_an_agent(project: Project) -> None:
    """An agent chooses the name of a key: the command that puts it back has it as one word."""
    key = "filter.x;touch $TEST_FOLDER/pasted;'.clean"
    script = COMMIT + f'git config "{key}" cat\n'
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": script})
    assert project.wto("run", plan).code == 0
    (change,) = project.status()["run"]["repository_changes"]
    subprocess.run(["sh", "-c", change["put_back"]], cwd=project.repository.path, env=project.environment, check=True)
    assert not (project.folder / "pasted").exists()
    assert project.wto("land").code == 0
