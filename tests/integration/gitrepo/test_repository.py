"""What a repository is, told truthfully."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import FILES, Site
from tests.support.repos import TestRepository, make_repository
from wt_orchestrate.adapters.gitrepo import repository as module
from wt_orchestrate.adapters.gitrepo.discovery import find_common_dir
from wt_orchestrate.adapters.gitrepo.repository import GitRepository, git_version
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.ids import Branch
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.git.repository import RepositoryFacts, WorktreeFacts


def facts_of(start: str, tmp_path: Path) -> RepositoryFacts:
    return GitRepository(start, lock_path=str(tmp_path / "worktree.lock")).facts()


def expected(made: TestRepository, **changed: object) -> RepositoryFacts:
    facts: dict[str, object] = {
        "common_dir": f"{made.path}/.git",
        "main_worktree": made.path,
        "branch": Branch("main"),
        "head": made.head(),
        "main_head": made.head(),
        "git_version": git_version(Git(made.common_dir)),
        "shallow": False,
        "name": os.path.basename(made.path),
    }
    return RepositoryFacts(**{**facts, **changed})  # type: ignore[arg-type]


def test_facts_from_a_folder_below(site: Site, tmp_path: Path) -> None:
    """Any folder inside the repository finds it, whatever characters its path holds."""
    assert facts_of(f"{site.user.path}/src", tmp_path) == expected(site.user)


def test_facts_of_a_detached_head(site: Site, tmp_path: Path) -> None:
    """A detached HEAD is no branch, but a commit."""
    site.user.git("checkout", "-q", "--detach")
    assert facts_of(site.user.path, tmp_path) == expected(site.user, branch=None)


def test_facts_of_a_linked_worktree_of_the_users(site: Site, tmp_path: Path) -> None:
    """Started in a worktree that the user linked, also in a folder below, its branch is told and not the main one's."""
    linked = str(tmp_path / "linked")
    site.user.git("worktree", "add", "-q", "-b", "feature", linked)
    ahead = site.user.at(linked).commit({"below/new.txt": "new\n"}, "Ahead")
    found = facts_of(f"{linked}/below", tmp_path)
    assert found == expected(site.user, branch=Branch("feature"), head=ahead, linked=linked)
    site.user.at(linked).git("checkout", "-q", "--detach")
    assert facts_of(linked, tmp_path).branch is None


def test_facts_of_an_unborn_branch(tmp_path: Path) -> None:
    """A repository without a commit has a branch and no head."""
    made = make_repository(str(tmp_path / "new"))
    found = facts_of(made.path, tmp_path)
    assert (found.branch, found.head, found.main_worktree) == (Branch("main"), None, made.path)


def test_facts_of_a_bare_repository(tmp_path: Path) -> None:
    """A bare repository has no main worktree, also when looked at from a linked one, whose branch is told then."""
    made = make_repository(str(tmp_path / "app"), FILES)
    made.git("clone", "-q", "--bare", made.path, str(tmp_path / "bare.git"))
    bare = made.at(str(tmp_path / "bare.git"))
    wanted = expected(made, common_dir=bare.path, main_worktree=None, name="bare")
    assert facts_of(bare.path, tmp_path) == wanted
    bare.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    linked = os.path.realpath(tmp_path / "linked")
    assert facts_of(linked, tmp_path) == expected(
        made, common_dir=bare.path, main_worktree=None, name="bare", branch=Branch("side"), linked=linked
    )


def test_facts_of_a_git_directory_elsewhere(tmp_path: Path) -> None:
    """With a separate git directory the main worktree is the one we were started in."""
    made = make_repository(str(tmp_path / "app"), FILES)
    made.git("init", "-q", f"--separate-git-dir={tmp_path}/git-dir")
    wanted = expected(made, common_dir=f"{tmp_path}/git-dir", main_worktree=made.path)
    assert facts_of(f"{made.path}/src", tmp_path) == wanted


def test_facts_of_a_shallow_clone(site: Site, tmp_path: Path) -> None:
    """A shallow clone says so."""
    site.user.commit({"more": "x"})
    site.user.git("clone", "-q", "--depth=1", f"file://{site.user.path}", str(tmp_path / "shallow"))
    found = facts_of(str(tmp_path / "shallow"), tmp_path)
    assert found == expected(site.user.at(str(tmp_path / "shallow")), shallow=True)


