"""The configuration as it is known after a key of ours was written: what git itself lists then."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.repos import make_repository
from wt_orchestrate.adapters.gitrepo.configuration import Configuration


@pytest.mark.parametrize(
    "before", ["", "\n# mine", "[extensions]\n\tother = 1\n", "[user]\n\tname = A\n", "[include]\n\tpath = x\n"]
)
@pytest.mark.parametrize("looked", [False, True])
def test_a_key_is_switched_on(tmp_path: Path, before: str, looked: bool) -> None:
    """However the file looked before, and whether it was read before: the same as one who reads it for the first time."""
    path = make_repository(str(tmp_path / "app"), {"a": "a\n"}).common_dir
    with open(f"{path}/config", "a") as file:
        file.write(before)
    known = Configuration(path)
    if looked:
        known.settings()
    known.switch_on("extensions", "worktreeConfig")
    assert known.own_is_true("extensions.worktreeconfig")
    assert list(known.settings()) == list(Configuration(path).settings())


def test_a_worktree_configuration_counts_once_it_is_switched_on(tmp_path: Path) -> None:
    """The key makes git read one more file: all of it is listed again then."""
    path = make_repository(str(tmp_path / "app"), {"a": "a\n"}).common_dir
    Path(path, "config.worktree").write_text("[user]\n\tname = Eve\n")
    known = Configuration(path)
    assert known.value("user.name") != "Eve"
    known.switch_on("extensions", "worktreeConfig")
    assert known.value("user.name") == "Eve"
