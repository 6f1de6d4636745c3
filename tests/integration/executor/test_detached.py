"""A process that is left behind: what is told of one that does not begin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wt_orchestrate.adapters.executor.detached import start_detached
from wt_orchestrate.errors import WtError


def test_what_ended_at_once_is_called_by_its_name(tmp_path: Path) -> None:
    """A drafting that fails is not told as a supervisor; the end of its output says why, and the hint where all of it is."""
    log = str(tmp_path / "log")
    argv = (sys.executable, "-c", "raise SystemExit('there is no goal')")
    with pytest.raises(WtError, match=r"^the draft exited at once: there is no goal$") as failed:
        start_detached(argv, log=log, ready=lambda: False, what="the draft")
    assert log in failed.value.hint


def test_what_ends_without_a_word_is_told_too(tmp_path: Path) -> None:
    """Also when all it wrote is an empty line."""
    argv = (sys.executable, "-c", "print(); raise SystemExit(3)")
    with pytest.raises(WtError, match=r"^the supervisor exited at once: no output$"):
        start_detached(argv, log=str(tmp_path / "log"), ready=lambda: False)
