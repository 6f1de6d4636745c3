"""Faults of the machine in words: an `OSError` that nobody nearer to it has explained, as an error for people.

The one place where it is decided what a person can do about a full disk, a folder that is not there or a limit of the
system. Callers that know more (a log, a plan, a lock) say so themselves; what they let through ends here, at the boundary of
each face and at the end of each effect. Nothing is decided by the text of an error: only by its number, its file, and what is
there now. Loaded before anything can go wrong, because a process without descriptors can load nothing any more.
"""

from __future__ import annotations

import errno
import os
import resource

from wt_orchestrate.errors import ExitCode, Refused, WtError

_FREE = "free some space, then run wto resume"
_ALLOW = "change its permissions, or use another place: WTO_STATE_DIR for the state, worktrees: in .wto/config.yaml"
_LOCAL = "use a local disk: WTO_STATE_DIR for the state, worktrees: in .wto/config.yaml"
_ROOM = "end other programs, or raise the limit (ulimit -u, ulimit -v), then run wto resume"
_TEMPORARY = "make it, or set TMPDIR to a folder that exists"
_LITTLE = 1 << 20
_AWAY = "move what is in the way elsewhere, then try again"
_KNOWN: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("there is no space left", _FREE),
    errno.EDQUOT: ("the disk quota is used up", _FREE),
    errno.EFBIG: ("the file would be larger than the limit (ulimit -f)", "raise the limit, then run wto resume"),
    errno.EROFS: ("the disk is read-only", _ALLOW),
    errno.EACCES: ("permission denied", _ALLOW),
    errno.EPERM: ("the system does not permit it", _ALLOW),
    errno.ENOLCK: ("its file system gives no locks", _LOCAL),
    errno.EOPNOTSUPP: ("its file system does not support this", _LOCAL),
    errno.ENOSYS: ("the system does not support this", _LOCAL),
    errno.EXDEV: ("it is on another file system", "put both on the same one: worktrees: in .wto/config.yaml"),
    errno.ESTALE: ("the network file system lost it", _LOCAL),
    errno.EIO: ("the disk cannot be read or written", "check the disk, then run wto resume"),
    errno.ENOMEM: ("there is no memory left", _ROOM),
    errno.EAGAIN: ("the system gives no further process", _ROOM),
    errno.ENOTDIR: ("a file is where a folder should be", _AWAY),
    errno.EISDIR: ("a folder is where a file should be", _AWAY),
    errno.EEXIST: ("something else is there already", _AWAY),
    errno.ENOTEMPTY: ("the folder is not empty", _AWAY),
    errno.ELOOP: ("there are too many links", _AWAY),
    errno.ENAMETOOLONG: ("the path is too long", "use a shorter path"),
    errno.ENOEXEC: ("the system cannot run this program", "install it for this system"),
    errno.ETXTBSY: ("the program is being written", "try again"),
}


def in_words(error: OSError | MemoryError) -> WtError:
    """What is wrong, where, and what to do. Never fails, whatever the state of the machine, and never says that
    trying again is in vain."""
    if isinstance(error, MemoryError):
        return WtError("there is no memory left", hint=_ROOM)
    number, where = error.errno or 0, _where(error)
    if number == errno.ENOENT:
        return _missing(where)
    if number in (errno.EMFILE, errno.ENFILE):
        return WtError(
            f"too few files can be open at once (the limit is {resource.getrlimit(resource.RLIMIT_NOFILE)[0]})",
            hint="raise the limit (ulimit -n 1024), then run wto resume",
        )
    where = where or (_full() if number in (errno.ENOSPC, errno.EDQUOT) else "")
    found, hint = _KNOWN.get(number, (error.strerror or str(error) or "the system refused it", "wto doctor"))
    return WtError(f"{where}: {found}" if where else found, hint=hint)


def _missing(where: str) -> WtError:
    """Why something is not there: because a folder that everything needs is gone, if so."""
    if not _has_folder():
        return WtError(
            "the current folder does not exist any more",
            hint="cd into a folder that exists",
            exit_code=ExitCode.NOT_FOUND,
        )
    temporary = missing_temporary_folder()
    if temporary and (not where or where.startswith(temporary)):
        return WtError(
            f"the folder for temporary files does not exist: {temporary}", hint=_TEMPORARY, exit_code=ExitCode.NOT_FOUND
        )
    if not where and _full():
        return WtError(f"{_full()}: there is no space left for temporary files", hint=_FREE)
    if not where:
        return WtError("a file or folder that was there is gone", hint="wto doctor")
    return WtError(f"{where} does not exist", hint="wto doctor", exit_code=ExitCode.NOT_FOUND)


def missing_temporary_folder() -> str:
    """The folder for temporary files that the environment names, if there is none; else empty."""
    named = os.environ.get("TMPDIR", "")
    return named if named and not os.path.isdir(named) else ""


def no_home() -> Refused:
    """No place is known for what belongs to this user: neither HOME is set, nor has the user an entry with the system."""
    return Refused(
        f"there is no home folder: HOME is not set, and user {os.geteuid()} has no entry with the system",
        hint="set HOME, or WTO_STATE_DIR to a folder of this user's",
    )


def last_words(error: BaseException) -> str:
    """A failure so early or so late that nothing can be loaded any more, in one line."""
    told = in_words(error) if isinstance(error, OSError) else None
    return f"{told.message}: {told.hint}" if told else f"{type(error).__name__}: {error}"


def _full() -> str:
    """A folder that we write to on a disk without space; writing alone does not say where it failed."""
    named = (os.environ.get(name, "") for name in ("WTO_STATE_DIR", "TMPDIR", "HOME"))
    for folder in (*named, ".", "/tmp"):
        try:
            facts = os.statvfs(folder)
        except OSError:
            continue
        if facts.f_bavail * facts.f_frsize < _LITTLE:
            return folder
    return ""


def _has_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _where(error: OSError) -> str:
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | bytes) and name]
    return " and ".join(os.fsdecode(name) for name in names)
