"""A secret in a file of the user's own: created once, refused if somebody else could read it.

It is never printed, logged or passed as an argument; its users read the file. Deleting the file makes a new one.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

from wt_orchestrate.errors import Refused
from wt_orchestrate.osfiles.atomic import make_file
from wt_orchestrate.osfiles.no_follow import NotRegular, open_regular

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
    make_file(beside, secrets.token_urlsafe(32) + "\n", mode=0o600)
    try:
        os.link(beside, path)
    finally:
        os.unlink(beside)


def _read(path: str) -> str:
    hint = f"delete {path}: the next start creates a new one"
    try:
        file = open_regular(path)
    except NotRegular as error:
        raise Refused(f"{path} is not a regular file", hint=hint) from error
    except OSError as error:
        raise Refused(f"the token in {path} cannot be read: {error.strerror}", hint=hint) from error
    with file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise Refused(f"{path} is readable by others", hint=hint)
        text = file.read(_LONGEST).decode("ascii", "replace").strip()
    if len(text) < _SHORTEST or not all(each.isalnum() or each in "-_" for each in text):
        raise Refused(f"{path} contains no token", hint=hint)
    return text
