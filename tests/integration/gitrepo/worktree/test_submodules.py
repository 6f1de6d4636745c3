"""Submodules in worktrees and check trees: their files from what the user has, and nothing of them counts as work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import Site, make_site
from tests.support.repos import TestRepository, make_repository
from wt_orchestrate.domain.ids import CommitId


@pytest.fixture
def above(tmp_path: Path) -> Site:
    """A repository with a submodule `lib`, which has one of its own, `lib/inner`; all are checked out."""
    inner = make_repository(str(tmp_path / "inner"), {"deep.txt": "deep\n"})
    lib = make_repository(str(tmp_path / "lib"), {"lib.txt": "lib\n"})
    _add(lib, inner.path, "inner")
    user = make_repository(str(tmp_path / "app"), {"app.txt": "app\n"})
    _add(user, lib.path, "lib")
    user.git("-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init", "--recursive")
    return make_site(user, tmp_path / "site")


def _add(repository: TestRepository, other: str, path: str) -> None:
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", other, path)
    repository.git("commit", "-qm", f"add {path}")


def _files(path: str) -> set[str]:
    return {
        str(each.relative_to(path)) for each in Path(path).rglob("*") if each.is_file() and ".git/" not in str(each)
    }


WHOLE = {".gitmodules", "app.txt", "lib/.gitmodules", "lib/lib.txt", "lib/inner/deep.txt"}


def test_a_worktree_has_the_files_of_submodules_and_is_clean(above: Site) -> None:
    """Also below each other; `git status` and `git add -A` find nothing in them, whatever is changed there."""
    above.vaulted("main")
    agent = above.agent("a")
    assert _files(agent.path) - {".git"} == WHOLE
    assert agent.git("status", "--porcelain") == ""
    agent.write({"lib/lib.txt": "changed\n", "lib/new.txt": "new\n", "app.txt": "work\n"})
    agent.git("add", "-A")
    assert agent.git("diff", "--cached", "--name-only") == "app.txt"
    index = f"{above.folder}/index"
    head = agent.head("HEAD")
    assert above.vault.checkouts.dirty(worktree=agent.path, head=head, index=index) == ("app.txt",)


def test_a_check_tree_has_them_as_they_are_at_its_commit(above: Site) -> None:
    """Whatever an earlier check left in them; another commit of the submodule gives other files."""
    (head,) = above.vaulted("main")
    path = above.vault.checkouts.checkout(commit=head, slot="1")
    assert {each for each in _files(path) if not each.startswith(".git/")} == WHOLE
    Path(f"{path}/lib/lib.txt").write_text("changed by a check\n", encoding="utf-8")
    Path(f"{path}/lib/left.txt").write_text("left\n", encoding="utf-8")
    lib = above.user.at(f"{above.user.path}/lib")
    lib.commit({"lib.txt": "newer\n"})
    above.user.git("add", "lib")
    above.user.git("commit", "-qm", "newer lib")
    (newer,) = above.vaulted("main")
    path = above.vault.checkouts.checkout(commit=newer, slot="1")
    assert Path(f"{path}/lib/lib.txt").read_text(encoding="utf-8") == "newer\n"
    assert not Path(f"{path}/lib/left.txt").exists()


def test_what_the_user_has_not_got_stays_an_empty_folder(above: Site, tmp_path: Path) -> None:
    """No network, no refusal; and a name in .gitmodules that leads out of the git directory finds nothing."""
    plain = tmp_path / "plain"
    above.user.git("clone", "-q", above.user.path, str(plain))
    site = make_site(above.user.at(str(plain)), tmp_path / "other")
    assert _files(site.agent("a").path) - {".git"} == {".gitmodules", "app.txt"}
    evil = above.user.git("show", "HEAD:.gitmodules").replace('"lib"', '"../../lib"')
    above.user.commit({".gitmodules": f"{evil}\n"})
    (head,) = above.vaulted("main")
    path = above.vault.checkouts.checkout(commit=CommitId(head), slot="2")
    assert not list(Path(f"{path}/lib").iterdir())
