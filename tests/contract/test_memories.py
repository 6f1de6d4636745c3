"""The memory's port: what both the stored one and the fake one promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.memories import FakeMemories
from wt_orchestrate.adapters.store.memories import SqliteMemories
from wt_orchestrate.domain.memory.entries import MemoryId, MemoryLayer, Note, Source, note
from wt_orchestrate.ports.memory import Memories

NOW = 1_700_000_000.0


@pytest.fixture(params=["fake", "sqlite"])
def memories(request: pytest.FixtureRequest, tmp_path: Path) -> Memories:
    return FakeMemories() if request.param == "fake" else SqliteMemories(str(tmp_path / "memory.db"))


def said(
    text: str, *paths: str, kind: str = "fact", layer: MemoryLayer = MemoryLayer.SHARED, run: str = "r1", **more: str
) -> Note:
    source = Source(run=run, workstream=more.get("workstream", "pool"), paths=paths, at=NOW)
    return note(text, layer=layer, kind=kind, sources=(source,), topic=more.get("topic", ""))


def test_an_empty_memory_answers_everything_with_nothing(memories: Memories) -> None:
    """Nothing has to be made before it can be asked."""
    assert memories.entries() == [] and memories.count() == 0 and memories.names() == []
    assert memories.search(["pool"], paths=["src/**"]) == []
    assert memories.find(MemoryId("m1")) is None and memories.learned("r1").until == 0
    assert memories.damage() == "" and memories.forget([MemoryId("m1")]) == []


def test_what_was_added_is_found_by_id_layer_kind_words_and_path(memories: Memories) -> None:
    """An entry comes back by everything that it can be looked for with."""
    kept = memories.add(
        [said("The pool leaks connections", "src/db/pool.py"), said("Use tabs", kind="convention")], now=NOW
    )
    assert [(each.entry.id, each.new) for each in kept] == [("m1", True), ("m2", True)]
    assert memories.find(MemoryId("m1")) == kept[0].entry
    assert memories.names() == ["m1", "m2"]
    assert [each.id for each in memories.entries()] == ["m2", "m1"]
    assert [each.id for each in memories.entries(kind="fact")] == ["m1"]
    assert memories.entries(layer=MemoryLayer.STRATEGIC) == []
    assert [each.id for each in memories.entries(limit=1)] == ["m2"]
    found = memories.search(["leaking", "pool"])
    assert found[0].entry.id == "m1" and found[0].words > 0
    assert "m1" in [hit.entry.id for hit in memories.search([], paths=["src/db/**"])]


def test_what_says_the_same_is_one_entry_with_all_its_sources(memories: Memories) -> None:
    """Duplicates are told by their normalised text, whatever their case, marks and spacing; the stronger layer stays."""
    memories.add([said("The pool leaks connections.", run="r1")], now=NOW)
    (again,) = memories.add([said("the pool  LEAKS `connections`", run="r2", layer=MemoryLayer.STRATEGIC)], now=NOW)
    assert not again.new and again.changed
    assert memories.count() == 1
    entry = memories.find(MemoryId("m1"))
    assert entry is not None and entry.times == 2 and entry.layer is MemoryLayer.STRATEGIC
    assert [source.run for source in entry.sources] == ["r1", "r2"]
    (same,) = memories.add([said("The pool leaks connections.", run="r2")], now=NOW)
    assert not same.changed and same.entry.times == 2


def test_a_topic_has_one_entry_whose_text_is_the_newest(memories: Memories) -> None:
    """What was measured anew replaces what was measured before, under the same id."""
    memories.add([said("r1 cost $1", topic="r1/cost")], now=NOW)
    (again,) = memories.add([said("r1 cost $2", topic="r1/cost")], now=NOW)
    assert (again.entry.id, again.new, again.changed) == ("m1", False, True)
    assert [each.text for each in memories.entries()] == ["r1 cost $2"]
    assert memories.search(["$1"]) == [] or memories.search(["$1"])[0].entry.text == "r1 cost $2"


def test_a_key_is_used_once(memories: Memories) -> None:
    """The same wish said twice is one, also when its text differs."""
    memories.add([said("The pool leaks")], now=NOW, key="k1")
    (again,) = memories.add([said("Something else entirely")], now=NOW, key="k1")
    assert again.entry.text == "The pool leaks" and memories.count() == 1


def test_a_mark_is_kept_with_what_was_learned(memories: Memories) -> None:
    """Up to where a run was learned from is known afterwards, also where there was nothing to learn."""
    memories.add([said("The pool leaks")], now=NOW, mark=("r1", 40))
    memories.add([], now=NOW, mark=("r2", 7))
    first, second = memories.learned("r1"), memories.learned("r2")
    assert (first.until, first.entries, second.until, second.entries) == (40, 1, 7, 0)


def test_what_was_forgotten_is_not_learned_again(memories: Memories) -> None:
    """A run that is learned from once more brings nothing back that somebody wished away; a wish of its own does."""
    memories.add([said("The pool leaks"), said("r1 took 3 s", topic="r1:course")], now=NOW, mark=("r1", 40))
    memories.forget([MemoryId("m1"), MemoryId("m2")])
    again = memories.add([said("the pool leaks"), said("r1 took 9 s", topic="r1:course")], now=NOW, mark=("r1", 50))
    assert again == [] and memories.count() == 0
    memories.add([said("the pool leaks")], now=NOW)
    assert memories.count() == 1


def test_what_is_forgotten_is_gone_and_its_id_is_not_given_again(memories: Memories) -> None:
    """A forgotten entry is found by nothing; the next one gets a new id."""
    memories.add([said("The pool leaks", "a.py"), said("Use tabs")], now=NOW)
    memories.note_use([MemoryId("m2")], run="r2", workstream="pool")
    assert memories.forget([MemoryId("m2"), MemoryId("m9")]) == ["m2"]
    assert memories.find(MemoryId("m2")) is None and memories.uses(MemoryId("m2")) == []
    (added,) = memories.add([said("Use tabs")], now=NOW)
    assert added.entry.id == "m3"


def test_uses_are_noted_once(memories: Memories) -> None:
    """Which briefs an entry went into is known, each once; what is not there is not noted."""
    memories.add([said("The pool leaks")], now=NOW)
    for _ in range(2):
        memories.note_use([MemoryId("m1"), MemoryId("m7")], run="r2", workstream="pool")
    memories.note_use([MemoryId("m1")], run="r2", workstream="api")
    assert memories.uses(MemoryId("m1")) == [("r2", "pool"), ("r2", "api")]


def test_a_preview_changes_nothing(memories: Memories) -> None:
    """What would happen is told without doing it."""
    memories.add([said("The pool leaks")], now=NOW)
    kept = memories.preview([said("the pool leaks", run="r2"), said("Use tabs")], now=NOW)
    assert [(each.new, each.changed) for each in kept] == [(False, True), (True, True)]
    assert [entry.times for entry in memories.entries()] == [1]


@pytest.mark.parametrize(
    "query",
    ['foo-bar "x', '"', "*", "NEAR(", "a AND", "col:x", "(((", "-", "\x00x", "ünïcode", "日本", "'; DROP", "^x", "{a}"],
)
def test_any_search_text_is_only_looked_for(memories: Memories, query: str) -> None:
    """No character of a query has a meaning of its own, and none raises."""
    memories.add([said("The pool leaks"), said("日本語 text about foo-bar")], now=NOW)
    assert all(hit.entry.text for hit in memories.search([query]))


def test_a_search_falls_back_to_beginnings_and_parts(memories: Memories) -> None:
    """A part of a word or path is found where no whole word is."""
    memories.add([said("reconnecting is slow", "src/databases/pooling.py")], now=NOW)
    assert [hit.entry.id for hit in memories.search(["reconnect"])] == ["m1"]
