"""Role files: the built-in ones, a repository's own, and everything that may lie under such a name."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from wt_orchestrate.adapters.store.eventlog import SqliteLog
from wt_orchestrate.domain.events.run import Actor, RunStarted
from wt_orchestrate.domain.ids import Branch, CommitId, RunId
from wt_orchestrate.domain.plan.model import Plan, Workstream
from wt_orchestrate.domain.plan.permissions import reads_only
from wt_orchestrate.domain.plan.roles import Role
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.errors import PlanInvalid
from wt_orchestrate.wiring.plan.roles import built_in_text, read_roles

READS = {"researcher", "planner", "security", "reviewer", "synthesiser"}
WRITES = {"builder", "debugger", "performance", "documentation", "testing", "arbiter"}
WHOLE = """---
name: own
description: "Looks: after all"
tools: Read, Grep, Bash(git log a,b)
disallowedTools:
  - WebFetch
  - "Bash(curl *)"
model: haiku
permissionMode: acceptEdits
maxTurns: 12
handoff: [Findings, Threat model]
color: red
---

You look after all.

---
A line of dashes is text here.
"""


def _with(root: Path, files: Mapping[str, str | bytes]) -> Path:
    folder = root / ".wto" / "roles"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def _problems(root: Path) -> list[str]:
    with pytest.raises(PlanInvalid) as invalid:
        read_roles(str(root))
    return [line.removeprefix(f"{root}/.wto/roles/") for line in invalid.value.problems]


def test_a_files_name_does_nothing_to_whoever_looks(tmp_path: Path) -> None:
    """Control characters and lines in it are written out, wherever it stands."""
    _with(tmp_path, {"x\x1b[2J\n✓ Fine.md": WHOLE, "own.md": WHOLE.replace("name: own", 'name: "o\\nwn\\e"')})
    found = [line for line in _problems(tmp_path) if "warning" not in line]
    assert all("\x1b" not in line and "\n" not in line for line in found)
    named, called = sorted(found)
    assert named.startswith("own.md:2:1: its name is 'o\\nwn\\x1b', but the file 'own'")
    assert called.startswith("x\\x1b[2J\\n✓ Fine.md:1:1: the name 'x\\x1b[2J\\n✓ Fine' may hold only")


def test_the_built_in_roles_are_whole() -> None:
    """All there are, without a doubt about any, who only reads is known, and each owes something and inherits its model."""
    found, warnings = read_roles(None)
    assert (set(found), warnings) == (READS | WRITES, ())
    assert {name for name, role in found.items() if reads_only(role)} == READS
    assert all(role.handoff and role.model == "inherit" and role.source == "" for role in found.values())
    assert all(400 < len(role.prompt) < 2500 for role in found.values())


def test_a_repository_adds_and_overrides_its_own(tmp_path: Path) -> None:
    """Every key lands where it belongs; a file of a built-in name goes before it; what is the client's alone is told."""
    _with(tmp_path, {"own.md": WHOLE, "builder.md": (built_in_text("builder") or "").replace("You build", "You weld")})
    _with(tmp_path, {"README.md": "About roles.\n", ".own.md.swp": b"\0", "notes.txt": "x"})
    found, warnings = read_roles(str(tmp_path))
    assert set(found) == READS | WRITES | {"own"}
    assert found["own"] == Role(
        name="own",
        description="Looks: after all",
        prompt="You look after all.\n\n---\nA line of dashes is text here.",
        tools=("Read", "Grep", "Bash(git log a,b)"),
        disallowed_tools=("WebFetch", "Bash(curl *)"),
        model="haiku",
        permission_mode="acceptEdits",
        max_turns=12,
        handoff=("Findings", "Threat model"),
        source=".wto/roles/own.md",
    )
    assert found["builder"].prompt.startswith("You weld") and found["builder"].source == ".wto/roles/builder.md"
    assert warnings == (
        f"{tmp_path}/.wto/roles/own.md:12:1: warning: 'color' is for the client and has no effect here; "
        "you can keep it for the client",
    )


