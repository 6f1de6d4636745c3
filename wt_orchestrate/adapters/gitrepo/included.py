"""Files that git ignores but work needs (`.env`, `node_modules`), brought along as `.worktreeinclude` says.

The file has gitignore syntax and means the same as for Claude Code: a file comes along when it is named there and ignored
by git. Copies share their blocks with the original where the file system can (reflinks); links are copied as links.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat

from wt_orchestrate.adapters.gitrepo.runner import Git, fields

NAME = ".worktreeinclude"
_FICLONE = 0x40049409


def copy_included(git: Git, main: str, path: str) -> int:
    """Copy what `.worktreeinclude` of the main worktree names; returns how many files."""
    listing = f"{main}/{NAME}"
    if not os.path.isfile(listing):
        return 0
    env = {"GIT_WORK_TREE": main}
    arguments = ("ls-files", "-z", "--others", "--ignored", "--directory")
    wanted = set(fields(git.run(*arguments, f"--exclude-from={listing}", env=env, cwd=main)))
    ignored = fields(git.run(*arguments, "--exclude-standard", env=env, cwd=main))
    return sum(_copy(f"{main}/{name}", f"{path}/{name}") for name in _both(wanted, ignored))


def _both(wanted: set[str], ignored: list[str]) -> list[str]:
    """What both lists name; a folder (with a slash behind it) covers all below it."""
    found = {name for name in ignored if name in wanted or _below(name, wanted)}
    found |= {name for name in wanted if _below(name, set(ignored))}
    kept = sorted(found)
    return [name.rstrip("/") for name in kept if not _below(name, found - {name})]


def _below(name: str, folders: set[str]) -> bool:
    parts = name.rstrip("/").split("/")
    return any("/".join(parts[:count]) + "/" in folders for count in range(1, len(parts)))


def _copy(source: str, target: str) -> int:
    """Copy a file, a link or a whole folder that is not there yet; how many files."""
    try:
        mode = os.lstat(source).st_mode
    except FileNotFoundError:
        return 0
    if stat.S_ISDIR(mode):
        os.makedirs(target, exist_ok=True)
        return sum(_copy(entry.path, f"{target}/{entry.name}") for entry in os.scandir(source))
    if os.path.lexists(target):
        return 0
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(source), target)
    elif stat.S_ISREG(mode):
        copy_file(source, target)
    else:
        return 0
    return 1


def copy_file(source: str, target: str) -> bool:
    """Copy a regular file with its mode; whether its blocks are shared with the original."""
    with open(source, "rb") as reading, open(target, "xb") as writing:
        shared = True
        try:
            fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
        except OSError:
            shared = False
            shutil.copyfileobj(reading, writing, 1 << 20)
    shutil.copymode(source, target)
    return shared
