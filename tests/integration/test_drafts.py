"""Draftings as folders: what is noted is read again, however large it is and whoever notes it at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wt_orchestrate.adapters.drafts import DraftFolder, newest
from wt_orchestrate.domain.drafting.progress import DraftPhase, DraftProgress


def test_the_largest_text_that_a_planner_returns_is_read_again(tmp_path: Path) -> None:
    """A mebi of characters that JSON escapes is no drafting that was cut off at its beginning."""
    folder = DraftFolder(str(tmp_path), "d0")
    Path(folder.path).mkdir(parents=True)
    noted = DraftProgress(phase=DraftPhase.INVALID, round=4, text="\U0001f600" * (1 << 20))
    folder.note(noted)
    assert folder.progress() == noted


def test_threads_that_note_at_once_do_not_hinder_each_other(tmp_path: Path) -> None:
    """A server answers the same call twice at the same time: each note is whole, and none fails."""
    folder = DraftFolder(str(tmp_path), "d0")
    Path(folder.path).mkdir(parents=True)
    rounds = range(400)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: folder.note(DraftProgress(round=number, text="x" * 4_000)), rounds))
    assert folder.progress().round in rounds
    assert [each.name for each in Path(folder.path).iterdir()] == ["progress.json"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"id": "d0", "phase": "asleep"}', '{"phase": "ready", "sent_back": 3}']
)
def test_a_file_that_cannot_be_read_is_as_good_as_not_there(tmp_path: Path, text: str) -> None:
    """Cut short, of another release or foreign: it keeps nobody from drafting, and other draftings are found."""
    folder = DraftFolder(str(tmp_path), "d0")
    Path(folder.path).mkdir(parents=True)
    for name in ("wish.json", "progress.json"):
        (Path(folder.path) / name).write_text(text, encoding="utf-8")
    assert folder.wish() is None and newest(str(tmp_path)) is None
    assert folder.progress() == DraftProgress()
