"""`wto clean` tells sizes and frees them, and never what is nowhere else."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.support.project import COMMAND_AGENT, COMMIT, Project

PLAN = "goal: Do it\nchecks: [{run: 'head -c 300000 /dev/zero | tr \"\\\\0\" x'}]\n" + COMMAND_AGENT
BUILD = "mkdir target; head -c 3600000 /dev/urandom > target/big\n"


def _run(project: Project, *names: str, extra: str = "") -> None:
    project.repository.commit({".gitignore": "target/\n"})
    streams = "workstreams: {" + ", ".join(f"{name}: {{brief: x}}" for name in names) + "}\n"
    plan = project.plan(PLAN + streams, dict.fromkeys(names, BUILD + extra + COMMIT))
    assert project.wto("run", plan).code == 0


def _trash(project: Project) -> list[Path]:
    folder = project.folder / "repository.worktrees" / ".trash"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_clean_tells_sizes_and_is_no_error_the_second_time(project: Project) -> None:
    """What goes, how much it takes, how long it lies, how to free it; a second time there is nothing to do, which is fine."""
    assert project.wto("clean").code == 0, "no run yet: nothing to clean"
    _run(project, "a")
    before = project.wto("clean", "-n")
    assert re.search(r"Would remove .*/a \([3-9][.\d]* MiB\)", before.out), before.out
    assert project.worktree("a").exists()
    cleaned = project.wto("clean")
    assert cleaned.code == 0 and re.search(r"Removed a \(.*; [3-9][.\d]* MiB in .*\)", cleaned.out), cleaned.out
    assert "The trash holds" in cleaned.out and "7 days" in cleaned.out and "wto clean --trash" in cleaned.out
    again = project.wto("clean")
    assert again.code == 0 and "nothing to clean" in again.out
    assert project.wto("clean", "a").code == 0
    assert project.wto("clean", "nobody").code == 5


def test_D2_the_trash_is_emptied_on_wish_and_keeps_what_is_nowhere_else(project: Project) -> None:
    """`--trash` frees now. What somebody wrote into the trash meanwhile goes to the vault first; what no run knows stays."""
    _run(project, "a", "b")
    assert project.wto("clean").code == 0
    one, other = _trash(project)
    (one / "late.txt").write_text("late\n")
    unknown = one.parent / "r9-x-1700000000"
    unknown.mkdir()
    (unknown / "mine.txt").touch()
    would = project.wto("clean", "--trash", "-n")
    assert would.out.count("Would delete") == 3 and one.exists(), would.out
    freed = project.wto("clean", "--trash")
    assert freed.code == 0 and re.search(r"Freed [6-9][.\d]* MiB", freed.out), freed.out
    assert not one.exists() and not other.exists() and (unknown / "mine.txt").exists()
    assert "by hand" in freed.err
    saved = re.search(r"kept as (\S+uncommitted\S+)", freed.out)
    assert saved is not None, freed.out
    git = ["git", "-C", str(project.state / "vault.git"), "show", f"{saved[1]}:late.txt"]
    assert subprocess.run(git, capture_output=True, text=True, check=True).stdout == "late\n"
    noted = [json.loads(line) for line in (project.state / "cleaned.jsonl").read_text().splitlines()]
    assert {each["deleted"] for each in noted} >= {str(one), str(other)}
    assert project.wto("restore", "a").code == 0


def test_D1_a_landed_runs_branch_and_trees_go_and_its_work_stays(project: Project) -> None:
    """After landing and cleaning, no branch, worktree, tree of a check or key in the configuration is left of a run."""
    config = Path(project.repository.path) / ".git" / "config"
    before = config.read_bytes()
    _run(project, "a")
    kept = project.wto("clean")
    assert "wto/r1/integration" in project.repository.git("branch", "--list", "wto/*"), kept.out
    assert project.wto("land").code == 0
    cleaned = project.wto("clean")
    assert cleaned.code == 0 and "the branch wto/r1/integration" in cleaned.out, cleaned.out
    assert project.repository.git("branch", "--list", "wto/*") == ""
    assert config.read_bytes() == before
    assert os.listdir(project.state / "checks") == []
    checks = [folder for folder in (project.state / "processes").iterdir() if ".check." in folder.name]
    assert checks and not any((folder / "stream.jsonl").exists() for folder in checks)
    assert project.wto("logs", "a").code == 0
    assert project.stages() == {"a": "landed"} and "damaged" not in project.wto("doctor").out
    assert "nothing to clean" in project.wto("clean").out


def test_D1_a_branch_that_the_target_does_not_contain_stays(project: Project) -> None:
    """The target was reset since the landing: the integration branch may be all that people have of it."""
    _run(project, "a")
    base = project.repository.head("main")
    assert project.wto("land").code == 0
    project.repository.git("reset", "-q", "--hard", base)
    cleaned = project.wto("clean")
    assert "main does not contain it" in cleaned.err, cleaned.err
    assert "wto/r1/integration" in project.repository.git("branch", "--list", "wto/*")


def test_output_of_ended_runs_goes_by_age_or_on_wish(project: Project) -> None:
    """`keep_output_days` decides, `--all` does not wait; what is asked later says that it is gone, and how it ended stays."""
    _run(project, "a", extra="echo a long story\n")
    assert project.wto("clean").code == 0
    assert "a long story" in project.wto("logs", "a").out, "not yet 90 days old"
    project.repository.commit({".wto/config.yaml": "keep_output_days: -1\n"})
    assert project.wto("clean").code == 0, "settings that are wrong delete nothing"
    assert "a long story" in project.wto("logs", "a").out
    everything = project.wto("clean", "--all")
    assert everything.code == 0 and "the output of agents and checks of r1" in everything.out, everything.out
    assert "deleted its output" in project.wto("logs", "a").out
    assert project.wto("clean", "--all", "a").code == 2
    assert _trash(project) == [] and project.wto("land").code == 0
    assert project.wto("report").code == 0


def test_all_runs_are_cleaned_at_once(project: Project) -> None:
    """`--all` takes the worktrees of every run that has ended."""
    _run(project, "a")
    assert project.wto("land").code == 0
    plan = project.plan(PLAN + "workstreams: {b: {brief: x}}\n", {"b": COMMIT})
    assert project.wto("run", plan).code == 0
    assert project.worktree("a").exists() and project.worktree("b", "r2").exists()
    assert project.wto("clean", "--all").code == 0
    assert not project.worktree("a").exists() and not project.worktree("b", "r2").exists()
    recorded = os.listdir(project.state / "recorded")
    assert len(recorded) == 1, "r2 is not landed yet"
    assert project.wto("land").code == 0


def test_nothing_is_freed_while_a_run_is_at_work(project: Project) -> None:
    """The supervisor's lock is held while something is deleted; a run at work is told, and left alone."""
    _run(project, "a")
    plan = project.plan(PLAN + "workstreams: {b: {brief: x}}\n", {"b": "sleep 60\n"})
    project.start("run", plan)
    project.wait_for("b", "working")
    freed = project.wto("clean", "--trash")
    assert freed.code == 0 and "a run is active" in freed.err, freed.err
    assert project.wto("stop").code == 0


