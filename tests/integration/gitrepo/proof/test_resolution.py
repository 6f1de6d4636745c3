"""Resolved conflicts, told one by one: what was there, what each side wanted, what became of it, and where a side was let go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.gitrepo.conflict.test_auto_resolve import begin_merge, resolve, settle
from tests.integration.gitrepo.conftest import Site
from tests.integration.gitrepo.proof.test_merge import edited, sides
from tests.support.processes import alive
from tests.support.waiting import wait_until
from wt_orchestrate.domain.plan.settings import MergeDriver, Merging
from wt_orchestrate.ports.git.conflicts import ConflictHunk

HONEST = {
    "both kept": ("a\n", "b\n", "a\nb\n"),
    "both kept, the other way round": ("a\n", "b\n", "b\na\n"),
    "one line that says both": ("total(items, tax)\n", "total(items, day)\n", "total(items, tax, day)\n"),
    "rewritten together": ("one()\ntwo()\n", "two()\n", "both()\n"),
    "one side moved into the other's block": ("if a:\n    x()\n", "y()\n", "if a:\n    x()\n    y()\n"),
    "one side within the other": ("x()\n", "x()\ny()\n", "x()\ny()\n"),
    "a deletion and an edit": ("", "edited\n", "edited, as both want\n"),
}


@pytest.mark.parametrize("case", sorted(HONEST))
def test_an_honest_resolution_lets_nobody_go(site: Site, case: str) -> None:
    """What holds both intents is not called one-sided, whatever words it uses."""
    mine, other, result = HONEST[case]
    ours, theirs = sides(site, {"src/app.py": edited((3, mine))}, {"src/app.py": edited((3, other))})
    (file,) = resolve(site, ours, theirs, {"src/app.py": edited((3, result))}).files
    assert [hunk.took for hunk in file.hunks] == [""]
    assert (file.took, file.markers, file.mode) == ("", (), "")


def test_a_side_that_is_let_go_in_one_place_is_seen_there(site: Site) -> None:
    """Two conflicts in a file: one keeps both, the other drops a side; the file as a whole looks fair, the place does not."""
    ours, theirs = sides(
        site,
        {"src/app.py": edited((3, "main 3\n"), (12, "main 12\n"))},
        {"src/app.py": edited((3, "a 3\n"), (12, "a 12\n"))},
    )
    (file,) = resolve(site, ours, theirs, {"src/app.py": edited((3, "a 3\nmain 3\n"), (12, "main 12\n"))}).files
    assert file.took == "" and file.one_sided and not file.whole
    was = edited().splitlines()
    assert file.hunks == (
        ConflictHunk(line=3, base=(was[2],), ours=("a 3",), theirs=("main 3",), result=("a 3", "main 3")),
        ConflictHunk(
            line=13,
            base=(was[11],),
            ours=("a 12",),
            theirs=("main 12",),
            result=("main 12",),
            dropped_ours=("a 12",),
            took="theirs",
        ),
    )


def test_a_line_that_looks_like_a_marker_and_was_there_is_none(site: Site) -> None:
    """A file about conflicts may hold markers; only those that neither side had are left behind."""
    ours, theirs = sides(site, {"src/app.py": edited((3, "<<<<<<< like this\n"))}, {"src/app.py": edited((3, "b\n"))})
    result = edited((3, "<<<<<<< like this\nb\n>>>>>>> left\n"))
    (file,) = resolve(site, ours, theirs, {"src/app.py": result}).files
    assert file.markers == (5,)


def test_a_mode_that_neither_side_gave_is_told(site: Site) -> None:
    """A resolution that makes a file executable by the way is not the merge of both sides."""
    ours, theirs = sides(site, {"src/app.py": edited((3, "a\n"))}, {"src/app.py": edited((3, "b\n"))})
    site.user.git("checkout", "-q", "a")
    begin_merge(site)
    os.chmod(f"{site.user.path}/src/app.py", 0o755)
    site.user.commit({"src/app.py": edited((3, "a\nb\n"))}, "resolve")
    (resolved,) = site.vaulted("a")
    (file,) = site.vault.conflicts.prove_resolution(resolved=resolved, ours=theirs, theirs=ours).files
    assert (file.path, file.mode, file.whole) == ("src/app.py", "100755", False)


def test_S8_a_remembered_link_writes_nothing_outside_the_throwaway_tree(site: Site, tmp_path: Path) -> None:
    """A path that is a link on one side is never written through: what it points to stays as it is."""
    victim = tmp_path / "victim"
    victim.write_text("safe\n", encoding="utf-8")
    user = site.user
    link = f"{user.path}/link"
    os.symlink("begin", link)
    user.commit({}, "begin")
    for branch, target in (("a", str(victim)), ("main", "elsewhere")):
        user.git("checkout", "-q", "-B", branch, "main")
        os.unlink(link)
        os.symlink(target, link)
        user.commit({}, branch)
        if branch == "a":
            user.git("checkout", "-q", "main")
    theirs, ours = site.vaulted("a", "main")
    user.git("checkout", "-q", "a")
    begin_merge(site)
    os.unlink(link)
    user.commit({"link": "written through\n"}, "resolve")
    (resolved,) = site.vaulted("a")
    assert site.vault.conflicts.remember(ours=theirs, theirs=ours, resolved=resolved, slot="settle") == 0
    assert victim.read_text(encoding="utf-8") == "safe\n"


def test_a_driver_that_hangs_is_ended_with_all_it_started(site: Site, tmp_path: Path) -> None:
    """After `merge.timeout` the conflict stays one, and no process of the driver is left."""
    ours, theirs = sides(site, {"src/app.py": edited((3, "a\n"))}, {"src/app.py": edited((3, "b\n"))})
    pid = tmp_path / "pid"
    driver = MergeDriver(run=f"sh -c 'sleep 300 & echo $! > {pid}; wait'", paths=("src/*.py",))
    found = settle(site, ours, theirs, Merging(drivers={"slow": driver}, timeout="1s"))
    assert (found.commit, found.conflicts) == (None, ("src/app.py",))
    number = int(pid.read_text(encoding="utf-8"))
    wait_until(lambda: not alive(number), what="the driver's own child being gone")
