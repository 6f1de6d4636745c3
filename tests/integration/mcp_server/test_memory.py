"""What the memory answers over MCP, without a client."""

from __future__ import annotations

from pathlib import Path

import pytest

from wt_orchestrate.adapters.memoryfile import read_text
from wt_orchestrate.domain.memory.entries import MemoryLayer, note
from wt_orchestrate.errors import Refused
from wt_orchestrate.mcp_server.memory import recalled, remembered
from wt_orchestrate.wiring.memory import remember
from wt_orchestrate.wiring.site import Site


def test_the_newest_entries_fit_into_an_answer(tmp_path: Path) -> None:
    """Without words or paths the newest come, as many as there is room for; how many there are is told."""
    site = Site(start=str(tmp_path), common_dir=str(tmp_path), state_dir=str(tmp_path))
    notes = [note(f"{n} " + "long " * 390, layer=MemoryLayer.SHARED) for n in range(50)]
    remember(site, notes)
    found = recalled(site, "", (), 50)
    assert 0 < sum(len(each.text) for each in found.entries) <= 12_000
    assert found.total == 50


def test_a_key_of_a_call_stands_for_one_thing_to_remember(tmp_path: Path) -> None:
    """The same again is the same entry; something else under its key is refused, not answered as known."""
    site = Site(start=str(tmp_path), common_dir=str(tmp_path), state_dir=str(tmp_path))
    first = remembered(site, "close the pool", key="k1", kind="note", layer="strategic", paths=())
    again = remembered(site, "Close the pool.", key="k1", kind="note", layer="strategic", paths=())
    assert (first.id, first.new, again.id, again.new) == ("m1", True, "m1", False)
    with pytest.raises(Refused, match="is already used"):
        remembered(site, "open the door", key="k1", kind="note", layer="strategic", paths=())


def test_a_folder_is_no_memory_file(tmp_path: Path) -> None:
    """It is refused as what it is, like anything else that is not a regular file."""
    with pytest.raises(Refused, match="is not a regular file"):
        read_text(str(tmp_path))
