"""Read HANDOFF.md from an agent's worktree, where anything may have that name.

No link is followed at any component below the worktree's path; only a regular file with one name is read, without
blocking and up to a bound. Any fault is a problem in words, never an exception.
"""

from __future__ import annotations

import os
import stat

from wt_orchestrate.ports.engine import HandoffFile

NAME = "HANDOFF.md"
LIMIT = 1 << 18


class HandoffFiles:
    """The handoff port on this machine."""

    def read(self, worktree: str) -> HandoffFile:
        """Read the handoff without following links, bounded; never raises."""
        try:
            folder = os.open(worktree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return HandoffFile(text=None)
        try:
            return _read(folder)
        except FileNotFoundError:
            return HandoffFile(text=None)
        except OSError as error:
            return HandoffFile(text=None, problem=f"{NAME} cannot be read: {error.strerror}")
        finally:
            os.close(folder)


def _read(folder: int) -> HandoffFile:
    facts = os.stat(NAME, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(facts.st_mode):
        return HandoffFile(text=None, problem=f"{NAME} is not a regular file")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(NAME, flags, dir_fd=folder), "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            return HandoffFile(text=None, problem=f"{NAME} is not a regular file (or has a second hard link)")
        content = file.read(LIMIT + 1)
    if b"\0" in content:
        return HandoffFile(text=None, problem=f"{NAME} is not text")
    text = content[:LIMIT].decode("utf-8", errors="replace")
    return HandoffFile(text=text, problem=f"{NAME} is over {LIMIT} bytes" if len(content) > LIMIT else "")
