"""What is recalled into a brief, and what is not."""

from __future__ import annotations

from typing import cast

from tests.support.memories import FakeMemories
from wt_orchestrate.domain.memory.entries import AGENT, MemoryLayer, Source, note
from wt_orchestrate.engine.effects.recall import recall
from wt_orchestrate.ports.git.vault import Vault

NOW = 1_800_000_000.0


def test_a_run_is_not_told_what_only_it_said_itself() -> None:
    """A run that was learned from at a gate recalls what others said before it, also where it said the same, and no more."""
    memories = FakeMemories()
    said = {"r1": "The port of the pool is 5433", "r2": "The pool is closed at night"}
    for run, text in said.items():
        source = Source(who=AGENT, run=run, workstream="pool", at=NOW)
        memories.add([note(text, layer=MemoryLayer.SHARED, sources=(source,))], now=NOW)
    memories.add([note(said["r1"], layer=MemoryLayer.SHARED, sources=(Source(who=AGENT, run="r2", at=NOW),))], now=NOW)

    def told(apart: str) -> list[str]:
        found = recall(memories, cast(Vault, None), terms=("pool",), head=None, now=NOW, briefing=True, apart=apart)
        return sorted(each.entry.text for each in found)

    assert told("r3") == sorted(said.values())
    assert told("r2") == [said["r1"]]
