"""Landing and tidying: the target moved, dirty or elsewhere; worktrees removed and brought back; odd repositories."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Project, make_project
from tests.support.repos import TestRepository


def _run(project: Project, *names: str, extra: str = "", checks: str = "[]") -> None:
    streams = ", ".join(f"{name}: {{brief: x}}" for name in names)
    text = f"goal: Do it\nchecks: {checks}\n{extra}" + COMMAND_AGENT + f"workstreams: {{{streams}}}\n"
    ended = project.wto("run", project.plan(text, dict.fromkeys(names, COMMIT)))
    assert ended.code == 0, ended.out + ended.err


def test_L3_a_target_that_moved_is_merged_checked_and_landed(project: Project) -> None:
    """A commit of a person made meanwhile is kept; what lands is the combination, after the checks passed on it."""
    _run(project, "a", checks=f"[{{run: 'touch {project.folder}/checked.$(ls | wc -l)'}}]")
    project.repository.commit({"mine.txt": "mine\n"}, "Mine")
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    assert project.repository.git("ls-tree", "--name-only", "main").split() == ["README.md", "a.txt", "mine.txt"]
    assert (project.folder / "checked.3").exists()
    assert project.repository.git("status", "--porcelain") == ""


def test_L2_a_moved_target_on_which_the_checks_fail_is_not_landed(project: Project) -> None:
    """Work that is fine alone and breaks the target's new state is refused with exit 7, and nothing moves."""
    _run(project, "a", checks="[{run: 'test ! -e mine.txt || test ! -e a.txt'}]")
    mine = project.repository.commit({"mine.txt": "mine\n"}, "Mine")
    landed = project.wto("land")
    assert landed.code == 7, landed.out + landed.err
    assert project.repository.head("main") == mine
    assert project.stages() == {"a": "integrated"}


def test_a_conflict_with_the_moved_target_is_refused_with_the_way_out(project: Project) -> None:
    """Nobody's side is taken; the message names the path and the commands."""
    _run(project, "a")
    mine = project.repository.commit({"a.txt": "mine\n"}, "Mine")
    landed = project.wto("land")
    assert landed.code == 6
    assert "conflicts with the run in a.txt" in landed.err and "git merge wto/r1/integration" in landed.err
    assert project.repository.head("main") == mine


def test_D3_a_dirty_checkout_is_left_alone(project: Project) -> None:
    """Local changes in affected paths refuse the landing; in other paths they are kept while the landing goes through."""
    project.repository.commit({"a.txt": "old\n", "notes.txt": "notes\n"})
    _run(project, "a")
    project.repository.write({"a.txt": "my draft\n"})
    refused = project.wto("land")
    assert refused.code == 6
    assert "uncommitted changes in a.txt" in refused.err
    assert (Path(project.repository.path) / "a.txt").read_text() == "my draft\n"
    project.repository.git("checkout", "-q", "a.txt")
    project.repository.write({"notes.txt": "my notes\n"})
    assert project.wto("land").code == 0
    assert project.repository.git("status", "--porcelain") == " M notes.txt"
    assert (Path(project.repository.path) / "a.txt").read_text() == "a\n"


def test_an_untracked_file_in_the_way_is_not_overwritten(project: Project) -> None:
    """A file of the user's that git does not know stops the landing that would write it."""
    _run(project, "a")
    project.repository.write({"a.txt": "mine, untracked\n"})
    assert project.wto("land").code == 6
    assert (Path(project.repository.path) / "a.txt").read_text() == "mine, untracked\n"


def test_a_target_checked_out_elsewhere_or_nowhere_is_landed_on(project: Project) -> None:
    """A target in another linked worktree takes that checkout along; one that is checked out nowhere just moves."""
    project.repository.git("branch", "release")
    _run(project, "a", extra="target: release\n")
    assert project.wto("land").code == 0
    assert project.repository.git("ls-tree", "--name-only", "release").split() == ["README.md", "a.txt"]
    assert project.repository.git("ls-tree", "--name-only", "main").split() == ["README.md"]
    project.repository.git("worktree", "add", "-q", str(project.folder / "elsewhere"), "release")
    _run(project, "b", extra="target: release\n")
    landed = project.wto("land")
    assert f"checked out in {project.folder / 'elsewhere'}" in landed.out
    assert (project.folder / "elsewhere" / "b.txt").exists()
    assert (
        TestRepository(path=str(project.folder / "elsewhere"), home=project.repository.home).git("status", "--short")
        == ""
    )


