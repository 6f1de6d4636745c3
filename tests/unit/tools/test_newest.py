"""The tests with another git and Python: what is missing is said, and is no failure of a test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tools import newest


def test_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Without root or debootstrap nothing is made, and the exit code is another one than that of a failed test."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert newest.main([str(tmp_path / "roots")]) == newest.CANNOT
    assert "run it as root" in capsys.readouterr().err
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert newest.main([str(tmp_path / "roots")]) == newest.CANNOT
    assert "apt-get install debootstrap" in capsys.readouterr().err
    assert not (tmp_path / "roots").exists()


def test_a_debian_that_cannot_be_made_is_said_and_tried_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mirror that does not answer is told with the words of debootstrap; half a Debian is not taken for a whole one."""
    monkeypatch.setattr(newest, "_quiet", lambda words: "debootstrap failed: no mirror")
    assert newest.make_root(tmp_path / "sid", "sid") == "debootstrap failed: no mirror"
    assert not (tmp_path / "sid" / "made").exists()
