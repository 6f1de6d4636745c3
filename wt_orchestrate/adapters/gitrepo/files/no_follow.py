"""How what lies in a folder that agents write in is opened: no link is followed, and nothing there makes us wait."""

from __future__ import annotations

import os

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""For reading. What was opened so may still be a pipe, a socket or a device: `fstat` tells, before anything is read."""
WRITTEN_OVER = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""For a file that is there."""
