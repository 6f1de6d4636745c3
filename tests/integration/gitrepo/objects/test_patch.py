"""Diffs as values."""

from __future__ import annotations

import pytest

from tests.integration.gitrepo.conftest import Site
from wt_orchestrate.adapters.gitrepo.objects.patch import parse_diff
from wt_orchestrate.domain.text.diff import DiffLine
from wt_orchestrate.errors import WtError


def test_a_diff_of_the_vault_is_read(site: Site) -> None:
    """Files come in the diff's order with their hunks, headings and counts."""
    base = site.user.head()
    lines = [f"line {number}\n" for number in range(1, 21)]
    head = site.user.commit({"src/app.py": "".join(["new\n", *lines[:15], "changed\n", *lines[16:]]), "é": "1\n2\n"})
    site.vaulted("main")
    edited, made = parse_diff(site.vault.commits.diff(base=base, head=head))
    assert [(file.path, file.added, file.deleted) for file in (edited, made)] == [("src/app.py", 2, 1), ("é", 2, 0)]
    assert [
        (hunk.old_start, hunk.new_start, hunk.heading, hunk.added, hunk.removed)
        for hunk in (*edited.hunks, *made.hunks)
    ] == [(1, 1, "", 1, 0), (13, 14, "line 12", 1, 1), (0, 1, "", 2, 0)]
    assert [(line.number, line.text) for line in edited.new] == [(1, "new"), (17, "changed")]
    assert [(line.number, line.text) for line in edited.gone] == [(16, "line 16")]
    assert edited.hunks[1].lines[3:5] == (DiffLine(16, 0, "line 16"), DiffLine(0, 17, "changed"))


def test_no_diff_has_no_files() -> None:
    """An empty diff is no error."""
    assert list(parse_diff(b"")) == []


def test_what_cannot_be_read_is_no_empty_diff() -> None:
    """Text from which no file can be read is an error, not a diff of nothing."""
    broken = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,9 +1 @@\n+x\n"
    for text in (b"not a diff\n", broken):
        with pytest.raises(WtError, match="cannot be read"):
            parse_diff(text)


def test_D1_every_name_and_every_line_that_git_can_hold_is_read(site: Site) -> None:
    """Names that git has to quote, and lines with characters that other programs take for line ends, stay as they are."""
    names = ("a b/one\ntwo", 'tab\t"quoted"', "back\\slash", "\x07\x1b", "plain \u2028 name", "caf\udce9")
    base = site.user.head()
    head = site.user.commit(dict.fromkeys(names, "x\x0cy\x85\u2028z\r\n"))
    site.vaulted("main")
    found = parse_diff(site.vault.commits.diff(base=base, head=head))
    assert sorted(file.path for file in found) == sorted(names)
    assert {line.text for file in found for line in file.new} == {"x\x0cy\x85\u2028z\r"}
