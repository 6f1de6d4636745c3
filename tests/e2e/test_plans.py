"""Plan and set-up commands as a user calls them."""

from __future__ import annotations

from tests.support.project import Project

PLAN = """goal: Do it well
workstreams:
  a: {title: First, brief: x, scope: [a]}
  b: {brief: x, needs: [a]}
  c: {brief: x}
"""


def test_plan_show_draws_the_graph_in_three_forms(project: Project) -> None:
    """As text with waves and the longest chain, as JSON, and as a mermaid diagram."""
    plan = project.plan(PLAN)
    text = project.wto("plan", "show", plan)
    assert text.code == 0, text.err
    assert text.out.splitlines()[:6] == [
        "Do it well",
        "",
        "wave 1",
        "  a                First  [a]",
        "  c                ",
        "wave 2",
    ]
    assert "critical path: a > b (2 of 3 workstreams one after another)" in text.out
    values = project.wto("plan", "show", "--json", plan).json
    assert (values["waves"], values["critical_path"]) == ([["a", "c"], ["b"]], ["a", "b"])
    mermaid = project.wto("plan", "show", "--mermaid", plan).out
    assert mermaid.splitlines() == ["graph LR", '  a["a: First"]', "  b", "  c", "  a --> b"]


def test_a_bad_plan_ends_with_3_and_all_its_problems(project: Project) -> None:
    """Each problem is one line with its place; with --json the error is one object on stderr."""
    plan = project.plan("goal: ''\nworkstreams: {a: {breif: x}}\n")
    bad = project.wto("plan", "check", plan)
    assert (bad.code, bad.out) == (3, "")
    assert [line.startswith(f"{plan}:") for line in bad.err.splitlines()] == [True, True, True]
    assert [line.partition(": ")[2] for line in bad.err.splitlines()] == [
        "the goal is empty; say in a sentence what the plan is for",
        "'brief' is missing; add brief: here",
        "'breif' is not a known key; did you mean 'brief'?",
    ]
    as_json = project.wto("plan", "check", "--json", plan)
    assert as_json.code == 3 and '"code": 3' in as_json.err
    assert project.wto("run", plan).code == 3


def test_doctor_says_what_is_there_and_what_to_do(project: Project) -> None:
    """Every finding has a state, and what is not right its remedy; only errors end with 1."""
    seen = project.wto("doctor", "--json")
    found = {each["what"]: each for each in seen.json["findings"]}
    assert seen.code == 0
    assert found["git"]["state"] == "ok" and found["identity"]["found"] == (
        "commits are made as Ada <ada@example.org>, merge commits of a run as wt-orchestrate@localhost"
    )
    assert set(found) >= {"repository", "file watching", "space for worktrees", "copies", "runs", "agent claude-code"}
    assert all(each["remedy"] for each in found.values() if each["state"] != "ok")
    project.repository.git("config", "--unset", "user.email")
    project.repository.git("config", "--unset", "user.name")
    project.repository.git("config", "user.useConfigOnly", "true")
    broken = project.wto("doctor")
    assert broken.code == 1
    assert "user.name and user.email are not set" in broken.out and "git config --global user.name" in broken.out


def test_usage_errors_end_with_2_and_offer_the_nearest_command(project: Project) -> None:
    """A mistyped command or option is no traceback."""
    wrong = project.wto("statsu")
    assert (wrong.code, "did you mean 'stats' or 'status'?" in wrong.err) == (2, True)
    assert "did you mean 'approve'?" in project.wto("aprove").err
    assert project.wto("run").code == 2
    assert project.wto("wait", "--for", "nothing").code == 2
    assert "Traceback" not in wrong.err
