"""One user's repository with our two adapters on it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.repos import TestRepository, make_repository
from wt_orchestrate.adapters.gitrepo.repository import GitRepository
from wt_orchestrate.adapters.gitrepo.vault import GitVault
from wt_orchestrate.domain.ids import Branch, CommitId, branch_ref

FILES = {
    "README.md": "read me\n",
    "src/app.py": "".join(f"line {number}\n" for number in range(1, 21)),
    "src/übung mit leerzeichen.txt": "eins\n",
    ".gitignore": "*.log\n/build/\n.env\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A user's checkout of main, and everything of ours around it."""

    user: TestRepository
    repository: GitRepository
    vault: GitVault
    folder: str

    def vaulted(self, *branches: str) -> tuple[CommitId, ...]:
        """The heads of these branches, once the vault has them under refs/wto/test/."""
        refs = {branch_ref(Branch(name)): f"refs/wto/test/{name}" for name in branches}
        found = self.vault.refs.fetch(refs)
        return tuple(found[f"refs/wto/test/{name}"] for name in branches)

    def agent(self, name: str) -> TestRepository:
        """A worktree of ours on branch wto/r1/<name>, in which the caller plays the agent."""
        path = f"{self.folder}/trees/{name}"
        self.repository.add_worktree(path=path, branch=Branch(f"wto/r1/{name}"), base=self.user.head("main"))
        return self.user.at(path)


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's configuration is read from their home, as it is outside of tests."""
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)


def make_site(user: TestRepository, folder: Path) -> Site:
    """Our adapters on a repository, with their state in a folder of its own."""
    state = folder / "state"
    state.mkdir(parents=True)
    repository = GitRepository(user.path, lock_path=str(state / "worktree.lock"))
    vault = GitVault(str(state / "vault.git"), source=repository.common_dir, scratch=str(state / "checks"))
    vault.ensure()
    return Site(user=user, repository=repository, vault=vault, folder=str(folder))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site on a small repository whose path has a space, a newline and an umlaut in it."""
    return make_site(make_repository(str(tmp_path / "my\nrepö 1" / "app"), FILES), tmp_path)


@pytest.fixture
def other_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a git on the path that is a shell script of ours; `$GIT` in it is the real one."""
    folder = tmp_path / "bin"
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()

    def put(script: str) -> Path:
        folder.mkdir(exist_ok=True)
        (folder / "git").write_text(f"#!/bin/sh\nGIT={real}\n{script}\n")
        (folder / "git").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return folder

    return put
