"""The port to what agents say by their tools, and the real place: hostile files, races, and a supervisor that comes again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from tests.simulation.processes import Process
from wt_orchestrate.adapters.notes import NoteDesk, NoteFiles
from wt_orchestrate.domain.ids import ProcessId
from wt_orchestrate.ports.engine import Launch, Lines, Notes

ASK = "0123456789abcdef"


class _Sim:
    """The simulated world as far as notes need it."""

    def __init__(self) -> None:
        from tests.simulation.faults import Faults

        launch = Launch(id=ProcessId("r1.a.1"), argv=(), cwd="/", env={})
        self.faults = Faults()
        self.executor = self
        self.processes = {launch.id: Process(launch.id, launch, 0.0)}


def _real(tmp_path: Path) -> tuple[Notes, str, Callable[[bytes], None], Callable[[], None]]:
    notes, folder = NoteFiles(), str(tmp_path / "r1.a.1")
    os.mkdir(folder)
    notes.prepare(folder, {})

    def say(text: bytes) -> None:
        with open(notes.drop_file(folder), "ab") as file:
            file.write(text)

    def leave() -> None:
        NoteDesk(f"{folder}/said").answer(ASK, wait_s=0.0)

    return notes, folder, say, leave


def _simulated(tmp_path: Path) -> tuple[Notes, str, Callable[[bytes], None], Callable[[], None]]:
    from tests.simulation.parts import SimNotes

    world = _Sim()
    kept = world.processes[ProcessId("r1.a.1")]
    kept.waiting.add(ASK)
    notes = SimNotes(world)  # type: ignore[arg-type]  # it needs these three alone
    return notes, "/state/processes/r1.a.1", lambda text: kept.notes.extend(text), kept.waiting.clear


@pytest.fixture(params=[_real, _simulated], ids=["real", "simulated"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[Notes, str, Callable[[bytes], None], Callable[[], None]]:
    """The port, an attempt's folder, how its agent says something, and how its call stops waiting."""
    made: tuple[Notes, str, Callable[[bytes], None], Callable[[], None]] = request.param(tmp_path)
    return made


def test_whole_lines_are_read_from_an_offset(
    place: tuple[Notes, str, Callable[[bytes], None], Callable[[], None]],
) -> None:
    """A line that has not ended waits; what was read does not come again; the bound holds."""
    notes, folder, say, _ = place
    say(b"one\ntwo\nthr")
    assert notes.read(folder, offset=0, limit=1 << 20) == Lines((b"one", b"two"), 8)
    assert notes.read(folder, offset=8, limit=1 << 20) == Lines((), 8)
    say(b"ee\n")
    assert notes.read(folder, offset=8, limit=1 << 20) == Lines((b"three",), 14)
    assert notes.read(folder, offset=0, limit=5) == Lines((b"one",), 4)


def test_an_answer_reaches_a_call_that_waits(
    place: tuple[Notes, str, Callable[[bytes], None], Callable[[], None]],
) -> None:
    """Given twice by a supervisor that was cut off in between, it is one answer."""
    notes, folder, _, _ = place
    assert notes.answer(folder, ask=ASK, text="yes")
    assert notes.answer(folder, ask=ASK, text="yes")


def test_an_answer_to_a_call_that_has_left_is_not_taken(
    place: tuple[Notes, str, Callable[[bytes], None], Callable[[], None]],
) -> None:
    """So that it is told as a message instead, however often it is tried."""
    notes, folder, _, leave = place
    leave()
    assert not notes.answer(folder, ask=ASK, text="yes")
    assert not notes.answer(folder, ask=ASK, text="yes")


# ---------------------------------------------------------------- the real place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An attempt's folder with its place laid out."""
    made = tmp_path / "r1.a.1"
    made.mkdir()
    NoteFiles().prepare(str(made), {"attempt.json": "{}", "needs/db.md": "# db"})
    return made


def test_the_call_returns_with_an_answer_that_comes_while_it_waits(folder: Path) -> None:
    """Whoever comes first settles the question: here the supervisor."""
    found: list[str | None] = []
    call = Thread(target=lambda: found.append(NoteDesk(f"{folder}/said").answer(ASK, wait_s=30.0)))
    call.start()
    assert NoteFiles().answer(str(folder), ask=ASK, text="db2\nnot db1")
    call.join(timeout=10.0)
    assert found == ["db2\nnot db1"]


def test_one_of_both_wins_whatever_the_moment(folder: Path) -> None:
    """A call that leaves just when the answer comes: either it has the answer, or the supervisor knows that it has not."""
    for number in range(50):
        ask = f"{number:016x}"
        found: list[str | None] = []
        call = Thread(
            target=lambda ask=ask, found=found: found.append(NoteDesk(f"{folder}/said").answer(ask, wait_s=0.0))
        )
        call.start()
        taken = NoteFiles().answer(str(folder), ask=ask, text="yes")
        call.join(timeout=10.0)
        assert (found == ["yes"]) is taken


@pytest.mark.parametrize("trick", ["link", "pipe", "folder", "gone", "linked place"])
def test_a_place_that_its_agent_spoiled_is_read_as_silence(folder: Path, tmp_path: Path, trick: str) -> None:
    """No link is followed, no pipe waited for, nothing raised; and no answer is written elsewhere."""
    notes = NoteFiles()
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "asks").mkdir(parents=True)
    (elsewhere / "notes.jsonl").write_bytes(b'{"say": "progress", "percent": 1}\n')
    drop = folder / "said" / "notes.jsonl"
    drop.unlink()
    if trick == "link":
        drop.symlink_to(elsewhere / "notes.jsonl")
    elif trick == "pipe":
        os.mkfifo(drop)
    elif trick == "folder":
        drop.mkdir()
    elif trick == "linked place":
        (folder / "said").rename(tmp_path / "old")
        (folder / "said").symlink_to(elsewhere)
        assert not notes.answer(str(folder), ask=ASK, text="yes")
    assert notes.read(str(folder), offset=0, limit=1 << 20) == Lines((), 0)
    assert list((elsewhere / "asks").iterdir()) == []


def test_a_spoiled_answer_is_told_as_a_message(folder: Path) -> None:
    """What its agent put in the answer's place is no answer of ours."""
    (folder / "said" / "asks" / ASK).write_text("{", encoding="utf-8")
    assert not NoteFiles().answer(str(folder), ask=ASK, text="yes")
    other = "f" * 16
    (folder / "said" / "asks" / other).write_text(json.dumps({"answer": "forged"}), encoding="utf-8")
    assert not NoteFiles().answer(str(folder), ask=other, text="yes")


def test_what_is_said_is_whole_lines(folder: Path) -> None:
    """Several tools at a time do not mix their lines, and a line that nobody would read is refused."""
    desks = [NoteDesk(f"{folder}/said") for _ in range(4)]
    threads = [
        Thread(target=lambda desk=desk: [desk.say({"say": "progress", "note": "x" * 500}) for _ in range(50)])
        for desk in desks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20.0)
    lines = NoteFiles().read(str(folder), offset=0, limit=1 << 20).lines
    assert len(lines) == 200
    assert all(json.loads(line)["note"] == "x" * 500 for line in lines)
    with pytest.raises(ValueError, match="too long"):
        desks[0].say({"note": "x" * 40_000})
