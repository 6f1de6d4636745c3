"""Repositories as users have them, each made anew from one call: what is in them beside one small history on main.

Every world has `README.md`, `shared.txt` and a file `content.bin` that its own tool (git-lfs, git-crypt) stores otherwise than
the checkout shows it. A tool that is missing skips the test with its name, and fails it in CI.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping

import pytest

from tests.support.project import Project

CONTENT = b"content of main\n"


def need(tool: str) -> None:
    """Skip without this program; in CI its absence is a failure."""
    if shutil.which(tool) is None:
        reason = f"{tool} was not found (apt-get install {tool})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def git(project: Project, *words: str) -> str:
    """A git command of the user's, with their own environment, in the main worktree."""
    ended = subprocess.run(
        ["git", *words], cwd=project.repository.path, env=project.environment, capture_output=True, check=False
    )
    assert ended.returncode == 0, f"git {words}: {ended.stderr.decode(errors='replace')}"
    return ended.stdout.decode("utf-8", "surrogateescape")


def lfs(project: Project) -> None:
    """git-lfs, installed in the repository alone; there is no server."""
    need("git-lfs")
    git(project, "lfs", "install", "--local")
    git(project, "lfs", "track", "*.bin")


def lfs_of_the_user(project: Project) -> None:
    """git-lfs, installed for the user."""
    need("git-lfs")
    git(project, "lfs", "install", "--skip-repo")
    git(project, "lfs", "track", "*.bin")


def crypt(project: Project) -> None:
    """git-crypt, unlocked with a key of the repository."""
    need("git-crypt")
    git(project, "crypt", "init")
    project.repository.write({".gitattributes": "*.bin filter=git-crypt diff=git-crypt\n"})


FILTERED: Mapping[str, Callable[[Project], None]] = {
    "git-lfs": lfs,
    "git-lfs of the user": lfs_of_the_user,
    "git-crypt": crypt,
}
"""Worlds in which files are stored otherwise than they are shown."""


def make_world(project: Project, world: Callable[[Project], None]) -> None:
    """Turn a fresh project into a world, with the common files committed."""
    world(project)
    project.repository.write({"content.bin": CONTENT, "shared.txt": "one\ntwo\n"})
    git(project, "add", "-A")
    git(project, "commit", "-qm", "world")
    assert git(project, "status", "--porcelain") == ""
