"""Read a file below a folder that others write: no link is followed at any step, and only a regular file is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from wt_orchestrate.errors import Refused

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def regular_text(root: str, names: Sequence[str], *, limit: int) -> str | None:
    """The start of the file with these names below a folder; None if it does not exist. Raises Refused for anything
    else."""
    path = "/".join((root, *names))
    opened: list[int] = []
    try:
        opened.append(os.open(root, _FOLDER & ~os.O_NOFOLLOW))
        for name in names[:-1]:
            opened.append(os.open(name, _FOLDER, dir_fd=opened[-1]))
        opened.append(os.open(names[-1], _FILE, dir_fd=opened[-1]))
        facts = os.fstat(opened[-1])
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise Refused(f"{path} is not a regular file (or has a second hard link)", hint="put a regular file there")
        with os.fdopen(opened.pop(), "rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", hint="put a regular file there") from error
    finally:
        for number in opened:
            os.close(number)


def names_in(root: str, names: Sequence[str], *, most: int) -> tuple[str, ...]:
    """The names in the folder with these names below a folder, sorted; none if it does not exist. Raises Refused for
    anything but a folder, and for one that holds too many."""
    path = "/".join((root, *names))
    opened: list[int] = []
    try:
        opened.append(os.open(root, _FOLDER & ~os.O_NOFOLLOW))
        for name in names:
            opened.append(os.open(name, _FOLDER, dir_fd=opened[-1]))
        found = sorted(os.listdir(opened[-1]))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", hint="put a real folder there") from error
    finally:
        for number in opened:
            os.close(number)
    if len(found) > most:
        raise Refused(f"{path} holds {len(found)} files, more than {most}", hint="remove some")
    return tuple(found)
