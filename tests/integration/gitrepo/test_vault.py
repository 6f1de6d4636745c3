"""The vault: made, filled, kept, and read."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.gitrepo.conftest import FILES, Site, make_site
from tests.support.repos import START, digest, make_repository
from wt_orchestrate.adapters.gitrepo.vault import GitVault
from wt_orchestrate.domain.events.worktree import CommitLine
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed
from wt_orchestrate.ports.git.commits import ChangedPath

HEAD = {"refs/heads/main": "refs/wto/test/main"}
ARCHIVE = "refs/wto/archive/test/a"


def test_a_vault_that_was_cut_off_in_the_making_is_made_again(site: Site, tmp_path: Path) -> None:
    """Whatever a crash left beside its place is cleared away; making it twice changes nothing."""
    vault = GitVault(str(tmp_path / "v.git"), source=site.user.common_dir, scratch=str(tmp_path / "s"))
    (tmp_path / "v.git.new" / "objects").mkdir(parents=True)
    vault.ensure()
    assert vault.refs.fetch(HEAD) == {"refs/wto/test/main": site.user.head()}
    vault.ensure()
    assert vault.refs.resolve("refs/wto/test/main") == site.user.head()


def test_several_who_need_it_at_once_find_one(site: Site, tmp_path: Path) -> None:
    """Commands and calls that begin together on a repository that was never led: each finds the vault whole."""
    others = [
        GitVault(str(tmp_path / "v.git"), source=site.user.common_dir, scratch=str(tmp_path / "s")) for _ in range(6)
    ]
    together = threading.Barrier(len(others))

    def ensured(vault: GitVault) -> CommitId | None:
        together.wait(timeout=30)
        vault.ensure()
        return vault.refs.fetch(HEAD).get("refs/wto/test/main") or vault.refs.resolve("refs/wto/test/main")

    with ThreadPoolExecutor(len(others)) as pool:
        assert set(pool.map(ensured, others)) == {site.user.head()}
    assert [path.name for path in tmp_path.glob("v.git*")] == ["v.git"]


def test_fetch_leaves_out_what_is_missing(site: Site) -> None:
    """A missing source ref does not fail the others, and a ref here stays when its source is gone."""
    site.user.git("branch", "a")
    refs = {"refs/heads/a": "refs/wto/test/a", "refs/heads/b": "refs/wto/test/b", **HEAD}
    head = site.user.head()
    assert site.vault.refs.fetch(refs) == {"refs/wto/test/a": head, "refs/wto/test/main": head}
    site.user.git("branch", "-D", "a")
    assert site.vault.refs.fetch(refs) == {"refs/wto/test/main": head}
    assert site.vault.refs.resolve("refs/wto/test/a") == head


def test_fetch_runs_no_fetch_when_nothing_is_new(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When every ref is known already, no git is started."""
    site.vaulted("main")
    log = tmp_path / "log"
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$1" >> {log}\nexec {shutil.which("git")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    site.vaulted("main")
    assert not log.exists()


def test_D1_rewritten_and_deleted_history_is_archived(site: Site) -> None:
    """Every head a branch was seen at stays reachable from the archive: amended, reset, deleted, collected."""
    site.user.git("checkout", "-q", "-b", "a")
    seen = [site.user.commit({"w": str(number)}, at=START + number) for number in range(2)]
    site.vaulted("a")
    site.user.git("commit", "-q", "--amend", "-m", "amended")
    seen.append(site.user.head())
    site.vaulted("a")
    site.user.git("reset", "-q", "--hard", "main")
    site.vaulted("a")
    seen.append(site.user.commit({"other": "o"}))
    site.vaulted("a")
    site.user.git("checkout", "-q", "main")
    site.user.git("branch", "-D", "a")
    site.user.git("reflog", "expire", "--expire=now", "--all")
    site.user.git("gc", "-q", "--prune=now")
    site.vault.refs.fetch({"refs/heads/a": "refs/wto/test/a"})
    assert site.vault.refs.archived("test/a/") == {f"{ARCHIVE}/1": seen[1], f"{ARCHIVE}/2": seen[2]}
    assert all(
        any(site.vault.commits.is_ancestor(commit, kept) for kept in (*site.vault.refs.archived().values(), seen[-1]))
        for commit in seen
    )
    assert site.vault.refs.resolve("refs/wto/test/a") == seen[-1]


