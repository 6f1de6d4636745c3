"""What checks get of the user's environment, and what people are told of the rest."""

from __future__ import annotations

from tests.support.project import COMMAND_AGENT, COMMIT, Project

AGENT = COMMAND_AGENT.replace("{agent: scripted}", "{agent: scripted, retries: 0}")


def _plan(project: Project, check: str) -> str:
    text = f"goal: Do it\nchecks: [{{run: '{check}'}}]\n{AGENT}workstreams: {{a: {{brief: x}}}}\n"
    return project.plan(text, {"a": COMMIT})


def test_S8_a_failed_check_names_what_was_withheld(project: Project) -> None:
    """A check that needs a withheld variable fails with its name and the setting that passes it; then it passes."""
    project.environment["NPM_TOKEN"] = "a-token"
    plan = _plan(project, 'test -n "$NPM_TOKEN"')
    project.wto("run", plan)
    told = project.wto("status", "a").out
    assert "NPM_TOKEN" in told and "pass_env" in told and "a-token" not in told
    project.repository.commit({".wto/config.yaml": "pass_env: [NPM_TOKEN]\n"})
    assert project.wto("run", plan).code == 0


def test_a_check_knows_its_slot_and_its_ports(project: Project) -> None:
    """Each check has a slot number and the first of its own ports in its environment."""
    check = f"env > {project.folder}/env"
    assert project.wto("run", _plan(project, check)).code == 0
    given = dict(line.split("=", 1) for line in (project.folder / "env").read_text().splitlines() if "=" in line)
    assert given["WTO_SLOT"] == "1" and 20_000 <= int(given["WTO_PORT"]) < 32_768 and given["WTO_PORTS"] == "20"
    assert "TEST_FOLDER" not in given and given["HOME"] and given["PATH"]
