"""What commits expose: keys in any of them, merges included, with their places; and the trailers of their messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.gitrepo.conflict.test_auto_resolve import begin_merge
from tests.integration.gitrepo.conftest import Site
from tests.integration.gitrepo.proof.test_merge import edited, sides
from wt_orchestrate.adapters.gitrepo.objects.secret_scan import scan as read_by_git
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.domain.agent.commit_scan import Scan, Trailer
from wt_orchestrate.domain.ids import CommitId

KEY = "AKIA" + "IOSFODNN7EXAMPL3"
OTHER = "xoxb-" + "123456789012-abcdef"


def _scan(site: Site) -> Scan:
    base, head = site.vaulted("main", "a")
    return site.vault.commits.scan(base=base, head=head)


def test_L8_every_commit_is_looked_at_with_the_place_of_what_it_adds(site: Site) -> None:
    """Also what a later commit takes out, in odd places; what was there before, and what goes, is nobody's new secret."""
    user = site.user
    user.commit({"old.py": f"# {OTHER}\nx\n"}, "there before")
    user.git("checkout", "-q", "-B", "a")
    odd = 'a "b"\n\tö.py'
    user.commit({odd: f"one\n{KEY}\nthree\n", "old.py": "x\n"}, "adds")
    added = user.head("a")
    user.commit({odd: "one\nthree\n"}, "takes out")
    found = _scan(site).exposed
    assert [(each.commit, each.path, each.line, each.kind) for each in found] == [(added, odd, 2, "AWS access key")]
    assert (found[0].shown, found[0].certain, KEY in repr(found)) == ("AKIA… (20 characters)", True, False)


def test_L8_what_only_a_merge_adds_is_seen(site: Site) -> None:
    """A key that was written while a conflict was resolved is in no parent: the merge exposes it."""
    sides(site, {"src/app.py": edited((3, "ours\n"))}, {"src/app.py": edited((3, "theirs\n"))})
    site.user.git("checkout", "-q", "a")
    begin_merge(site)
    site.user.commit({"src/app.py": edited((3, f"both\n{KEY}\n"))}, "resolve")
    merged = site.user.head("a")
    assert [(each.commit, each.path, each.line) for each in _scan(site).exposed] == [(merged, "src/app.py", 4)]


def test_L8_trailers_are_read_from_every_message(site: Site) -> None:
    """Each trailer with its commit, oldest first; a line of that form outside of the last paragraph is none."""
    user = site.user
    user.git("checkout", "-q", "-B", "a")
    user.commit({"one": "1"}, "One\n\nText: no trailer\n\nSigned-off-by: A <a@b>\nWto-Run: r9")
    first = user.head("a")
    user.commit({"two": "2"}, "Two")
    assert _scan(site) == Scan(
        trailers=(
            Trailer(commit=first, key="Signed-off-by", value="A <a@b>"),
            Trailer(commit=first, key="Wto-Run", value="r9"),
        )
    )


def _logs(folder: Path) -> int:
    words = folder / "words"
    return words.read_text().split().count("log") if words.exists() else 0


@pytest.mark.parametrize("meet", [False, True])
def test_L8_commits_read_before_are_not_read_again(site: Site, other_git: Callable[[str], Path], meet: bool) -> None:
    """What they expose is told anew, without git; a merge is read unless no file differs from all of its parents."""
    words = (1, 9) if meet else (3, 3)
    sides(
        site,
        {"src/app.py": edited((words[0], f"{KEY}\n"))},
        {("src/app.py" if meet else "b.py"): edited((words[1], "b\n"))},
    )
    ours, theirs = site.vaulted("main", "a")
    base = CommitId(site.user.git("merge-base", "a", "main").strip())
    site.user.git("checkout", "-q", "a")
    site.user.git("merge", "-q", "--no-edit", "main")
    merged = site.vaulted("a")[0]
    folder = other_git('echo "$1" >> "${0%/*}/words"\nexec $GIT "$@"')
    scan = site.vault.commits.scan
    apart = [scan(base=base, head=head) for head in (ours, theirs)]
    assert _logs(folder) == 2
    again = scan(base=base, head=merged, messages=False)
    assert (ours in {each.commit for each in again.exposed}) and _logs(folder) == (3 if meet else 2)
    assert scan(base=base, head=ours) == apart[0] and _logs(folder) == (3 if meet else 2)
    assert set(again.exposed) == set(read_by_git(Git(site.vault.path), base=base, head=merged).exposed)


def test_L8_a_merge_between_that_adds_a_key_is_seen_beside_known_commits(site: Site) -> None:
    """Both sides were read before; what only their merge adds is found all the same, also in a file of its own."""
    sides(site, {"src/app.py": edited((3, "ours\n"))}, {"b.py": "b\n"})
    ours, theirs = site.vaulted("main", "a")
    base = CommitId(site.user.git("merge-base", "a", "main").strip())
    for head in (ours, theirs):
        site.vault.commits.scan(base=base, head=head)
    site.user.git("checkout", "-q", "a")
    site.user.git("merge", "-q", "--no-commit", "main")
    site.user.commit({"c.py": f"{KEY}\n"}, "merged")
    merged = site.vaulted("a")[0]
    found = site.vault.commits.scan(base=base, head=merged, messages=False).exposed
    assert [(each.commit, each.path) for each in found] == [(merged, "c.py")]
