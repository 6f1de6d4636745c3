"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Thread

import pytest

from wt_orchestrate.osfiles.atomic import make_file, replace_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is to be replaced."""
    (tmp_path / "file").write_text("old")
    return tmp_path / "file"


def test_S8_a_link_is_replaced_and_not_written_through(path: Path, tmp_path: Path) -> None:
    """What a link at the place points at stays as it is."""
    (tmp_path / "elsewhere").write_text("outside")
    path.unlink()
    path.symlink_to("elsewhere")
    replace_file(str(path), "new")
    assert (path.read_text(), path.is_symlink()) == ("new", False)
    assert (tmp_path / "elsewhere").read_text() == "outside"


def test_the_content_is_on_the_disk_before_it_takes_the_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written, synced, then moved: in this order, so that a crash of the machine leaves the old content or the new."""
    steps: list[str] = []
    sync, move = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').read_text()}")
        sync(descriptor)

    def moved(old: str, new: str) -> None:
        steps.append(f"move over {Path(new).read_text()}")
        move(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    replace_file(str(path), "new", durable=True)
    assert steps == ["sync new", "move over old"]


@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_where_it_fails_the_file_is_as_it_was(path: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk at any step: the old content, and nothing beside it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fault, full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(str(path), "new", durable=True)
    assert {each.name: each.read_text() for each in path.parent.iterdir()} == {"file": "old"}


def test_readers_see_whole_contents_only(path: Path) -> None:
    """While two writers replace the file, each look finds one of the contents, whole; nothing is left beside it."""
    contents = {"old", "a" * 100_000, "b" * 100_000}

    def write(text: str) -> None:
        for _ in range(50):
            replace_file(str(path), text)

    writers = [Thread(target=write, args=(text,)) for text in contents - {"old"}]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_text() in contents
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_modes(path: Path) -> None:
    """A mode is narrowed by the umask unless it is meant exactly."""
    before = os.umask(0o077)
    try:
        for exactly, mode in ((False, 0o600), (True, 0o644)):
            replace_file(str(path), b"\xff", mode=0o644, exactly=exactly)
            assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(before)


def test_what_is_there_is_not_made_again(path: Path) -> None:
    """`make_file` makes what was not there, and never writes over or through anything."""
    (path.parent / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            make_file(str(path.parent / name), "new")
    assert path.read_text() == "old"
    make_file(str(path.parent / "made"), "caf\udce9")
    assert (path.parent / "made").read_bytes() == b"caf\xe9"
