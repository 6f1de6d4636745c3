"""Worktrees taken away without losing anything."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import Site
from wt_orchestrate.domain.ids import Branch
from wt_orchestrate.errors import Refused
from wt_orchestrate.ports.git.repository import Removed, RemoveOutcome


def remove(site: Site, *, force: bool = False) -> Removed:
    return site.repository.remove_worktree(path=f"{site.folder}/trees/a", trash=f"{site.folder}/trash/a", force=force)


def test_a_clean_worktree_is_moved_away(site: Site) -> None:
    """A clean worktree goes into the trash with its ignored files, is forgotten by git, and its branch stays."""
    agent = site.agent("a")
    head = agent.commit({"work": "w"})
    agent.write({"x.log": "ignored", "HANDOFF.md": "handoff"})
    assert remove(site) == Removed(outcome=RemoveOutcome.REMOVED, trash=f"{site.folder}/trash/a")
    assert not os.path.exists(agent.path)
    assert Path(site.folder, "trash/a/x.log").read_text() == "ignored"
    assert [each.path for each in site.repository.worktrees()] == [site.user.path]
    assert site.repository.resolve(Branch("wto/r1/a")) == head
    assert site.repository.delete_branch(Branch("wto/r1/a"), expected=head)
    assert site.repository.resolve(Branch("wto/r1/a")) is None


def test_nothing_there_is_absent(site: Site) -> None:
    """A worktree that never was is absent."""
    assert remove(site) == Removed(outcome=RemoveOutcome.ABSENT)


def test_D2_a_dirty_worktree_stays(site: Site) -> None:
    """Changed, deleted and new files keep a worktree, also those hidden from git by flags and excludes."""
    agent = site.agent("a")
    agent.git("update-index", "--skip-worktree", "README.md")
    agent.git("update-index", "--assume-unchanged", "src/app.py")
    agent.git("config", "status.showUntrackedFiles", "no")
    os.makedirs(f"{site.user.common_dir}/info", exist_ok=True)
    Path(site.user.common_dir, "info/exclude").write_text("hidden\n")
    agent.write({"README.md": "work", "src/app.py": "work\n", "hidden": "h", "src/übung mit leerzeichen.txt": None})
    assert agent.git("status", "--porcelain") == ' D "src/\\303\\274bung mit leerzeichen.txt"'
    assert remove(site) == Removed(
        outcome=RemoveOutcome.DIRTY, paths=("README.md", "hidden", "src/app.py", "src/übung mit leerzeichen.txt")
    )
    assert Path(agent.path, "README.md").read_text() == "work"


def test_D2_force_only_moves(site: Site) -> None:
    """Forced, a dirty worktree is moved with all that is in it."""
    agent = site.agent("a")
    agent.write({"README.md": "work"})
    assert remove(site, force=True).outcome is RemoveOutcome.REMOVED
    assert Path(site.folder, "trash/a/README.md").read_text() == "work"


def test_D2_commits_that_no_branch_holds_keep_it(site: Site) -> None:
    """Commits on a detached HEAD would be out of sight: the worktree stays until a branch holds them."""
    agent = site.agent("a")
    agent.git("checkout", "-q", "--detach")
    agent.commit({"work": "w"})
    assert remove(site) == Removed(outcome=RemoveOutcome.DIRTY, paths=("HEAD",))
    agent.git("branch", "saved")
    assert remove(site).outcome is RemoveOutcome.REMOVED


@pytest.mark.parametrize("kind", ["link", "other repository", "user's worktree", "forged"])
def test_what_is_not_ours_stays(site: Site, tmp_path: Path, kind: str) -> None:
    """A link, another repository, a worktree of the user's and a forged .git file are unsafe and stay."""
    path = Path(site.folder, "trees/a")
    path.parent.mkdir()
    victim = tmp_path / "victim"
    match kind:
        case "link":
            agent = site.agent("a")
            shutil.move(agent.path, victim)
            path.symlink_to(victim)
        case "other repository":
            site.user.git("clone", "-q", site.user.path, str(path))
        case "user's worktree":
            site.user.git("worktree", "add", "-q", str(path))
        case _:
            agent = site.agent("b")
            path.mkdir()
            (path / ".git").write_text(Path(agent.path, ".git").read_text())
    before = sorted(os.listdir(path))
    assert remove(site, force=True) == Removed(outcome=RemoveOutcome.UNSAFE)
    assert sorted(os.listdir(path)) == before


def test_a_removal_that_was_cut_off_is_finished(site: Site) -> None:
    """After a crash between moving and forgetting, the second call forgets and says where it went."""
    agent = site.agent("a")
    os.makedirs(f"{site.folder}/trash")
    os.rename(agent.path, f"{site.folder}/trash/a")
    os.unlink(f"{site.user.common_dir}/worktrees/a/HEAD")
    assert remove(site) == Removed(outcome=RemoveOutcome.REMOVED, trash=f"{site.folder}/trash/a")
    assert os.listdir(f"{site.user.common_dir}/worktrees") == []


@pytest.mark.parametrize("left", [("gitdir",), ("gitdir", "locked"), ("locked",), ()])
def test_a_worktree_can_be_made_where_forgetting_was_cut_off(site: Site, left: tuple[str, ...]) -> None:
    """Whatever is left of an entry that was being removed does not stand in the way of a new worktree there."""
    agent = site.agent("a")
    os.makedirs(f"{site.folder}/trash")
    os.rename(agent.path, f"{site.folder}/trash/a")
    admin = Path(site.user.common_dir, "worktrees/a")
    for name in os.listdir(admin):
        if (admin / name).is_dir():
            shutil.rmtree(admin / name)
        elif name not in left:
            (admin / name).unlink()
    assert site.agent("a").git("status", "--porcelain") == ""


def test_a_taken_place_in_the_trash_is_refused(site: Site) -> None:
    """What is in the trash is never overwritten."""
    agent = site.agent("a")
    os.makedirs(f"{site.folder}/trash/a")
    with pytest.raises(Refused, match="exists already"):
        remove(site)
    assert agent.git("status", "--porcelain") == ""


def test_a_branch_is_deleted_only_where_it_is_expected(site: Site) -> None:
    """A branch that moved, or that a worktree has, is not deleted."""
    agent = site.agent("a")
    old = agent.head()
    branch = Branch("wto/r1/a")
    assert not site.repository.delete_branch(branch, expected=old)
    new = agent.commit({"work": "w"})
    assert remove(site).outcome is RemoveOutcome.REMOVED
    assert not site.repository.delete_branch(branch, expected=old)
    assert site.repository.resolve(branch) == new
