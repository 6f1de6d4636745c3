"""The memory on disk: kills, many writers, damage, and forgetting."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.project import ROOT
from tests.support.waiting import wait_until
from wt_orchestrate.adapters.store.memories import SqliteMemories
from wt_orchestrate.domain.memory.entries import MemoryId, MemoryLayer, Note, Source, note
from wt_orchestrate.errors import StoreUnreadable

WRITER = """
import sys
from wt_orchestrate.adapters.store.memories import SqliteMemories
from wt_orchestrate.domain.memory.entries import MemoryLayer, note
store = SqliteMemories(sys.argv[1])
for number in range(int(sys.argv[3])):
    said = note(f"said by {sys.argv[2]} as number {number}", layer=MemoryLayer.SHARED)
    store.add([said], now=1.0, key=f"{sys.argv[2]}-{number}")
    print(number, flush=True)
"""


def said(text: str) -> Note:
    return note(text, layer=MemoryLayer.SHARED)


def _store(folder: Path) -> SqliteMemories:
    return SqliteMemories(str(folder / "memory.db"))


def _filled(folder: Path, count: int = 3) -> SqliteMemories:
    store = _store(folder)
    for number in range(count):
        store.add([said(f"fact number {number}")], now=float(number + 1))
    store.note_use([MemoryId("m1")], run="r2", workstream="pool")
    store.add([], now=9.0, mark=("r1", 7))
    return store


def _everything(store: SqliteMemories) -> object:
    return (store.entries(), store.names(), store.uses(MemoryId("m1")), store.learned("r1"))


def _without_database(folder: Path) -> None:
    for end in ("", "-wal", "-shm"):
        (folder / f"memory.db{end}").unlink(missing_ok=True)


def _writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-P", "-c", WRITER, str(folder / "memory.db"), name, str(count)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)


def test_a_deleted_database_is_made_anew_from_the_journal(tmp_path: Path) -> None:
    """Entries, ids, uses and marks, and no id is given twice."""
    store = _filled(tmp_path)
    store.forget([MemoryId("m3")])
    before = _everything(store)
    _without_database(tmp_path)
    again = _store(tmp_path)
    assert _everything(again) == before
    assert again.add([said("fact number 2 again")], now=9.0)[0].entry.id == "m4"


def test_a_deleted_journal_is_made_anew_from_the_database(tmp_path: Path) -> None:
    """Either copy is enough."""
    before = _everything(_filled(tmp_path))
    (tmp_path / "memory.jsonl").unlink()
    assert _everything(_store(tmp_path)) == before
    _without_database(tmp_path)
    assert _everything(_store(tmp_path)) == before


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1))
def test_a_database_that_is_behind_its_journal_catches_up(tmp_path_factory: pytest.TempPathFactory, cut: float) -> None:
    """Killed between the journal and the database: what the journal holds has happened. A torn last line has not."""
    folder = tmp_path_factory.mktemp("behind")
    _filled(folder, count=1)
    old = {name: (folder / name).read_bytes() for name in os.listdir(folder) if name.startswith("memory.db")}
    first = (folder / "memory.jsonl").stat().st_size
    _filled(folder, count=4)
    text = (folder / "memory.jsonl").read_bytes()
    for name in [name for name in os.listdir(folder) if name.startswith("memory.db")]:
        (folder / name).unlink()
    for name, content in old.items():
        (folder / name).write_bytes(content)
    kept = text[: first + int((len(text) - first) * cut)]
    (folder / "memory.jsonl").write_bytes(kept)
    whole = sum('"kind":"entry"' in line.decode() for line in kept.splitlines(keepends=True) if line.endswith(b"\n"))
    store = _store(folder)
    assert store.count() == whole
    added = store.add([said("one more")], now=9.0)
    assert added[0].new and store.damage() == ""


def test_writers_that_are_killed_lose_nothing_they_were_told(tmp_path: Path) -> None:
    """Three processes write at a time and are killed with -9; what each was told is there, each once, and all is whole."""
    writers = [_writer(tmp_path, name, 10_000) for name in ("a", "b", "c")]
    wait_until(lambda: _store(tmp_path).count() >= 12, timeout_s=60, what="twelve entries")
    told = {}
    for writer, name in zip(writers, "abc", strict=True):
        os.kill(writer.pid, signal.SIGKILL)
        out, _ = writer.communicate()
        told[name] = len([line for line in out.splitlines() if line.strip()])
    store = _store(tmp_path)
    texts = [entry.text for entry in store.entries()]
    assert len(texts) == len(set(texts)) == len(set(store.names()))
    for name, count in told.items():
        assert {f"said by {name} as number {number}" for number in range(max(0, count - 1))} <= set(texts)
    assert store.damage() == ""
    before = _everything(store)
    _without_database(tmp_path)
    assert _everything(_store(tmp_path)) == before


@pytest.mark.parametrize("what", ["garbage", "page", "empty"])
def test_a_damaged_database_is_told_and_mended(tmp_path: Path, what: str) -> None:
    """Nothing is read from it or written to it as if it were whole; mending puts it aside and loses nothing."""
    store = _filled(tmp_path, count=200)
    before = _everything(store)
    with closing(sqlite3.connect(tmp_path / "memory.db")) as connection, connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    path = tmp_path / "memory.db"
    content = bytearray(path.read_bytes())
    if what == "page":
        content[8192 : 8192 + 20_000] = b"\xff" * 20_000
    path.write_bytes(b"" if what == "empty" else b"garbage" * 5000 if what == "garbage" else bytes(content))
    if what != "empty":
        assert "damaged" in store.damage() or "malformed" in store.damage()
        with pytest.raises(StoreUnreadable, match="damaged"):
            store.entries()
        (aside,) = store.repair()
        assert os.path.exists(aside)
    assert _everything(store) == before and store.damage() == ""


@pytest.mark.parametrize("what", ["edited", "shorter", "foreign"])
def test_a_damaged_journal_is_told_and_mended(tmp_path: Path, what: str) -> None:
    """The database is whole then, and the journal is made anew from it."""
    store = _filled(tmp_path)
    before = _everything(store)
    path = tmp_path / "memory.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    broken = {"edited": b"".join([lines[0], lines[1].replace(b"fact", b"lies"), *lines[2:]]), "shorter": b"".join(lines[:2]),
              "foreign": b"something else\n"}  # fmt: skip
    path.write_bytes(broken[what])
    if what == "edited":
        assert "was changed here" in store.damage()
    else:
        with pytest.raises(StoreUnreadable):
            store.entries()
    assert len(store.repair()) == 1
    assert _everything(store) == before and store.damage() == ""


def test_when_both_are_damaged_what_the_journal_still_holds_is_kept(tmp_path: Path) -> None:
    """The whole lines before the damage become the memory; both damaged files are put aside."""
    store = _filled(tmp_path)
    path = tmp_path / "memory.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"x" * 50 + b"\n", *lines[4:]]))
    (tmp_path / "memory.db").write_bytes(b"garbage" * 5000)
    assert len(store.repair()) == 2
    assert [entry.text for entry in store.entries()] == ["fact number 1", "fact number 0"]


def test_what_is_forgotten_is_in_no_file(tmp_path: Path) -> None:
    """Neither the database, nor its log, nor the journal holds the words any more."""
    store = _filled(tmp_path)
    store.add([said("the launch code is swordfish")], now=9.0)
    store.forget([MemoryId("m4")])
    assert not [path.name for path in tmp_path.iterdir() if b"swordfish" in path.read_bytes()]


def test_a_newer_memory_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """An older release does not guess."""
    store = _filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "memory.db")) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreUnreadable, match="newer"):
        store.entries()


def test_the_journal_of_a_memory_that_changes_much_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old rows are left out once they outweigh what is remembered."""
    monkeypatch.setattr("wt_orchestrate.adapters.store.memories._SLACK", 2_000)
    store = _store(tmp_path)
    for number in range(40):
        store.add([note(f"r1 took {number} s", layer=MemoryLayer.STRATEGIC, topic="r1:goal")], now=float(number))
    assert (tmp_path / "memory.jsonl").stat().st_size < 4_000
    before = _everything(store)
    _without_database(tmp_path)
    assert _everything(_store(tmp_path)) == before


