"""`wto hook` and the pre-commit framework: the guards in the main worktree, put before what is there and taken away again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.project import COMMAND_AGENT, ROOT, Project
from tests.support.repos import sealed_environment

KEY = "AKIA" + "IOSFODNN7EXAMPL3"


def _commit(project: Project, files: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """What a person does in the main worktree."""
    project.repository.write(files)
    env = sealed_environment(project.repository.home) | project.environment
    for words in (["add", "-A"], ["commit", "-q", "-m", "Mine", *options]):
        ended = subprocess.run(
            ["git", *words], cwd=project.repository.path, env=env, capture_output=True, text=True, check=False
        )
    return ended


def _hooks(project: Project) -> Path:
    return Path(project.repository.common_dir) / "hooks"


def test_secrets_and_conflict_markers_are_refused_with_their_place(project: Project) -> None:
    """A commit that holds either does not come about and says where and how to go on; an honest one does."""
    assert project.wto("hook", "install").code == 0
    refused = _commit(project, {"a.py": f"x = 1\nkey = '{KEY}'\n"})
    assert refused.returncode == 1
    assert "wto: a.py:2 looks like a secret (AWS access key AKIA… (20 characters)); remove it" in refused.stderr
    assert "wto: git commit --no-verify skips this check" in refused.stderr and KEY not in refused.stderr
    marked = _commit(project, {"a.py": "<<<<<<< one\nx = 1\n"})
    assert marked.returncode == 1 and "wto: a.py:1 is a conflict marker; resolve the conflict first" in marked.stderr
    assert _commit(project, {"a.py": "x = 1\n"}).returncode == 0
    assert project.repository.git("log", "-1", "--format=%s") == "Mine"


def test_a_path_that_a_running_workstream_owns_is_told_and_run_branches_are_not_pushed(project: Project) -> None:
    """Both will have to be merged: that is said, and nothing is refused; a push of a run's branch is."""
    gate = 'while [ ! -e "$TEST_FOLDER/go" ]; do sleep 0.05; done\n'
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {api: {brief: x, scope: ['api/**']}}\n",
        {"api": gate + "mkdir api; echo 1 > api/a.py; git add -A; git commit -qm Api\n"},
    )
    run = project.start("run", plan)
    project.wait_for("api", "working")
    assert project.wto("hook", "install").code == 0
    told = _commit(project, {"api/b.py": "x = 1\n"})
    assert told.returncode == 0
    assert "wto: api/b.py belongs to api of r1, which is working: both changes must be merged" in told.stderr
    (project.folder / "go").touch()
    assert run.wait(timeout=60) == 0
    elsewhere = project.folder / "elsewhere.git"
    project.repository.git("init", "-q", "--bare", str(elsewhere))
    env = sealed_environment(project.repository.home) | project.environment
    push = ["git", "push", "-q", str(elsewhere), "wto/r1/api", "main"]
    refused = subprocess.run(push, cwd=project.repository.path, env=env, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "wto: wto/r1/api is a branch of a run; land it, or push it under another name" in refused.stderr
    push[-2:] = ["main"]
    assert subprocess.run(push, cwd=project.repository.path, env=env, capture_output=True, check=False).returncode == 0


def test_what_was_there_runs_behind_and_comes_back_to_the_byte(project: Project) -> None:
    """Installing twice changes nothing more; the old hook still judges; uninstalling leaves the folder as it was."""
    old = _hooks(project) / "pre-commit"
    old.parent.mkdir(exist_ok=True)
    old.write_text("#!/bin/sh\necho old ran >&2\n[ ! -e stop ]\n", encoding="utf-8")
    old.chmod(0o755)
    before = {path.name: (path.read_bytes(), path.stat().st_mode) for path in _hooks(project).iterdir()}
    dry = project.wto("hook", "install", "--dry-run")
    assert dry.code == 0 and "would be pre-commit: new; the existing hook runs after it" in dry.out
    assert {path.name for path in _hooks(project).iterdir()} == set(before)
    assert project.wto("hook", "install").code == 0
    assert project.wto("hook", "install").code == 0
    shown = {
        each["name"]: (each["ours"], each["others"]) for each in project.wto("hook", "status", "--json").json["hooks"]
    }
    assert shown == {"pre-commit": (True, True), "pre-push": (True, False)}
    assert "old ran" in _commit(project, {"a": "1\n"}).stderr
    assert _commit(project, {"stop": "1\n"}).returncode == 1
    (Path(project.repository.path) / "stop").unlink()
    assert project.wto("hook", "uninstall").code == 0
    after = {path.name: (path.read_bytes(), path.stat().st_mode) for path in _hooks(project).iterdir()}
    assert after == before
    assert "pre-commit: not installed" in project.wto("hook", "uninstall").out


def test_folders_of_other_tools_are_left_alone(project: Project) -> None:
    """husky's folder and one that other repositories share are refused, with what to do; nothing is written."""
    project.repository.git("config", "core.hooksPath", ".husky/_")
    refused = project.wto("hook", "install")
    assert refused.code == 6 and "which another tool manages" in refused.err
    assert "add `wto hook run pre-commit` to its pre-commit hook" in refused.err
    shared = project.folder / "shared-hooks"
    shared.mkdir()
    project.repository.git("config", "core.hooksPath", str(shared))
    assert "which other repositories may share" in project.wto("hook", "install").err
    assert list(shared.iterdir()) == []


def test_agents_are_not_judged_by_a_persons_hooks_of_ours(project: Project) -> None:
    """In a linked worktree, and in an agent's environment, the guard says nothing: theirs are other ones."""
    assert project.wto("hook", "install").code == 0
    commit = 'git commit -qm Marked 2> "$TEST_FOLDER/said"\necho $? > "$TEST_FOLDER/code"\n'
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n",
        {"a": f"printf '<<<<<<< x\\n' > a; git add -A; {commit}"},
    )
    project.wto("run", plan)
    assert (project.folder / "code").read_text().strip() == "0"
    assert "conflict marker" not in (project.folder / "said").read_text()


