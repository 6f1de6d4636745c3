"""Killed at any moment: the supervisor, a keeper, an agent. Agents go on, nothing is started twice, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from tests.support.project import COMMAND_AGENT, COMMIT, Project
from tests.support.waiting import wait_until

GATE = (
    'touch "$TEST_FOLDER/begun.$WTO_WORKSTREAM.$WTO_ATTEMPT"\nwhile [ ! -e "$TEST_FOLDER/open" ]; do sleep 0.05; done\n'
)
"""An agent's script that waits until the test opens the gate."""


def _open(project: Project) -> None:
    (project.folder / "open").touch()


def _begun(project: Project, *names: str) -> None:
    wait_until(lambda: all((project.folder / f"begun.{name}").exists() for name in names), what=f"{names} having begun")


def _started(project: Project, process: str) -> dict[str, int]:
    found: dict[str, int] = json.loads((project.state / "processes" / process / "started").read_text())
    return found


def _plan(project: Project, *names: str, extra: str = "") -> str:
    streams = ", ".join(f"{name}: {{brief: x}}" for name in names)
    text = "goal: Do it\nchecks: [{run: 'true'}]\n" + COMMAND_AGENT + f"workstreams: {{{streams}}}\n" + extra
    return project.plan(text, dict.fromkeys(names, GATE + COMMIT))


def test_P1_a_killed_supervisor_is_resumed_without_a_second_start(project: Project) -> None:
    """kill -9 of the supervisor: agents go on, `resume` takes them up, each has exactly one attempt, all is integrated."""
    supervisor = project.start("run", _plan(project, "a", "b"))
    _begun(project, "a.1", "b.1")
    assert project.status()["run"]["supervisor_pid"] == supervisor.pid
    supervisor.kill()
    supervisor.wait()
    status = project.status()
    assert status["run"]["supervisor"] == "none"
    assert [ws["alive"] for ws in status["workstreams"]] == [True, True]
    assert status["next"][0] == "wto resume"
    assert project.wto("land").code == 6
    _open(project)
    resumed = project.wto("resume")
    assert resumed.code == 0, resumed.out + resumed.err
    assert [ws["attempts"] for ws in project.status()["workstreams"]] == [1, 1]
    assert not (project.folder / "begun.a.2").exists()


def test_agents_that_finished_meanwhile_are_taken_up(project: Project) -> None:
    """What agents did while no supervisor lived counts as if somebody had watched."""
    supervisor = project.start("run", _plan(project, "a"))
    _begun(project, "a.1")
    supervisor.kill()
    supervisor.wait()
    _open(project)
    wait_until(lambda: (project.state / "processes" / "r1.a.1" / "exit.json").exists(), what="the agent having ended")
    assert project.wto("resume").code == 0
    assert project.stages() == {"a": "integrated"}


def test_a_killed_keeper_is_noticed_and_its_agent_does_not_live_on(project: Project) -> None:
    """kill -9 of a keeper: noticed within seconds, what it left is ended, and one more attempt finishes the work."""
    project.start("run", _plan(project, "a"))
    _begun(project, "a.1")
    before = _started(project, "r1.a.1")
    os.kill(before["keeper"], signal.SIGKILL)
    _begun(project, "a.2")
    wait_until(lambda: not os.path.exists(f"/proc/{before['child']}"), what="the first agent being gone")
    _open(project)
    project.wait_for("a", "integrated")
    assert project.status()["workstreams"][0]["attempts"] == 2


