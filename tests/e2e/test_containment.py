"""A fault of ours that one workstream's content sets off stays with that workstream, and no resume fails by it for ever."""

from __future__ import annotations

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, HANDOFF, Project

RUN = """
import sys
from wt_orchestrate.cli.app import app
from wt_orchestrate.cli.boundary import guarded
import wt_orchestrate.domain.machine as machine
from wt_orchestrate.engine import readings, supervisor
machine._PAUSE_S = 0.0
{plant}
print(guarded(lambda: app.main(sys.argv[1:] or {words!r}, prog_name="wto", standalone_mode=False), as_json=False))
"""
IN_AN_EFFECT = """
real = supervisor.perform
def perform(effect, state, world):
    if type(effect).__name__ == {name!r} and getattr(effect, "workstream", "a") == "a":
        raise KeyError("caf\\udce9")
    return real(effect, state, world)
supervisor.perform = perform
"""
IN_A_STREAM = """
from wt_orchestrate.adapters.agents import command
def read(self, line):
    if b"poison" in line:
        raise ValueError("what is this?")
    return ()
command._Lines.read = read
"""
IN_A_HANDOFF = """
real = supervisor.observe
def observe(state, reading, *, last_handoff):
    if "poison" in (getattr(reading, "text", "") or ""):
        raise IndexError("beyond the end")
    return real(state, reading, last_handoff=last_handoff)
supervisor.observe = observe
"""


AGAIN = 'echo "$WTO_ATTEMPT" >> a.txt\ngit add -A\ngit commit -qm "Attempt $WTO_ATTEMPT"\n'


def _ran(project: Project, plant: str, *words: str) -> str:
    return project.python(RUN.format(plant=plant, words=list(words)))


def _plan(project: Project, agent: str) -> str:
    text = f"goal: g\n{COMMAND_AGENT}workstreams: {{a: {{brief: x, retries: 0}}, b: {{brief: x}}}}\n"
    return project.plan(text, {"a": agent, "b": COMMIT})


@pytest.mark.parametrize("effect", ["CreateWorktree", "StartAttempt", "Verify"])
def test_a_fault_in_an_effect_fails_its_workstream_alone(project: Project, effect: str) -> None:
    """The other one is integrated; the failed one says what happened and where the report is; without the fault a retry ends
    whole."""
    out = _ran(project, IN_AN_EFFECT.format(name=effect), "run", _plan(project, AGAIN))
    assert project.stages() == {"a": "failed", "b": "integrated"}, out
    shown = project.wto("status", "a").out
    assert "a fault in wt-orchestrate: KeyError" in shown and "/faults/000001.txt" in shown
    report = next((project.state / "faults").iterdir()).read_text()
    assert "Traceback" in report and len(list((project.state / "faults").iterdir())) <= 3
    assert project.wto("retry", "a").code == 0
    ended = project.wto("resume")
    assert (ended.code, project.stages()) == (0, {"a": "integrated", "b": "integrated"}), ended


@pytest.mark.parametrize(
    ("plant", "agent"), [(IN_A_STREAM, "echo poison\n"), (IN_A_HANDOFF, HANDOFF + "echo poison >> $WTO_HANDOFF\n")]
)
def test_content_that_cannot_be_taken_counts_as_unreadable(project: Project, plant: str, agent: str) -> None:
    """A line of output or a handoff on which our own code fails costs that content: what was committed is judged as ever."""
    out = _ran(project, plant, "run", _plan(project, agent + COMMIT))
    assert project.stages() == {"a": "integrated", "b": "integrated"}, out
    assert project.wto("resume").code in {0, 5, 6}


def test_a_broken_rule_still_ends_the_run(project: Project) -> None:
    """Where our own rules are broken nothing more is done: the run ends with the report of a bug, and can be resumed."""
    plant = IN_AN_EFFECT.format(name="Verify").replace('KeyError("caf\\udce9")', 'AssertionError("broken")')
    out = _ran(project, plant, "run", _plan(project, COMMIT))
    assert out.splitlines()[-1].strip().endswith("70"), out
    ended = project.wto("resume")
    assert (ended.code, project.stages()) == (0, {"a": "integrated", "b": "integrated"}), ended
