"""Read a file below a folder that others write: no link is followed at any step, and only a regular file is read."""

from __future__ import annotations

import os
from collections.abc import Sequence

from wt_orchestrate.errors import Refused
from wt_orchestrate.osfiles.no_follow import NotRegular, below, read_regular


def regular_text(root: str, names: Sequence[str], *, limit: int) -> str | None:
    """The start of the file with these names below a folder; None if it does not exist. Raises Refused for anything
    else."""
    path = "/".join((root, *names))
    try:
        with below(root, *names[:-1]) as folder:
            return read_regular(names[-1], folder=folder, limit=limit, one_name=True).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except NotRegular as error:
        raise Refused(
            f"{path} is not a regular file (or has a second hard link)", hint="put a regular file there"
        ) from error
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", hint="put a regular file there") from error


def names_in(root: str, names: Sequence[str], *, most: int) -> tuple[str, ...]:
    """The names in the folder with these names below a folder, sorted; none if it does not exist. Raises Refused for
    anything but a folder, and for one that holds too many."""
    path = "/".join((root, *names))
    try:
        with below(root, *names) as folder:
            found = sorted(os.listdir(folder))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", hint="put a real folder there") from error
    if len(found) > most:
        raise Refused(f"{path} holds {len(found)} files, more than {most}", hint="remove some")
    return tuple(found)