def test_archive_counts_up_and_keeps_once(site: Site) -> None:
    """A commit is kept under the next number, unless an archived one of that name holds it already."""
    first = site.user.head()
    second = site.user.commit({"x": "1"})
    site.vaulted("main")
    assert site.vault.refs.archive("r1/a", first) == "refs/wto/archive/r1/a/1"
    assert site.vault.refs.archive("r1/a", second) == "refs/wto/archive/r1/a/2"
    assert site.vault.refs.archive("r1/a", first) == "refs/wto/archive/r1/a/2"
    assert site.vault.refs.archive("r1/ab", first) == "refs/wto/archive/r1/ab/1"
    assert site.vault.refs.archived("r1/a/") == {"refs/wto/archive/r1/a/1": first, "refs/wto/archive/r1/a/2": second}


def test_hidden_refs_are_fetched_all_the_same(site: Site) -> None:
    """A configuration that hides refs from fetches hides nothing from the vault."""
    site.user.git("config", "transfer.hideRefs", "refs/heads")
    assert site.vaulted("main") == (site.user.head(),)


def test_one_broken_branch_does_not_fail_the_others(site: Site) -> None:
    """A branch whose objects an agent destroyed is left out; the others are fetched."""
    site.user.git("checkout", "-q", "-b", "broken")
    head = site.user.commit({"w": "1"})
    site.user.git("checkout", "-q", "main")
    main = site.user.commit({"v": "1"})
    os.unlink(f"{site.user.common_dir}/objects/{head[:2]}/{head[2:]}")
    assert site.vault.refs.fetch({"refs/heads/broken": "refs/wto/test/broken", **HEAD}) == {"refs/wto/test/main": main}


def test_L7_a_tampered_object_does_not_come_in(site: Site) -> None:
    """An object whose content is not what its id says is noticed on the way in."""
    evil = site.user.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
    blob = site.user.git("rev-parse", "HEAD:README.md")
    objects = f"{site.user.common_dir}/objects"
    os.replace(f"{objects}/{evil[:2]}/{evil[2:]}", f"{objects}/{blob[:2]}/{blob[2:]}")
    with pytest.raises(GitFailed):
        site.vaulted("main")
    assert site.vault.refs.resolve("refs/wto/test/main") is None


def test_replaced_objects_are_seen_as_they_are(site: Site) -> None:
    """A replace ref changes nothing of what the vault gets."""
    good = site.user.head()
    evil = site.user.commit({"README.md": "payload"})
    site.user.git("reset", "-q", "--hard", good)
    site.user.git("replace", good, evil)
    (head,) = site.vaulted("main")
    assert site.vault.objects.blob(head, "README.md") == FILES["README.md"].encode()


def test_a_shallow_repository_can_be_fetched_from(site: Site, tmp_path: Path) -> None:
    """The history of a shallow clone comes as far as it goes."""
    site.user.commit({"more": "x"})
    site.user.git("clone", "-q", "--depth=1", f"file://{site.user.path}", str(tmp_path / "shallow"))
    shallow = make_site(site.user.at(str(tmp_path / "shallow")), tmp_path / "home")
    (head,) = shallow.vaulted("main")
    assert shallow.vault.objects.blob(head, "more") == b"x"
    assert shallow.agent("a").git("status", "--porcelain") == ""
    agent = shallow.user.at(f"{shallow.folder}/trees/a")
    new = agent.commit({"w": "1"})
    shallow.vaulted("wto/r1/a")
    assert [commit.id for commit in shallow.vault.commits.between(base=head, head=new)] == [new]