def test_a_run_started_in_a_linked_worktree_lands_on_its_branch(project: Project) -> None:
    """Without `target:` it is the branch of the worktree that the run was started in, and its files follow; the main
    worktree is not touched."""
    linked = str(project.folder / "linked")
    project.repository.git("worktree", "add", "-q", "-b", "feature", linked)
    there = project.repository.at(linked)
    base, ahead = project.repository.head("main"), there.commit({"mine.txt": "mine\n"}, "Mine")
    text = "goal: Do it\nchecks: []\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n"
    plan = project.plan(text, {"a": COMMIT})
    started = project.wto("-C", linked, "run", plan)
    assert started.code == 0, started.out + started.err
    landed = project.wto("-C", linked, "land")
    assert landed.code == 0, landed.err
    assert project.repository.head("main") == base and not (Path(project.repository.path) / "a.txt").exists()
    assert there.git("ls-files").split() == ["README.md", "a.txt", "mine.txt"]
    assert there.git("status", "--porcelain") == "" and (Path(linked) / "a.txt").exists()
    assert ahead in there.git("rev-list", "feature").split()


def test_a_target_that_was_renamed_is_landed_on_by_its_new_name(project: Project) -> None:
    """Without the target the way out is named; `--onto` lands on the new name, as `land -n --onto` said, and from then on
    that is the run's target. The branch that had the old name is not made again."""
    _run(project, "a")
    project.repository.git("branch", "-m", "main", "trunk")
    gone, dry = project.wto("land"), project.wto("land", "-n")
    for told in (gone, dry):
        assert told.code == 6 and "wto land --onto BRANCH" in told.out + told.err, told.out + told.err
    dry = project.wto("land", "-n", "--onto", "trunk")
    assert (dry.code, dry.out.splitlines()[0]) == (0, "○ Would land 1 workstream of r1 on trunk"), dry.err
    landed = project.wto("land", "--onto", "trunk", "--json")
    assert landed.code == 0, landed.err
    assert json.loads(landed.out)["target"] == "trunk"
    assert (Path(project.repository.path) / "a.txt").exists()
    assert project.repository.git("status", "--porcelain") == ""
    assert project.repository.git("for-each-ref", "--format=%(refname)", "refs/heads/main") == ""
    assert json.loads(project.wto("status", "--json").out)["run"]["target"] == "trunk"


def test_landing_on_another_branch_never_brings_it_what_it_was_not_asked_for(project: Project) -> None:
    """A branch that does not hold what the run is built on is refused, in the dry run too, and so is one of the run's own."""
    older = project.repository.head("main")
    project.repository.commit({"mine.txt": "mine\n"}, "Mine")
    project.repository.git("branch", "release", older)
    _run(project, "a")
    for option in ((), ("-n",)):
        refused = project.wto("land", "--onto", "release", *option)
        assert refused.code == 10 and "release does not hold what the run is built on" in refused.out + refused.err
        own = project.wto("land", "--onto", "wto/r1/a", *option)
        assert own.code == 6 and "wto/r1/a is a branch of the run itself" in own.out + own.err
    assert project.repository.head("release") == older
    assert project.wto("land").code == 0


def test_hooks_of_the_repository_run_at_landing_and_only_there(project: Project) -> None:
    """post-merge of the user's repository runs when their checkout moves; no hook of theirs runs for the tool's own steps."""
    hooks = Path(project.repository.common_dir) / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-merge", "post-checkout", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f'#!/bin/sh\necho {name} >> "$TEST_FOLDER/hooks-ran"\n')
        (hooks / name).chmod(0o755)
    quiet = "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0=/dev/null"
    script = (
        f"{quiet}\nexport GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0\n"  # the agent's own commit runs none
    )
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": script + COMMIT})
    assert project.wto("run", plan).code == 0
    assert not (project.folder / "hooks-ran").exists()
    assert project.wto("land").code == 0
    assert "post-merge" in (project.folder / "hooks-ran").read_text().split()