def test_D2_a_shell_that_is_in_the_trash_keeps_its_folder(project: Project) -> None:
    """Somebody's terminal stands in a worktree that was cleaned: it is not deleted under them, and goes when they have left."""
    _run(project, "a")
    shell = subprocess.Popen(["sleep", "60"], cwd=project.worktree("a"))
    try:
        assert project.wto("clean").code == 0
        kept = project.wto("clean", "--trash")
        assert f"process {shell.pid}" in kept.err and len(_trash(project)) == 1, kept.err
    finally:
        shell.kill()
        shell.wait()
    assert project.wto("clean", "--trash").code == 0 and _trash(project) == []


def test_R5_a_deletion_that_was_cut_off_is_finished(project: Project) -> None:
    """What was being deleted when somebody killed it is deleted by the next `clean`, without waiting for its age."""
    _run(project, "a")
    assert project.wto("clean").code == 0
    entry = _trash(project)[0]
    (entry / "a.txt").unlink()
    entry.rename(f"{entry}.wto-deleting")
    cleaned = project.wto("clean")
    assert cleaned.code == 0 and _trash(project) == [], cleaned.out + cleaned.err
    archived = subprocess.run(
        ["git", "-C", str(project.state / "vault.git"), "for-each-ref", "refs/wto/archive/r1"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "uncommitted" not in archived, "half of a deletion is nobody's work"
