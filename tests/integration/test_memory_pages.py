"""What the memory answers over MCP, without a client."""

from __future__ import annotations

from pathlib import Path

from wt_orchestrate import wiring
from wt_orchestrate.domain.memory import Layer, note
from wt_orchestrate.mcp_server.remembering import recalled


def test_the_newest_entries_fit_into_an_answer(tmp_path: Path) -> None:
    """Without words or paths the newest come, as many as there is room for; how many there are is told."""
    site = wiring.Site(start=str(tmp_path), common_dir=str(tmp_path), state_dir=str(tmp_path))
    notes = [note(f"{n} " + "long " * 390, layer=Layer.SHARED) for n in range(50)]
    wiring.remember(site, notes)
    found = recalled(site, "", (), 50)
    assert 0 < sum(len(each.text) for each in found.entries) <= 12_000
    assert found.total == 50
