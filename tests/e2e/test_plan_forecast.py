"""`wto plan forecast`: what scopes and history say of a plan before anything is run."""

from __future__ import annotations

from tests.support.project import COMMAND_AGENT, Project

PLAN = (
    "goal: Do it\n"
    + COMMAND_AGENT
    + """workstreams:
  api: {brief: x, scope: [api/**]}
  db: {brief: x, scope: [db/**]}
  docs: {brief: x, scope: [docs/**]}
  ui: {brief: x, scope: [ui/**], needs: [docs]}
"""
)


def _history(project: Project) -> None:
    """Ten commits in which api/pool.py and db/pool.py change together, five of docs alone, and one that touches all."""
    for number in range(10):
        both = {"api/pool.py": f"{number}\n", "db/pool.py": f"{number}\n"}
        project.repository.commit({**both, f"api/{number}.py": "x\n"}, "Pool")
    for number in range(5):
        project.repository.commit({"docs/a.md": f"{number}\n"}, "Docs")
    everything = {f"{folder}/many{n}": "x\n" for folder in ("api", "docs", "ui") for n in range(20)}
    project.repository.commit(everything, "Everything")


def test_what_always_changed_together_is_better_done_one_after_another(project: Project) -> None:
    """Scopes that do not overlap and still meet: told with the files and the shares, and which needs to add."""
    _history(project)
    told = project.wto("plan", "forecast", project.plan(PLAN))
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        "✗ api and db: high, 0.97",
        "    api/pool.py: in 91% of the commits that touch api, 91% of the commits that touch db",
        "    db/pool.py: in 91% of the commits that touch api, 91% of the commits that touch db",
        "✓ 4 pairs without overlap",
        "↳ db should start after api: add needs: [api] to it",
        "↳ The longest chain stays at 2 workstreams: api > db",
        "↳ Estimated from 15 commits of main, 1 of more than 30 files ignored; git may still merge an overlap",
        "↳ at best 2.0 times as fast as one agent, if all workstreams take equally long; add estimate: to the "
        "plan for better numbers",
        "↳ overlap: 1 parallel pair will likely change the same files",
    ]
    assert project.wto("plan", "forecast", "--check", project.plan(PLAN)).code == 6
    serial = PLAN.replace("scope: [db/**]", "scope: [db/**], needs: [api]")
    assert project.wto("plan", "forecast", "--check", project.plan(serial, name="serial.yaml")).code == 0


def test_scopes_that_overlap_are_never_called_safe_without_history(project: Project) -> None:
    """Two that may write the same file of which nothing is known are told; without a scope that is said."""
    project.repository.commit({"src/a.py": "x\n", "b.py": "x\n"}, "Begin")
    plan = (
        "goal: g\n"
        + COMMAND_AGENT
        + "workstreams: {a: {brief: x, scope: [src/**]}, b: {brief: x, scope: [src/a.py]}, c: {brief: x}}\n"
    )
    found = project.wto("plan", "forecast", "--json", project.plan(plan)).json
    pairs = {(each["one"], each["other"]): each for each in found["pairs"]}
    assert (pairs["a", "b"]["level"], pairs["a", "b"]["shared_files"], pairs["a", "b"]["little_history"]) == (
        "medium",
        ["src/a.py"],
        True,
    )
    assert pairs["a", "c"]["shared"] == 1 and found["unscoped"] == ["c"]
    assert found["schema"] == "wto.plan-forecast/1"


def test_a_plan_that_is_wrong_or_a_target_that_is_not_there_is_told(project: Project) -> None:
    """The plan's problems come first, with their places; a target that nobody has is named."""
    assert project.wto("plan", "forecast", project.plan("goal: g\nworkstreams: {}\n")).code == 3
    missing = project.wto("plan", "forecast", project.plan(PLAN + "target: mian\n", name="b.yaml"))
    assert missing.code == 5 and "did you mean main?" in missing.err


def test_the_commit_that_a_repository_begins_with_couples_nothing(project: Project) -> None:
    """It has every file there is, which does not mean that they change together."""
    project.repository.commit({"api/pool.py": "x\n", "db/pool.py": "x\n"}, "Begin")
    orphan = project.repository.git("commit-tree", "-m", "Begin anew", "HEAD^{tree}").strip()
    project.repository.git("reset", "-q", "--hard", orphan)
    found = project.wto("plan", "forecast", "--json", project.plan(PLAN)).json
    assert found["commits"] == 0 and {pair["level"] for pair in found["pairs"]} == {"none"}
