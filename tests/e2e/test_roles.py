"""Roles from plan to verdict: what is owed is asked for, who only reads cannot write, and what is in force stays so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.project import COMMAND_AGENT, Project, use_fake_client

OWN = "---\nname: {name}\ndescription: Ours.\n{more}---\n\nYou are {name}, and we say so.\n"
SAYS = "printf -- '---\\nstatus: done\\n---\\n## Summary\\nS\\n{more}' > \"$WTO_HANDOFF\"\n"


def own(name: str, more: str = "") -> dict[str, str]:
    """A role's file of the repository."""
    return {f".wto/roles/{name}.md": OWN.format(name=name, more=more)}


def streams(project: Project) -> dict[str, Any]:
    return {ws["id"]: ws for ws in project.status()["workstreams"]}


def test_what_a_role_owes_goes_back_until_it_is_there(project: Project) -> None:
    """A claim without the owed section returns as evidence to the same agent, which then hands it over; the work lands."""
    project.repository.commit({"f.txt": "zero\n", ".wto/config.yaml": "poll: 1s\nstagger: 0s\n"})
    owed = (
        "printf -- '---\\nstatus: done\\n---\\n## Summary\\nS\\n## Findings\\n- fact: it was 1\\n{more}' > HANDOFF.md"
    )
    plan = project.plan(
        "goal: Do it\n" + use_fake_client(project) + "workstreams: {work: {brief: mend it, role: debugger}}\n",
        {
            "work.1": f'do echo one > f.txt && git commit -qam "One"\ndo {owed.format(more="")}\nsilent\n',
            "work.2": f"do {owed.format(more='## Verification' + chr(92) + 'n- ran it' + chr(92) + 'n')}\nsilent\n",
        },
    )
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    assert (streams(project)["work"]["stage"], streams(project)["work"]["attempts"]) == ("landed", 2)
    heard = (project.folder / "heard.work").read_text(encoding="utf-8")
    assert "your handoff must have, besides its summary: `## Findings`, `## Verification`." in heard
    assert "the role debugger requires the section '## Verification', which is missing or empty" in heard


def test_a_command_is_told_its_role_and_owes_the_same(project: Project) -> None:
    """The text of a repository's own role stands in a command's brief; without what it owes its exit code is not enough."""
    project.repository.commit(own("welder", "handoff: Threats\n"))
    work = 'cp "$WTO_BRIEF" "$TEST_FOLDER/brief.$WTO_ATTEMPT"\necho x >> f\ngit add f\ngit commit -qm "Weld"\n'
    plan = project.plan(
        f"goal: g\n{COMMAND_AGENT}workstreams: {{w: {{brief: b, role: welder}}}}\n",
        {"w.1": work, "w.2": work + SAYS.format(more="## Threats\\nnone\\n")},
    )
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    assert streams(project)["w"]["attempts"] == 2
    brief = (project.folder / "brief.1").read_text(encoding="utf-8")
    assert "Your role: welder.\n\nYou are welder, and we say so.\n\nIn this role your handoff must have" in brief
    assert "there is no HANDOFF.md" in (project.folder / "brief.2").read_text(encoding="utf-8")


def test_whoever_only_reads_lands_nothing(project: Project) -> None:
    """A commit and a change of a researcher are refused whatever its client let through; its findings are what counts."""
    project.repository.commit({"f.txt": "zero\n"})
    found = SAYS.format(more="## Findings\\n- fact: f.txt:1 says zero\\n")
    plan = project.plan(
        f"goal: g\n{COMMAND_AGENT}workstreams: {{w: {{brief: b, role: researcher, kind: research}}}}\n",
        {
            "w.1": 'echo one > f.txt\ngit commit -qam "One"\n' + found,
            "w.2": "git reset -q --hard HEAD~1\necho two > f.txt\n" + found,
            "w.3": 'cp "$WTO_BRIEF" "$TEST_FOLDER/brief"\ngit checkout -q f.txt\n' + found,
        },
    )
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    story = project.wto("status", "w").out
    assert "this is research, which must not commit" in story
    assert "the worktree has uncommitted changes: f.txt" in story
    assert project.repository.git("show", "main:f.txt") == "zero"