def test_a_memory_of_many_years_is_bounded(tmp_path: Path) -> None:
    """What is worth least goes once there is more than it holds; a person's word stays, and the journal tells the same."""
    store = SqliteMemories(str(tmp_path / "memory.db"), most=40)
    mine = note("keep the pool small", layer=MemoryLayer.STRATEGIC, sources=(Source(who="person", at=1.0),))
    store.add([mine], now=1.0)
    for number in range(100):
        layer = MemoryLayer.EXECUTION if number % 2 else MemoryLayer.STRATEGIC
        store.add([note(f"fact number {number}", layer=layer)], now=float(number + 2))
    left = store.entries()
    assert len(left) <= 40
    assert left[-1].text == "keep the pool small"
    assert {"fact number 98", "fact number 99"} <= {entry.text for entry in left}
    assert sum(entry.layer is MemoryLayer.EXECUTION for entry in left) < sum(
        entry.layer is MemoryLayer.STRATEGIC for entry in left
    )
    _without_database(tmp_path)
    assert _store(tmp_path).entries() == left


def test_a_writer_that_was_killed_a_moment_ago_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another one wrote into the journal alone, after we looked and before we had the lock, is not passed over."""
    store = _filled(tmp_path)
    before = (tmp_path / "memory.db").read_bytes()
    store.add([said("the one that was killed")], now=20.0)
    _without_database(tmp_path)
    (tmp_path / "memory.db").write_bytes(before)
    with monkeypatch.context() as patched:
        patched.setattr(SqliteMemories, "_catch_up", lambda *_: None)
        store.add([said("the next one")], now=21.0)
    assert [entry.text for entry in store.entries()][:2] == ["the next one", "the one that was killed"]


@pytest.mark.parametrize("what", ["journal", "entry"])
def test_whatever_stands_in_a_memorys_place_is_told(tmp_path: Path, what: str) -> None:
    """A folder instead of the journal and a row that is no entry are faults with a way out, not errors of ours."""
    store = _filled(tmp_path)
    if what == "journal":
        (tmp_path / "memory.jsonl").unlink()
        (tmp_path / "memory.jsonl").mkdir()
    else:
        with closing(sqlite3.connect(tmp_path / "memory.db")) as connection, connection:
            connection.execute("UPDATE entries SET body = '{}'")
        connection.close()
    with pytest.raises(StoreUnreadable) as raised:
        store.entries()
    assert raised.value.hint


def test_a_memory_of_many_uses_is_not_written_anew_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not an entry counts, too, when it is asked whether the journal carries much that is old."""
    monkeypatch.setattr("wt_orchestrate.adapters.store.memories._SLACK", 2_000)
    store = _filled(tmp_path)
    for number in range(60):
        store.note_use([MemoryId("m1"), MemoryId("m2")], run=f"r{number}", workstream="pool")
    files = set()
    for number in range(5):
        store.add([said(f"another {number}")], now=50.0)
        files.add((tmp_path / "memory.jsonl").stat().st_ino)
    assert len(files) == 1


@pytest.mark.parametrize("before", [0, 2])
def test_what_was_refused_has_not_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """A write that fails after the journal had it leaves no trace, also where it was the first one."""
    store = _store(tmp_path)
    for number in range(before):
        store.add([said(f"fact number {number}")], now=1.0)
    with monkeypatch.context() as patched:
        patched.setattr("wt_orchestrate.adapters.store.memories._hold", _full)
        with pytest.raises(StoreUnreadable):
            store.add([said("refused")], now=2.0)
    assert store.count() == before
    store.add([said("taken")], now=3.0)
    _without_database(tmp_path)
    assert _store(tmp_path).entries()[0].text == "taken"
    assert _store(tmp_path).count() == before + 1


def _full(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")
