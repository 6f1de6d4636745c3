"""The live board, on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

from tests.support.project import COMMAND_AGENT, COMMIT, HANDOFF, Project


def _on_a_terminal(project: Project, *words: str, columns: int, deadline_s: float = 60.0) -> str:
    """What the program prints on a terminal of that width, until it ends."""
    terminal, theirs = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "wt_orchestrate", *words],
        cwd=project.repository.path,
        env={**project.environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    project.started.append(child)
    shown = b"".join(_until_closed(terminal, deadline_s))
    os.close(terminal)
    assert child.wait(timeout=10) == 0, shown.decode()
    return shown.decode()


def _until_closed(terminal: int, deadline_s: float) -> Iterator[bytes]:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux's word for: nobody holds the other end any more
            return
        if not part:
            return
        yield part


def test_the_board_shows_the_table_and_the_events(project: Project) -> None:
    """On a terminal the table is redrawn in place below the events, with the symbols of a UTF-8 terminal."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {one: {brief: x}}\n", {"one": "sleep 1\n" + COMMIT}
    )
    shown = _on_a_terminal(project, "run", plan, columns=120)
    assert "WORKSTREAM" in shown and "\x1b[" in shown
    assert "▶  one" in shown and "working" in shown
    assert "✓ one" in shown and "integrated as" in shown
    assert "Next: run wto land" in shown


def test_a_narrow_terminal_drops_whole_columns_and_says_so(project: Project) -> None:
    """`status` in 50 columns hides the less important columns, never parts of the important ones."""
    plan = project.plan(
        "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a-rather-long-name: {brief: x, role: builder}}\n",
        {"a-rather-long-name": COMMIT + HANDOFF.replace("## Findings", "## Verification\nNone.\n\n## Findings")},
    )
    assert project.wto("run", plan).code == 0
    shown = _on_a_terminal(project, "status", columns=50)
    assert "a-rather-long-name" in shown and "integrated" in shown
    assert "builder" not in shown and "columns hidden; see --json" in shown
