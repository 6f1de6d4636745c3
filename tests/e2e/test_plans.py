"""Plan and set-up commands as a user calls them."""

from __future__ import annotations

from tests.support.project import COMMAND_AGENT, Project

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
        "commits are made as Ada <ada@example.org>; wt-orchestrate@localhost commits the merges of a run for you"
    )
    assert set(found) >= {"repository", "file watching", "space for worktrees", "copies", "runs", "agent claude-code"}
    assert all(each["remedy"] for each in found.values() if each["state"] != "ok")
    project.repository.git("config", "--unset", "user.email")
    project.repository.git("config", "--unset", "user.name")
    project.repository.git("config", "user.useConfigOnly", "true")
    broken = project.wto("doctor")
    assert broken.code == 1
    assert "user.name and user.email are not set" in broken.out and "git config --global user.name" in broken.out


def test_every_face_says_the_same_of_a_repository_before_a_run(project: Project) -> None:
    """doctor, plan check and run name what stands in the way with its remedy; the run is refused before it is written down."""
    project.repository.write({"HANDOFF.md": "old\n"})
    project.repository.git("add", "-f", "HANDOFF.md")
    project.repository.git("commit", "-qm", "handoff")
    project.repository.git("tag", "wto/r1/a")
    plan = project.plan("goal: g\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": "true\n"})
    words = "the repository tracks a HANDOFF.md, which is the file that each agent writes its report to"
    remedy = "git mv HANDOFF.md another name, or git rm --cached HANDOFF.md, and commit"

    checked = project.wto("plan", "check", plan)
    assert checked.code == 6 and words in checked.err and remedy in checked.err
    as_json = project.wto("plan", "check", "--json", plan)
    assert as_json.code == 6 and as_json.json["ok"] is False
    assert as_json.json["findings"][0] == {
        "id": "handoff", "weight": "refuse", "what": "handoff", "found": words, "remedy": remedy
    }  # fmt: skip
    seen = project.wto("doctor", "--json")
    found = {each["id"]: each for each in seen.json["findings"] if each["id"]}
    assert (seen.code, found["handoff"]["state"], found["tags"]["state"]) == (1, "error", "warning")
    for words_of_run in (("run", plan), ("run", "--dry-run", plan)):
        refused = project.wto(*words_of_run)
        assert refused.code == 6 and words in refused.err and remedy in refused.err
    assert project.wto("status").code == 5

    project.repository.git("rm", "-q", "--cached", "HANDOFF.md")
    project.repository.git("commit", "-qm", "no handoff")
    told = project.wto("run", "--dry-run", plan)
    assert told.code == 0 and "tags have the names of the run's branches: wto/r1/a" in told.err


def test_usage_errors_end_with_2_and_offer_the_nearest_command(project: Project) -> None:
    """A mistyped command or option is no traceback."""
    wrong = project.wto("statsu")
    assert (wrong.code, "did you mean 'stats' or 'status'?" in wrong.err) == (2, True)
    assert "did you mean 'approve'?" in project.wto("aprove").err
    assert project.wto("run").code == 2
    assert project.wto("wait", "--for", "nothing").code == 2
    assert "Traceback" not in wrong.err