def test_L8_protected_paths_need_a_persons_word(project: Project) -> None:
    """A change of CI or agent settings lands only with --allow-protected, and the refusal names the paths."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n",
        {"a": "mkdir .github\ntouch .github/ci.yml\n" + COMMIT},
    )
    assert project.wto("run", plan).code == 0
    refused = project.wto("land")
    assert refused.code == 8
    assert ".github/ci.yml" in refused.err and "--allow-protected" in refused.err
    assert project.wto("land", "--allow-protected").code == 0


TOKEN = "ghp_" + "Ab3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
NAMED = 'api_token = "q8Zr2Xw7Lk5Tn3Vb9Ys1"'


def test_L8_a_key_in_any_commit_goes_back_to_the_agent(project: Project) -> None:
    """A key of a known kind is refused with its place, also when a later commit takes it out again; nowhere is it told."""
    script = (
        f"echo 'TOKEN = \"{TOKEN}\"' > a.py\n{COMMIT}"
        'if [ "$WTO_ATTEMPT" = 1 ]; then echo "TOKEN = None" > a.py; git commit -qam Out\n'
        "else git reset -q --soft main; echo TOKEN = None > a.py; git add -A; git commit -qm Anew; fi\n"
    )
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": script})
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    assert "a.py:1 (commit " in ended.out + ended.err and "GitHub token ghp_… (40 characters)" in ended.out + ended.err
    told = [
        ended.out,
        ended.err,
        project.wto("logs", "a").out,
        project.wto("report").out,
        project.wto("status", "a").out,
    ]
    assert not any(TOKEN in text for text in told)
    assert TOKEN not in project.repository.git("log", "-p", "main")


def test_L8_S11_what_may_be_a_secret_lands_only_with_a_persons_word(project: Project) -> None:
    """A random value of a secret's name blocks the landing with its place and mark; with `--allow-secret MARK` it lands, and
    neither the log nor any answer holds it."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": f"echo '{NAMED}' > a.py\n" + COMMIT}
    )
    assert project.wto("run", plan).code == 0
    refused = project.wto("land")
    assert refused.code == 8
    found = re.search(
        r"a\.py:1 \(commit [0-9a-f]{10}\): random value of a secret's name q8Zr… \(20 characters\), mark (\w{12})",
        refused.err,
    )
    assert found is not None, refused.err
    assert f"wto land --allow-secret {found[1]} (only if it is not a secret)" in refused.err
    for each in project.state.rglob("*"):
        if each.is_file() and "objects" not in each.parts and "processes" not in each.parts:
            assert b"q8Zr2Xw7Lk5Tn3Vb9Ys1" not in each.read_bytes(), each
    before = project.repository.head("main")
    dry = project.wto("land", "-n")
    assert (dry.code, dry.err) == (8, refused.err.partition("\n")[2].replace("cannot land", "would not land"))
    assert dry.out == "○ Would land 1 workstream of r1 on main\n  a  1 commit, 2 files +2 -0\n"
    told = project.wto("land", "-n", "--json")
    assert (told.code, told.json["would_land"], told.json["refused"]["paths"]) == (8, ["a"], ["a.py"])
    allowed = project.wto("land", "-n", "--json", "--allow-secret", found[1])
    assert (allowed.code, allowed.json["refused"]) == (0, None)
    assert project.repository.head("main") == before
    assert project.wto("land", "--allow-secret", "0" * 12).code == 8
    assert project.wto("land", "--allow-secret", found[1]).code == 0