def test_what_a_check_leaves_behind_is_not_held_against_whoever_only_reads(project: Project) -> None:
    """It may run the checks and take nothing away: what they leave beside the work neither refuses its claim nor lands."""
    found = SAYS.format(more="## Findings\\n- fact: f.txt:1 says zero\\n")
    plan = project.plan(
        f"goal: g\n{COMMAND_AGENT}workstreams: {{w: {{brief: b, role: researcher, kind: research}}}}\n",
        {"w": "mkdir out\necho compiled > out/a.o\n" + found},
    )
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    assert streams(project)["w"]["attempts"] == 1, project.wto("status", "w").out
    assert "out/a.o" not in project.repository.git("ls-tree", "-r", "--name-only", "main")


def test_a_plan_with_a_wrong_role_begins_nothing(project: Project) -> None:
    """Unknown roles and those that cannot do it are told with their places, also for workstreams that join later."""
    plan = project.plan(
        f"goal: g\n{COMMAND_AGENT}workstreams:\n  a: {{brief: b, role: bulider}}\n  b: {{brief: b, role: security}}\n"
    )
    ended = project.wto("plan", "check", plan)
    assert ended.code == 3
    assert ":9:17: unknown role 'bulider'; did you mean 'builder'?" in ended.err
    assert ":10:17: the role 'security' only reads, and 'b' is to end with commits; write kind: research" in ended.err
    good = project.plan(
        f"goal: g\n{COMMAND_AGENT}workstreams: {{a: {{brief: b}}}}\n", {"a": "exit 1\n"}, name="good.yaml"
    )
    assert project.wto("run", good).code != 0
    more = project.plan("workstreams: {c: {brief: b, role: wizard}}\n", name="more.yaml")
    ended = project.wto("add", more)
    assert ended.code == 3 and "unknown role 'wizard'; known: arbiter, builder, debugger" in ended.err


def test_a_running_run_keeps_the_roles_it_began_with(project: Project) -> None:
    """An agent that rewrites a role's file in the main worktree changes nothing for the next workstream of the run."""
    project.repository.commit(own("welder"))
    rewritten = OWN.format(name="welder", more="").replace("and we say so", "and obey me")
    commit = 'echo x > "$WTO_WORKSTREAM"\ngit add -A\ngit commit -qm x\n'
    (project.folder / "rewritten.md").write_text(rewritten, encoding="utf-8")
    plan = project.plan(
        f"goal: g\n{COMMAND_AGENT}workstreams: {{a: {{brief: b}}, b: {{brief: b, needs: [a], role: welder}}}}\n",
        {
            "a": 'cp "$TEST_FOLDER/rewritten.md" "$TEST_FOLDER/repository/.wto/roles/welder.md"\n' + commit,
            "b": 'cp "$WTO_BRIEF" "$TEST_FOLDER/brief"\n' + commit,
        },
    )
    ended = project.wto("run", plan)
    assert ended.code == 0, ended.out + ended.err
    assert "obey me" in project.wto("roles", "welder").out
    brief = (project.folder / "brief").read_text(encoding="utf-8")
    assert "and we say so" in brief and "obey me" not in brief


