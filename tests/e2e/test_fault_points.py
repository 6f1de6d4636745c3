"""The supervisor is killed with -9 at every point where it acts on the outside world: before, after, and after writing it down.

Each time `resume` ends as if nothing had happened: everything landed once, one attempt each, no process left.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.e2e.test_train import CHECK, make_branches
from tests.support.project import COMMAND_AGENT, COMMIT, Project, use_fake_client
from tests.support.stages import drawn_together, found
from tests.support.waiting import wait_until
from wt_orchestrate.engine.world import LANDING_POINTS, POINTS

KILLED = -signal.SIGKILL
MAKE = "do echo x > $WTO_WORKSTREAM.txt && git add -A && git commit -qm Work\n"


def _crash(project: Project, point: str, *words: str) -> None:
    """Run the program until it is killed at a point; that the point is never reached is a failure."""
    project.environment["WTO_CRASH_AT"] = point
    ended = project.wto(*words, timeout=60)
    del project.environment["WTO_CRASH_AT"]
    assert ended.code == KILLED, f"{point} was not reached: {ended.out}{ended.err}"


def _require_landed(project: Project, *names: str) -> None:
    status = project.status()
    assert {ws["id"]: (ws["stage"], ws["attempts"]) for ws in status["workstreams"]} == dict.fromkeys(
        names, ("landed", 1)
    )
    log = project.repository.git(
        "log", "--first-parent", "--format=%(trailers:key=Wto-Workstream,valueonly,separator=)", "main"
    )
    assert sorted(log.split()) == sorted(names)
    assert project.processes() == []


def _client_plan(project: Project, script: str) -> str:
    project.repository.commit({".wto/config.yaml": "poll: 1s\nstagger: 0s\n"})
    text = "goal: Do it\nsetup: ['true']\nchecks: [{run: 'true'}]\n"
    return project.plan(text + use_fake_client(project) + "workstreams: {a: {brief: x}}\n", {"a": script})


def _whole_run(project: Project, point: str, again: str = "") -> None:
    """A client works, is ended, verified, merged, checked, published and landed; somewhere the supervisor dies."""
    plan = _client_plan(project, MAKE)
    _crash(project, point, "run", "--land", plan)
    if again:
        _crash(project, again, "resume")
    resumed = project.wto("resume")
    assert resumed.code == 0, resumed.out + resumed.err
    _require_landed(project, "a")


def _asking(project: Project, point: str) -> None:
    """An agent asks and is answered, and is told something; each arrives once."""
    plan = _client_plan(project, "ask Which?|a|b\n" + MAKE)
    supervisor = project.start("run", "--land", plan)
    wait_until(lambda: bool(project.stages()) and bool(project.status()["workstreams"][0]["asks"]), what="the question")
    supervisor.kill()
    supervisor.wait()
    if point.startswith("SendMessage"):
        _crash(project, point, "tell", "a", "Mind the tests")
        assert project.wto("answer", "a", "1").code == 0
    else:
        _crash(project, point, "answer", "a", "1")
    resumed = project.wto("resume")
    assert resumed.code == 0, resumed.out + resumed.err
    _require_landed(project, "a")
    assert (project.folder / "answer.a").read_text() == "a"
    heard = (project.folder / "heard.a").read_text()
    assert heard.count("Mind the tests") == point.startswith("SendMessage")


def _stopping_a_check(project: Project, point: str) -> None:
    """A stop while a check runs ends it; the run is taken up and lands."""
    project.repository.commit({".wto/config.yaml": "poll: 1s\n"})
    check = f'touch "{project.folder}/checking"; while [ ! -e "{project.folder}/open" ]; do sleep 0.05; done'
    plan = project.plan(
        f"goal: Do it\nchecks: [{{run: '{check}'}}]\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT}
    )
    supervisor = project.start("run", "--land", plan)
    wait_until((project.folder / "checking").exists, what="the check running")
    supervisor.kill()
    supervisor.wait()
    _crash(project, point, "stop")
    assert project.wto("stop").code == 0
    assert project.processes() == []
    (project.folder / "open").touch()
    resumed = project.wto("resume")
    assert resumed.code == 0, resumed.out + resumed.err
    _require_landed(project, "a")


def _tidying(project: Project, point: str) -> None:
    """Clean and restore, cut off, are finished by the next command; the commit is never out of reach."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", "--land", plan).code == 0
    if point.startswith("RestoreWorktree"):
        assert project.wto("clean").code == 0
        _crash(project, point, "restore", "a")
        assert project.wto("resume").code == 0
        assert (project.worktree("a") / "a.txt").exists()
        return
    _crash(project, point, "clean")
    assert project.wto("resume").code == 0
    assert not project.worktree("a").exists()
    _require_landed(project, "a")


def _pairing(project: Project, point: str) -> None:
    """A queue of branches whose last one fails only together with the second; its partner is named whatever happens."""
    files = {"a": {"a": "1"}, "left": {"left": "1"}, "b": {"b": "1"}, "right": {"right": "1"}}
    make_branches(project, files)
    assert project.wto("train", "add", *files, "--check", CHECK).code == 0
    _crash(project, point, "train", "run")
    resumed = project.wto("resume")
    assert resumed.code == 11, resumed.out + resumed.err
    stream = next(ws for ws in project.status()["workstreams"] if ws["stage"] == "failed")
    assert stream["id"] == "right" and stream["reason"].endswith("failed together with left")


