"""`wto review`: the packet of a workstream says what was asked, said, done and checked, and what to look at."""

from __future__ import annotations

from tests.support.project import COMMAND_AGENT, Project

WORK = """mkdir -p src tests bin
git mv -k lib.py src/lib.py
printf 'def one():\\n    first = 1\\n    second = 2\\n    return first\\n' > src/moved.py
printf 'x = 1  # TODO mend\\n' > src/a.py
printf 'assert True\\n' > tests/test_a.py
printf '\\000\\001' > bin/tool; chmod +x bin/tool
printf 'key = "AKIAABCDEFGHIJKLMNOP"\\n' > "src/mit umlaut ü.py"
git add -A; git commit -qm "Work"
cat > HANDOFF.md <<END
---
status: done
---
## Summary
All $(printf '\033[31m')red
## Questions
Is it right?
## Verification
pytest passed
END
"""


def _reviewed(project: Project) -> None:
    project.repository.commit({"lib.py": "def one():\n    first = 1\n    second = 2\n    return first\n"})
    plan = project.plan(
        "goal: Do it\nchecks: [{run: 'true'}]\n"
        + COMMAND_AGENT
        + "workstreams:\n  work: {title: Do the work, brief: Write it, retries: 0}\n  other: {brief: x}\n",
        {"work": WORK, "other": "mkdir src; echo 1 > src/a.py; git add -A; git commit -qm Other\n"},
    )
    project.wto("run", plan)


def test_a_packet_tells_asked_said_done_checked_and_what_to_look_at(project: Project) -> None:
    """The values are whole: files by area, moved code, flags with places, the agent's words, and questions."""
    _reviewed(project)
    found = project.wto("review", "work", "--json").json
    assert (found["schema"], found["workstream"], found["target"]) == ("wto.review/1", "work", "main")
    assert found["asked"] == {"title": "Do the work", "brief": "Write it", "role": "", "scope": []}
    assert found["says"]["status"] == "done" and found["says"]["questions"] == "Is it right?"
    assert {file["path"]: file["status"] for file in found["does"]["files"]} == {
        "bin/tool": "A",
        "src/a.py": "A",
        "src/lib.py": "R",
        "src/mit umlaut ü.py": "A",
        "src/moved.py": "A",
        "tests/test_a.py": "A",
    }
    flagged = {(flag["kind"], flag["path"], flag["line"]) for flag in found["flags"]}
    assert flagged >= {
        ("secret", "src/mit umlaut ü.py", 1),
        ("empty assertion", "tests/test_a.py", 1),
        ("unfinished", "src/a.py", 1),
        ("binary", "bin/tool", 0),
        ("permissions", "bin/tool", 0),
    }
    assert [other["paths"] for other in found["overlaps"]] == [["src/a.py"]]
    assert "AKIAABCDEFGHIJKLMNOP" not in project.wto("review", "work", "--json").out
    assert found["questions"][0] == "Its agent asks: Is it right?"
    assert found["read_first"][0] in {"src/mit umlaut ü.py", "tests/test_a.py"}


def test_a_packet_is_read_on_a_terminal(project: Project) -> None:
    """The text begins with what it is about, escapes what agents wrote, and ends with the next command."""
    _reviewed(project)
    lines = project.wto("review", "work").out.splitlines()
    assert lines[0].startswith("work → main   ") and "files +" in lines[0]
    assert lines[1] == "Asked      Do the work"
    assert lines[2] == "Says       done: All \\x1b[31mred"
    assert any(line.startswith("Flag       ✗ ") and "looks like a secret" in line for line in lines)
    assert lines[-1] == "↳ To see the diff, run wto review work --diff"
    shown = project.wto("review", "work", "--diff").out
    assert "diff --git a/src/a.py b/src/a.py" in shown and "+x = 1  # TODO mend" in shown


def test_a_packet_is_markdown_of_a_bounded_size(project: Project) -> None:
    """The agent's words are quoted as data."""
    _reviewed(project)
    text = project.wto("review", "work", "--format", "md").out
    assert text.startswith("## Purpose\n\nDo the work\n\n> Write it\n")
    assert "> All \\\\x1b\\[31mred" in text
    assert len(text) < 65_000


def test_what_has_no_commits_has_no_packet(project: Project) -> None:
    """Nothing to review is told with where to look."""
    project.repository.commit({"f.txt": "1"})
    plan = project.plan("goal: x\n" + COMMAND_AGENT + "workstreams: {a: {brief: x, retries: 0}}\n", {"a": "true\n"})
    project.wto("run", plan)
    ended = project.wto("review", "a")
    assert (ended.code, ended.err.splitlines()[0]) == (5, "✗ a has no commits yet")