def test_L8_trailers_that_only_a_person_may_write_go_back_to_the_agent(project: Project) -> None:
    """A sign-off, and a trailer of ours that is not true, are refused with their commit, and reworded."""
    script = (
        "touch a\ngit add -A\n"
        'if [ "$WTO_ATTEMPT" = 1 ]; then git commit -qm "$(printf \'A\\n\\nSigned-off-by: A <a@b.c>\\nWto-Workstream: b\')"\n'
        "else git commit -q --amend -m Plain; fi\n"
    )
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": script})
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    assert "has the trailer `Signed-off-by: A <a@b.c>`, which only a person may add" in ended.out + ended.err
    assert "has the trailer `Wto-Workstream: b`, which is not true" in ended.out + ended.err
    assert project.repository.git("log", "-1", "--format=%B", "main^2").strip() == "Plain"


def test_L8_what_people_wrote_on_the_target_is_no_agents(project: Project) -> None:
    """An agent that merges the target brings signed-off commits along: these are their authors' own."""
    script = (
        'while [ ! -e "$TEST_FOLDER/signed" ]; do sleep 0.05; done\n'
        "git merge -q --no-edit main\ntouch a\ngit add -A\ngit commit -qm A\n"
    )
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x, retries: 0}}\n", {"a": script})
    run = project.start("run", "--land", plan)
    project.wait_for("a", "working")
    project.repository.commit({"mine.txt": "mine\n"}, "Mine\n\nSigned-off-by: P <p@x>")
    (project.folder / "signed").touch()
    assert run.wait(timeout=60) == 0, (project.folder / "out-0.txt").read_text(encoding="utf-8")
    assert project.stages() == {"a": "landed"}


def test_L8_a_very_large_file_lands_only_with_a_persons_word(project: Project) -> None:
    """Above `largest_mb` the landing is refused and names the file."""
    project.repository.commit({".wto/config.yaml": "largest_mb: 1\n"})
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n",
        {"a": "head -c 2000000 /dev/zero > big\n" + COMMIT},
    )
    assert project.wto("run", plan).code == 0
    refused = project.wto("land")
    assert refused.code == 8 and "files above 1 MiB would land: big" in refused.err
    assert project.wto("land", "--allow-large").code == 0


def test_L1_landing_twice_lands_once(project: Project) -> None:
    """A second `land` finds nothing to land and moves nothing."""
    _run(project, "a")
    assert project.wto("land").code == 0
    head = project.repository.head("main")
    again = project.wto("land")
    assert again.code == 6 and "nothing to land" in again.err
    assert project.repository.head("main") == head


def test_D1_clean_removes_only_what_is_integrated_and_restore_brings_it_back(project: Project) -> None:
    """Integrated worktrees go to the trash with their branches kept in the vault; the others stay; `restore` undoes it."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}, bad: {brief: x}}\n",
        {"a": COMMIT, "bad": COMMIT + "exit 1\n"},
    )
    assert project.wto("run", plan).code == 11
    tip = project.repository.head("wto/r1/a")
    cleaned = project.wto("clean")
    assert cleaned.code == 0, cleaned.err
    assert not project.worktree("a").exists() and project.worktree("bad").exists()
    assert project.repository.git("branch", "--list", "wto/r1/a") == ""
    kept = project.wto("clean", "bad")
    assert kept.code == 6 and "not integrated" in kept.err
    assert project.wto("restore", "a").code == 0
    assert project.repository.head("wto/r1/a") == tip
    assert (project.worktree("a") / "a.txt").exists()


def test_D1_clean_with_force_takes_what_failed_too(project: Project) -> None:
    """Without names `--force` removes failed work beside integrated work, after -n has listed both; its commits come back."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}, bad: {brief: x}}\n",
        {"a": COMMIT, "bad": COMMIT + "touch draft.txt\nexit 1\n"},
    )
    assert project.wto("run", plan).code == 11
    assert str(project.worktree("bad")) not in project.wto("clean", "-n").out
    listed = project.wto("clean", "--force", "-n").out
    assert [str(project.worktree(name)) in listed for name in ("a", "bad")] == [True, True]
    tip = project.repository.head("wto/r1/bad")
    cleaned = project.wto("clean", "--force")
    assert cleaned.code == 0, cleaned.err
    assert not project.worktree("a").exists() and not project.worktree("bad").exists()
    assert len(list((project.folder / "repository.worktrees" / ".trash").glob("r1-bad-*/draft.txt"))) == 1
    again = project.wto("clean", "--force")
    assert again.code == 0 and "no integrated, failed, cancelled or stopped workstream" in again.out
    assert project.wto("restore", "bad").code == 0
    assert project.repository.head("wto/r1/bad") == tip


