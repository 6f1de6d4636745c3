"""What checks get of the user's environment, and what people are told of the rest."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.project import COMMAND_AGENT, COMMIT, Project
from wt_orchestrate.wiring.run.environment import command_environment

PAGE = (Path(__file__).parents[2] / "docs/reference/checks.md").read_text(encoding="utf-8")

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


def test_a_check_gets_the_variables_of_the_reference_page_and_no_other_of_ours(project: Project) -> None:
    """Every variable of ours that the page names is there, and no further one is; the tree holds the commit and nothing else."""
    check = f"env > {project.folder}/env; git status --porcelain > {project.folder}/dirty; ! git symbolic-ref -q HEAD"
    project.repository.commit({".gitignore": "ignored\n"}, "ignore")
    (Path(project.repository.path) / "ignored").write_text("x\n")
    assert project.wto("run", _plan(project, check + " && ! test -e ignored")).code == 0
    lines = (project.folder / "env").read_text().splitlines()
    given = {line.partition("=")[0] for line in lines if line.startswith("WTO_")}
    assert given == set(re.findall(r"`(WTO_[A-Z]+)`", PAGE))
    assert any(line.startswith("WTO_CHECK=env > ") for line in lines) and "WTO_RUN=r1" in lines
    assert (project.folder / "dirty").read_text() == ""


def test_the_reference_page_names_what_is_on_the_list() -> None:
    """Names and forms that the page gives pass; what it says is never passed by the list does not."""
    section = PAGE.partition("what is on a list:")[2].partition("- the names in `pass_env:`")[0]
    named = [name.replace("*", "X") for name in re.findall(r"`([A-Z_*]+)`", section)]
    assert len(named) > 20 and set(command_environment(dict.fromkeys(named, "x"))) == set(named)
    never = PAGE.partition("Never by the list alone:")[2].partition("What was withheld")[0]
    forbidden = [name.replace("*", "X") for name in re.findall(r"`([A-Z_*]+)`", never)]
    assert len(forbidden) == 6 and not command_environment(dict.fromkeys(forbidden, "x"))
    assert not command_environment({"HTTP_PROXY": "https://user:word@host"})


def test_the_last_words_of_a_check_are_kept_with_its_head(project: Project) -> None:
    """Of a long output the head and the tail stay, with how much is missing; the last words need no line end, and what was
    withheld is named on a line of its own after them."""
    project.environment["NPM_TOKEN"] = "a-token"
    script = 'echo first words; seq 1 400000; printf "the last words"; test ! -e a.txt'
    (project.folder / "check.sh").write_text(script)
    ended = project.wto("run", _plan(project, f"sh {project.folder}/check.sh $NPM_TOKEN"))
    assert ended.code != 0, ended.out
    found = [path.read_text() for path in project.state.rglob("stream.jsonl")]
    output = next(text for text in found if "withheld" in text).splitlines()
    assert output[0] == "first words" and "the last words" in output
    assert output[-1].startswith("wto: variables withheld from checks: NPM_TOKEN")
    assert any(re.fullmatch(r"\[\.\.\. \d+ of \d+ bytes left out \.\.\.\]", line) for line in output)
    assert sum(len(line) + 1 for line in output) <= (1 << 20) + 200
    assert "the output is in /" in project.wto("status", "a").out


def test_the_last_words_of_an_agent_and_of_a_set_up_command_are_shown(project: Project) -> None:
    """Without a line end, in the log of the attempt and in the output of the command that failed."""
    text = f"goal: Do it\nsetup: ['printf \"setup ends here\"; test ! -e {project.folder}/bad']\n{AGENT}"
    text += "workstreams: {a: {brief: x}}\n"
    assert project.wto("run", project.plan(text, {"a": COMMIT + 'printf "the agent ends here"\n'})).code == 0
    assert "the agent ends here" in project.wto("logs", "a").out
    (project.folder / "bad").write_text("")
    assert project.wto("run", project.plan(text, {"a": COMMIT})).code != 0
    shown = project.wto("status", "a").out
    log = re.search(r"\S+/stream\.jsonl", shown)
    assert log is not None and Path(log[0]).read_text() == "setup ends here\n", shown


def test_a_check_that_cannot_be_run_is_broken_and_is_not_tried_as_failed_work(project: Project) -> None:
    """A missing command, and a set-up command that fails in the check's tree."""
    ended = project.wto("run", _plan(project, "no-such-command-of-anyone"))
    assert ended.code != 0 and "check broken" in ended.out
    text = f"goal: Do it\nsetup: [\"test -e .git/commondir || test -f .git\"]\nchecks: [{{run: 'true'}}]\n{AGENT}"
    again = project.wto("run", project.plan(text + "workstreams: {a: {brief: x}}\n", {"a": COMMIT}))
    assert again.code != 0 and "check broken" in again.out, again.out