def test_every_problem_of_every_file_comes_at_once(tmp_path: Path) -> None:
    """With file, line and column, and the nearest key that is meant."""
    _with(
        tmp_path,
        {
            "a.md": "---\nname: b\ndescription: x\ntool: Read\nmaxTurns: many\n---\ntext\n",
            "b.md": "---\nname: b\ndescription: x\ntools: 'Bash(', Read\n---\ntext\n",
            "c.md": "---\nname: c\ndescription: x\nhandoff: {a: b}\n---\n",
            "d.md": "---\nname: d\ndescription: x\npermissionMode: bypassPermissions\nmaxTurns: 0\n---\n\n",
            "e.md": "---\ndescription: Use it when: always\n---\n",
            "Upper.md": "---\nname: Upper\ndescription: x\n---\ntext\n",
        },
    )
    assert _problems(tmp_path) == [
        "Upper.md:1:1: the name 'Upper' may hold only a-z, 0-9 and '-', starts with a letter or digit and has at most 41 "
        "characters; rename the file",
        "a.md:2:1: its name is 'b', but the file 'a'; write name: a, or rename the file",
        "a.md:4:1: 'tool' is not a known key; did you mean 'tools'?",
        "a.md:5:1: maxTurns must be a whole number, not 'many'; see wto roles builder",
        "b.md:4:15: this is not valid YAML: did not find expected key; fix the YAML there",
        "c.md:1:1: there is no text under the front matter; describe there what the agent does and how",
        "c.md:4:1: handoff must be a list, not {'a': 'b'}; see wto roles builder",
        "d.md:1:1: there is no text under the front matter; describe there what the agent does and how",
        "d.md:4:1: a role cannot ask for 'bypassPermissions'; write one of default, acceptEdits, plan, dontAsk, auto",
        "d.md:5:1: maxTurns must be more than 0; remove it for no limit",
        "e.md:2:25: this is not valid YAML: mapping values are not allowed in this context; fix the YAML there",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "1:1: it has no front matter"),
        (b"You build.\n", "1:1: it has no front matter"),
        (b"---\nname: x\n", "1:1: its front matter is not closed by `---`"),
        (b"---\n---\ntext\n", "1:1: the file must be a mapping"),
        (b"---\n- a\n---\ntext\n", "2:1: the file must be a mapping"),
        (b"---\nname: x\ndescription: \xff\n---\ntext\n", "1:1: the file is not UTF-8 text"),
        (b"\x7fELF\0\0", "1:1: the file is not UTF-8 text"),
        (b"---\nname: x\ndescription: y\n---\n" + b"a" * 70_000, "1:1: the file is over 64 KiB"),
        (b"---\nname: x\ndescription: y\n---\n" + "ä".encode() * 300_000, "1:1: the file is over 64 KiB"),
        (b"---\nname: x\ndescription: " + b"[" * 20_000 + b"\n---\ntext\n", "3:1013: this is not valid YAML"),
        (b"---\na: &a [x, x]\nname: [*a, *a]\n---\ntext\n", "2:4: anchors and aliases are not allowed"),
        (b"---\nname: !!python/name:os.system x\ndescription: y\n---\nt\n", "2:7: the tag"),
        (b"---\nname: x\nname: x\ndescription: y\n---\ntext\n", "3:1: the key 'name' appears twice"),
        (b"---\nname: y\ndescription: y\n---\ntext\n", "2:1: its name is 'y', but the file 'x'"),
        (b"---\nname: x\ndescription: y\ntools: 3\nhandoff: [[a]]\n---\nt\n", "4:1: '3' is not a tool"),
    ],
)
def test_whatever_lies_there_is_a_problem_with_its_place(tmp_path: Path, content: bytes, said: str) -> None:
    """Bombs, wrong encodings, wrong types and too much of everything end in a sentence, never in a traceback."""
    _with(tmp_path, {"x.md": content})
    assert any(line.startswith(f"x.md:{said}") for line in _problems(tmp_path)), _problems(tmp_path)


def _linked(folder: Path) -> None:
    (folder / "x.md").symlink_to(folder.parents[1] / "outside.md")


def _hard(folder: Path) -> None:
    os.link(folder.parents[1] / "outside.md", folder / "x.md")


@pytest.mark.parametrize(
    "make", [_linked, _hard, lambda folder: os.mkfifo(folder / "x.md"), lambda f: (f / "x.md").mkdir()]
)
def test_only_the_file_itself_is_read(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A link to somewhere else, a second name, a pipe and a folder are refused at once, and nothing waits."""
    (tmp_path / "outside.md").write_text(WHOLE.replace("own", "x"), encoding="utf-8")
    make(_with(tmp_path, {}))
    (line,) = _problems(tmp_path)
    assert line.startswith("x.md:1:1: it ") and "put a regular file there" in line


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Roles come from the repository, not from where something in it points."""
    _with(tmp_path / "elsewhere", {"own.md": WHOLE})
    (tmp_path / ".wto").mkdir()
    (tmp_path / ".wto" / "roles").symlink_to(tmp_path / "elsewhere" / ".wto" / "roles")
    assert "put a real folder there" in _problems(tmp_path)[0]


def test_an_arbiter_must_be_able_to_write(tmp_path: Path) -> None:
    """What it is called for cannot be done by reading."""
    _with(tmp_path, {"arbiter.md": "---\nname: arbiter\ndescription: x\ntools: Read\n---\ntext\n"})
    assert _problems(tmp_path) == [
        "arbiter.md:4:1: an arbiter resolves conflicts, but this role is read-only; give it Edit, Write and Bash"
    ]


def test_roles_are_kept_with_the_run_and_older_logs_have_none(tmp_path: Path) -> None:
    """What was in force comes back as it was written; a start written before roles were files is read, and knows none."""
    roles = read_roles(None)[0]
    started = RunStarted(
        plan=Plan(goal="g", workstreams={"w": Workstream(brief="b", role="wizard")}),
        settings=Settings(roles=roles),
        plan_path="p",
        target=Branch("main"),
        base=CommitId("0" * 40),
        seed="s",
        repository="/r",
    )
    log = SqliteLog(str(tmp_path / "log.db"))
    log.begin(started, actor=Actor.PERSON, now=1.0, view=lambda record: "{}")
    assert log.read(RunId("r1"))[0].event == started
    log.close()
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection, connection:
        (body,) = connection.execute("SELECT body FROM events").fetchone()
        old = json.loads(body)
        del old["settings"]["roles"]
        connection.execute("UPDATE events SET body = ?", (json.dumps(old),))
    with closing(SqliteLog(str(tmp_path / "log.db"))) as again:
        (record,) = again.read(RunId("r1"))
    assert isinstance(record.event, RunStarted) and record.event.settings == Settings()
