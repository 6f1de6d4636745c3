"""Faults of the machine in a tool's call."""

from __future__ import annotations

import errno
from typing import NoReturn

import pytest

pytest.importorskip("mcp")

from mcp.server.mcpserver.exceptions import ToolError

from wt_orchestrate.mcp_server.terms import plainly


def test_a_tool_tells_a_fault_of_the_machine_in_words() -> None:
    """A model reads what is missing and what to do, and no traceback."""

    @plainly
    def work() -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device", "/state/plans/x.yaml")

    with pytest.raises(ToolError, match=r"^/state/plans/x\.yaml: there is no space left\. free some space"):
        work()
