"""Who may say what: from inside an attempt, a check or a setup command nobody steers the run they belong to."""

from __future__ import annotations

import sys

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Project
from wt_orchestrate.cli.app import app

WTO = f"{sys.executable} -P -m wt_orchestrate"
STEERING = (
    "land", "approve s", "cancel b", "limit --agents 1", "retry b",
    "answer b x", "clean --force", "stop", "tell b x", "trust",
    "hold", "add x.yaml", "train run --land", "memory add x", "resume", "run x.yaml", "supervise r1", "mcp", "pr open b",
    "continue b",
)  # fmt: skip
HIDDEN = 'env -i PATH="$PATH" HOME="$HOME" WTO_STATE_DIR="$STATE" PYTHONPATH="$ROOT" setsid'


def _calls(project: Project, out: str) -> str:
    """A script that tries every steering command on its own repository, as it is and hidden behind a clean environment."""
    state, at = project.folder / "state", f"-C {project.repository.path}"
    lines = [f'STATE={state}; ROOT="${{PYTHONPATH:-}}"']
    for number, words in enumerate(STEERING):
        for before in ("", HIDDEN)[: 2 if number < 3 else 1]:
            call = f"WTO_STATE_DIR={state} {before} {WTO} {at} {words} < /dev/null"
            lines.append(f'{call} > "$TEST_FOLDER/said" 2>&1 && echo "done: {words}" >> {out} || true')
            lines.append(
                f'grep -q "was called from inside" "$TEST_FOLDER/said" || {{ cat "$TEST_FOLDER/said"; }} >> {out}'
            )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("where", ["attempt", "setup", "check"])
def test_S6_nothing_is_steered_from_inside_a_run(project: Project, where: str) -> None:
    """Every command that steers is refused there, also in a session of its own with an empty environment; looking works."""
    out = project.folder / "found"
    script = project.folder / "calls.sh"
    script.write_text(f"export TEST_FOLDER={project.folder}\n" + _calls(project, str(out)))
    call = f"sh {script}"
    plan = f"goal: g\n{COMMAND_AGENT}workstreams: {{a: {{brief: x}}, b: {{brief: x, needs: [a]}}}}\n"
    plan += f"setup: ['{call}']\n" if where == "setup" else f"checks: [{{run: '{call}'}}]\n" if where == "check" else ""
    agent = f"{call}\n" if where == "attempt" else ""
    ended = project.wto("run", project.plan(plan, {"a": agent + COMMIT, "b": COMMIT}), timeout=300)
    assert ended.code == 0, ended
    assert not out.exists(), out.read_text()


def test_another_repository_can_be_led_from_inside(project: Project) -> None:
    """An agent that tests a tool which uses wto is not in the way of itself: in a repository of its own it may do all."""
    script = (
        'git init -q "$TEST_FOLDER/own" && cd "$TEST_FOLDER/own"\n'
        f'WTO_STATE_DIR="$TEST_FOLDER/own-state" {WTO} init > "$TEST_FOLDER/said" 2>&1\n'
    )
    ended = project.wto(
        "run",
        project.plan(f"goal: g\n{COMMAND_AGENT}workstreams: {{a: {{brief: x}}}}\n", {"a": f"( {script} )\n" + COMMIT}),
    )
    assert ended.code == 0, ended
    assert "Wrote" in (project.folder / "said").read_text()


def test_every_command_is_steering_unless_it_is_said_to_look() -> None:
    """A new command is refused from inside until somebody lists it; the list names commands that there are."""
    from wt_orchestrate.cli.app import _ANYWHERE

    assert isinstance(app.commands, dict)
    for words in _ANYWHERE:
        name, _, below = words.partition(" ")
        command = app.get_command(app.make_context("wto", ["status"], resilient_parsing=True), name)
        assert command is not None, words
        assert not below or below in getattr(command, "commands", {below: None}), words
