"""Reading where others write: links, special files and sizes, at every component of a path."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.counting import open_descriptors
from wt_orchestrate.osfiles.no_follow import NotRegular, below, open_regular, read_regular

NAMES = ("one", "two", "file")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with `one/two/file`, and beside it a place with the same names that nothing may lead to."""
    for place, text in (("tree", "inside"), ("elsewhere", "outside")):
        folder = tmp_path / place / "one" / "two"
        folder.mkdir(parents=True)
        (folder / "file").write_text(text)
    return tmp_path / "tree"


def read(tree: Path, *, limit: int = 100) -> bytes:
    with below(str(tree), *NAMES[:-1]) as folder:
        return read_regular(NAMES[-1], folder=folder, limit=limit, one_name=True)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("absolute", [True, False])
def test_S8_a_link_at_any_component_is_not_followed(tree: Path, depth: int, absolute: bool) -> None:
    """Whichever component is a link, absolute or relative, to what has the right names: nothing is read through it."""
    assert read(tree) == b"inside"
    part = tree.joinpath(*NAMES[:depth])
    target = tree.parent.joinpath("elsewhere", *NAMES[:depth])
    part.rename(tree.parent / "away")
    part.symlink_to(target if absolute else os.path.relpath(target, part.parent))
    assert part.joinpath(*NAMES[depth:]).read_text() == "outside"
    with pytest.raises(NotADirectoryError if depth < len(NAMES) else NotRegular):
        read(tree)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(path.parent, os.O_RDONLY)
        try:
            made.bind(f"/proc/self/fd/{here}/{path.name}")  # the path itself may be too long
        finally:
            os.close(here)


def _folder(path: Path) -> None:
    path.mkdir()


def _hard_link(path: Path) -> None:
    os.link(path.parent.parent.parent.parent / "elsewhere/one/two/file", path)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [_pipe, _socket, _folder, _hard_link, _dangling])
def test_S8_only_a_regular_file_with_one_name_is_read(tree: Path, make: Callable[[Path], None]) -> None:
    """A pipe that nobody writes to, a socket, a folder, another file's second name: refused at once, without waiting."""
    path = tree.joinpath(*NAMES)
    path.unlink()
    make(path)
    with pytest.raises(NotRegular):
        read(tree)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_S8_a_device_is_not_opened(device: str) -> None:
    """A device never ends, or does something when it is opened: neither is tried."""
    with pytest.raises(NotRegular):
        open_regular(device)


@pytest.mark.parametrize("make", [_pipe, _dangling])
def test_S8_what_was_exchanged_after_the_look_is_not_read(
    tree: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the opening an agent puts something else there: it is noticed."""
    path = tree.joinpath(*NAMES)
    real = os.open

    def exchanged(name: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if name == NAMES[-1]:
            path.unlink()
            make(path)
        return real(name, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", exchanged)
    with pytest.raises(NotRegular):
        read(tree)


@pytest.mark.parametrize(("size", "limit"), [(0, 10), (10, 10), (11, 10), (1 << 20, 1 << 10)])
def test_S8_no_more_than_the_limit_is_read(tree: Path, size: int, limit: int) -> None:
    """As many bytes as there are, and never more than asked for; from an offset what is behind it."""
    content = os.urandom(size)
    tree.joinpath(*NAMES).write_bytes(content)
    assert read(tree, limit=limit) == content[:limit]
    assert read_regular(str(tree.joinpath(*NAMES)), limit=limit, offset=4) == content[4 : 4 + limit]


def test_S8_what_is_missing_is_missing(tree: Path) -> None:
    """A missing file, folder or root is FileNotFoundError; a file as a folder is NotADirectoryError."""
    for names in (("one", "no"), ("no", "file")):
        with pytest.raises(FileNotFoundError), below(str(tree), *names[:-1]) as folder:
            read_regular(names[-1], folder=folder, limit=1)
    with pytest.raises(FileNotFoundError), below(str(tree / "no")):
        pass
    with pytest.raises(NotADirectoryError), below(str(tree), *NAMES):
        pass


def test_folders_are_made_only_where_no_link_is_in_the_way(tree: Path) -> None:
    """Missing folders are made; through a link nothing is."""
    with below(str(tree), "new", "deep", make=True) as folder:
        os.close(os.open("here", os.O_WRONLY | os.O_CREAT, dir_fd=folder))
    assert (tree / "new/deep/here").exists()
    (tree / "link").symlink_to(tree.parent / "elsewhere")
    with pytest.raises(NotADirectoryError), below(str(tree), "link", "deep", make=True):
        pass
    assert not (tree.parent / "elsewhere/deep").exists()


@pytest.fixture(autouse=True)
def no_descriptor_is_left() -> Iterator[None]:
    """Whatever happened, every descriptor was closed again."""
    before = open_descriptors()
    yield
    assert open_descriptors() == before
