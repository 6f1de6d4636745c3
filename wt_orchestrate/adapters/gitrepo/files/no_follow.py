"""Flags for opening files in folders that agents write: no link is followed, and opening never blocks."""

from __future__ import annotations

import os

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""For reading. It may still be a pipe, a socket or a device: check with `fstat` before reading."""
WRITTEN_OVER = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""For overwriting an existing file."""
