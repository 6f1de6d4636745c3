"""Faults of the machine, in words."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
from pathlib import Path

import pytest

from wt_orchestrate.cli import boundary
from wt_orchestrate.errors import ExitCode, Refused, WtError
from wt_orchestrate.faults import in_words, last_words, missing_temporary_folder, no_home
from wt_orchestrate.osfiles.locks import FileLock, given, held, locked


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_fault_has_words_a_place_and_a_remedy(number: int) -> None:
    """Whatever number the system gives, a person learns what, where and what to do, and trying again stays possible."""
    told = in_words(OSError(number, os.strerror(number), "/some/where"))
    assert told.message and told.hint and told.exit_code in {ExitCode.FAILED, ExitCode.NOT_FOUND}
    assert not isinstance(told, Refused), "a refusal would be final"
    assert "/some/where" in told.message or number in {errno.EMFILE, errno.ENFILE}


def test_names_in_bytes_and_pairs_of_names_are_shown() -> None:
    """Both files of a rename are named, also where they are bytes that are not UTF-8."""
    told = in_words(OSError(errno.EXDEV, "x", b"/caf\xe9", None, "/other"))
    assert told.message.startswith("/caf\udce9 and /other: ")
    assert "there is no memory left" in in_words(MemoryError()).message
    assert "ulimit" in last_words(OSError(errno.EMFILE, "x")) and "ValueError" in last_words(ValueError("x"))


def test_a_missing_file_is_explained_by_the_folder_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A TMPDIR that is not there is named as such; so is a working folder that was deleted."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert missing_temporary_folder() == ""
    monkeypatch.setenv("TMPDIR", f"{tmp_path}/gone")
    assert "TMPDIR" in in_words(OSError(errno.ENOENT, "x", f"{tmp_path}/gone/wto-1")).hint
    assert in_words(OSError(errno.ENOENT, "x", "/else")).message == "/else does not exist"
    assert "HOME" in no_home().hint
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    assert "current folder" in in_words(OSError(errno.ENOENT, "x")).message


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_P7_a_file_system_without_locks_is_read_and_never_run_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    """Where no lock can be taken nobody holds one, so looking works; taking one fails, and names the file."""
    path = str(tmp_path / "lock")
    Path(path).touch()

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert held(path) is False and given(path) is False
    before = len(os.listdir("/proc/self/fd"))
    for take in (FileLock(path).take, lambda: locked(path).__enter__()):
        with pytest.raises(OSError) as failed:
            take()
        told = in_words(failed.value)
        assert path in told.message and isinstance(told, WtError)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_full_folder_for_temporary_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python says that no folder for temporary files is usable: where there is no space, that is the reason."""
    monkeypatch.setenv("WTO_STATE_DIR", "/full")
    full = os.statvfs_result((4096, 4096, 100, 0, 0, 100, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda folder: full)
    told = in_words(OSError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"))
    assert told.message == "/full: there is no space left for temporary files"
    assert in_words(OSError(errno.ENOSPC, "x")).message == "/full: there is no space left"


def test_a_bug_is_told_also_where_its_report_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The words for a bug of ours need no space."""

    def refuse(**_: object) -> tuple[int, str]:
        raise OSError(errno.ENOSPC, "full")

    def broken() -> None:
        raise ValueError("ours")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert boundary.guarded(broken, as_json=False) == ExitCode.BUG
    said = capsys.readouterr().err
    assert "ours" in said and "Traceback" not in said


def test_a_fault_at_the_boundary_is_an_error_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` gets the code, the words and the remedy of a fault of the machine."""

    def full() -> None:
        raise OSError(errno.EROFS, "x", "/state/log.db")

    assert boundary.guarded(full, as_json=True) == ExitCode.FAILED
    told = json.loads(capsys.readouterr().err)["error"]
    assert told["code"] == 1 and told["message"] == "/state/log.db: the disk is read-only" and told["hint"]