def test_core_worktree_does_not_move_the_main_worktree(site: Site, tmp_path: Path) -> None:
    """A planted core.worktree does not make another folder the main worktree."""
    wanted = expected(site.user)
    site.user.git("config", "core.worktree", str(tmp_path))
    assert facts_of(site.user.path, tmp_path) == wanted


def test_an_old_git_is_refused(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git that cannot merge in memory is refused with what to do."""
    monkeypatch.setattr(module, "NEEDED", (99, 0, 0))
    with pytest.raises(Refused, match="too old") as refused:
        facts_of(site.user.path, tmp_path)
    assert refused.value.hint == "install git 2.38 or newer"


def test_no_repository_is_refused(tmp_path: Path) -> None:
    """A folder outside any repository, and one that does not exist, are refused."""
    with pytest.raises(Refused, match="is not in a git repository"):
        find_common_dir(str(tmp_path))
    with pytest.raises(Refused, match="there is no folder"):
        find_common_dir(str(tmp_path / "missing"))


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder to another user needs root")
def test_a_repository_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository of another user is refused with the way out, and once the user trusts it, it can be fetched from."""
    made = make_repository(str(tmp_path / "app"), FILES)
    head, common = made.head(), made.common_dir
    for path in (made.path, common):
        os.chown(path, 12345, 12345)
    with pytest.raises(Refused, match="belongs to another user") as refused:
        find_common_dir(made.path)
    assert refused.value.hint == f"git config --global --add safe.directory {made.path}"
    (Path(os.environ["HOME"]) / ".gitconfig").write_text(f"[safe]\n\tdirectory = {made.path}\n")
    from tests.integration.gitrepo.conftest import make_site

    site = make_site(made, tmp_path)
    assert site.vaulted("main") == (head,)


def test_inherited_git_variables_do_not_lead_astray(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started from a git hook (GIT_DIR and the like set), the tool still works on the repository it was pointed at."""
    wanted = expected(site.user)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    assert facts_of(site.user.path, tmp_path) == wanted


def test_branches_and_heads(site: Site) -> None:
    """A branch is found by its full ref: a tag of its name never answers, nor does a branch below it."""
    first = site.user.head()
    site.user.git("branch", "wto/r1/a")
    site.user.git("branch", "wto/r1/ab")
    site.user.git("branch", "wto/r10/a")
    second = site.user.commit({"x": "1"})
    site.user.git("tag", "wto/r1/a", second)
    site.user.git("tag", "only-a-tag", second)
    repository = site.repository
    assert repository.resolve(Branch("wto/r1/a")) == first
    assert [repository.resolve(Branch(name)) for name in ("only-a-tag", "wto/r1", "missing")] == [None, None, None]
    assert repository.heads("wto/r1/") == {Branch("wto/r1/a"): first, Branch("wto/r1/ab"): first}
    assert repository.heads("wto/r1/ab") == {Branch("wto/r1/ab"): first}
    assert repository.heads("wto/none/") == {}


def test_worktrees_are_listed(site: Site) -> None:
    """All worktrees are listed with their own git directory, the main one first, a detached one without a branch."""
    agent = site.agent("a")
    agent.git("checkout", "-q", "--detach")
    head = site.user.head()
    assert site.repository.worktrees() == [
        WorktreeFacts(path=site.user.path, branch=Branch("main"), head=head, git_dir=site.user.common_dir),
        WorktreeFacts(path=agent.path, branch=None, head=head, git_dir=f"{site.user.common_dir}/worktrees/a"),
    ]


def test_exclude_is_written_once(site: Site) -> None:
    """Names are added to info/exclude behind what is there, and not twice."""
    path = Path(site.user.common_dir) / "info" / "exclude"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine\r\nno end")
    assert site.repository.exclude(["/HANDOFF.md", "no end"])
    assert not site.repository.exclude(["/HANDOFF.md"])
    assert path.read_bytes() == b"mine\r\nno end\n/HANDOFF.md\n"
