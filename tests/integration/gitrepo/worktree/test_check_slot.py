"""Throwaway trees for checks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.integration.gitrepo.conftest import Site
from tests.support.repos import sealed_environment
from wt_orchestrate.domain.ids import CommitId


def tree(path: str) -> dict[str, str]:
    found = {}
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            found[os.path.relpath(f"{folder}/{name}", path)] = Path(folder, name).read_text()
    return found


def two_commits(site: Site) -> tuple[CommitId, CommitId]:
    first = site.user.head()
    second = site.user.commit({"README.md": "second\n", "new/file": "n", "src/app.py": None})
    site.vaulted("main")
    return first, second


def git(path: str, *arguments: str, home: str) -> str:
    ended = subprocess.run(["git", *arguments], cwd=path, env=sealed_environment(home), capture_output=True, check=True)
    return ended.stdout.decode()


def test_a_slot_holds_exactly_the_commits_files(site: Site) -> None:
    """A slot is brought from one commit to another; what was left in it is gone."""
    first, second = two_commits(site)
    path = site.vault.checkouts.checkout(commit=first, slot="r1-a")
    before = tree(path)
    Path(path, "README.md").write_text("changed by a check")
    Path(path, "left").mkdir()
    Path(path, "left", "over.log").write_text("x")
    assert site.vault.checkouts.checkout(commit=second, slot="r1-a") == path
    assert tree(path)["README.md"] == "second\n"
    assert set(tree(path)) == {*before, "new/file"} - {"src/app.py"}
    site.vault.checkouts.checkout(commit=first, slot="r1-a")
    assert tree(path) == before


def test_a_kept_slot_is_left_as_it_is(site: Site) -> None:
    """With keep, what the first check left for the next stays, until another commit is asked for."""
    first, second = two_commits(site)
    path = site.vault.checkouts.checkout(commit=first, slot="s")
    Path(path, "built").write_text("x")
    site.vault.checkouts.checkout(commit=first, slot="s", keep=True)
    assert "built" in tree(path)
    site.vault.checkouts.checkout(commit=second, slot="s", keep=True)
    assert "built" not in tree(path)


def test_a_broken_slot_is_made_again(site: Site) -> None:
    """Unwritable folders, a damaged index, a nested repository, a link in its place: the slot comes out whole."""
    first, second = two_commits(site)
    path = site.vault.checkouts.checkout(commit=first, slot="s")
    wanted = tree(path)
    Path(path, "cache").mkdir()
    Path(path, "cache", "x").write_text("x")
    os.chmod(f"{path}/cache", 0o500)
    site.vault.checkouts.checkout(commit=second, slot="s")
    Path(f"{path}.index").write_bytes(b"damaged")
    site.vault.checkouts.checkout(commit=first, slot="s")
    subprocess.run(["git", "init", "-q", f"{path}/nested"], check=True)
    site.vault.checkouts.checkout(commit=first, slot="s")
    assert tree(path) == wanted
    victim = Path(site.folder, "victim")
    os.rename(path, victim)
    os.symlink(victim, path)
    site.vault.checkouts.checkout(commit=first, slot="s")
    assert (tree(path), tree(str(victim)), os.path.islink(path)) == (wanted, wanted, False)


def test_git_commands_of_a_check_change_only_the_slot(site: Site) -> None:
    """A test suite may ask git, commit and configure in its tree; the vault notices nothing of it."""
    first, second = two_commits(site)
    path = site.vault.checkouts.checkout(commit=second, slot="s")
    assert git(path, "status", "--porcelain", home=site.folder) == ""
    assert git(path, "log", "--format=%H", home=site.folder).split() == [second, first]
    config = Path(site.vault.path, "config").read_text()
    refs = git(site.vault.path, "for-each-ref", home=site.folder)
    git(path, "config", "core.hooksPath", ".husky", home=site.folder)
    git(path, "commit", "-q", "--allow-empty", "-m", "a check's", home=site.folder)
    git(path, "tag", "a-checks", home=site.folder)
    assert Path(site.vault.path, "config").read_text() == config
    assert git(site.vault.path, "for-each-ref", home=site.folder) == refs
    site.vault.checkouts.checkout(commit=first, slot="s")
    assert git(path, "log", "--all", "--format=%H", home=site.folder).split() == [first]
