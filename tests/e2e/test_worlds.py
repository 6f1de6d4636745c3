"""Repositories as users have them: filters, line ends, tags. What their git calls clean is clean; checks see what they see."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Ended, Project
from tests.support.waiting import wait_until
from tests.support.worlds import CONTENT, FILTERED, PAGE, WORLDS, git, make_world, table
from wt_orchestrate.errors import ExitCode

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
    _run(
        project,
        "echo more > e.bin\n" + COMMIT,
        check="grep -q content d.bin && { test ! -e e.bin || grep -q more e.bin; }",
    )
    assert project.wto("land").code == 0
    assert Path(project.repository.path, "e.bin").read_text() == "more\n"
    assert project.repository.git("status", "--porcelain") == ""


def test_a_check_can_ask_git_where_it_is(project: Project) -> None:
    """Tags, the target, the run's branches and the remote's URL without its password are there, as in a clone."""
    project.repository.git("tag", "-a", "-m", "x", "v1.2")
    project.repository.git("remote", "add", "origin", "https://me:secret@example.org/r.git")
    check = (
        "git describe | grep -q ^v1.2 && git merge-base main HEAD && git rev-parse wto/r1/integration "
        "&& { test ! -e a.txt || git rev-parse wto/r1/a; } "
        f"&& git remote get-url origin > {project.folder}/url"
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


SEES = 'grep -q "^content of main" content.bin'
BINARY = 'echo "$WTO_WORKSTREAM" > "$WTO_WORKSTREAM.bin"\ngit add -A\ngit commit -qm "Add $WTO_WORKSTREAM"\n'


def _plan(project: Project, names: str, script: str) -> str:
    streams = ", ".join(f"{name}: {{brief: x}}" for name in names)
    text = f"goal: Do it\ntarget: main\nchecks: [{{run: '{SEES}'}}]\n{AGENT}workstreams: {{{streams}}}\n"
    return project.plan(text, dict.fromkeys(names, f"{SEES}\n{script}{BINARY}"))


def _outcome(project: Project, names: str, ended: Ended) -> str:
    """`works` if the command ended well and the checkout has these workstreams' files, else what it said."""
    if ended.code:
        said = ended.err.splitlines()[:1] if ended.code == ExitCode.CONFLICT else (ended.out + ended.err).splitlines()
        return "\n".join(said).replace("✗ ", "refused: ").replace(project.repository.path, "…")
    files = {name: Path(project.repository.path, f"{name}.bin").read_text().strip() for name in names}
    return "works" if files == {name: name for name in names} else str(files)


def _run_story(project: Project) -> str:
    """Two agents work and land, and the checkout has their files."""
    return _outcome(project, "ab", project.wto("run", "--land", _plan(project, "ab", "")))


def _crash_story(project: Project) -> str:
    """The supervisor is killed while two agents work; they go on, `resume` takes them up, and their work lands once."""
    waits = 'touch "$TEST_FOLDER/begun.$WTO_WORKSTREAM"\nwhile [ ! -e "$TEST_FOLDER/open" ]; do sleep 0.05; done\n'
    supervisor = project.start("run", _plan(project, "cd", waits))
    begun = [project.folder / f"begun.{name}" for name in "cd"]
    wait_until(
        lambda: supervisor.poll() is not None or all(each.exists() for each in begun), what="both agents having begun"
    )
    supervisor.kill()
    supervisor.wait()
    (project.folder / "open").touch()
    resumed = project.wto("resume")
    if resumed.code:
        return _outcome(project, "", resumed)
    attempts = [ws["attempts"] for ws in project.status()["workstreams"]]
    return _outcome(project, "cd", project.wto("land")) if attempts == [1, 1] else f"{attempts} attempts"


def _queue_story(project: Project) -> str:
    """Of three branches two land, and the one in conflict is named."""
    refused = project.wto("status")
    if refused.code == ExitCode.CONFLICT:
        return _outcome(project, "", refused)
    for name, shared in (("one", "ONE\ntwo\n"), ("two", "one\ntwo\n"), ("three", "THREE\ntwo\n")):
        git(project, "checkout", "-q", "-b", name, "main")
        project.repository.write({f"{name}.bin": f"{name}\n", "shared.txt": shared})
        git(project, "add", f"{name}.bin", "shared.txt")
        git(project, "commit", "-qm", name)
    git(project, "checkout", "-q", "main")
    queued = project.wto("train", "add", "one", "two", "three", "--target", "main", "--check", SEES)
    if queued.code:
        return queued.out + queued.err
    ended = project.wto("train", "run")
    landed = project.wto("land")
    if landed.code or "shared.txt" not in ended.out + ended.err:
        return ended.out + ended.err + landed.err
    there = [name for name in ("one", "two", "three") if Path(project.repository.path, f"{name}.bin").exists()]
    return "works" if there == ["one", "two"] else str(there)


@pytest.mark.parametrize("name", WORLDS)
def test_the_core_stories_in_every_world(project: Project, name: str) -> None:
    """A run with two agents and a queue with a conflict end in each kind of repository as the table says."""
    world = WORLDS[name]
    make_world(project, world.make, world.after)
    before = _uncommitted(project)
    assert _run_story(project) == world.run
    assert _queue_story(project) == world.queue
    assert _crash_story(project) == world.crash
    ran = project.folder / "hooks-ran"
    assert set(ran.read_text().split() if ran.exists() else ()) == world.hooked
    assert Path(project.repository.path, "content.bin").read_bytes().splitlines() == CONTENT.splitlines()
    assert _uncommitted(project) == before


def _uncommitted(project: Project) -> str:
    """What git calls uncommitted, also where it trusts the repository only because we say so."""
    return git(project, "-c", f"safe.directory={project.repository.path}", "status", "--porcelain")


def test_the_table_of_worlds_is_on_its_page() -> None:
    """docs/reliability.md has the worlds and outcomes that are tested, and no others."""
    assert table() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("world", FILTERED.values(), ids=FILTERED)
def test_files_stored_otherwise_are_clean_for_agents_and_checks(
    project: Project, world: Callable[[Project], None]
) -> None:
    """In worktrees and check trees git calls filtered files unchanged; what lands is stored as the tool stores it."""
    make_world(project, world)
    text = f"goal: Do it\nchecks: [{{run: '{SEES} && git diff --quiet HEAD'}}]\n" + AGENT
    script = 'test -z "$(git status --porcelain)"\n' + BINARY
    ended = project.wto("run", "--land", project.plan(text + "workstreams: {a: {brief: x}}\n", {"a": script}))
    assert ended.code == 0, ended.out + ended.err
    assert Path(project.repository.path, "a.bin").read_text() == "a\n"
    assert project.repository.raw("cat-file", "-p", "HEAD:a.bin") != b"a\n"
    assert git(project, "status", "--porcelain") == ""
    assert project.wto("clean").code == 0


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
