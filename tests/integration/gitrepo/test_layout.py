"""Where the common directory is found without asking git: the same answer as git's, and none where something is unusual."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.repos import TestRepository, make_repository
from wt_orchestrate.adapters.gitrepo.discovery import find_common_dir
from wt_orchestrate.adapters.gitrepo.layout import usual_common_dir


@pytest.fixture
def made(tmp_path: Path) -> TestRepository:
    return make_repository(str(tmp_path / "app"), {"src/a.py": "x\n"})


def test_usual_places_are_answered_as_git_does(made: TestRepository, tmp_path: Path) -> None:
    """The main worktree, a folder in it, a linked worktree and a folder in that; with our own extension of worktrees, too."""
    made.git("worktree", "add", "-q", str(tmp_path / "linked"))
    for _ in range(2):
        for place in (made.path, f"{made.path}/src", str(tmp_path / "linked"), str(tmp_path / "linked" / "src")):
            assert usual_common_dir(place) == find_common_dir(place) == made.common_dir
        made.git("config", "extensions.worktreeConfig", "true")


def test_unusual_places_are_left_to_git(made: TestRepository, tmp_path: Path) -> None:
    """No repository, one without a worktree, inside of `.git`, a link in place of `.git`, another format, a folder that is no
    repository, and a missing one."""
    bare = tmp_path / "bare.git"
    made.git("clone", "-q", "--bare", made.path, str(bare))
    linked = tmp_path / "link"
    linked.mkdir()
    (linked / ".git").symlink_to(f"{made.path}/.git")
    broken = tmp_path / "broken"
    (broken / ".git").mkdir(parents=True)
    for place in (tmp_path, bare, Path(made.path, ".git", "hooks"), linked, broken, tmp_path / "missing"):
        assert usual_common_dir(str(place)) is None
    made.git("config", "core.repositoryFormatVersion", "1")
    made.git("config", "extensions.objectFormat", "sha1")
    assert usual_common_dir(made.path) is None


def test_a_submodule_and_a_folder_apart_are_left_to_git(made: TestRepository, tmp_path: Path) -> None:
    """Repositories whose `.git` is a file that leads elsewhere than to a linked worktree."""
    apart = make_repository(str(tmp_path / "apart"), {"a": "x\n"})
    apart.git("init", "-q", "--separate-git-dir", str(tmp_path / "elsewhere"))
    assert usual_common_dir(apart.path) is None
    assert find_common_dir(apart.path) == str(tmp_path / "elsewhere")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder to another user needs root")
@pytest.mark.parametrize("whose", ["", ".git"])
def test_what_belongs_to_another_user_is_left_to_git(made: TestRepository, whose: str) -> None:
    """Whether it is trusted is git's own decision."""
    os.chown(f"{made.path}/{whose}", 12345, 12345)
    assert usual_common_dir(made.path) is None
