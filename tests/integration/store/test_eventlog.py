"""The event log in SQLite."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from wt_orchestrate import domain
from wt_orchestrate.adapters.store.eventlog import SqliteLog
from wt_orchestrate.adapters.store.records import quick_records
from wt_orchestrate.adapters.store.snapshots import hash_of_source, made_by
from wt_orchestrate.adapters.store.views import opened_read_only, read_view
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold.run import fold_all
from wt_orchestrate.domain.ids import Branch, CommitId, RunId, WorkstreamId
from wt_orchestrate.domain.plan.model import Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.engine.requests import load_state
from wt_orchestrate.errors import StoreUnreadable
from wt_orchestrate.osfiles.locks import FileLock

BASE = CommitId("0" * 40)
DOMAIN = Path(domain.__file__ or "").parent
STARTED = e.RunStarted(
    plan=Plan(goal="g", workstreams={"w": Workstream(brief="x", scope=("src/**",))}),
    settings=Settings(),
    plan_path="p",
    target=Branch("main"),
    base=BASE,
    seed="s",
    repository="/r",
)


def _log(tmp_path: Path) -> SqliteLog:
    return SqliteLog(str(tmp_path / "log.db"))


def _record(number: int, event: e.Event) -> e.Record:
    return e.Record(number=number, at=2.0, actor=e.Actor.AGENT, run=RunId("r1"), cause="c", event=event)


def test_events_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Nested values, enums and missing values survive the log; other runs' events do not mix in."""
    log = _log(tmp_path)
    first = log.begin(STARTED, actor=e.Actor.PERSON, now=1.0, view=lambda record: f'"{record.run}"')
    seen = e.CommitsSeen(
        workstream=WorkstreamId("w"),
        head=BASE,
        count=1,
        commits=(e.CommitLine(id=BASE, author="Ü", at=1.5, subject="s", paths=("a\nb",)),),
    )
    records = [_record(2, seen), _record(3, e.BaseVaulted(base=BASE))]
    log.append(records, view="{}")
    other = log.begin(STARTED, actor=e.Actor.PERSON, now=3.0, view=lambda record: "2")
    assert (first.run, other.run, other.number) == ("r1", "r2", 4)
    assert log.read(RunId("r1")) == [first, *records]
    assert log.read(RunId("r1"), after=2) == records[1:]
    assert log.read(RunId("r1"), limit=2) == [first, records[0]]
    assert log.read(RunId("r1"), workstream=WorkstreamId("w"), limit=5) == records[:1]
    assert [line.id for line in log.runs()] == ["r1", "r2"]
    assert read_view(str(tmp_path / "log.db"), "r1") == ("r1", "{}")
    assert read_view(str(tmp_path / "log.db"), None) == ("r2", "2")
    assert read_view(str(tmp_path / "log.db"), "r9") is None
    assert read_view(str(tmp_path / "none.db"), None) is None
    log.close()


