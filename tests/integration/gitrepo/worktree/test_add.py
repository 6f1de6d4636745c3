"""Worktrees made, and made whole after a crash."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import FILES, Site, make_site
from tests.support.repos import commit_in_bulk, make_repository
from wt_orchestrate.adapters.gitrepo.worktree.listing import MADE, MAKING
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.errors import Refused

BRANCH = Branch("wto/r1/a")


def tree_path(site: Site) -> str:
    return f"{site.folder}/trees with space/ä"


def admin_path(site: Site) -> Path:
    return Path(site.user.common_dir) / "worktrees" / "ä"


def make(site: Site, base: CommitId | None = None) -> None:
    site.repository.add_worktree(path=tree_path(site), branch=BRANCH, base=base or site.user.head("main"))


def assert_whole(site: Site, head: CommitId | None = None) -> None:
    """The worktree is on its branch, clean, locked, and the repository's only linked one."""
    agent = site.user.at(tree_path(site))
    assert agent.git("symbolic-ref", "HEAD") == f"refs/heads/{BRANCH}"
    assert agent.head() == (head or site.user.head("main"))
    assert agent.git("status", "--porcelain") == ""
    assert (admin_path(site) / "locked").read_text() == MADE
    assert [each.branch for each in site.repository.worktrees()] == ["main", BRANCH]


def test_a_worktree_is_made(site: Site) -> None:
    """A new worktree has the base's files, its own branch and git's lock; making it twice changes nothing."""
    make(site)
    assert_whole(site)
    agent = site.user.at(tree_path(site))
    agent.write({"README.md": "changed", "new": "n"})
    make(site)
    assert agent.git("status", "--porcelain") == " M README.md\n?? new"


def test_a_worktree_in_a_sha256_repository(tmp_path: Path) -> None:
    """Repositories with longer ids work the same."""
    site = make_site(make_repository(str(tmp_path / "app"), FILES, object_format="sha256"), tmp_path)
    make(site)
    assert_whole(site)
    assert len(site.vaulted("main")[0]) == 64


def test_a_worktree_of_a_bare_repository(tmp_path: Path) -> None:
    """A bare repository gets worktrees too."""
    made = make_repository(str(tmp_path / "app"), FILES)
    made.git("clone", "-q", "--bare", made.path, str(tmp_path / "bare.git"))
    site = make_site(made.at(str(tmp_path / "bare.git")), tmp_path)
    make(site)
    assert site.user.at(tree_path(site)).git("status", "--porcelain") == ""


def test_the_users_filters_and_line_ends_count(site: Site) -> None:
    """A filter of the user's own configuration writes the files, and the repository's line ends hold."""
    (Path(os.environ["HOME"]) / ".gitconfig").write_text('[filter "up"]\n\tsmudge = tr a-z A-Z\n\tclean = tr A-Z a-z\n')
    site.user.git("config", "core.autocrlf", "true")
    base = site.user.commit({".gitattributes": "shout filter=up\n", "shout": "hello\n"})
    make(site, base)
    assert Path(tree_path(site), "shout").read_bytes() == b"HELLO\r\n"
    assert Path(tree_path(site), "README.md").read_bytes() == b"read me\r\n"


def test_a_branch_that_moved_is_kept(site: Site) -> None:
    """A branch that has commits on top of the base is checked out where it is."""
    base = site.user.head()
    site.user.git("checkout", "-q", "-b", BRANCH)
    head = site.user.commit({"work": "w"})
    site.user.git("checkout", "-q", "main")
    make(site, base)
    assert_whole(site, head)


def test_a_branch_of_other_work_is_refused(site: Site) -> None:
    """A branch of that name without the base in it is somebody else's and stays."""
    old = site.user.head()
    site.user.git("branch", BRANCH)
    base = site.user.commit({"x": "1"})
    with pytest.raises(Refused, match="does not contain"):
        make(site, base)
    assert site.user.head(BRANCH) == old


def test_a_branch_that_is_checked_out_elsewhere_is_refused(site: Site) -> None:
    """A branch that another worktree has is not taken from it."""
    site.user.git("checkout", "-q", "-b", BRANCH)
    with pytest.raises(Refused, match="is checked out at"):
        make(site)


@pytest.mark.parametrize("kind", ["file", "folder", "link", "repository"])
def test_somebody_elses_path_is_refused(site: Site, tmp_path: Path, kind: str) -> None:
    """What lies at the path and is not ours is refused and stays as it is."""
    path = Path(tree_path(site))
    path.parent.mkdir(parents=True)
    match kind:
        case "file":
            path.write_text("mine")
        case "folder":
            path.mkdir()
            (path / "mine").write_text("mine")
        case "link":
            path.symlink_to(tmp_path)
        case _:
            make_repository(str(path), {"mine": "mine"})
    with pytest.raises(Refused, match="is not a worktree of") as refused:
        make(site)
    assert "move it (see" in refused.value.hint
    assert os.path.lexists(path)


