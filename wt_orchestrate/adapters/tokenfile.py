"""A secret in a file of the user's own: created once, refused if somebody else could read it.

It is never printed, logged or passed as an argument; its users read the file. Deleting the file makes a new one.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress

from wt_orchestrate.errors import Refused

_LONGEST = 200
_SHORTEST = 32


def token_at(path: str) -> str:
    """The token in this file, which is created if missing. Raises Refused if the file is not the user's own."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with suppress(FileExistsError):
        _make(path)
    return _read(path)


def _make(path: str) -> None:
    """Created completely or not at all: whoever finds the file finds a token in it."""
    if os.path.lexists(path):
        return
    beside = f"{path}.{os.getpid()}.new"
    with suppress(FileNotFoundError):
        os.unlink(beside)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    try:
        os.link(beside, path)
    finally:
        os.unlink(beside)


def _read(path: str) -> str:
    hint = f"delete {path}: the next start creates a new one"
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"the token in {path} cannot be read: {error.strerror}", hint=hint) from error
    with open(opened, "rb") as file:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise Refused(f"{path} is readable by others", hint=hint)
        text = file.read(_LONGEST).decode("ascii", "replace").strip()
    if len(text) < _SHORTEST or not all(each.isalnum() or each in "-_" for each in text):
        raise Refused(f"{path} contains no token", hint=hint)
    return text
