"""A local executor whose processes all end with the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.processes import carrying
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.executor.local import LocalExecutor
from wt_orchestrate.domain.ids import ProcessId


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[LocalExecutor]:
    """An executor over an empty folder. When the test is over, nothing that it started may live."""
    executor = LocalExecutor(str(tmp_path / "processes"))
    yield executor
    for name in os.listdir(tmp_path / "processes"):
        executor.end(ProcessId(name))
        # The keeper itself lives a moment longer than its word.
        wait_until(partial(_gone, tmp_path / "processes" / name))


def _gone(folder: Path) -> bool:
    return carrying(f"WTO_PROCESS={folder}") == []
