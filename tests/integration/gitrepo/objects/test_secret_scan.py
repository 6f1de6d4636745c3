"""What commits expose: keys in any of them, merges included, with their places; and the trailers of their messages."""

from __future__ import annotations

from tests.integration.gitrepo.conflict.test_auto_resolve import begin_merge
from tests.integration.gitrepo.conftest import Site
from tests.integration.gitrepo.proof.test_merge import edited, sides
from wt_orchestrate.domain.agent.commit_scan import Scan, Trailer

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