def test_D2_uncommitted_work_is_never_deleted(project: Project) -> None:
    """A worktree with uncommitted work stays; with --force it is moved to the trash, never deleted, and the vault keeps it."""
    _run(project, "a")
    draft = project.worktree("a") / "draft.txt"
    draft.write_text("draft\n")
    kept = project.wto("clean")
    assert kept.code == 6 and "uncommitted work: draft.txt" in kept.err
    assert draft.exists()
    assert project.wto("clean", "a", "--force").code == 0
    trash = list((project.folder / "repository.worktrees" / ".trash").iterdir())
    assert [(entry / "draft.txt").read_text() for entry in trash] == ["draft\n"]


def test_D2_what_force_removes_comes_back_from_the_vault(project: Project) -> None:
    """Changed, new, deleted and executable files, links and odd names are restored byte for byte, also without the trash."""
    project.repository.commit({"old/gone.txt": "x\n", "text.txt": "a\n"})
    _run(project, "a")
    there = project.worktree("a")
    (there / "old" / "gone.txt").unlink()
    (there / "text.txt").write_bytes(b"crlf\r\nand lf\n")
    (there / "new \n").mkdir()
    (there / "new \n" / "tool").write_text("#!/bin/sh\n")
    (there / "new \n" / "tool").chmod(0o755)
    (there / "link").symlink_to("../outside")
    odd = os.fsencode(there) + b"/caf\xe9"
    with open(odd, "wb") as file:
        file.write(b"\0\xff")
    cleaned = project.wto("clean", "a", "--force")
    assert cleaned.code == 0 and "uncommitted files kept as" in cleaned.out, cleaned.err
    shutil.rmtree(project.folder / "repository.worktrees" / ".trash")
    restored = project.wto("restore", "a")
    assert restored.code == 0 and "with 5 uncommitted files" in restored.out, restored.err
    assert not (there / "old").exists()
    assert (there / "text.txt").read_bytes() == b"crlf\r\nand lf\n"
    assert os.access(there / "new \n" / "tool", os.X_OK)
    assert os.readlink(there / "link") == "../outside"
    with open(odd, "rb") as file:
        assert file.read() == b"\0\xff"
    assert (there / "a.txt").exists()


def test_D2_what_cannot_be_kept_stays(project: Project) -> None:
    """A repository inside of the worktree fits into no snapshot: also --force leaves the worktree, and says why."""
    _run(project, "a")
    inner = project.worktree("a") / "inner"
    inner.mkdir()
    subprocess.run(["git", "init", "-q", str(inner)], check=True)
    (inner / "code.py").write_text("x = 1\n")
    kept = project.wto("clean", "a", "--force")
    assert kept.code == 6 and "inner/ is a repository of its own" in kept.err
    assert (inner / "code.py").exists()


def test_included_files_and_setup_reach_the_agent_and_the_checks(project: Project) -> None:
    """What `.worktreeinclude` names comes along, setup runs once per worktree, and checks have both."""
    project.repository.commit(
        {".gitignore": ".env\nnode_modules\n.ready\n", ".worktreeinclude": ".env\nnode_modules/\n"}
    )
    project.repository.write({".env": "KEY=1\n", "node_modules/dep/index.js": "x\n", "other.log": "not named\n"})
    plan = project.plan(
        "goal: Do it\nsetup: ['touch .ready']\n"
        "checks: [{run: 'test -e .ready && test -e .env && test -e node_modules/dep/index.js'}]\n"
        + COMMAND_AGENT
        + "workstreams: {a: {brief: x}}\n",
        {"a": "test -e .ready\ntest -e .env\ntest -e node_modules/dep/index.js\ntest ! -e other.log\n" + COMMIT},
    )
    ended = project.wto("run", plan)
    assert ended.code == 0, ended.out
    broken = project.plan(
        "goal: Do it\nsetup: ['echo no such thing; exit 4']\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n",
        name="p2.yaml",
    )
    assert project.wto("run", broken).code == 1
    status = project.status()["workstreams"][0]
    assert "exit code 4" in status["reason"] and "stream.jsonl" in status["hint"]