def test_the_framework_runs_them_from_this_repositorys_definition(project: Project) -> None:
    """`.pre-commit-hooks.yaml` as the real pre-commit reads it: the commit is refused, and pushes of run branches too."""
    program = project.folder / "bin"
    program.mkdir()
    (program / "wto").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m wt_orchestrate "$@"\n', encoding="utf-8")
    (program / "wto").chmod(0o755)
    source = project.folder / "definition"
    source.mkdir()
    (source / ".pre-commit-hooks.yaml").write_bytes((ROOT / ".pre-commit-hooks.yaml").read_bytes())
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Definition"]):
        subprocess.run(["git", *words], cwd=source, env=sealed_environment(project.repository.home), check=True)
    env = sealed_environment(project.repository.home)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, env=env, capture_output=True, text=True, check=True)
    config = f"repos: [{{repo: {source}, rev: {head.stdout.strip()}, hooks: [{{id: wto-commit}}, {{id: wto-push}}]}}]\n"
    project.repository.commit({".pre-commit-config.yaml": config}, "Use the framework")
    project.environment |= {
        "PATH": f"{program}:{os.environ['PATH']}",
        "PRE_COMMIT_HOME": str(project.folder / "pre-commit"),
    }
    env |= project.environment
    subprocess.run(
        [sys.executable, "-m", "pre_commit", "install"],
        cwd=project.repository.path,
        env=env,
        capture_output=True,
        check=True,
    )
    refused = _commit(project, {"a.py": f"key = '{KEY}'\n"})
    assert refused.returncode == 1
    assert "a.py:1 looks like a secret (AWS access key AKIA…" in refused.stdout + refused.stderr
    assert _commit(project, {"a.py": "key = None\n"}).returncode == 0
    words = [sys.executable, "-m", "pre_commit", "run", "--hook-stage", "pre-push", "--all-files"]
    words += [
        "--remote-branch",
        "refs/heads/wto/r1/a",
        "--local-branch",
        "a",
        "--remote-name",
        "origin",
        "--remote-url",
        "x",
    ]
    pushed = subprocess.run(words, cwd=project.repository.path, env=env, capture_output=True, text=True, check=False)
    assert pushed.returncode == 1 and "wto/r1/a is a branch of a run" in pushed.stdout
