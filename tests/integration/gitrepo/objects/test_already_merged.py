"""Whether work is in a branch, whatever somebody did to bring it there; and that it is not, while one line of it is missing."""

from __future__ import annotations

import pytest

from tests.integration.gitrepo.conftest import Site
from wt_orchestrate.domain.ids import CommitId

LINES = [f"line {number}" for number in range(40)]


def _text(*changed: tuple[int, str]) -> str:
    lines = dict(enumerate(LINES)) | dict(changed)
    return "".join(f"{lines[number]}\n" for number in range(len(lines)))


def _work(site: Site) -> None:
    """Two commits on `a` upon a commit of `main`, which then goes on by itself."""
    user = site.user
    user.commit({"src/a.py": _text(), "other.txt": "1\n"}, "before")
    user.git("checkout", "-q", "-B", "a")
    user.commit({"src/a.py": _text((3, "ours")), "new.py": "new\n"}, "first")
    user.commit({"src/a.py": _text((3, "ours"), (20, "ours, too"))}, "second")
    user.git("checkout", "-q", "main")
    user.commit({"other.txt": "2\n"}, "meanwhile")


def _found(site: Site, *, hints: tuple[CommitId, ...] = ()) -> CommitId | None:
    into, head = site.vaulted("main", "a")
    return site.vault.commits.absorbed(head=head, into=into, hints=hints)


def _bring(site: Site, how: str) -> CommitId:
    user = site.user
    if how == "merge":
        user.git("merge", "-q", "--no-ff", "-m", "merged", "a")
    elif how == "squash":
        user.git("merge", "-q", "--squash", "a")
        user.git("commit", "-q", "-m", "squashed")
    else:
        user.git("cherry-pick", "main..a")
    return user.head("main")


def test_L1_open_work_is_in_nothing(site: Site) -> None:
    """However far the branch went, also over files of the work."""
    _work(site)
    site.user.commit({"src/a.py": _text((30, "theirs"))}, "theirs")
    assert _found(site) is None


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_L1_work_is_found_where_it_came_in(site: Site, how: str) -> None:
    """Merged, squashed or put on one by one; later changes of the very same lines hide nothing."""
    _work(site)
    brought = _bring(site, how)
    assert _found(site) == brought
    site.user.commit({"src/a.py": _text((3, "changed again"), (20, "and again")), "new.py": "else\n"}, "later")
    assert _found(site) == (site.user.head("main") if how == "merge" else brought)


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_L1_work_on_a_file_that_was_renamed_meanwhile_is_found(site: Site, how: str) -> None:
    """The commit that brought it touches no path that the work itself knows."""
    _work(site)
    site.user.git("mv", "src/a.py", "moved.py")
    site.user.git("commit", "-q", "-m", "moved")
    brought = _bring(site, how)
    site.user.commit({"other.txt": "3\n"}, "later")
    assert _found(site) in {brought, site.user.head("main")}


def test_L1_a_squash_that_lost_a_line_is_not_the_work(site: Site) -> None:
    """One change of two commits is missing: it is not in, and a forge that names the commit changes nothing."""
    _work(site)
    site.user.commit({"src/a.py": _text((3, "ours")), "new.py": "new\n"}, "not all of it")
    assert _found(site, hints=(site.user.head("main"),)) is None


def test_L1_a_hint_that_is_not_in_the_branch_is_none(site: Site) -> None:
    """A forge may name any commit: only one of the branch itself counts."""
    _work(site)
    assert _found(site, hints=(site.user.head("a"), CommitId("f" * 40))) is None


def test_L1_the_commits_that_bring_many_paths_are_found_too(site: Site) -> None:
    """More paths than a command line holds: every commit is asked then."""
    user = site.user
    user.git("checkout", "-q", "-B", "a")
    user.commit({f"many/{'x' * 100}{number}": "1\n" for number in range(2_500)}, "many")
    user.git("checkout", "-q", "main")
    user.commit({"other.txt": "2\n"}, "meanwhile")
    assert _found(site) is None
    brought = _bring(site, "squash")
    user.commit({f"many/{'x' * 100}7": "2\n"}, "later")
    assert _found(site) == brought
