"""What a model is given is bounded and paged, whatever the size of what is behind it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest

from tests.support.story import BASE, World
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import RunId, TreeId, WorkstreamId
from wt_orchestrate.domain.plan.model import Plan, Workstream
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.state.lifecycle import Stage
from wt_orchestrate.domain.status.view import view
from wt_orchestrate.errors import NotFound
from wt_orchestrate.mcp_server.pages import FITS, PAGE, ROWS, Decision, decisions, fitting, page, part, story_page

BAD = ("x", "-1", "1.5", "٣", "9" * 30)


def record(number: int, event: e.Event) -> e.Record:
    return e.Record(number=number, at=1.0, actor=e.Actor.SUPERVISOR, run=RunId("r1"), cause="", event=event)


def test_a_text_comes_back_whole_page_by_page() -> None:
    """Pages end at lines where they can, and together they are the text."""
    text = "".join(f"line {number}\n" for number in range(5_000)) + "x" * 30_000
    found, cursor = "", ""
    while True:
        one = page(text, cursor, of="us")
        assert len(one.text) <= PAGE
        found += one.text
        if not one.next:
            break
        cursor = one.next
    assert found == text


def test_rows_come_back_whole_part_by_part() -> None:
    """Each part fits, and the rest of the values is in each."""
    rows = [{"id": number, "text": "x" * 500} for number in range(300)]
    whole = {"schema": "s/1", "rows": rows}
    found: list[object] = []
    cursor = ""
    while True:
        one = part(whole, "rows", cursor)
        assert one["schema"] == "s/1"
        assert len(json.dumps(one)) <= ROWS + 1_000
        assert "shortened" not in one
        found += one["rows"]
        cursor = one["more"]
        if not cursor:
            break
    assert found == rows


def test_what_is_too_large_in_itself_is_shortened_and_told() -> None:
    """Lists and texts that no paging would make fit: each answer has its size, every row comes, and it says what was cut."""
    rows = [{"id": f"w{n}", "notes": ["y" * 3_000] * (300 if n == 1 else 1)} for n in range(4)]
    whole = {
        "goal": "g",
        "rows": rows,
        "risks": [{"text": "z" * 400}] * 900,
        "conflicts": ["a" * 100] * 5_000,
        "few": [1],
    }
    found: list[str] = []
    cursor = ""
    while True:
        one = part(whole, "rows", cursor)
        assert len(json.dumps(one, ensure_ascii=False)) <= ROWS + 1_000
        assert (list(one)[:5], one["goal"], one["few"]) == (list(whole), "g", [1])
        assert {"risks", "conflicts"} <= set(one["shortened"])
        assert one["risks"] and one["conflicts"]
        found += [row["id"] for row in one["rows"]]
        cursor = one["more"]
        if not cursor:
            break
    assert found == ["w0", "w1", "w2", "w3"]
    assert "rows/1" in part(whole, "rows", "")["shortened"]


@pytest.mark.parametrize("cursor", BAD)
def test_a_bad_cursor_is_told(cursor: str) -> None:
    """Whatever a caller made up: words, never a page of something else."""
    with pytest.raises(NotFound, match="is not a cursor"):
        page("text", cursor, of="us")
    with pytest.raises(NotFound, match="is not a cursor"):
        part({"rows": []}, "rows", cursor)
    with pytest.raises(NotFound, match="is not a cursor"):
        story_page(lambda after: (), cursor, about="", newest=5)


def test_decisions_fit_most_pressing_first_and_never_none() -> None:
    """As many as fit, in their order; one that is too large by itself is still told."""
    many = tuple(Decision(workstream=f"w{number}", what="failed", text="x" * 600) for number in range(100))
    some = fitting(many)
    assert some == many[: len(some)] and sum(len(each.text) for each in some) <= FITS and len(some) > 10
    large = Decision(workstream="w", what="question", text="x" * FITS * 2)
    assert fitting((large, *many)) == (large,)
    assert fitting(()) == ()


def test_a_landing_under_way_waits_for_nobody() -> None:
    """Work that is integrated waits for a person's word until the landing is asked for, and not while it goes on."""
    name = WorkstreamId("a")
    world = World(chance=random.Random(1), plan=Plan(goal="g", workstreams={name: Workstream(brief="x")}))
    world.begin()
    world.note(e.BaseVaulted(base=BASE, tree=TreeId(BASE)))
    world.note(e.RunFinished(integrated=1, unfinished=0))

    def waiting() -> list[str]:
        assert world.state is not None
        integrated = replace(world.state.workstreams[name], stage=Stage.INTEGRATED)
        return [each.what for each in decisions(view(replace(world.state, workstreams={name: integrated})))]

    assert waiting() == ["land"]
    world.note(e.LandRequested())
    assert waiting() == []


def test_a_story_is_read_stretch_by_stretch() -> None:
    """Pages follow each other by events' numbers; a long log is not read whole; one stretch of bookkeeping is passed over."""
    name = WorkstreamId("w")
    told = [
        record(number, e.WorkstreamFailed(workstream=name, reason=f"reason {number}")) for number in range(2_501, 3_501)
    ]
    quiet = [record(number, e.EffectConcluded(key=f"k{number}")) for number in range(1, 2_501)]
    records = [*quiet, *told]
    asked: list[int] = []

    def read(after: int) -> Sequence[e.Record]:
        asked.append(after)
        return records[after : after + 2_000]

    cursor, lines = "", []
    while True:
        one = story_page(read, cursor, about="", newest=3_500)
        assert len(one.text) <= PAGE
        lines += one.text.splitlines()
        cursor = one.next
        if not cursor:
            break
    assert len(lines) == 1_000 and lines[0].startswith("2501 ") and lines[-1].startswith("3500 ")
    assert asked[:2] == [0, 2_000] and len(asked) < 12
