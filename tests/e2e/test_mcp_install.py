"""`wto mcp install`: a client's settings get one more entry, and lose nothing."""

from __future__ import annotations

import errno
import json
import os
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from tests.support.project import ROOT, Project
from wt_orchestrate.adapters.clientconfig import planned, write
from wt_orchestrate.errors import Refused
from wt_orchestrate.wiring.mcp_config import client_edit
from wt_orchestrate.wiring.site import Site

OTHERS = {"theme": "dark", "mcpServers": {"files": {"command": "/usr/bin/files", "args": []}}, "näme": "ünïcode"}


def test_an_entry_is_added_shown_kept_and_taken_out_again(project: Project) -> None:
    """Shown first, a copy beside it, other entries as they were; twice is once; uninstalled, all values are those of before."""
    path = project.folder / "desktop.json"
    path.write_text(json.dumps(OTHERS, indent=4, ensure_ascii=False), encoding="utf-8")
    path.chmod(0o640)
    before = path.read_bytes()
    dry = project.wto("mcp", "install", "--client", "claude-desktop", "--config", str(path), "--dry-run")
    assert dry.code == 0 and '+        "wt-orchestrate": {' in dry.out and path.read_bytes() == before
    done = project.wto("mcp", "install", "--client", "claude-desktop", "--config", str(path))
    assert done.code == 0, done.err
    found = json.loads(path.read_text(encoding="utf-8"))
    entry = found["mcpServers"].pop("wt-orchestrate")
    assert found == OTHERS and path.stat().st_mode & 0o777 == 0o640
    assert Path(entry["command"]).is_absolute() and entry["args"][-2:] == ["--repository", project.repository.path]
    assert (project.folder / "desktop.json.bak").read_bytes() == before
    again = project.wto("mcp", "install", "--client", "claude-desktop", "--config", str(path))
    assert again.code == 0 and "is up to date" in again.out
    assert project.wto("mcp", "uninstall", "--client", "claude-desktop", "--config", str(path)).code == 0
    assert path.read_bytes() == before


