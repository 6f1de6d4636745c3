"""Processes that stay: right answers in any order and from any thread, one start for many questions, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.repos import TestRepository, make_repository
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.gitrepo.objects.blobs import contents, file_at, sizes, trees_of
from wt_orchestrate.adapters.gitrepo.objects.history import counted
from wt_orchestrate.adapters.gitrepo.objects.raw_diff import between, empty_tree
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at, moved, put
from wt_orchestrate.adapters.gitrepo.objects.session import Served, look_up, served
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed

FILES = {"a": "a\n", "b/c": "c" * 100_000, "b/new\nline": "n", "d": ""}


@pytest.fixture
def user(tmp_path: Path) -> TestRepository:
    return make_repository(str(tmp_path / "app"), FILES)


@pytest.fixture
def git(user: TestRepository) -> Served:
    return served(user.common_dir)


def _pids(git: Served) -> list[int]:
    """The processes that stay now."""
    parts = (git.sessions.objects, git.sessions.trees, git.sessions.counted, git.sessions.refs)
    return [each.process.pid for part in parts if (each := part._running) is not None]


def test_answers_are_those_of_a_process_of_its_own(git: Served, user: TestRepository) -> None:
    """Found and missing, small and large, with a newline in the name: the same with a process that stays and without."""
    head = user.head()
    names = [
        f"{head}:a",
        f"{head}:b/c",
        f"{head}:b/new\nline",
        f"{head}:no\nsuch",
        f"{head}:d",
        "1" * 40,
        head,
        f"{head}^{{tree}}",
    ]
    for whole in (False, True):
        told = look_up(git, names, contents=whole)
        assert told == look_up(Git(git.git_dir), names, contents=whole)
        assert [each is None for each in told] == [False, False, False, True, False, True, False, False]
    many = [f"{head}:a", f"{head}:none"] * 700
    assert [each is None for each in look_up(git, many)] == [False, True] * 700


def test_one_start_answers_many_questions(git: Served, user: TestRepository) -> None:
    """However many are asked, from several threads at once: one process of each kind."""
    head = user.head()
    trees = trees_of(git, [head])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: sizes(git, [f"{head}:b/c"]), range(50)))
        deltas = list(pool.map(lambda _: between(git, [(empty_tree(head), trees[head])])[0], range(50)))
    assert {tuple(each.values()) for each in found} == {(100_000,)}
    assert {tuple(each) for each in deltas} == {tuple(FILES)}
    assert len(_pids(git)) == 2


def test_new_objects_are_seen(git: Served, user: TestRepository) -> None:
    """What others write while a process stays is found: loose, and in a pack."""
    assert file_at(git, user.head(), "later") == ""
    user.commit({"later": "l\n"})
    assert file_at(git, user.head(), "later") != ""
    user.commit({"packed": "p\n"})
    user.git("gc", "-q")
    name = file_at(git, user.head(), "packed")
    assert contents(git, [name])[name] == b"p\n"


def test_a_killed_reader_is_started_again(git: Served, user: TestRepository) -> None:
    """Somebody kills it: the next question is answered all the same."""
    head = user.head()
    trees_of(git, [head])
    for pid in _pids(git):
        os.kill(pid, signal.SIGKILL)
    assert trees_of(git, [head]) == {head: user.git("rev-parse", "HEAD^{tree}").strip()}


def test_D4_a_transaction_moves_all_or_nothing(git: Served, user: TestRepository) -> None:
    """One ref that is not where it should be: no ref moves, and the next transaction works."""
    one = user.head()
    two = user.commit({"x": "x\n"})
    put(git, "refs/wto/a", one)
    assert not moved(git, [("refs/wto/a", two, one), ("refs/wto/b", two, one)])
    assert commits_at(git, ("refs/wto/",), below=True) == {"refs/wto/a": one}
    assert moved(git, [("refs/wto/a", two, one), ("refs/wto/b", two, None)])
    assert moved(git, [("refs/wto/a", None, two)])
    assert commits_at(git, ("refs/wto/",), below=True) == {"refs/wto/b": two}


def test_it_rests_when_nobody_asks(git: Served, user: TestRepository) -> None:
    """At rest no process is left; asked again, it starts again; forgotten, it ends."""
    head = user.head()
    trees_of(git, [head])
    before = _pids(git)
    git.sessions.rest(3600)
    assert _pids(git) == before
    git.sessions.rest()
    assert _pids(git) == [] and not any(_alive(pid) for pid in before)
    assert trees_of(git, [head])


def test_it_ends_with_whoever_asked(user: TestRepository) -> None:
    """A program that is killed leaves no git behind: its end is the end of their input."""
    script = (
        "import os, signal; from wt_orchestrate.adapters.gitrepo.objects.session import served; from "
        "wt_orchestrate.adapters.gitrepo.objects.refs import put\n"
        f"git = served({user.common_dir!r}); put(git, 'refs/wto/x', {str(user.head())!r})\n"
        "print(git.sessions.refs._running.process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    told = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=False).stdout
    wait_until(lambda: not _alive(int(told)))


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_refs_are_read_as_git_reads_them(git: Served, user: TestRepository, tmp_path: Path) -> None:
    """Loose, packed, both, symbolic, gone, in folders, with odd names: what git says, without git where it is plain."""
    one = user.head()
    for name in ("over", "p/packed", "odd-é", "gone"):
        user.git("branch", name)
    user.git("pack-refs", "--all")
    two = user.commit({"x": "x\n"})
    user.git("branch", "-f", "over", two)
    user.git("branch", "loose")
    user.git("branch", "-D", "gone")
    user.git("symbolic-ref", "refs/heads/sym", "refs/heads/loose")
    Path(user.common_dir, "refs/heads/half.lock").write_text("x")
    plain = {
        ref: CommitId(at)
        for at, ref in (
            line.split(" ") for line in user.git("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
        )
    }
    assert commits_at(git, ("refs/heads/",), below=True) == plain
    assert commits_at(git, tuple(plain)) == plain
    assert commits_at(git, ("refs/heads/gone", "refs/heads/p", "refs/heads/over")) == {"refs/heads/over": two}
    assert plain["refs/heads/p/packed"] == one


def test_a_ref_that_is_a_link_is_left_to_git(git: Served, user: TestRepository, tmp_path: Path) -> None:
    """No link is followed: git is asked, and says what it says."""
    (tmp_path / "secret").write_text(f"{user.head()}\n")
    os.symlink(tmp_path / "secret", f"{user.common_dir}/refs/heads/link")
    asked = git.run("for-each-ref", "--format=%(objectname)", "refs/heads/link").decode().split()
    assert list(commits_at(git, ("refs/heads/link",)).values()) == asked


def test_S1_no_path_ends_an_answer(git: Served, user: TestRepository) -> None:
    """Files named like what git writes between answers: they are paths, and the next answer is that of the next question."""
    first = user.head()
    names = ["end\n", "wto-end\n", f"x\n{first} {first}\n", "\nend 0\n"]
    second = user.commit(dict.fromkeys(names, "x\n"))
    trees = trees_of(git, [first, second])
    for _ in range(2):
        assert set(between(git, [(trees[first], trees[second])])[0]) == set(names)
        assert counted(git, first, second).count(b"\n") == counted(Git(git.git_dir), first, second).count(b"\n")
        assert set(between(git, [(trees[second], trees[first])])[0]) == set(names)


def test_a_missing_tree_is_an_error(git: Served, user: TestRepository) -> None:
    """Two trees of which one does not exist are never called equal."""
    with pytest.raises(GitFailed):
        between(git, [("1" * 40, trees_of(git, [user.head()])[user.head()])])