def test_advance_is_a_compare_and_swap(site: Site) -> None:
    """A ref moves only from where it is expected; one that exists already counts as moved."""
    first = site.user.head()
    second = site.user.commit({"x": "1"})
    third = site.user.commit({"x": "2"})
    site.vaulted("main")
    ref = "refs/wto/r1/integration"
    assert site.vault.refs.advance(ref, new=first, old=None)
    assert site.vault.refs.advance(ref, new=first, old=None)
    assert not site.vault.refs.advance(ref, new=second, old=None)
    assert not site.vault.refs.advance(ref, new=third, old=second)
    assert site.vault.refs.advance(ref, new=second, old=first)
    assert site.vault.refs.resolve(ref) == second


def test_questions_about_commits(site: Site) -> None:
    """What is there, what descends from what, and which tree a commit has."""
    first = site.user.head()
    second = site.user.commit({"x": "1"})
    site.vaulted("main")
    missing = CommitId("1" * 40)
    assert [site.vault.objects.contains(commit) for commit in (first, missing)] == [True, False]
    assert site.vault.commits.is_ancestor(first, second)
    assert not site.vault.commits.is_ancestor(second, first)
    assert site.vault.objects.tree(second) == site.user.git("rev-parse", f"{second}^{{tree}}")


def test_commits_with_their_paths(site: Site) -> None:
    """Commits come oldest first with the paths each changed, whatever bytes their messages and names hold."""
    base = site.user.head()
    first = site.user.commit({"new\nline": "1", "\x01odd": "2"}, "one \x01 \x1f two\n\nbody", at=START + 1)
    second = site.user.commit({}, "empty", at=START + 2)
    site.user.git("mv", "README.md", "moved.md")
    third = site.user.commit({}, "moved", at=START + 3)
    site.vaulted("main")
    wanted = [
        CommitLine(id=first, author="Ada", at=START + 1, subject="one \x01 \x1f two", paths=("\x01odd", "new\nline")),
        CommitLine(id=second, author="Ada", at=START + 2, subject="empty", paths=()),
        CommitLine(id=third, author="Ada", at=START + 3, subject="moved", paths=("README.md", "moved.md")),
    ]
    assert list(site.vault.commits.between(base=base, head=third)) == wanted
    assert list(site.vault.commits.between(base=base, head=third, limit=1)) == wanted[2:]
    assert list(site.vault.commits.between(base=third, head=third)) == []


def test_changes_since_the_merge_base(site: Site) -> None:
    """Added, changed, deleted, renamed, binary and link paths are told with modes, sizes and line counts."""
    site.user.git("checkout", "-q", "-b", "a")
    site.user.git("mv", "src/app.py", "src/renamed.py")
    os.symlink("README.md", f"{site.user.path}/link")
    text = "".join(f"line {number}\n" for number in range(1, 21)) + "more\n"
    head = site.user.commit(
        {"README.md": "read me\nmore\n", "bin": b"\0\1", "ü": "x", ".gitignore": None, "src/renamed.py": text}
    )
    site.user.git("checkout", "-q", "main")
    base = site.user.commit({"README.md": "ours"})
    site.vaulted("main", "a")
    assert list(site.vault.commits.changes(base=base, head=head)) == [
        ChangedPath(path=".gitignore", status="D", mode="000000", deleted=3),
        ChangedPath(path="README.md", status="M", mode="100644", size=13, added=1),
        ChangedPath(path="bin", status="A", mode="100644", size=2, binary=True),
        ChangedPath(path="link", status="A", mode="120000", size=9, added=1),
        ChangedPath(path="src/renamed.py", status="R", old="src/app.py", mode="100644", size=len(text), added=1),
        ChangedPath(path="ü", status="A", mode="100644", size=1, added=1),
    ]


