"""Sweeping the trash."""

from __future__ import annotations

from pathlib import Path

from wt_orchestrate.adapters.trash import WEEK_S, sweep


def test_only_what_has_lain_for_a_week_is_deleted(tmp_path: Path) -> None:
    """An entry's name tells when it was moved; younger ones, foreign ones and links are kept."""
    now = 10_000_000.0
    for name in (f"r1-old-{int(now - WEEK_S - 1)}", f"r1-young-{int(now - 60)}", "foreign"):
        (tmp_path / "trash" / name).mkdir(parents=True)
        (tmp_path / "trash" / name / "draft.txt").touch()
    assert sweep(str(tmp_path / "trash"), now=now) == 1
    assert sorted(entry.name for entry in (tmp_path / "trash").iterdir()) == ["foreign", f"r1-young-{int(now - 60)}"]
    (tmp_path / "link").symlink_to(tmp_path / "trash")
    assert sweep(str(tmp_path / "link"), now=now + 2 * WEEK_S) == 0
    assert sweep(str(tmp_path / "nowhere"), now=now) == 0
