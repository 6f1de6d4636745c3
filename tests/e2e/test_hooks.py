"""Hooks in a run: an agent is told at once, does it right, and what it may not do does not happen."""

from __future__ import annotations

from tests.support.project import COMMAND_AGENT, Project

WORK = """mkdir -p src docs
echo 1 > src/a.py; echo 1 > docs/b.md; git add -A
git commit -qm Both 2> "$TEST_FOLDER/refused" && exit 9
git restore --staged docs/b.md && rm docs/b.md && git commit -qm "Inside" || exit 8
git push "$TEST_FOLDER/repository" HEAD:refs/heads/pushed 2> "$TEST_FOLDER/pushed" && exit 7
git update-ref refs/heads/wto/r1/other HEAD 2> "$TEST_FOLDER/moved" && exit 6
true
"""


def test_an_agent_learns_at_once_what_it_may_not_do(project: Project) -> None:
    """The refusals name path, owner, ref and way out; its commit has the run's trailers; its work is integrated."""
    project.repository.commit({".wto/config.yaml": "hooks: full\n"}, "begin")
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams:\n"
        "  work: {brief: x, scope: ['src/**']}\n  other: {brief: x, scope: ['docs/**']}\n",
        {"work": WORK, "other": "mkdir docs; echo 2 > docs/c.md; git add -A; git commit -qm Docs\n"},
    )
    ended = project.wto("run", plan)
    assert ended.code == 0, ended.out + ended.err
    read = {name: (project.folder / name).read_text() for name in ("refused", "pushed", "moved")}
    assert read["refused"].startswith("wto: docs/b.md is outside the scope of work; it belongs to other.\n")
    assert "wto: agents do not push.\n" in read["pushed"]
    assert "wto: work may not move refs/heads/wto/r1/other; its branch is wto/r1/work.\n" in read["moved"]
    body = project.repository.git("log", "-1", "--format=%B", "wto/r1/work").splitlines()
    assert body == ["Inside", "", "Wto-Run: r1", "Wto-Workstream: work", "Wto-Attempt: 1"]
    assert "pushed" not in project.repository.git("for-each-ref", "--format=%(refname:short)").split()


def test_hooks_can_be_turned_off(project: Project) -> None:
    """With `hooks: "off"` nothing is written into the shared configuration, and verification still holds the scope."""
    project.repository.commit({".wto/config.yaml": "hooks: 'off'\n"}, "begin")
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {work: {brief: x, scope: ['src/**'], retries: 0}}\n",
        {"work": "echo 1 > b.md; git add -A; git commit -qm Outside\n"},
    )
    assert project.wto("run", plan).code == 1
    assert "worktreeconfig" not in project.repository.git("config", "--local", "--list").lower()
    assert "changed outside the scope (src/**): b.md" in project.status()["workstreams"][0]["reason"]