def test_the_stash_is_refused_to_agents_and_git_stays_quiet(project: Project) -> None:
    """An agent's `git stash` is refused with the reason, and its git collects no garbage; one key of the shared
    configuration is all that is written there."""
    before = (Path(project.repository.common_dir) / "config").read_text()
    script = 'test "$(git config gc.auto)" = 0\nif git -C . stash 2>"$TEST_FOLDER/said"; then exit 9; fi\n' + COMMIT
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": script})
    assert project.wto("run", plan).code == 0
    assert "shared with other agents" in (project.folder / "said").read_text()
    after = (Path(project.repository.common_dir) / "config").read_text()
    assert after == before + "[extensions]\n\tworktreeConfig = true\n"


@pytest.mark.parametrize("name", ["plain", "with space", "mit-Umlaut-ä", "quote'd"])
def test_paths_with_spaces_and_letters_of_any_kind_work(tmp_path: Path, name: str) -> None:
    """A repository under any path runs and lands."""
    (tmp_path / name).mkdir()
    project = make_project(tmp_path / name)
    _run(project, "a")
    assert project.wto("land").code == 0
    assert project.wto("clean").code == 0
    project.close()


def test_odd_repositories_work_or_are_refused_with_a_reason(project: Project, tmp_path: Path) -> None:
    """Detached HEAD without a target, an unborn branch and no repository at all say what to do; a bare one works, and so does
    one with a leftover .gitmodules."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    project.repository.git("checkout", "-q", "--detach")
    detached = project.wto("run", plan)
    assert (detached.code, "HEAD is detached" in detached.err, "target:" in detached.err) == (6, True, True)
    project.repository.git("checkout", "-q", "main")

    unborn = tmp_path / "unborn"
    unborn.mkdir()
    TestRepository(path=str(unborn), home=project.repository.home).git("init", "-q", "-b", "main")
    refused = project.wto("-C", str(unborn), "run", plan)
    assert (refused.code, "has no commit yet" in refused.err) == (6, True)

    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    refused = project.wto("-C", str(nowhere), "status")
    assert (refused.code, "is not in a git repository" in refused.err) == (6, True)

    bare = tmp_path / "bare.git"
    project.repository.git("clone", "-q", "--bare", ".", str(bare))
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        TestRepository(path=str(bare), home=project.repository.home).git("config", key, value)
    ended = project.wto("-C", str(bare), "run", plan)
    assert ended.code == 0, ended.out + ended.err
    assert project.wto("-C", str(bare), "land").code == 0
    assert "a.txt" in TestRepository(path=str(bare), home=project.repository.home).git("ls-tree", "--name-only", "main")

    project.repository.commit({".gitmodules": "[submodule 'x']\n"})
    assert project.wto("run", plan).code == 0


def test_a_repository_that_was_moved_lands_its_run(project: Project, tmp_path: Path) -> None:
    """Its runs and its memory are found at its new place."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", plan).code == 0
    moved = tmp_path / "moved"
    os.rename(project.repository.path, moved)
    project.repository = project.repository.at(str(moved))
    landed = project.wto("land")
    assert landed.code == 0, landed.out + landed.err
    assert "a.txt" in project.repository.git("ls-tree", "--name-only", "main").split()
    assert len(list((project.folder / "state").iterdir())) == 1


def test_a_run_in_the_background_lands_as_it_was_told(project: Project) -> None:
    """`run --detach --land` lands once everything is integrated, with nobody watching."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", "--detach", "--land", plan).code == 0
    project.wait_for("a", "landed", deadline_s=60.0)
    assert "a.txt" in project.repository.git("ls-tree", "--name-only", "main").split()
