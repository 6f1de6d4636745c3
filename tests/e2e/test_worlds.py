"""Repositories as users have them: filters, line ends, tags. What their git calls clean is clean; checks see what they see."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Project

AGENT = COMMAND_AGENT.replace("{agent: scripted}", "{agent: scripted, retries: 0}")


def _globally(project: Project, *words: str) -> None:
    """Set a key in the user's own configuration."""
    subprocess.run(["git", "config", "--global", *words], env=project.environment, check=True, cwd=project.folder)


def _run(project: Project, script: str, check: str = "true") -> None:
    text = f"goal: Do it\nchecks: [{{run: '{check}'}}]\n" + AGENT + "workstreams: {a: {brief: x}}\n"
    ended = project.wto("run", project.plan(text, {"a": script}))
    assert ended.code == 0, ended.out + ended.err


@pytest.mark.parametrize(
    "settings",
    [
        (("core.autocrlf", "true"),),
        (("core.autocrlf", "input"),),
        (("filter.up.clean", "tr A-Z a-z"), ("filter.up.smudge", "tr a-z A-Z")),
    ],
    ids=["autocrlf", "autocrlf input", "filter"],
)
def test_what_the_users_git_calls_clean_is_clean(project: Project, settings: tuple[tuple[str, str], ...]) -> None:
    """Line ends and filters of the user's own configuration count when a claim is judged, as they do in `git status`."""
    project.repository.commit({".gitattributes": "*.txt filter=up\n", "old.txt": "old\n"})
    for key, value in settings:
        _globally(project, key, value)
    _run(project, "printf 'new\\r\\n' > a.txt\ngit add a.txt 2>/dev/null\ngit commit -qm a\n")
    assert project.wto("land").code == 0
    assert project.repository.git("status", "--porcelain") == ""


def test_a_check_sees_a_filtered_file_as_the_checkout_shows_it(project: Project) -> None:
    """A filter such as git-lfs, defined in the user's own configuration, runs for checks and for what lands."""
    store = project.folder / "store"
    store.mkdir()
    clean = f"sh -c 'cat > {store}/new; h=$(sha256sum < {store}/new | cut -c1-64); mv {store}/new {store}/$h; echo pointer $h'"
    _globally(project, "filter.big.clean", clean)
    _globally(project, "filter.big.smudge", f"sh -c 'read -r word name; cat {store}/$name'")
    project.repository.commit({".gitattributes": "*.bin filter=big\n"})
    Path(project.repository.path, "d.bin").write_text("content\n")
    project.repository.git("add", "d.bin")
    project.repository.git("commit", "-qm", "big")
    assert project.repository.git("show", "HEAD:d.bin").startswith("pointer")
    _run(project, "echo more > e.bin\n" + COMMIT, check="grep -q content d.bin && grep -q more e.bin")
    assert project.wto("land").code == 0
    assert Path(project.repository.path, "e.bin").read_text() == "more\n"
    assert project.repository.git("status", "--porcelain") == ""


def test_a_check_can_ask_git_where_it_is(project: Project) -> None:
    """Tags, the target, the run's branches and the remote's URL without its password are there, as in a clone."""
    project.repository.git("tag", "-a", "-m", "x", "v1.2")
    project.repository.git("remote", "add", "origin", "https://me:secret@example.org/r.git")
    check = (
        "git describe | grep -q ^v1.2 && git merge-base main HEAD && git rev-parse wto/r1/a wto/r1/integration "
        '&& git remote get-url origin > "$TEST_FOLDER/url"'
    )
    _run(project, COMMIT, check=check)
    assert (project.folder / "url").read_text().strip() == "https://example.org/r.git"


def test_a_target_amended_while_a_run_starts_is_no_bug(project: Project) -> None:
    """The base that was written down is brought from the user's reflog; the run goes on from it."""
    assert project.wto("stop").code != 70
    base = project.repository.commit({"one": "1\n"})
    text = "goal: Do it\n" + AGENT + "workstreams: {a: {brief: x}}\n"
    project.environment["WTO_CRASH_AT"] = "VaultBase:intended"
    project.wto("run", project.plan(text, {"a": COMMIT}))
    del project.environment["WTO_CRASH_AT"]
    project.repository.git("commit", "-q", "--amend", "-m", "amended")
    resumed = project.wto("resume")
    assert resumed.code == 0, resumed.out + resumed.err
    assert project.repository.git("merge-base", base, "wto/r1/a") == base
    refused = project.wto("land")
    assert "was reset since; landing would bring back" in refused.err
    assert refused.code != 0
