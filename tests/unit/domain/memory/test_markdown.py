"""The memory as a markdown file: the same there and back, merged by hand, read however broken."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wt_orchestrate.domain.memory.entries import (
    KINDS,
    WHO,
    MemoryEntry,
    MemoryLayer,
    Source,
    entry_of,
    merged,
    normal,
    note,
    source_words,
)
from wt_orchestrate.domain.memory.markdown import parse_memory, render_memory
from wt_orchestrate.domain.replace import replace

_TEXT = st.text(alphabet=st.sampled_from("ab \n-*#`:\\>éx\t[]<=|"), min_size=1, max_size=80).filter(
    lambda text: bool(text.strip())
)
_PATH = st.sampled_from(["src/a.py", "b c.txt", "src/**", "é.md"])


@st.composite
def entries(draw: st.DrawFn) -> list[MemoryEntry]:
    """Entries that do not say the same."""
    found: dict[str, MemoryEntry] = {}
    for number, text in enumerate(draw(st.lists(_TEXT, max_size=6)), start=1):
        sources = tuple(
            Source(
                who=draw(st.sampled_from(WHO)),
                run=f"r{place + 1}",
                workstream=draw(st.sampled_from(["", "pool"])),
                commit=draw(st.sampled_from(["", "a" * 40])),
                paths=tuple(draw(st.lists(_PATH, max_size=3, unique=True))),
                at=float(1_700_000_000 + place),
            )
            for place in range(draw(st.integers(1, 3)))
        )
        kind, layer = draw(st.sampled_from(KINDS)), draw(st.sampled_from(list(MemoryLayer)))
        made = entry_of(note(text, layer=layer, kind=kind, sources=sources), number, 1_700_000_000.0)
        found.setdefault(normal(made.text), made)
    return list(found.values())


@given(entries())
def test_what_is_written_is_read_as_it_was(known: list[MemoryEntry]) -> None:
    """Nothing is lost, nothing is told as a problem, and what is read is written the same again."""
    text = render_memory(known)
    read = parse_memory(text)
    assert read.problems == ()
    again = [entry_of(made, number, 0.0) for number, made in enumerate(read.notes, start=1)]
    assert render_memory(again) == text
    assert {(e.layer, e.kind, e.text, e.sources) for e in again} == {
        (e.layer, e.kind, e.text, tuple(replace(source, claimed=True) for source in e.sources)) for e in known
    }


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    """A file that is no memory raises nothing, and every problem has a line of it."""
    read = parse_memory(text)
    assert all(1 <= each.line <= text.count("\n") + 1 for each in read.problems)


def test_a_file_that_people_edited_is_read() -> None:
    """Kinds, sources and layers may be missing; what is wrong is told by its line and the rest is taken."""
    text = """# Ours

## strategic

* Use tabs
- convention: Tests are
  small

  and quick
  - source: person on 2026-01-31
  - source: somebody at noon

## wisdom

- decision: Ports are odd
<<<<<<< ours
lost
"""
    read = parse_memory(text)
    assert [(made.layer, made.kind, made.text) for made in read.notes] == [
        (MemoryLayer.STRATEGIC, "note", "Use tabs"),
        (MemoryLayer.STRATEGIC, "convention", "Tests are\nsmall\n\nand quick"),
        (MemoryLayer.SHARED, "decision", "Ports are odd"),
    ]
    assert [each.line for each in read.problems] == [11, 13, 16, 17]
    assert not any(made.vouched for made in read.notes)


def test_two_exports_merge_line_by_line() -> None:
    """An entry more leaves every other line as it was."""
    one = [entry_of(note(f"fact number {n}", layer=MemoryLayer.SHARED, kind="fact"), n, 0.0) for n in (1, 3)]
    two = [*one, entry_of(note("fact number 2", layer=MemoryLayer.SHARED, kind="fact"), 2, 0.0)]
    before, after = render_memory(one).splitlines(), render_memory(two).splitlines()
    assert [line for line in after if line not in before] == ["- fact: fact number 2"]
    assert len(after) == len(before) + 1


def test_no_heading_of_a_file_holds_anybody_up() -> None:
    """A heading of spaces is read at once, however long."""
    began = time.process_time()
    parse_memory("# a" + " " * 7_000 + "b\n")
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("on", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1900-01-01"])
def test_no_date_in_a_file_makes_the_memory_unreadable(on: str) -> None:
    """A source of a time that no calendar has is taken in without it, and can be shown and written again."""
    (made,) = parse_memory(f"# x\n\n## shared\n\n- fact: b\n  - source: agent in r1/pool on {on}\n").notes
    assert made.sources[0].at == 0.0
    assert "in r1/pool\n" in render_memory([entry_of(made, 1, 5.0)])


def test_a_file_only_claims_whose_word_it_is() -> None:
    """What was seen here is neither replaced nor outlived by a file's later date, and a brief is told what is only claimed."""
    text = "- fact: close it\n  - source: person at {} on 2290-01-01T00:00:00Z; files: `a.py`\n".format("f" * 40)
    (made,) = parse_memory(f"# x\n\n## shared\n\n{text}").notes
    assert source_words(entry_of(made, 1, 5.0)) == "from a person at ffffffffff, according to a file"
    seen = Source(who="person", at=100.0)
    known = merged(entry_of(note("close it", layer=MemoryLayer.SHARED, sources=(seen,)), 1, 200.0), made, 300.0)
    assert known.sources == (seen,)
    assert merged(
        entry_of(made, 1, 200.0), note("close it", layer=MemoryLayer.SHARED, sources=(seen,)), 300.0
    ).sources == (seen,)
    assert entry_of(made, 1, 5.0).seen_at == 5.0


def test_a_file_of_very_many_entries_is_read_up_to_a_bound() -> None:
    """The rest is told with its line."""
    read = parse_memory("## shared\n" + "".join(f"- fact: number {n}\n" for n in range(20_005)))
    assert len(read.notes) == 20_000
    assert [(each.line, each.message[:24]) for each in read.problems] == [(20_002, "20000 entries are read; ")]