def test_A1_a_turn_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A second writer is noticed by the numbers, and nothing of the turn is kept."""
    log = _log(tmp_path)
    log.begin(STARTED, actor=e.Actor.PERSON, now=1.0, view=lambda record: "{}")
    with pytest.raises(StoreUnreadable, match="another process wrote"):
        log.append([_record(2, e.BaseVaulted(base=BASE)), _record(1, e.BaseVaulted(base=BASE))], view="new")
    assert log.last_number() == 1
    assert log.view(RunId("r1")) == "{}"
    log.close()


def test_requests_wait_until_they_are_taken(tmp_path: Path) -> None:
    """A request is there for whoever supervises next, in order, once; the bell tells that one came."""
    log = _log(tmp_path)
    log.begin(STARTED, actor=e.Actor.PERSON, now=1.0, view=lambda record: "{}")
    numbers = [log.ask(RunId("r1"), request, now=2.0) for request in (e.StopRequested(), e.ResumeRequested())]
    assert os.path.exists(log.bell())
    assert [asked.request for asked in log.asked(RunId("r1"))] == [e.StopRequested(), e.ResumeRequested()]
    log.append([_record(2, e.StopRequested())], taken=numbers[:1])
    assert [asked.number for asked in log.asked(RunId("r1"))] == numbers[1:]
    log.close()


def test_R4_a_newer_log_is_refused_and_left_alone(tmp_path: Path) -> None:
    """An older release does not touch what a newer one wrote, and says which is needed."""
    _log(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / "log.db").read_bytes()
    with pytest.raises(StoreUnreadable, match="written by a newer wt-orchestrate"):
        _log(tmp_path)
    assert (tmp_path / "log.db").read_bytes() == before


def test_what_is_no_log_is_said_to_be_unreadable(tmp_path: Path) -> None:
    """A damaged file is an error for people."""
    (tmp_path / "log.db").write_bytes(b"this is no database, and long enough to be looked at" * 10)
    with pytest.raises(StoreUnreadable, match="is damaged"):
        _log(tmp_path)


def test_a_kept_state_and_the_events_behind_it_are_the_whole(tmp_path: Path) -> None:
    """Loading from a snapshot gives what folding everything gives; one that other code made is not believed."""
    log = _log(tmp_path)
    log.begin(STARTED, actor=e.Actor.PERSON, now=1.0, view=lambda record: "{}")
    log.append([_record(2, e.BaseVaulted(base=BASE)), _record(3, e.TimeSkipped(seconds=3.0))])
    log.keep(load_state(log, RunId("r1")))
    log.append([_record(4, e.StopRequested())])
    whole = fold_all(log.read(RunId("r1")))
    assert load_state(log, RunId("r1")) == whole
    kept = log.kept(RunId("r1"))
    assert kept is not None and kept.number == 3
    log.close()
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("UPDATE snapshots SET made_by = 'another release'")
    connection.commit()
    connection.close()
    again = _log(tmp_path)
    assert again.kept(RunId("r1")) is None
    assert load_state(again, RunId("r1")) == whole
    again.close()


def test_P7_the_lock_has_one_holder_and_names_it(tmp_path: Path) -> None:
    """A second taker is told no; when the first lets go it may."""
    one, other = FileLock(str(tmp_path / "lock")), FileLock(str(tmp_path / "lock"))
    assert one.take() and not other.take()
    assert other.holder() == str(os.getpid())
    one.free()
    assert other.take()
    other.free()


@pytest.mark.parametrize(
    "district", [".", *sorted(each.name for each in DOMAIN.iterdir() if (each / "__init__.py").exists())]
)
def test_R4_a_change_in_any_district_makes_kept_states_of_other_code(tmp_path: Path, district: str) -> None:
    """Snapshots count for the very rules that made them: a changed file in any folder of the domain gives another hash."""
    copy = tmp_path / "domain"
    shutil.copytree(DOMAIN, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert hash_of_source(str(copy)) == made_by()
    changed = max((copy / district).glob("*.py"))
    changed.write_text(changed.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert hash_of_source(str(copy)) != made_by()


def test_the_story_of_a_workstream_is_read_quickly_or_not_at_all(tmp_path: Path) -> None:
    """The quick way gives the very same records; it gives none where the journal is ahead after a crash, where the tables
    are those of another release, and where there is no log."""
    log, path, run, name = _log(tmp_path), str(tmp_path / "log.db"), RunId("r1"), WorkstreamId("w")
    assert quick_records(str(tmp_path / "none.db"), run, name) is None
    log.begin(STARTED, actor=e.Actor.PERSON, now=1.0, view=lambda record: "{}")
    about = [
        _record(2, e.HoldRequested(workstream=name)),
        _record(3, e.BaseVaulted(base=BASE)),
        _record(4, e.ReleaseRequested(workstream=name)),
    ]
    log.append(about)
    assert quick_records(path, run, name) == log.read(run, workstream=name) == [about[0], about[2]]
    with open(tmp_path / "journal.jsonl", "ab") as journal:
        journal.write(b"ahead")
    assert quick_records(path, run, name) is None
    os.truncate(tmp_path / "journal.jsonl", os.stat(tmp_path / "journal.jsonl").st_size - len(b"ahead"))
    assert quick_records(path, run, name) is not None
    log.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    assert quick_records(path, run, name) is None


def test_a_log_that_nobody_closed_is_closed_with_it(tmp_path: Path) -> None:
    """A fault between opening and closing leaves no connection behind, as a server that lives for days would feel."""
    log = _log(tmp_path)
    connection = log._connection
    del log
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_what_cannot_be_opened_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of a newer release and one that is being read without its write-ahead log leave no connection open."""
    made: list[sqlite3.Connection] = []
    really = sqlite3.connect

    def connect(*given: Any, **named: Any) -> sqlite3.Connection:
        made.append(really(*given, **named))
        return made[-1]

    _log(tmp_path).close()
    path = tmp_path / "log.db"
    changed = really(path)
    changed.execute("PRAGMA user_version = 99")
    changed.close()
    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(StoreUnreadable):
        _log(tmp_path)
    empty = tmp_path / "empty.db"
    empty.touch()
    opened_read_only(str(empty)).close()
    assert len(made) == 3
    for connection in made:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


class _InterruptedAfter:
    """A connection on which Ctrl-C arrives right after a statement."""

    def __init__(self, connection: sqlite3.Connection, statement: str) -> None:
        self._connection, self._statement = connection, statement

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        cursor = self._connection.execute(statement, *values)  # type: ignore[arg-type]
        if statement == self._statement:
            self._statement = ""
            raise KeyboardInterrupt
        return cursor

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


@pytest.mark.parametrize(("statement", "kept"), [("COMMIT", 2), ("BEGIN IMMEDIATE", 1)])
def test_D5_an_interrupt_beside_the_commit_leaves_journal_and_log_alike(
    tmp_path: Path, statement: str, kept: int
) -> None:
    """Rows that were committed stay in the journal, rows that were not are in neither; the log can be written again."""
    log = _log(tmp_path)
    log.begin(STARTED, actor=e.Actor.PERSON, now=1.0, view=lambda record: "{}")
    whole = log._connection
    log._connection = _InterruptedAfter(whole, statement)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        log.append([_record(2, e.RunStopped(reason="x"))])
    log._connection = whole
    assert log.last_number() == kept == sum(row["kind"] == "event" for row in log.journal.rows())
    log.append([_record(kept + 1, e.RunStopped(reason="y"))])
    log.close()
    again = _log(tmp_path)
    assert (again.last_number(), again.damage()) == (kept + 1, "")
    again.close()