def test_reviewers_are_told_the_repositorys_own_role(project: Project) -> None:
    """An override of `reviewer` reaches the reviewer that the tool calls, and gives it no leave to write."""
    files = own("reviewer", "tools: Read, Edit, Write, Bash\n")
    project.repository.commit({**files, "f.txt": "zero\n", ".wto/config.yaml": "poll: 1s\n"})
    review = 'cp "$WTO_BRIEF" "$TEST_FOLDER/brief.$WTO_ATTEMPT"\n'
    clean = SAYS.format(more="## Review\\nnone\\n")
    plan = project.plan(
        "goal: g\nchecks: [{run: 'test -s f.txt'}]\n"
        + COMMAND_AGENT.replace("defaults: {", "defaults: {review: scripted, ")
        + "workstreams: {w: {brief: b}}\n",
        {
            "w": 'echo one > f.txt\ngit commit -qam "One"\n',
            "w-review.1": review + 'echo mine > f.txt\ngit commit -qam "Mine"\n' + clean,
            "w-review.2": review + "git reset -q --hard HEAD~1\n" + clean,
        },
    )
    ended = project.wto("run", "--land", plan)
    assert ended.code == 0, ended.out + ended.err
    assert "You are reviewer, and we say so." in (project.folder / "brief.1").read_text(encoding="utf-8")
    assert "this is research, which must not commit" in (project.folder / "brief.2").read_text(encoding="utf-8")
    assert project.repository.git("show", "main:f.txt") == "one"


def test_roles_are_listed_shown_and_copied(project: Project) -> None:
    """Each with what it may, owes and where it comes from; a copy is written once, and then is the one in force."""
    listed = {each["name"]: each for each in project.wto("roles", "--json").json["roles"]}
    assert len(listed) == 11 and listed["researcher"]["reads_only"] and not listed["builder"]["reads_only"]
    assert {each["from"] for each in listed.values()} == {"built-in"}
    shown = project.wto("roles", "builder")
    assert (
        shown.code == 0 and "Owes   ## Verification" in shown.out and "You build what your brief asks for" in shown.out
    )
    missing = project.wto("roles", "bilder")
    assert (missing.code, "did you mean builder?" in missing.err) == (5, True)
    path = project.folder / "repository" / ".wto" / "roles" / "smith.md"
    assert project.wto("roles", "smith", "--copy", "builder", "--dry-run").code == 0 and not path.exists()
    assert project.wto("roles", "smith", "--copy", "builder").code == 0
    assert path.read_text(encoding="utf-8").startswith("---\nname: smith\n")
    assert project.wto("roles", "smith", "--copy", "debugger").code == 6
    assert project.wto("roles", "smith", "--json").json["roles"][0]["from"] == ".wto/roles/smith.md"
    assert project.wto("roles", "x y", "--copy", "builder").code == 2


def test_what_cannot_be_written_is_told(project: Project) -> None:
    """A file where the folder should be, a folder that is a link, and a place that is not there, with no traceback."""
    folder = project.folder / "repository" / ".wto"
    folder.write_text("", encoding="utf-8")
    ended = project.wto("roles", "smith", "--copy", "builder")
    assert ended.code == 1 and "cannot be written: Not a directory" in ended.err
    folder.unlink()
    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    ended = project.wto("roles", "smith", "--copy", "builder")
    assert ended.code == 6 and ".wto is a link" in ended.err and not list(elsewhere.iterdir())
    ended = project.wto("plan", "new", "nowhere/plan.yaml", "--template", "debug")
    assert ended.code == 1 and "nowhere/plan.yaml cannot be written: No such file or directory" in ended.err


@pytest.mark.parametrize("words", [("roles",), ("plan", "check", "plan.yaml"), ("run", "plan.yaml"), ("doctor",)])
def test_a_broken_role_file_is_told_with_its_place(project: Project, words: tuple[str, ...]) -> None:
    """By whatever would use it, with no traceback."""
    project.repository.commit({".wto/roles/smith.md": "---\nname: smith\ntool: x\n---\n"})
    plan = project.plan(f"goal: g\n{COMMAND_AGENT}workstreams: {{w: {{brief: b}}}}\n")
    ended = project.wto(*(plan if word == "plan.yaml" else word for word in words))
    assert ended.code == (1 if words == ("doctor",) else 3)
    said = ended.out + ended.err
    assert ".wto/roles/smith.md:3:1: 'tool' is not a known key; did you mean 'tools'?" in said
    assert ".wto/roles/smith.md:2:1: 'description' is missing; add description: here" in said
    assert "Traceback" not in said
