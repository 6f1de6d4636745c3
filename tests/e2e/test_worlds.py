"""Repositories as users have them: filters, line ends, tags. What their git calls clean is clean; checks see what they see."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Project
from tests.support.worlds import CONTENT, FILTERED, git, make_world

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


SEES = 'test "$(cat content.bin)" = "content of main"'
BINARY = 'echo "$WTO_WORKSTREAM" > "$WTO_WORKSTREAM.bin"\ngit add -A\ngit commit -qm "Add $WTO_WORKSTREAM"\n'


@pytest.mark.parametrize("world", FILTERED.values(), ids=FILTERED)
def test_a_run_lands_where_files_are_stored_otherwise(project: Project, world: Callable[[Project], None]) -> None:
    """Two agents and the checks see what the user's checkout shows, offline; what lands is stored as the tool stores it."""
    make_world(project, world)
    text = f"goal: Do it\nchecks: [{{run: '{SEES} && git diff --quiet HEAD'}}]\n" + AGENT
    script = SEES + "\n" + 'test -z "$(git status --porcelain)"\n' + BINARY
    plan = project.plan(text + "workstreams: {a: {brief: x}, b: {brief: x}}\n", {"a": script, "b": script})
    ended = project.wto("run", plan)
    assert ended.code == 0, ended.out + ended.err
    landed = project.wto("land")
    assert landed.code == 0, landed.err
    for name in "ab":
        assert Path(project.repository.path, f"{name}.bin").read_text() == f"{name}\n"
        assert git(project, "cat-file", "-p", f"HEAD:{name}.bin") != f"{name}\n"
    assert git(project, "status", "--porcelain") == ""
    assert project.wto("clean").code == 0


@pytest.mark.parametrize("world", FILTERED.values(), ids=FILTERED)
def test_a_queue_lands_where_files_are_stored_otherwise(project: Project, world: Callable[[Project], None]) -> None:
    """Of three branches two land, and the one in conflict is named; the checkout shows their content."""
    make_world(project, world)
    for name, shared in (("one", "ONE\ntwo\n"), ("two", "one\ntwo\n"), ("three", "THREE\ntwo\n")):
        git(project, "checkout", "-q", "-b", name, "main")
        project.repository.write({f"{name}.bin": f"{name}\n", "shared.txt": shared})
        git(project, "add", "-A")
        git(project, "commit", "-qm", name)
    git(project, "checkout", "-q", "main")
    assert project.wto("train", "add", "one", "two", "three", "--check", SEES).code == 0
    ended = project.wto("train", "run")
    assert "shared.txt" in ended.out + ended.err
    assert project.wto("land").code == 0
    found = {name: Path(project.repository.path, f"{name}.bin") for name in ("one", "two", "three")}
    assert {name: path.read_text() for name, path in found.items() if path.exists()} == {"one": "one\n", "two": "two\n"}
    assert Path(project.repository.path, "content.bin").read_bytes() == CONTENT
    assert git(project, "status", "--porcelain") == ""


def test_S1_a_filter_that_an_agent_adds_never_runs(project: Project) -> None:
    """Filters are those of the start: a planted or changed one runs nowhere, not in checks, comparisons or the landing."""
    git(project, "config", "filter.up.clean", "tr A-Z a-z")
    git(project, "config", "filter.up.smudge", "tr a-z A-Z")
    project.repository.commit(
        {".gitattributes": "*.up filter=up\n*.txt filter=new\n", "old.up": "old\n", "t.txt": "t\n"}
    )
    marker = project.folder / "marker"
    plant = f"touch {marker}; cat"
    script = BINARY + "".join(
        f"git config filter.{name}.{kind} '{plant}'\n"
        for name in ("up", "new")
        for kind in ("clean", "smudge", "process")
    )
    text = "goal: Do it\nchecks: [{run: 'test \"$(cat old.up)\" = OLD'}]\n" + AGENT
    project.wto("run", project.plan(text + "workstreams: {a: {brief: x}}\n", {"a": script}))
    project.wto("land")
    project.wto("status", "--dirty")
    project.wto("clean", "--force")
    assert not marker.exists()


def test_S1_a_filter_whose_program_agents_could_write_does_not_run(project: Project) -> None:
    """A filter with a program inside of the repository is not recorded: a branch could bring another one."""
    marker = project.folder / "marker"
    project.repository.commit({"tools/filter.sh": "cat\n", ".gitattributes": "*.f filter=own\n", "a.f": "a\n"})
    git(project, "config", "filter.own.clean", "sh tools/filter.sh")
    git(project, "config", "filter.own.smudge", "sh ./tools/filter.sh")
    script = (
        f"echo 'case $WTO_ATTEMPT in 1) ;; *) touch {marker};; esac; cat' > tools/filter.sh\necho b > b.f\n" + COMMIT
    )
    _run(project, script)
    project.wto("land")
    assert not marker.exists()
