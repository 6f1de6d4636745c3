"""What is at a path of a commit: a file's text, a link's target, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.repos import make_repository
from wt_orchestrate.adapters.gitrepo.vault import GitVault
from wt_orchestrate.domain.agent.instructions import TextAt
from wt_orchestrate.domain.ids import CommitId


def test_a_link_is_told_from_a_file(tmp_path: Path) -> None:
    """A symbolic link answers with where it points, never with what lies there in anybody's checkout."""
    repository = make_repository(str(tmp_path / "repository"), {"README.md": "x\n", "src/a.py": "y\n"})
    os.symlink("README.md", f"{repository.path}/CLAUDE.md")
    repository.git("add", "CLAUDE.md")
    repository.git("commit", "-qm", "link")
    head = CommitId(repository.git("rev-parse", "HEAD"))
    vault = GitVault(str(tmp_path / "vault.git"), source=repository.common_dir, scratch=str(tmp_path / "checks"))
    vault.ensure()
    vault.refs.fetch({"refs/heads/main": "refs/wto/target/main"})
    assert vault.objects.text(head, "CLAUDE.md") == TextAt("README.md", link=True)
    readme = vault.objects.text(head, "README.md")
    assert readme is not None and not readme.link
    assert vault.objects.text(head, "src") is None
    assert vault.objects.text(head, "nowhere") is None
