"""Read HANDOFF.md from an agent's worktree, where anything may have that name.

No link is followed at any component below the worktree's path; only a regular file with one name is read, without
blocking and up to a bound. Any fault is a problem in words, never an exception.
"""

from __future__ import annotations

import os

from wt_orchestrate.osfiles.no_follow import FOLDER, NotRegular, read_regular
from wt_orchestrate.ports.engine import HandoffFile

NAME = "HANDOFF.md"
LIMIT = 1 << 18


class HandoffFiles:
    """The handoff port on this machine."""

    def read(self, worktree: str) -> HandoffFile:
        """Read the handoff without following links, bounded; never raises."""
        try:
            folder = os.open(worktree, FOLDER)
        except OSError:
            return HandoffFile(text=None)
        try:
            return _told(read_regular(NAME, folder=folder, limit=LIMIT + 1, one_name=True))
        except FileNotFoundError:
            return HandoffFile(text=None)
        except NotRegular:
            return HandoffFile(text=None, problem=f"{NAME} is not a regular file (or has a second hard link)")
        except OSError as error:
            return HandoffFile(text=None, problem=f"{NAME} cannot be read: {error.strerror}")
        finally:
            os.close(folder)


def _told(content: bytes) -> HandoffFile:
    if b"\0" in content:
        return HandoffFile(text=None, problem=f"{NAME} is not text")
    text = content[:LIMIT].decode("utf-8", errors="replace")
    return HandoffFile(text=text, problem=f"{NAME} is over {LIMIT} bytes" if len(content) > LIMIT else "")