def _settling(project: Project, point: str) -> None:
    """Two branches that append to one changelog land with both lines, whatever happens while the conflict is settled."""
    project.repository.commit({"CHANGES.md": "# Changes\n", ".wto/config.yaml": "merge: {union: [CHANGES.md]}\n"})
    make_branches(project, {"a": {"CHANGES.md": "# Changes\n- a\n"}, "b": {"CHANGES.md": "# Changes\n- b\n"}})
    assert project.wto("train", "add", "a", "b", "--check", "true").code == 0
    _crash(project, point, "train", "run")
    assert project.wto("resume").code == 0
    shown = project.repository.git("show", "wto/r1/integration:CHANGES.md")
    assert sorted(shown.splitlines()) == ["# Changes", "- a", "- b"]


def _foreseeing(project: Project, point: str) -> None:
    """Two clients edit one line for a while, which the radar notices; whatever happens then, both land once."""
    project.repository.commit({"shared": "1\n", ".wto/config.yaml": "poll: 1s\nstagger: 0s\nradar: 1s\n"})
    seen = "while [ ! -e $TEST_FOLDER/open ]; do sleep 0.02; done"
    script = f"do echo $WTO_WORKSTREAM > shared\ndo {seen}\ndo git checkout -q shared\n{MAKE}"
    text = "goal: Do it\n" + use_fake_client(project) + "workstreams: {a: {brief: x}, b: {brief: x}}\n"
    _crash(project, point, "run", "--land", project.plan(text, {"a": script, "b": script}))
    (project.folder / "open").touch()
    assert project.wto("resume").code == 0
    _require_landed(project, "a", "b")


def _taking_over(project: Project, point: str) -> None:
    """Commits that an agent made on no branch are taken over, whatever happens meanwhile, and land once."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT.replace("{agent: scripted}", "{agent: scripted, retries: 0}")
        + "workstreams: {a: {brief: x}}\n",
        {"a": "git checkout -q --detach\n" + COMMIT},
    )  # fmt: skip
    assert project.wto("run", plan).code == 1
    _crash(project, point, "take-over", "a")
    resumed = project.wto("resume")
    assert resumed.code == 0, resumed.out + resumed.err
    assert project.wto("land").code == 0
    _require_landed(project, "a")


STORIES: dict[str, Callable[[Project, str], None]] = {
    "AnswerAsk": _asking,
    "SendMessage": _asking,
    "StopCommand": _stopping_a_check,
    "MakeTrial": _pairing,
    "Forecast": _foreseeing,
    "CleanWorktree": _tidying,
    "RestoreWorktree": _tidying,
    "TakeOver": _taking_over,
}


@pytest.mark.parametrize("point", (*POINTS, *LANDING_POINTS))
def test_L5_a_supervisor_killed_at_any_point_loses_nothing(project: Project, point: str) -> None:
    """P1, L1, D5: wherever it dies, the next one ends the work once."""
    if point == "open:recovered":
        plan = _client_plan(project, MAKE)
        _crash(project, "StartAttempt:done", "run", "--land", plan)
        _crash(project, point, "resume")
        assert project.wto("resume").code == 0
        _require_landed(project, "a")
    elif point == "request:logged":
        _asking(project, "request:logged")
    else:
        STORIES.get(point.partition(":")[0], _whole_run)(project, point)


@pytest.mark.parametrize("point", ["Assemble:intended", "Assemble:done", "Assemble:logged"])
def test_L5_a_conflict_that_rules_resolve_is_resolved_once(project: Project, point: str) -> None:
    """L1: a supervisor killed before, while or after it resolves a conflict in the train is followed by one that lands both."""
    _settling(project, point)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("StartAttempt:done", "open:recovered"),
        ("StartAttempt:intended", "StartAttempt:intended"),
        ("StartAttempt:intended", "open:recovered"),
        ("Advance:done", "Advance:done"),
        ("Publish:done", "Publish:intended"),
        ("Land:done", "Land:done"),
        ("RunCheck:done", "open:recovered"),
        ("CreateWorktree:done", "CreateWorktree:done"),
    ],
)
def test_L5_a_second_kill_during_the_restart_changes_nothing(project: Project, first: str, second: str) -> None:
    """R5: killed again while it takes the run up, at the same point or another."""
    _whole_run(project, first, second)


@pytest.mark.parametrize(
    ("point", "amid"),
    [
        ("Verify:done", "run"),
        ("StartAttempt:done", "run"),
        ("request:logged", "approve"),
        ("CreateWorktree:intended", "approve"),
    ],
)
def test_L5_a_pipeline_that_is_cut_off_goes_on_where_it_was(project: Project, point: str, amid: str) -> None:
    """Killed in the first stage, while the word at the gate is taken, or as the next stage begins: one synthesis, one word, one
    attempt each, and all of it lands."""
    streams = "workstreams: {look: {brief: x, stage: research, kind: research}}\n"
    stages = "stages: [{name: research, gate: approval, synthesis: true}, execution]\n"
    scripts = {"look": found("Found."), "research-synthesis": drawn_together("pool: {brief: Mend it}"), "pool": COMMIT}
    plan = project.plan("goal: Do it\n" + stages + COMMAND_AGENT + streams, scripts)
    if amid == "run":
        _crash(project, point, "run", "--land", plan)
        assert project.wto("resume").code == 8
        assert project.wto("approve", "research").code == 0
    else:
        assert project.wto("run", "--land", plan).code == 8
        _crash(project, point, "approve", "research")
        resumed = project.wto("resume")
        assert resumed.code == 0, resumed.out + resumed.err
    status = project.status()
    assert {ws["id"]: (ws["stage"], ws["attempts"]) for ws in status["workstreams"]} == dict.fromkeys(
        ("look", "research-synthesis", "pool"), ("landed", 1)
    )
    assert project.processes() == []
