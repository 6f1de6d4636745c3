"""Ignored files brought along into worktrees and check slots."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import Site


def files_below(path: str) -> set[str]:
    found = set()
    for folder, _, names in os.walk(path):
        found |= {os.path.relpath(f"{folder}/{name}", path) for name in names}
    return found


@pytest.fixture
def rich(site: Site) -> Site:
    """A main worktree with files that are named and ignored, only named, and only ignored."""
    site.user.commit(
        {
            ".gitignore": "*.log\n.env*\n/node_modules/\nlocal/\n",
            ".worktreeinclude": ".env*\n!.env.example\n/node_modules/\nlocal/settings.*\nnamed.txt\n# a comment\n",
        }
    )
    site.user.write(
        {
            ".env": "secret",
            ".env.example": "not named",
            "sub/.env.local": "secret",
            "node_modules/a/index.js": "a",
            "node_modules/ü\nb/index.js": "b",
            "local/settings.json": "{}",
            "local/other": "not named",
            "named.txt": "not ignored",
            "x.log": "not named",
        }
    )
    return site


BROUGHT = {".env", "sub/.env.local", "node_modules/a/index.js", "node_modules/ü\nb/index.js", "local/settings.json"}


def test_what_is_named_and_ignored_comes_along(rich: Site) -> None:
    """Only files that .worktreeinclude names and git ignores are copied, once."""
    agent = rich.agent("a")
    before = files_below(agent.path)
    assert rich.repository.copy_included(path=agent.path) == len(BROUGHT)
    assert files_below(agent.path) - before == BROUGHT
    agent.write({".env": "changed"})
    assert rich.repository.copy_included(path=agent.path) == 0
    assert Path(agent.path, ".env").read_text() == "changed"
    assert agent.git("status", "--porcelain") == ""


def test_a_check_slot_gets_them_too(rich: Site) -> None:
    """Any folder can be the destination."""
    (head,) = rich.vaulted("main")
    path = rich.vault.checkouts.checkout(commit=head, slot="s")
    assert rich.repository.copy_included(path=path) == len(BROUGHT)
    assert files_below(path) >= BROUGHT


def test_without_the_file_nothing_comes(site: Site) -> None:
    """No .worktreeinclude, no copies."""
    site.user.write({".env": "secret"})
    assert site.repository.copy_included(path=site.agent("a").path) == 0


def test_modes_times_and_links_are_kept(rich: Site) -> None:
    """A copy has the mode and time of its original; a link stays a link; a socket and a pipe stay where they are."""
    modules = Path(rich.user.path, "node_modules")
    (modules / "run").write_text("#!/bin/sh\n")
    (modules / "run").chmod(0o755)
    os.utime(modules / "run", (1_600_000_000, 1_600_000_000))
    (modules / "link").symlink_to("a/index.js")
    (modules / "away").symlink_to("/etc")
    os.mkfifo(modules / "pipe")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(f"/proc/self/fd/{os.open(modules, os.O_RDONLY)}/socket")
    agent = rich.agent("a")
    rich.repository.copy_included(path=agent.path)
    copied = Path(agent.path, "node_modules")
    found = (copied / "run").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime) == (0o755, 1_600_000_000)
    assert [os.readlink(copied / name) for name in ("link", "away")] == ["a/index.js", "/etc"]
    assert sorted(os.listdir(copied)) == ["a", "away", "link", "run", "ü\nb"]


def test_no_link_in_the_destination_is_followed(rich: Site, tmp_path: Path) -> None:
    """A tree that has a link where a folder is to be leads nothing out of it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    agent = rich.agent("a")
    Path(agent.path, "sub").symlink_to(outside)
    Path(agent.path, "node_modules").symlink_to(outside)
    assert rich.repository.copy_included(path=agent.path) == 2
    assert os.listdir(outside) == []


def test_worktrees_inside_the_main_one_are_not_copied(rich: Site) -> None:
    """Worktrees that lie in an ignored folder of the main one are never copied, nor is the destination into itself."""
    rich.user.write({".gitignore": "/.trees/\n", ".worktreeinclude": "/.trees/\n", ".trees/note": "n"})
    from wt_orchestrate.domain.ids import Branch

    path = f"{rich.user.path}/.trees/a"
    rich.repository.add_worktree(path=path, branch=Branch("wto/r1/a"), base=rich.user.head())
    assert rich.repository.copy_included(path=path) == 1
    assert Path(path, ".trees/note").read_text() == "n"
    assert os.listdir(f"{path}/.trees") == ["note"]


def test_a_large_file_is_copied_whole(rich: Site) -> None:
    """The content is the same, however the file system copies it."""
    content = os.urandom(3_000_000)
    rich.user.write({".env.large": content})
    agent = rich.agent("a")
    rich.repository.copy_included(path=agent.path)
    assert Path(agent.path, ".env.large").read_bytes() == content
