"""A full disk: nothing is written by halves, nothing starts, and how a process ended is still told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import launch
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.executor.local import LocalExecutor
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.errors import WtError
from wt_orchestrate.ports.engine import ProcessState

ID = ProcessId("r1.disk.1")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"may not mount a small file system: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def _fill(place: Path) -> Path:
    filler = place / "filler"
    with open(filler, "ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass  # that is what we wanted
    return filler


def test_D7_an_end_is_told_on_a_full_disk(small: Path) -> None:
    """exit.json is written whole, in the space that the keeper held back for it."""
    executor = LocalExecutor(str(small / "processes"))
    executor.start(launch(ID, ("sh", "-c", "echo up; exec cat"), input=True))
    wait_until(lambda: executor.read(ID, offset=0).lines)
    _fill(small)
    executor.stop(ID)
    wait_until(lambda: executor.poll(ID).state is ProcessState.EXITED)
    assert executor.end(ID).cause == "stopped"


def test_D7_nothing_starts_on_a_full_disk_and_work_resumes_with_space(small: Path, tmp_path: Path) -> None:
    """A start without room for its record is refused before anything runs, and works once there is room."""
    executor = LocalExecutor(str(small / "processes"))
    folder = Path(executor.folder(ID))
    filler = _fill(small)
    with pytest.raises(WtError, match="No space left on device"):
        executor.start(launch(ID, ("touch", str(tmp_path / "ran"))))
    assert executor.poll(ID).state is ProcessState.ABSENT
    assert not (folder / "started").exists() and not (tmp_path / "ran").exists()
    filler.unlink()
    executor.start(launch(ID, ("touch", str(tmp_path / "ran"))))
    wait_until(lambda: executor.poll(ID).state is ProcessState.EXITED)
    assert (tmp_path / "ran").exists()
