"""`wto train`: branches that people or other tools made are merged, checked and landed, with no plan and no agents."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Project

CHECK = "! { test -e left && test -e right; } && ! test -e broken"


def make_branches(project: Project, branches: Mapping[str, Mapping[str, str]]) -> None:
    """Each with one commit upon main that writes its files; main is checked out afterwards."""
    for name, files in branches.items():
        project.repository.git("switch", "-q", "-c", name, "main")
        project.repository.commit(files, f"Work of {name}")
    project.repository.git("switch", "-q", "main")


def _queue(project: Project, branches: Mapping[str, Mapping[str, str]], *words: str) -> None:
    make_branches(project, branches)
    added = project.wto("train", "add", *branches, "--check", CHECK, *words)
    assert added.code == 0, added.err


def _states(project: Project) -> dict[str, str]:
    return {row["workstream"]: row["state"] for row in project.wto("train", "status", "--json").json["branches"]}


def test_good_branches_land_together(project: Project) -> None:
    """Three branches are checked as one tree and land with one trailer each; the user's branches stay as they were."""
    files = {f"by/{name}": {f"{name}.txt": name} for name in "abc"}
    _queue(project, files)
    heads = project.repository.git("for-each-ref", "refs/heads/by")
    run = project.wto("train", "run", "--land")
    assert run.code == 0, run.out + run.err
    told = [sum(part in line for line in run.out.splitlines()) for part in ("integrated as", "landed on main")]
    assert told == [3, 1], run.out
    assert _states(project) == {"by-a": "landed", "by-b": "landed", "by-c": "landed"}
    log = project.repository.git(
        "log", "--first-parent", "--format=%(trailers:key=Wto-Workstream,valueonly,separator=)", "main"
    )
    assert log.split() == ["by-c", "by-b", "by-a"]
    assert project.repository.git("for-each-ref", "refs/heads/by") == heads
    events = [line for line in run.out.splitlines() if "check passed in" in line]
    assert project.repository.git("ls-tree", "--name-only", "main").split() == ["README.md", "a.txt", "b.txt", "c.txt"]
    assert 1 <= len(events) <= 3
    assert project.processes() == []


def test_a_pair_that_fails_only_together_is_named_and_the_rest_lands(project: Project) -> None:
    """Of two halves one is in; the other is refused with its partner's name, the broken one alone, the rest lands."""
    _queue(
        project,
        {
            "one": {"one.txt": "1"},
            "left": {"left": "1"},
            "two": {"two.txt": "2"},
            "right": {"right": "1"},
            "broken": {"broken": "1"},
            "three": {"three.txt": "3"},
        },
        "--workers",
        "2",
    )
    run = project.wto("train", "run")
    assert run.code == 11, run.out + run.err
    rows = {row["workstream"]: row for row in project.wto("train", "status", "--json").json["branches"]}
    refused = {name: row["why"] for name, row in rows.items() if row["state"] == "failed"}
    pair = {"left", "right"} & set(refused)
    assert set(refused) - pair == {"broken"} and len(pair) == 1
    partner = next(iter({"left", "right"} - pair))
    assert refused[pair.pop()].endswith(f"it passed on this work alone and failed together with {partner}")
    assert refused["broken"] == f"the check `{CHECK}` failed on its work merged with the integration branch"
    assert sum(row["state"] == "integrated" for row in rows.values()) == 4
    assert project.wto("land").code == 0
    assert project.repository.git("ls-tree", "--name-only", "main").split() == sorted(
        ["README.md", "one.txt", "two.txt", "three.txt", partner]
    )


def test_a_branch_that_moves_is_looked_at_again(project: Project) -> None:
    """A refused branch is mended by a commit on it, and nothing else has to be said but that the train runs."""
    _queue(project, {"fine": {"fine.txt": "1"}, "broken": {"broken": "1"}})
    assert project.wto("train", "run").code == 11
    project.repository.git("switch", "-q", "broken")
    project.repository.commit({"broken": None, "mended.txt": "1"}, "Fix it")
    project.repository.git("switch", "-q", "main")
    assert project.wto("continue", "broken").code == 0
    assert project.wto("land").code == 0
    assert project.repository.git("ls-tree", "--name-only", "main").split() == ["README.md", "fine.txt", "mended.txt"]


