"""Diffs as values."""

from __future__ import annotations

import pytest

from tests.integration.gitrepo.conftest import Site
from wt_orchestrate.adapters.gitrepo.objects.patch import FilePatch, Hunk, parse_diff
from wt_orchestrate.errors import WtError


def test_a_diff_of_the_vault_is_read(site: Site) -> None:
    """Files come in the diff's order with their hunks, headings and counts."""
    base = site.user.head()
    lines = [f"line {number}\n" for number in range(1, 21)]
    head = site.user.commit({"src/app.py": "".join(["new\n", *lines[:15], "changed\n", *lines[16:]]), "é": "1\n2\n"})
    site.vaulted("main")
    assert list(parse_diff(site.vault.commits.diff(base=base, head=head))) == [
        FilePatch(
            path="src/app.py",
            added=2,
            removed=1,
            hunks=(
                Hunk(old_start=1, new_start=1, heading="", added=1, removed=0),
                Hunk(old_start=13, new_start=14, heading="line 12", added=1, removed=1),
            ),
        ),
        FilePatch(
            path="é", added=2, removed=0, hunks=(Hunk(old_start=0, new_start=1, heading="", added=2, removed=0),)
        ),
    ]


def test_no_diff_has_no_files() -> None:
    """An empty diff is no error."""
    assert list(parse_diff(b"")) == []


def test_what_cannot_be_read_is_no_empty_diff() -> None:
    """Text from which no file can be read is an error, not a diff of nothing."""
    with pytest.raises(WtError, match="cannot be read"):
        parse_diff(b"not a diff\n")