def test_a_diff_in_fixed_options(site: Site) -> None:
    """The diff is the same whatever the user likes to see, and can be cut down to literal paths."""
    (Path(os.environ["HOME"]) / ".gitconfig").write_text("[diff]\n\tnoprefix = true\n\texternal = false\n")
    base = site.user.head()
    head = site.user.commit({"README.md": "read me\nmore\n", "*.md": "x\n"})
    site.vaulted("main")
    whole = site.vault.commits.diff(base=base, head=head)
    assert [line for line in whole.splitlines() if line.startswith(b"diff")] == [
        b"diff --git a/*.md b/*.md",
        b"diff --git a/README.md b/README.md",
    ]
    part = site.vault.commits.diff(base=base, head=head, paths=("*.md",))
    assert part.endswith(b"--- /dev/null\n+++ b/*.md\n@@ -0,0 +1 @@\n+x\n")
    assert b"README" not in part


def test_unrelated_histories_differ_in_everything(site: Site) -> None:
    """Without a common ancestor everything is new."""
    base = site.user.head()
    site.user.git("checkout", "-q", "--orphan", "a")
    site.user.git("rm", "-rqf", ".")
    head = site.user.commit({"only": "x\n"})
    site.vaulted("main", "a")
    wanted = [ChangedPath(path="only", status="A", mode="100644", size=2, added=1)]
    assert list(site.vault.commits.changes(base=base, head=head)) == wanted


def test_blobs_are_bounded_and_regular(site: Site) -> None:
    """Only regular files are read, and no more of them than asked for; pathspec magic means nothing."""
    os.symlink("README.md", f"{site.user.path}/link")
    head = site.user.commit({"big": b"x" * 3_000_000})
    site.vaulted("main")
    read = site.vault.objects.blob
    assert read(head, "README.md") == b"read me\n"
    assert read(head, "src/übung mit leerzeichen.txt") == b"eins\n"
    assert read(head, "big", limit=10) == b"x" * 10
    assert [read(head, name) for name in ("missing", "link", "src", "*.md", "../README.md", ":/README.md")] == [
        None
    ] * 6


def test_trailers_of_our_own_commits_only(site: Site) -> None:
    """A trailer counts on the first-parent line and in commits that the tool committed."""
    base = site.user.head()
    site.user.git("checkout", "-q", "-b", "a")
    theirs = site.user.commit({"w": "1"}, "work\n\nWto-Head: forged-on-the-side")
    site.vaulted("main", "a")
    merge = site.vault.merges.merge(
        ours=base,
        theirs=theirs,
        message=f"Integrate a\n\nWto-Run: r1\nWto-Head: {theirs}\n",
        at=START,
        pin="refs/wto/p",
    ).commit
    assert merge is not None
    site.repository.publish(vault=site.vault.path, branch="wto/r1/i", new=merge, expected=None)  # type: ignore[arg-type]
    site.user.git("checkout", "-q", "wto/r1/i")
    head = site.user.commit({"v": "1"}, "more\n\nWto-Head: forged")
    site.vaulted("wto/r1/i")
    assert site.vault.commits.trailers(base=base, head=head, key="Wto-Head") == {theirs: merge}
    assert site.vault.commits.trailers(base=merge, head=head, key="Wto-Head") == {}


def test_nothing_of_ours_is_left_in_the_source(site: Site) -> None:
    """Fetching changes nothing in the source: no ref, no file, no configuration."""
    before = digest(site.user)
    site.vaulted("main")
    assert digest(site.user) == before


def test_a_killed_fetch_leaves_a_vault_that_works(tmp_path: Path) -> None:
    """kill -9 in the middle of a fetch leaves a vault into which the next fetch brings everything (D5)."""
    site = make_site(make_repository(str(tmp_path / "app"), FILES), tmp_path)
    head = site.user.commit({f"f{number}": os.urandom(20_000) for number in range(100)})
    arguments = ["git", f"--git-dir={site.vault.path}", "fetch", "-q", "--no-write-fetch-head", site.user.path, head]
    running = subprocess.Popen(arguments)
    running.kill()
    running.wait()
    assert site.vaulted("main") == (head,)
    assert site.vault.objects.blob(head, "f0") is not None
