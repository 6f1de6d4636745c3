"""Copy files from one tree into another without leaving either.

Folders are opened by descriptor and never through a link, so a planted link leads nowhere. Links are copied as links;
sockets, pipes and devices are left out. Blocks are shared with the original if the file system can (reflink), else
copied by the kernel. A file appears under its name when it is complete.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress

from wt_orchestrate.osfiles.no_follow import FILE, FOLDER, below

_FICLONE = 0x40049409
_CHUNK = 1 << 30


def copy_all(names: Sequence[str], *, source: str, target: str, never: frozenset[str]) -> int:
    """Copy files and whole folders, named relative to `source`, to the same places below `target`; how many files.
    Existing files are kept, and folders of `never` (absolute, with all below) are left out."""
    real = os.path.realpath(source)
    left_out = frozenset(os.path.relpath(os.path.realpath(path), real) for path in never)
    count = 0
    with _folder(real) as reading, _folder(target) as writing:
        for name in names:
            above, _, last = name.rstrip("/").rpartition("/")
            with (
                suppress(NotADirectoryError),
                below(reading, *_parts(above)) as here,
                below(writing, *_parts(above), make=True) as there,
            ):
                count += _copy(last, here, there, path=name.rstrip("/"), left_out=left_out)
    return count


def _copy(name: str, here: int, there: int, *, path: str, left_out: frozenset[str]) -> int:
    try:
        found = os.stat(name, dir_fd=here, follow_symlinks=False)
    except FileNotFoundError:
        return 0
    if stat.S_ISDIR(found.st_mode):
        return 0 if path in left_out else _copy_folder(name, here, there, path=path, left_out=left_out)
    if _exists(name, there):
        return 0
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(name, dir_fd=here), name, dir_fd=there)
        return 1
    return _copy_file(name, here, there) if stat.S_ISREG(found.st_mode) else 0


def _copy_folder(name: str, here: int, there: int, *, path: str, left_out: frozenset[str]) -> int:
    count = 0
    with suppress(NotADirectoryError), below(here, name) as reading, below(there, name, make=True) as writing:
        for entry in os.listdir(reading):
            count += _copy(entry, reading, writing, path=f"{path}/{entry}", left_out=left_out)
    return count


def _copy_file(name: str, here: int, there: int) -> int:
    beside = f".{name[:200]}.wto"
    with closing(_Descriptor(os.open(name, FILE, dir_fd=here))) as source:
        was = os.fstat(source.number)
        with suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=there)
        made = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=there)
        with closing(_Descriptor(made)) as target:
            copy_content(source.number, target.number, size=was.st_size)
            os.fchmod(target.number, stat.S_IMODE(was.st_mode) & 0o777)
            os.utime(target.number, ns=(was.st_atime_ns, was.st_mtime_ns))
    os.rename(beside, name, src_dir_fd=there, dst_dir_fd=there)
    return 1


def copy_content(source: int, target: int, *, size: int) -> bool:
    """Copy one open file into another, empty one; whether they share their blocks."""
    with suppress(OSError):
        fcntl.ioctl(target, _FICLONE, source)
        return True
    left = size
    try:
        while left > 0 and (done := os.copy_file_range(source, target, min(left, _CHUNK))):
            left -= done
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
            raise
    while chunk := os.read(source, 1 << 20):
        _write_all(target, chunk)
    return False


def _write_all(target: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(target, left) :]


def _exists(name: str, there: int) -> bool:
    try:
        os.stat(name, dir_fd=there, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


@contextmanager
def _folder(path: str) -> Iterator[int]:
    with closing(_Descriptor(os.open(path, FOLDER))) as opened:
        yield opened.number


class _Descriptor:
    """A descriptor that `closing` can close."""

    def __init__(self, number: int) -> None:
        self.number = number

    def close(self) -> None:
        os.close(self.number)