def test_a_killed_agent_is_started_again_and_not_for_ever(project: Project) -> None:
    """kill -9 of an agent: another attempt is made and told what happened; when the ladder is used up the workstream fails,
    with what was tried, and the run ends with a code that tells a part from the whole."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {once: {brief: x}, always: {brief: x}}\n",
        {
            "once.1": "kill -9 $$",
            "once.2": 'grep -q "killed by signal 9" "$WTO_BRIEF"\n' + COMMIT,
            "always": "kill -9 $$",
        },
    )
    assert project.wto("run", plan).code == 11
    status = {ws["id"]: ws for ws in project.status()["workstreams"]}
    assert (status["once"]["stage"], status["once"]["attempts"]) == ("integrated", 2)
    assert (status["always"]["stage"], status["always"]["attempts"]) == ("failed", 3)
    assert status["always"]["tried"] == [
        "attempt 1 (first) was killed by signal 9",
        "attempt 2 (crash) was killed by signal 9",
        "attempt 3 (crash) was killed by signal 9",
    ]


def test_P2_stop_leaves_no_process_and_loses_nothing(project: Project) -> None:
    """After `stop` no process of the run is alive, daemons of agents included; `resume` goes on in the same worktree."""
    script = "echo draft > draft.txt\n(setsid sleep 300 &)\n" + GATE + COMMIT
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": script})
    supervisor = project.start("run", plan)
    _begun(project, "a.1")
    stopped = project.wto("stop")
    assert stopped.code == 0, stopped.err
    assert project.processes() == []
    assert supervisor.wait(timeout=20) == 130
    assert (project.worktree("a") / "draft.txt").read_text() == "draft\n"
    assert project.stages() == {"a": "stopped"}
    _open(project)
    assert project.wto("resume").code == 0
    assert project.stages() == {"a": "integrated"}


def test_stop_ends_a_run_whose_supervisor_was_killed(project: Project) -> None:
    """`stop` without a supervisor takes the run up and ends its agents."""
    supervisor = project.start("run", _plan(project, "a", "b"))
    _begun(project, "a.1", "b.1")
    supervisor.kill()
    supervisor.wait()
    assert project.wto("stop").code == 0
    assert project.processes() == []
    assert project.stages() == {"a": "stopped", "b": "stopped"}


def test_one_workstream_can_be_stopped_while_the_others_go_on(project: Project) -> None:
    """`stop WS` ends that agent alone."""
    project.start("run", _plan(project, "a", "b"))
    _begun(project, "a.1", "b.1")
    assert project.wto("stop", "a").code == 0
    assert project.stages() == {"a": "stopped", "b": "working"}
    _open(project)
    project.wait_for("b", "integrated")


def test_P7_a_second_supervisor_is_refused(project: Project) -> None:
    """A second run, while one is at work, is refused with exit code 9 and harms nothing."""
    plan = _plan(project, "a")
    project.start("run", plan)
    _begun(project, "a.1")
    refused = project.wto("run", plan)
    assert (refused.code, refused.out) == (9, "")
    assert "another run is active" in refused.err
    _open(project)
    project.wait_for("a", "integrated")


def test_a_detached_run_goes_on_and_can_be_waited_for(project: Project) -> None:
    """`--detach` leaves a supervisor behind; `wait` tells reached (0) from timed out (124); `watch` follows to the end."""
    detached = project.wto("run", "--detach", "--json", _plan(project, "a"))
    assert detached.json == {"schema": "wto.run/1", "run": "r1"}
    _begun(project, "a.1")
    assert project.wto("wait", "--for", "working", "--timeout", "20").code == 0
    assert project.wto("wait", "a", "--timeout", "0.2").code == 124
    _open(project)
    assert project.wto("wait", "--timeout", "20").code == 0
    assert project.wto("watch").code == 0
    wait_until(lambda: project.status()["run"]["supervisor"] == "none", what="the supervisor having ended")


def test_a_half_made_worktree_is_completed(project: Project) -> None:
    """A worktree whose making was cut off is recognised and made whole, with no work of anybody's lost."""
    supervisor = project.start("run", _plan(project, "a"))
    _begun(project, "a.1")
    supervisor.kill()
    supervisor.wait()
    assert project.wto("stop").code == 0
    for name in ("README.md", ".git"):
        (project.worktree("a") / name).unlink()
    _open(project)
    plan = _plan(project, "b")
    assert project.wto("run", plan).code == 0
    assert project.stages() == {"b": "integrated"}


def test_an_interrupt_stops_looking_and_not_the_agents(project: Project) -> None:
    """Ctrl-C on `run` ends it with 130 and says how to go on; the agents are alive and `resume` takes them up."""
    child = project.start("run", _plan(project, "a"))
    _begun(project, "a.1")
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=10) == 130
    said = (project.folder / "out-0.txt").read_text()
    assert "its agents continue" in said and "wto resume" in said and "Traceback" not in said
    assert project.status()["workstreams"][0]["alive"] is True
    _open(project)
    assert project.wto("resume").code == 0
    assert project.status()["workstreams"][0]["attempts"] == 1


def test_D5_what_was_logged_survives_many_kills(project: Project) -> None:
    """The supervisor is killed again and again while it works: in the end all is integrated, each workstream once."""
    names = [f"w{number}" for number in range(4)]
    plan = project.plan(
        "goal: Do it\nchecks: [{run: 'true'}]\n"
        + COMMAND_AGENT
        + f"workstreams: {{{', '.join(f'{name}: {{brief: x}}' for name in names)}}}\n",
        dict.fromkeys(names, "sleep 0.3\n" + COMMIT),
    )
    child = project.start("run", plan)
    wait_until(lambda: project.wto("status").code == 0, what="the run having begun")
    for pause in (0.1, 0.3, 0.45, 0.5, 0.55, 0.6, 0.7):
        try:
            child.wait(timeout=pause)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child = project.start("resume")
    if child.wait(timeout=60) != 0:
        assert project.wto("resume").code == 0
    assert set(project.stages().values()) == {"integrated"}
    trailers = project.repository.git(
        "log", "--first-parent", "--format=%(trailers:key=Wto-Workstream,valueonly,separator=)", "wto/r1/integration"
    )
    assert sorted(trailers.split()) == names
    assert [ws["attempts"] for ws in project.status()["workstreams"]] == [1, 1, 1, 1]
