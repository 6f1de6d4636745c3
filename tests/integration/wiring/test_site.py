"""Which state folder a repository has: its own one, wherever it is moved to, and never that of another."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.repos import make_repository
from wt_orchestrate.wiring.site import find_site, mark


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A repository that has had a run, and its state folder."""
    monkeypatch.setenv("WTO_STATE_DIR", str(tmp_path / "state"))
    path = make_repository(str(tmp_path / "repository"), {"a": "b"}).path
    site = find_site(path)
    mark(site)
    return path, site.state_dir


def test_a_moved_repository_finds_its_state_again(marked: tuple[str, str]) -> None:
    """Once and again, and also back at its first place."""
    path, state = marked
    for before, after in ((path, f"{path}-2"), (f"{path}-2", f"{path}-3"), (f"{path}-3", path)):
        os.rename(before, after)
        assert find_site(after).state_dir == state


def test_a_copy_does_not_take_the_state_of_its_original(marked: tuple[str, str]) -> None:
    """Each has its own from then on, also once the original is gone."""
    path, state = marked
    shutil.copytree(path, f"{path}-copy")
    copy = find_site(f"{path}-copy")
    assert copy.state_dir != state
    mark(copy)
    shutil.rmtree(path)
    assert find_site(f"{path}-copy").state_dir == copy.state_dir


def test_a_new_repository_at_the_old_place_has_a_state_of_its_own(marked: tuple[str, str]) -> None:
    """Once the moved one was seen at its new place; both are found again."""
    path, state = marked
    os.rename(path, f"{path}-2")
    assert find_site(f"{path}-2").state_dir == state
    make_repository(path, {"c": "d"})
    new = find_site(path)
    assert new.state_dir != state
    mark(new)
    assert find_site(path).state_dir == new.state_dir
    assert find_site(f"{path}-2").state_dir == state


@pytest.mark.parametrize("written", ["", "../elsewhere", "nowhere-0123456789ab", "/etc", ".hidden"])
def test_a_mark_that_names_nothing_of_ours_counts_for_nothing(marked: tuple[str, str], written: str) -> None:
    """Agents can write the common directory: whatever is in the mark, a repository that has not moved keeps its state."""
    path, state = marked
    Path(f"{path}/.git/wto-state").write_text(f"{written}\n", encoding="utf-8")
    assert find_site(path).state_dir == state