def test_the_server_looks_where_the_terminal_does(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What decides where the state is goes into the entry, as a whole path: else the client would see none of a person's runs."""
    monkeypatch.chdir(project.folder)
    path = project.folder / "desktop.json"
    monkeypatch.setenv("XDG_STATE_HOME", str(project.folder / "own"))
    for given, wanted in (("state", str(project.folder / "state")), ("", None)):
        monkeypatch.setenv("WTO_STATE_DIR", given)
        site = Site(start=project.repository.path, common_dir="", state_dir="")
        edit = client_edit(site, "claude-desktop", str(path), folders=(project.repository.path,))
        entry = json.loads(edit.after)["mcpServers"]["wt-orchestrate"]
        assert entry["env"].get("WTO_STATE_DIR") == wanted
        assert entry["env"]["XDG_STATE_HOME"] == str(project.folder / "own")


def test_a_folder_that_no_settings_can_name_is_refused(tmp_path: Path) -> None:
    """Settings are UTF-8, names of folders need not be: told as such, and nothing is written."""
    path = tmp_path / "desktop.json"
    with pytest.raises(Refused, match="is not UTF-8"):
        planned(str(path), "wt-orchestrate", {"command": "x", "args": [os.fsdecode(b"/r/\xff")]})
    assert not path.exists()


SERVER = {"command": "/usr/bin/files", "args": ["--all"]}
FORMATS = {
    "as Claude Desktop writes it": json.dumps({"mcpServers": {"files": SERVER}, "theme": "dark"}, indent=2),
    "tabs and Windows line ends": '{\r\n\t"mcpServers": {\r\n\t\t"files": {"command": "x"}\r\n\t}\r\n}\r\n',
    "a byte order mark": '\ufeff{"mcpServers": {"files": {"command": "x"}}}\n',
    "one line": '{"a":1.50,"mcpServers":{"files":{"command":"x"}},"z":"\\u00e9"}',
    "odd spaces": '\n{ "mcpServers" :\n{   "files":{ "command" : "x" }  ,\n "other": {"command": "y"} }\n\n}\n\n',
    "no servers yet": '{\n    "theme": "dark"\n}\n',
    "an empty list of servers": '{"mcpServers": {}}',
    "empty": "",
    "nothing in it": "{}",
}


@pytest.mark.parametrize("case", sorted(FORMATS))
def test_every_other_byte_stays(project: Project, case: str) -> None:
    """However a person wrote it: what was there stays byte for byte around what was added; taken out, it is as before."""
    path = project.folder / "desktop.json"
    path.write_bytes(FORMATS[case].encode())
    edit = planned(str(path), "wt-orchestrate", SERVER)
    write(edit)
    after = path.read_bytes().decode()
    matcher = SequenceMatcher(None, FORMATS[case], after, autojunk=False)
    assert all(tag in {"equal", "insert"} for tag, *_ in matcher.get_opcodes()) or not FORMATS[case].strip("{}")
    assert json.loads(after.removeprefix("\ufeff"))["mcpServers"]["wt-orchestrate"] == SERVER
    assert after.startswith("\ufeff") is FORMATS[case].startswith("\ufeff")
    assert ("\r\n" in after) is ("\r\n" in FORMATS[case])
    assert not planned(str(path), "wt-orchestrate", SERVER).changes
    write(planned(str(path), "wt-orchestrate", {**SERVER, "args": []}))
    write(planned(str(path), "wt-orchestrate", None))
    if "files" in FORMATS[case]:
        assert path.read_bytes().decode() == FORMATS[case]
    else:
        assert json.loads(path.read_bytes()) == {**json.loads(FORMATS[case] or "{}"), "mcpServers": {}}


def test_a_link_stays_a_link(project: Project) -> None:
    """Settings that are kept elsewhere are changed there; the copy lies beside them."""
    kept = project.folder / "dotfiles"
    kept.mkdir()
    (kept / "claude.json").write_text("{}")
    path = project.folder / "desktop.json"
    path.symlink_to(kept / "claude.json")
    assert project.wto("mcp", "install", "--client", "claude-desktop", "--config", str(path)).code == 0
    assert path.is_symlink() and "wt-orchestrate" in (kept / "claude.json").read_text()
    assert len(list(kept.glob("claude.json.bak"))) == 1


def test_what_may_not_be_written_is_left_alone(project: Project) -> None:
    """A read-only file, and one that changed between the look and the write: refused with the reason."""
    path = project.folder / "desktop.json"
    path.write_text("{}")
    path.chmod(0o444)
    refused = project.wto("mcp", "install", "--client", "claude-desktop", "--config", str(path))
    assert refused.code == 6 and "is read-only" in refused.err and path.read_text() == "{}"
    path.chmod(0o644)
    edit = planned(str(path), "wt-orchestrate", SERVER)
    path.write_text('{"a": 1}')
    with pytest.raises(Refused, match="was changed in the meantime"):
        write(edit)
    assert path.read_text() == '{"a": 1}' and [each.name for each in project.folder.glob("desktop*")] == [
        "desktop.json"
    ]


def test_a_server_over_http_is_named_and_its_token_is_not(project: Project) -> None:
    """The address and the variable's name; Claude Desktop cannot call one and is not told it could."""
    path = project.folder / "code.json"
    words = ["mcp", "install", "--config", str(path), "--http", "http://127.0.0.1:8123/mcp"]
    done = project.wto(*words, "--client", "claude-code")
    assert done.code == 0, done.err
    entry = json.loads(path.read_text())["mcpServers"]["wt-orchestrate"]
    assert entry == {
        "type": "http",
        "url": "http://127.0.0.1:8123/mcp",
        "headers": {"Authorization": "Bearer ${WTO_MCP_TOKEN}"},
    }
    assert "export WTO_MCP_TOKEN=$(cat " in done.out
    refused = project.wto(*words, "--client", "claude-desktop")
    assert refused.code == 6 and "only start programs" in refused.err
    words[-1] = "http://example.org:80/mcp"
    refused = project.wto(*words, "--client", "claude-code")
    assert refused.code == 6 and "is not the URL of a server on this machine" in refused.err


DAMAGED = {
    "cut off": ('{"mcpServers": {"a": ', ":1:22: this is not JSON"),
    "a list": ("[]", ":1:1: expected a JSON object"),
    "servers of another shape": ('{"mcpServers": []}', "mcpServers is not an object"),
    "a server twice": ('{"mcpServers": {"a": {}, "a": {}}}', "'a' appears twice in it"),
    "servers twice": ('{"mcpServers": {}, "mcpServers": {}}', "'mcpServers' appears twice in it"),
    "a comment": ("{\n  // mine\n}", ":2:3: this is not JSON"),
}


@pytest.mark.parametrize("case", sorted(DAMAGED))
def test_a_damaged_file_is_refused_with_its_place_and_left_alone(project: Project, case: str) -> None:
    """What a person would have to mend is theirs: not a byte changes, and no copy is left about."""
    text, words = DAMAGED[case]
    path = project.folder / "desktop.json"
    path.write_text(text, encoding="utf-8")
    refused = project.wto("mcp", "install", "--client", "claude-desktop", "--config", str(path))
    assert refused.code == 6 and words in refused.err
    assert path.read_text(encoding="utf-8") == text
    assert [each.name for each in project.folder.glob("desktop.json*")] == ["desktop.json"]


def test_a_copy_never_replaces_another(tmp_path: Path) -> None:
    """What a person had before the first change, byte by byte, is there after every other one."""
    path = tmp_path / "desktop.json"
    texts = [f'\ufeff{{"theme":\r\n "{number}"}}'.encode() for number in range(3)]
    kept = []
    for text in texts:
        path.write_bytes(text)
        kept.append(write(planned(str(path), "ours", {"command": "wto"})))
    assert [Path(each).name for each in kept] == ["desktop.json.bak", "desktop.json.bak.1", "desktop.json.bak.2"]
    assert [Path(each).read_bytes() for each in kept] == texts
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([path.name, *(Path(each).name for each in kept)])


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """The client wrote its settings between the look and the change."""
    path = tmp_path / "desktop.json"
    path.write_text("{}", encoding="utf-8")
    edit = planned(str(path), "ours", {"command": "wto"})
    path.write_text('{"theme": "dark"}', encoding="utf-8")
    with pytest.raises(Refused, match="was changed in the meantime"):
        write(edit)
    assert [each.name for each in tmp_path.iterdir()] == ["desktop.json"]
    assert path.read_text(encoding="utf-8") == '{"theme": "dark"}'


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_file_that_cannot_be_written_is_told_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A full disk, a folder without permission: a sentence with what to do, the settings as they were, no half file left."""
    path = tmp_path / "desktop.json"
    path.write_text("{}", encoding="utf-8")
    edit = planned(str(path), "ours", {"command": "wto"})

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(Refused, match="cannot be written: No space left on device") as refused:
        write(edit)
    assert "is unchanged" in refused.value.hint
    assert path.read_text(encoding="utf-8") == "{}"
    assert not list(tmp_path.glob("*.new"))


def test_a_place_that_is_no_folder_is_refused(project: Project) -> None:
    """No traceback where the settings would lie below a file."""
    (project.folder / "file").write_text("", encoding="utf-8")
    place = str(project.folder / "file" / "desktop.json")
    refused = project.wto("mcp", "install", "--client", "claude-desktop", "--config", place)
    assert refused.code == 6 and "Not a directory" in refused.err and "Traceback" not in refused.err


def test_claude_code_finds_it_in_the_repository(project: Project) -> None:
    """Where there is no file it is made: `.mcp.json` of the main worktree, as that client reads it."""
    done = project.wto("mcp", "install", "--client", "claude-code")
    assert done.code == 0, done.err
    entry = json.loads((Path(project.repository.path) / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"][
        "wt-orchestrate"
    ]
    assert entry["type"] == "stdio" and "mcp" in entry["args"]


def test_nothing_is_installed_that_could_not_start(project: Project) -> None:
    """Without the SDK a client would show a server that fails: refused with the remedy; what is there can be taken out."""
    path = project.folder / "desktop.json"
    words = ("--client", "claude-desktop", "--config", str(path))
    assert project.wto("mcp", "install", *words).code == 0
    hidden = project.folder / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['mcp'] = None\n", encoding="utf-8")
    project.environment["PYTHONPATH"] = f"{hidden}:{project.environment['PYTHONPATH']}"
    before = path.read_bytes()
    for more in ((), ("--dry-run",)):
        refused = project.wto("mcp", "install", *words, *more)
        assert refused.code == 6 and "needs the official SDK" in refused.err
        assert "-m pip install 'mcp>=2.3,<3'" in refused.err
    assert path.read_bytes() == before
    assert project.wto("mcp", "uninstall", *words).code == 0
    assert json.loads(path.read_text(encoding="utf-8"))["mcpServers"] == {}


def test_the_commands_of_the_guide_work(project: Project) -> None:
    """Every `wto mcp` line of the page for Claude Desktop runs as it stands there, in an empty home."""
    page = (ROOT / "docs" / "guide" / "claude-desktop.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in page.splitlines() if line.startswith("    wto mcp")]
    assert len(lines) == 5
    for line in lines:
        words = line.split()[1:]
        done = project.wto(*words, "--help") if words[:2] == ["mcp", "--http"] else project.wto(*words)
        assert done.code == 0, (line, done.err)
    desktop = Path(project.repository.home) / ".config" / "Claude" / "claude_desktop_config.json"
    assert json.loads(desktop.read_text(encoding="utf-8")) == {"mcpServers": {}}
    entry = json.loads((Path(project.repository.path) / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]
    assert entry["wt-orchestrate"]["type"] == "http"