# ---------------------------------------------------------------- after a crash


def test_an_empty_folder_is_used(site: Site) -> None:
    """A crash that left an empty folder and the branch is gone on from."""
    os.makedirs(tree_path(site))
    site.user.git("branch", BRANCH)
    make(site)
    assert_whole(site)


def test_a_filling_that_was_cut_off_is_done_again(site: Site) -> None:
    """Files half written, no index and a stale index.lock: everything is written again."""
    make(site)
    (admin_path(site) / "locked").write_text(MAKING)
    (admin_path(site) / "index").unlink()
    (admin_path(site) / "index.lock").write_text("")
    Path(tree_path(site), "README.md").write_text("rea")
    Path(tree_path(site), "src/app.py").unlink()
    make(site)
    assert_whole(site)


@pytest.mark.parametrize("missing", [("HEAD",), ("commondir",), ("HEAD", "commondir", "index")])
def test_an_adding_that_was_cut_off_is_begun_again(site: Site, missing: tuple[str, ...]) -> None:
    """git was killed while it added the worktree: its half-made folder goes and a new one comes."""
    path, admin = Path(tree_path(site)), admin_path(site)
    make(site)
    shutil.rmtree(path)
    path.mkdir()
    (path / ".git").write_text(f"gitdir: {admin}\n")
    for name in missing:
        (admin / name).unlink()
    (admin / "locked").write_text(MAKING)
    make(site)
    assert_whole(site)


def test_a_lost_folder_is_made_again(site: Site) -> None:
    """Files deleted behind our back come again from the branch, with its commits (R3)."""
    agent = site.agent("a")
    head = agent.commit({"work": "w"})
    shutil.rmtree(agent.path)
    site.repository.add_worktree(path=agent.path, branch=BRANCH, base=site.user.head("main"))
    assert (agent.head(), agent.git("status", "--porcelain")) == (head, "")


def test_a_lost_folder_on_no_branch_is_made_again(site: Site) -> None:
    """The same for a worktree whose agent had left its branch: it stands where it stood."""
    agent = site.agent("a")
    agent.git("checkout", "-q", "--detach")
    head = agent.commit({"work": "w"})
    shutil.rmtree(agent.path)
    site.repository.add_worktree(path=agent.path, branch=BRANCH, base=site.user.head("main"))
    assert (agent.head(), agent.git("status", "--porcelain")) == (head, "")


def test_a_lost_git_file_is_written_again(site: Site) -> None:
    """A worktree that lost its .git file gets it back; its files are not touched."""
    make(site)
    agent = site.user.at(tree_path(site))
    agent.write({"README.md": "work"})
    os.unlink(f"{agent.path}/.git")
    make(site)
    assert agent.git("status", "--porcelain") == " M README.md"


def test_D2_files_without_their_entry_are_adopted(site: Site) -> None:
    """Files whose administrative folder is gone are registered again, uncommitted work and all."""
    make(site)
    agent = site.user.at(tree_path(site))
    agent.write({"README.md": "work", "new": "n", "src/app.py": None})
    shutil.rmtree(admin_path(site))
    make(site)
    assert agent.git("status", "--porcelain") == " M README.md\n D src/app.py\n?? new"
    assert sorted(os.listdir(Path(agent.path).parent)) == ["ä"]


# ---------------------------------------------------------------- at once


def test_eight_threads_add_and_remove_at_once(tmp_path: Path) -> None:
    """Adding and removing worktrees from eight threads at once never fails."""
    user = make_repository(str(tmp_path / "app"), FILES)
    commit_in_bulk(user, 50)
    site = make_site(user, tmp_path)
    base = user.head()

    def work(number: int) -> list[str]:
        path, branch = f"{tmp_path}/trees/{number}", Branch(f"wto/r1/w{number}")
        said = []
        for turn in range(3):
            site.repository.add_worktree(path=path, branch=branch, base=base)
            said.append(user.at(path).git("status", "--porcelain"))
            removed = site.repository.remove_worktree(path=path, trash=f"{tmp_path}/trash/{number}-{turn}")
            said.append(removed.outcome)
        return said

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [["", "removed"] * 3] * 8
    assert [each.path for each in site.repository.worktrees()] == [user.path]


def test_two_callers_of_one_worktree(site: Site) -> None:
    """Two that make the same worktree at once both find it whole."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: make(site), range(4)))
    assert_whole(site)