def test_conflicting_branches_need_a_person_and_hold_up_nobody(project: Project) -> None:
    """The second of two that change the same line is escalated with the way out, the others are integrated."""
    _queue(project, {"a": {"same.txt": "a"}, "b": {"same.txt": "b"}, "c": {"c.txt": "c"}})
    run = project.wto("train", "run")
    assert run.code == 8, run.out + run.err
    status = {ws["id"]: ws for ws in project.status()["workstreams"]}
    assert {name: ws["stage"] for name, ws in status.items() if ws["stage"] == "integrated"}.keys() >= {"c"}
    stuck = next(ws for ws in status.values() if ws["stage"] == "escalated")
    other = "a" if stuck["id"] == "b" else "b"
    assert stuck["reason"] == f"it conflicts with {other} in same.txt"
    assert stuck["commands"][:2] == [f"git switch {stuck['id']}", "git merge wto/r1/integration"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("add", "nonsuch", "--check", "true"), 5, "there is no branch 'nonsuch'"),
        (("add", "a"), 6, "no checks are given, so nothing would test these branches"),
        (("add", "main", "--check", "true"), 6, "main already contains all of 'main'"),
        (("add", "a", "--check", "true", "--target", "nonsuch"), 5, "there is no branch 'nonsuch'"),
        (("run",), 5, "no branch is queued"),
        (("status",), 5, "there is no run in this repository yet"),
    ],
)
def test_what_cannot_be_queued_is_refused_with_the_way_out(
    project: Project, words: tuple[str, ...], code: int, message: str
) -> None:
    """Each fault names what is wrong and what to do; nothing is queued."""
    make_branches(project, {"a": {"a.txt": "a"}})
    ended = project.wto("train", *words)
    assert (ended.code, ended.err.splitlines()[0].removeprefix("✗ ")) == (code, message)
    assert ended.err.splitlines()[1].strip().startswith("↳")


def test_a_dry_run_queues_nothing(project: Project) -> None:
    """What would be queued is told, and there is no run afterwards."""
    make_branches(project, {"feature/a b".replace(" ", "-"): {"a.txt": "a"}})
    ended = project.wto("train", "add", "feature/a-b", "--check", "true", "-n")
    assert ended.out == "○ Would queue feature/a-b as feature-a-b: Work of feature/a-b\n"
    assert project.wto("train", "status").code == 5


def test_branches_are_added_to_a_queue_that_waits(project: Project) -> None:
    """A second `add` goes into the same queue; a branch that is in it already is refused."""
    _queue(project, {"a": {"a.txt": "a"}, "b": {"b.txt": "b"}})
    make_branches(project, {"c": {"c.txt": "c"}})
    assert project.wto("train", "add", "c").code == 0
    assert project.wto("train", "status", "--json").json["asked"] == ["c"]
    again = project.wto("train", "add", "a")
    assert (again.code, again.err.splitlines()[0]) == (6, "✗ 'a' is in 'a' already (in workstreams.a-2.branch)")
    assert project.wto("train", "run", "--land").code == 0
    assert project.repository.git("ls-tree", "--name-only", "main").split() == ["README.md", "a.txt", "b.txt", "c.txt"]


_FOLLOW = """
from wt_orchestrate.wiring.run.supervise import supervise
from wt_orchestrate.wiring.site import find_site
from wt_orchestrate.cli.screen.follow import follow
from wt_orchestrate.domain.ids import RunId

site, run = find_site("."), RunId("r1")
for busy in (False, True):
    shown = []
    if busy:
        with supervise(site, run, show=lambda record: None, warn=print):
            follow(site, run, show=shown.append, after=1)
    else:
        follow(site, run, show=shown.append, after=1)
    numbers = [record.number for record in shown]
    assert numbers == sorted(set(numbers)), numbers
    print("CheckFinished" in repr(shown), shown[0].number == 2)
"""


def test_what_happened_before_the_first_look_is_shown(project: Project) -> None:
    """Whoever follows from an earlier record sees all that another process wrote since, once and in order: however fast the
    checks were, and whether that supervisor is still there or gone."""
    _queue(project, {"a": {"a.txt": "a"}})
    assert project.wto("train", "run").code == 0
    assert project.python(_FOLLOW).splitlines() == ["True True", "True True"]


def test_a_branch_added_to_a_run_that_was_cut_off_goes_on_with_resume(project: Project) -> None:
    """The run's supervisor was killed: `train add` and `train status` point to `resume`, since `train run` refuses it."""
    make_branches(project, {"b": {"b.txt": "b"}})
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n",
        {"a": 'while [ ! -e "$TEST_FOLDER/go" ]; do sleep 0.05; done\n' + COMMIT},
    )
    child = project.start("run", plan)
    project.wait_for("a", "working")
    child.kill()
    child.wait()
    added = project.wto("train", "add", "b")
    assert "To integrate, run wto resume;" in added.out, added.err
    assert "to integrate, run wto resume" in project.wto("train", "status").out
    assert "wto resume" in project.wto("train", "add", "b", "--check", "true").err
    (project.folder / "go").touch()
    assert project.wto("resume").code == 0
    assert _states(project)["b"] == "integrated"
