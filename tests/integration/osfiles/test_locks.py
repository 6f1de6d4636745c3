"""Operating-system file locks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import pytest

from wt_orchestrate.osfiles.locks import FileLock, held, locked, one_of


def test_a_lock_is_free_when_its_holder_dies(tmp_path: Path) -> None:
    """Another process holds it and says who it is; killed, it holds nothing any more."""
    path = str(tmp_path / "lock")
    code = f"from wt_orchestrate.osfiles.locks import FileLock; l = FileLock({path!r}); l.take(); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"1\n"
        lock = FileLock(path)
        assert (lock.take(), lock.held(), lock.holder()) == (False, True, str(holder.pid))
        holder.send_signal(signal.SIGKILL)
    assert not held(path)
    assert lock.take()
    lock.free()


def test_looking_makes_and_changes_nothing(tmp_path: Path) -> None:
    """A lock that was never taken is not held, and not made by the look."""
    assert not held(str(tmp_path / "lock"))
    assert list(tmp_path.iterdir()) == []


def test_S8_a_lock_file_is_not_made_through_a_link(tmp_path: Path) -> None:
    """Where a link lies in a lock's place, nothing is made where it points."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), locked(str(tmp_path / "lock")):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("folder", [True, False])
def test_one_at_a_time(tmp_path: Path, folder: bool) -> None:
    """Two that want the same lock are inside one after the other, on a file as on a folder."""
    path = str(tmp_path if folder else tmp_path / "lock")
    together, inside, most = Barrier(4), [0], [0]

    def enter() -> None:
        together.wait()
        for _ in range(50):
            with locked(path):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                os.sched_yield()
                inside[0] -= 1

    threads = [Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_as_many_at_a_time_as_there_are_locks(tmp_path: Path) -> None:
    """With two locks two are inside together, which needs no waiting; a third finds both held."""
    paths = tuple(str(tmp_path / name) for name in "ab")
    with one_of(paths), one_of(paths):
        assert [held(path) for path in paths] == [True, True]
    assert [held(path) for path in paths] == [False, False]
