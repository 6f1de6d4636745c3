"""The trash, and how much space things take."""

from __future__ import annotations

import os
from pathlib import Path

from wt_orchestrate.adapters.trash import WEEK_S, discard, lying, size


def test_only_what_has_lain_for_a_week_is_due(tmp_path: Path) -> None:
    """An entry's name tells when it was moved; younger ones, foreign ones and links are left."""
    now = 10_000_000.0
    old, young = f"r1-old-{int(now - WEEK_S - 1)}", f"r1-young-{int(now - 60)}"
    for name in (old, young, "foreign"):
        (tmp_path / "trash" / name).mkdir(parents=True)
    trash = str(tmp_path / "trash")
    assert lying(trash, now=now) == (f"{trash}/{old}",)
    both = (f"{trash}/{old}", f"{trash}/{young}")
    assert lying(trash, now=now, older_than_s=float("-inf")) == both
    assert lying(trash, now=now - 30 * WEEK_S, older_than_s=float("-inf")) == both, "the clock was set back"
    (tmp_path / "link").symlink_to(tmp_path / "trash")
    assert lying(str(tmp_path / "link"), now=now + 2 * WEEK_S) == lying(str(tmp_path / "nowhere"), now=now) == ()


def test_space_is_counted_once_and_without_following_links(tmp_path: Path) -> None:
    """Two names of one file are one file; what a link names lies elsewhere."""
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "big").write_bytes(os.urandom(1 << 20))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "one").write_bytes(os.urandom(1 << 18))
    os.link(tmp_path / "here" / "one", tmp_path / "here" / "two")
    (tmp_path / "here" / "link").symlink_to(tmp_path / "far")
    assert 1 << 18 <= size(str(tmp_path / "here")) < 1 << 19
    assert size(str(tmp_path / "nowhere")) == 0


def test_read_only_folders_are_deleted_and_links_not_followed(tmp_path: Path) -> None:
    """What a build made read-only goes; what a link in it names stays."""
    (tmp_path / "stays").mkdir()
    (tmp_path / "stays" / "file").touch()
    (tmp_path / "goes" / "below").mkdir(parents=True)
    (tmp_path / "goes" / "below" / "file").touch()
    (tmp_path / "goes" / "link").symlink_to(tmp_path / "stays")
    (tmp_path / "goes" / "below").chmod(0o500)
    discard(str(tmp_path / "goes"))
    discard(str(tmp_path / "goes"))
    assert not (tmp_path / "goes").exists() and (tmp_path / "stays" / "file").exists()
