"""The target moved forward, and branches of ours published, in every situation a checkout can be in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import Site
from tests.support.repos import TestRepository, digest, sealed_environment
from wt_orchestrate.domain.ids import Branch, CommitId
from wt_orchestrate.ports.git.repository import LandOutcome, LandResult

MAIN = Branch("main")
TARGET = ("refs/heads/main",)


@pytest.fixture
def work(site: Site) -> tuple[CommitId, CommitId]:
    """The target's head, and a commit on top of it that changes, adds and deletes a file."""
    old = site.user.head()
    site.user.git("checkout", "-q", "-b", "work")
    new = site.user.commit({"README.md": "landed\n", "added/file": "new\n", "src/app.py": None})
    site.user.git("checkout", "-q", "main")
    return old, new


def land(site: Site, work: tuple[CommitId, CommitId], target: Branch = MAIN) -> LandResult:
    return site.repository.land(target=target, new=work[1], expected=work[0])


def assert_landed(checkout: TestRepository, work: tuple[CommitId, CommitId], status: str = "") -> None:
    assert checkout.head() == work[1]
    assert checkout.git("symbolic-ref", "HEAD") == "refs/heads/main"
    assert checkout.git("status", "--porcelain") == status


def hook(site: Site, name: str, text: str) -> None:
    path = Path(site.user.common_dir, "hooks", name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_target_that_is_checked_out_nowhere(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """It moves by compare-and-swap; no checkout changes."""
    site.user.git("checkout", "-q", "work")
    before = digest(site.user, without=TARGET)
    assert land(site, work) == LandResult(outcome=LandOutcome.MOVED)
    assert (site.user.head("main"), digest(site.user, without=TARGET)) == (work[1], before)
    assert land(site, work) == LandResult(outcome=LandOutcome.ALREADY)


def test_a_clean_checkout_is_taken_along(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """A clean checkout of the target shows the landed files afterwards."""
    assert land(site, work) == LandResult(outcome=LandOutcome.MOVED, where=site.user.path)
    assert_landed(site.user, work)


def test_a_checkout_in_another_worktree_is_taken_along(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """The same when the target is checked out in a linked worktree."""
    site.user.git("checkout", "-q", "work")
    path = f"{site.folder}/linked ü"
    site.user.git("worktree", "add", "-q", path, "main")
    assert land(site, work) == LandResult(outcome=LandOutcome.MOVED, where=path)
    assert_landed(site.user.at(path), work)


def test_unaffected_changes_stay(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """Local changes in paths that the landing does not touch stay as they are, staged or not."""
    site.user.write({".gitignore": "changed\n", "untracked": "u", "staged": "s"})
    site.user.git("add", "staged")
    assert land(site, work).outcome is LandOutcome.MOVED
    assert_landed(site.user, work, status=" M .gitignore\nA  staged\n?? untracked")


@pytest.mark.parametrize(
    ("files", "staged", "path"),
    [
        ({"README.md": "mine"}, False, "README.md"),
        ({"README.md": "mine"}, True, "README.md"),
        ({"src/app.py": "mine"}, False, "src/app.py"),
        ({"src/app.py": None}, False, "src/app.py"),
        ({"added/file": "untracked"}, False, "added/file"),
        ({"added": "a file where a folder comes"}, False, "added/file"),
    ],
)
def test_D3_affected_changes_refuse_the_landing(
    site: Site, work: tuple[CommitId, CommitId], files: dict[str, bytes | str | None], staged: bool, path: str
) -> None:
    """Local changes in affected paths, untracked files too, keep the target where it is; nothing is changed."""
    site.user.write(files)
    if staged:
        site.user.git("add", "-A")
    before = digest(site.user)
    assert land(site, work) == LandResult(outcome=LandOutcome.DIRTY, where=site.user.path, paths=(path,))
    assert digest(site.user) == before


def test_D3_an_ignored_file_is_not_overwritten(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """git itself would overwrite an ignored file with a landed one; here it refuses the landing."""
    site.user.write({".gitignore": "added/\n", "added/file": "precious"})
    assert land(site, work).paths == ("added/file",)
    assert Path(site.user.path, "added/file").read_text() == "precious"


def test_a_target_that_moved_is_stale(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """When somebody moved the target meanwhile, nothing is changed."""
    now = site.user.commit({"other": "o"})
    before = digest(site.user)
    assert land(site, work) == LandResult(outcome=LandOutcome.STALE, detail=f"main is at {now[:12]}")
    assert digest(site.user) == before
    assert land(site, work, Branch("gone")) == LandResult(outcome=LandOutcome.STALE, detail="gone is at no commit")


def test_L4_the_target_only_moves_forward(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """A commit that does not descend from the target's is refused, checked out or not."""
    now = site.user.commit({"other": "o"})
    refused = LandResult(outcome=LandOutcome.REFUSED, detail=f"{work[1][:12]} is not a descendant of {now[:12]}")
    assert land(site, (now, work[1])) == refused
    site.user.git("checkout", "-q", "work")
    assert land(site, (now, work[1])) == refused
    assert site.user.head("main") == now


def run(site: Site, *arguments: str) -> None:
    """A git command that is meant to stop in the middle."""
    env = sealed_environment(site.user.home) | {"GIT_SEQUENCE_EDITOR": "sed -i s/^pick/edit/"}
    subprocess.run(["git", *arguments], cwd=site.user.path, env=env, capture_output=True, check=False)


@pytest.mark.parametrize("command", ["merge", "rebase", "cherry-pick", "bisect"])
def test_D3_a_checkout_in_the_middle_of_something_is_left_alone(site: Site, command: str) -> None:
    """During a merge, rebase, cherry-pick or bisection of the target nothing lands."""
    site.user.git("checkout", "-q", "-b", "side")
    site.user.commit({"README.md": "side"})
    site.user.git("checkout", "-q", "main")
    old = site.user.commit({"README.md": "main"})
    site.user.git("checkout", "-q", "-b", "work")
    new = site.user.commit({"added": "a"})
    site.user.git("checkout", "-q", "main")
    arguments = {
        "merge": ("merge", "side"),
        "rebase": ("rebase", "-i", "HEAD~1"),
        "cherry-pick": ("cherry-pick", "side"),
        "bisect": ("bisect", "start", "HEAD", "HEAD~1"),
    }
    run(site, *arguments[command])
    before = digest(site.user)
    landed = land(site, (old, new))
    assert (landed.outcome, landed.where) == (LandOutcome.REFUSED, site.user.path)
    assert digest(site.user) == before


def test_hooks_of_the_repository_run_as_for_the_user(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """Landing acts as the user: their post-merge hook runs, in their checkout and with their environment."""
    marker = Path(site.folder, "marker")
    hook(site, "post-merge", f'echo "$PWD" > "{marker}"; env | grep -c ^GIT_DIR= >> "{marker}"')
    assert land(site, work).outcome is LandOutcome.MOVED
    assert marker.read_text().startswith(site.user.path)


def test_D3_a_hook_that_says_no_leaves_everything_as_it_was(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """git asks reference-transaction when the files are written already: they are written back."""
    site.user.write({".gitignore": "mine\n", "untracked": "u"})
    hook(site, "reference-transaction", 'test "$1" != prepared || { cat >&2; echo not today >&2; exit 1; }')
    before = digest(site.user)
    status = site.user.git("status", "--porcelain")
    landed = land(site, work)
    assert (landed.outcome, landed.where) == (LandOutcome.REFUSED, site.user.path)
    assert "not today" in landed.detail or "aborted" in landed.detail
    after = digest(site.user)
    assert {name for name in before if after.get(name) != before[name]} <= {"git:index", "git:ORIG_HEAD"}
    assert site.user.git("status", "--porcelain") == status


def test_inherited_git_variables_do_not_redirect_a_landing(
    site: Site, work: tuple[CommitId, CommitId], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started from within a git hook, the landing still goes to the right checkout."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, f"{site.folder}/elsewhere")
    assert land(site, work).outcome is LandOutcome.MOVED
    assert_landed(site.user, work)
    assert os.environ["GIT_DIR"] == f"{site.folder}/elsewhere"


# ---------------------------------------------------------------- publishing

OURS = Branch("wto/r1/integration")


def merged(site: Site, work: tuple[CommitId, CommitId]) -> CommitId:
    """A commit that only the vault has."""
    ours, theirs = site.vaulted("main", "work")
    made = site.vault.merges.merge(ours=ours, theirs=theirs, message="Integrate\n", at=0.0, pin="refs/wto/pin").commit
    assert made is not None
    return made


def test_a_branch_is_published_from_the_vault(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """A commit of the vault comes into the repository and a branch of ours points at it; nothing else changes."""
    new = merged(site, work)
    before = digest(site.user)
    publish = site.repository.publish
    assert publish(vault=site.vault.path, branch=OURS, new=new, expected=None)
    assert publish(vault=site.vault.path, branch=OURS, new=new, expected=None)
    assert digest(site.user, without=(f"refs/heads/{OURS}",)) == before
    assert site.user.git("log", "-1", "--format=%s", OURS) == "Integrate"
    assert land(site, (work[0], new)).outcome is LandOutcome.MOVED
    assert_landed(site.user, (work[0], new))


def test_D1_what_a_gc_took_from_a_published_branch_is_brought_back(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """A branch of ours that points at a commit that is gone is whole again when it is shown next, also with a newer one."""
    new = merged(site, work)
    assert site.repository.publish(vault=site.vault.path, branch=OURS, new=new, expected=None)
    lost = Path(site.user.common_dir, "objects", new[:2], new[2:])
    lost.unlink()
    assert site.repository.publish(vault=site.vault.path, branch=OURS, new=new, expected=new)
    assert site.user.git("log", "-1", "--format=%s", OURS) == "Integrate"
    (newer,) = site.vaulted("main")
    lost.unlink()
    made = site.vault.merges.merge(ours=new, theirs=newer, message="Next\n", at=0.0, pin="refs/wto/pin2")
    assert made.commit is not None
    assert site.repository.publish(vault=site.vault.path, branch=OURS, new=made.commit, expected=new)
    assert site.user.git("rev-list", "--objects", "--quiet", OURS) == ""


def test_a_lost_race_is_told(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """A branch that is not where it is expected stays where it is."""
    new = merged(site, work)
    site.user.git("branch", OURS, "work")
    assert not site.repository.publish(vault=site.vault.path, branch=OURS, new=new, expected=None)
    assert not site.repository.publish(vault=site.vault.path, branch=OURS, new=new, expected=work[0])
    assert site.user.head(OURS) == work[1]
    assert site.repository.publish(vault=site.vault.path, branch=OURS, new=new, expected=work[1])


def test_D3_a_branch_that_is_checked_out_is_not_moved(site: Site, work: tuple[CommitId, CommitId]) -> None:
    """When the user looks at a branch of ours, publishing does not turn their checkout upside down."""
    new = merged(site, work)
    site.user.git("checkout", "-q", "-b", OURS)
    before = digest(site.user)
    assert not site.repository.publish(vault=site.vault.path, branch=OURS, new=new, expected=work[0])
    assert digest(site.user) == before
    assert site.user.git("cat-file", "-t", new) == "commit"
