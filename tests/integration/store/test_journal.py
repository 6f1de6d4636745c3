"""The journal beside the event log: what was acknowledged is in it, damage is told, and the log can be made anew from it."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.project import COMMAND_AGENT, COMMIT, ROOT, Project
from wt_orchestrate.adapters.store.eventlog import SqliteLog
from wt_orchestrate.adapters.store.journal import Journal
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import Branch, CommitId, RunId
from wt_orchestrate.domain.plan.model import Budget, Plan, Workstream
from wt_orchestrate.domain.plan.settings import Settings
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import Refused, StoreUnreadable

RUN = RunId("r1")
STARTED = e.RunStarted(
    plan=Plan(goal="g", workstreams={"a": Workstream(brief="x")}),
    settings=Settings(),
    plan_path="plan.yaml",
    target=Branch("main"),
    base=CommitId("0" * 40),
    seed="s",
    repository="/r",
)


def _record(number: int) -> e.Record:
    event = e.TimeSkipped(seconds=float(number))
    return e.Record(number=number, at=1.0, actor=e.Actor.SUPERVISOR, run=RUN, cause="", event=event)


def _begun(folder: Path, count: int = 5) -> SqliteLog:
    log = SqliteLog(str(folder / "log.db"))
    log.begin(STARTED, actor=e.Actor.PERSON, now=1.0, view=lambda record: "{}")
    for number in range(2, count + 2):
        log.append([_record(number)])
    return log


def test_D6_a_deleted_log_is_made_anew_from_the_journal(tmp_path: Path) -> None:
    """The same events, runs and requests, taken or not, and a view."""
    log = _begun(tmp_path)
    numbers = [log.ask(RUN, e.StopRequested(), now=1.0), log.ask(RUN, e.ResumeRequested(), now=2.0)]
    log.append([_record(7)], taken=numbers[:1])
    before = (log.read(RUN), log.runs(), log.asked(RUN))
    log.close()
    for name in ("log.db", "log.db-wal", "log.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    again = SqliteLog(str(tmp_path / "log.db"))
    assert (again.read(RUN), again.runs(), again.asked(RUN)) == before
    assert '"id":"r1"' in (again.view(RUN) or "")
    assert again.damage() == ""
    again.close()


def test_D5_rows_that_only_the_journal_has_are_brought_over(tmp_path: Path) -> None:
    """A kill between journal and database: the next opening has the row, once."""
    log = _begun(tmp_path)
    log.journal.append(
        [{"kind": "event", "number": 7, "run": "r1", "at": 1.0, "actor": "supervisor", "workstream": None, "cause": "",
          "type": "TimeSkipped", "version": 1, "body": {"seconds": 7.0}}]
    )  # fmt: skip
    log.close()
    for _ in range(2):
        again = SqliteLog(str(tmp_path / "log.db"))
        assert [record.number for record in again.read(RUN)] == [1, 2, 3, 4, 5, 6, 7]
        again.close()


def test_a_log_begun_without_a_journal_gets_one(tmp_path: Path) -> None:
    """What an earlier release wrote is in the journal after the first opening."""
    log = _begun(tmp_path)
    before = log.read(RUN)
    log.close()
    (tmp_path / "journal.jsonl").unlink()
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("DROP TABLE journal")
    connection.execute("DROP TABLE snapshots")
    connection.execute("DROP TABLE keys")
    connection.execute("DROP INDEX events_of_workstream")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    SqliteLog(str(tmp_path / "log.db")).close()
    (tmp_path / "log.db").unlink()
    again = SqliteLog(str(tmp_path / "log.db"))
    assert again.read(RUN) == before
    again.close()


def test_a_torn_last_line_is_cut_and_written_over(tmp_path: Path) -> None:
    """However much of the last line a crash left, what was acknowledged is whole and the next row follows it."""
    log = _begun(tmp_path)
    log.close()
    whole = (tmp_path / "journal.jsonl").read_bytes()
    for left in (1, 10, 40, 100):
        (tmp_path / "journal.jsonl").write_bytes(whole + b"0123456789abcdef0123456789abcdef {" + b"x" * left)
        again = SqliteLog(str(tmp_path / "log.db"))
        assert again.damage() == ""
        again.close()
        assert (tmp_path / "journal.jsonl").read_bytes() == whole


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_A2_a_changed_byte_anywhere_is_told_with_its_line(tmp_path: Path, data: st.DataObject) -> None:
    """Edits, gaps and lost pieces in the middle do not go unnoticed."""
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    journal = Journal(str(path))
    for number in range(6):
        journal.append([{"kind": "event", "number": number, "text": "x" * number}])
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 2))
    changed = bytearray(whole)
    changed[at] = (changed[at] + data.draw(st.integers(1, 255))) % 256
    path.write_bytes(bytes(changed))
    damage = journal.damage()
    assert damage is not None
    assert f"{path}:" in damage.reason
    line_lost = b"".join(line for number, line in enumerate(whole.splitlines(True)) if number != 2)
    path.write_bytes(line_lost)
    assert (found := journal.damage()) is not None and found.line == 3


def test_a_journal_that_lost_its_end_is_told(tmp_path: Path) -> None:
    """Truncated by somebody: the database remembers how long it was."""
    _begun(tmp_path).close()
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(True)[:-2]))
    with pytest.raises(StoreUnreadable, match="is cut off"):
        SqliteLog(str(tmp_path / "log.db"))


def test_a_journal_that_was_moved_away_is_made_anew_whole(tmp_path: Path) -> None:
    """As the hints say: events, requests taken or not, and keys of wishes are in it, and the log can be made of it."""
    log = SqliteLog(str(tmp_path / "log.db"))
    log.begin(STARTED, actor=e.Actor.PERSON, now=1.0, view=lambda record: "{}", key="the run")
    numbers = [log.ask(RUN, e.StopRequested(), now=1.0, key="end it"), log.ask(RUN, e.ResumeRequested(), now=2.0)]
    log.append([_record(2)], taken=numbers[:1])
    keys = ("the run", "end it", "other")
    before = (log.read(RUN), log.runs(), log.asked(RUN), [log.known(key) for key in keys])
    log.close()
    (tmp_path / "journal.jsonl").rename(tmp_path / "journal.aside")
    for gone in ("", "log.db"):
        if gone:
            (tmp_path / gone).unlink()
        log = SqliteLog(str(tmp_path / "log.db"))
        assert (log.read(RUN), log.runs(), log.asked(RUN), [log.known(key) for key in keys]) == before
        assert log.damage() == ""
        log.close()


def test_a_journal_that_is_moved_away_under_a_writer_is_made_anew_before_the_next_row(tmp_path: Path) -> None:
    """The writer that has the log open leaves no journal behind that begins in the middle."""
    log = _begun(tmp_path)
    (tmp_path / "journal.jsonl").rename(tmp_path / "journal.aside")
    log.append([_record(7)])
    log.close()
    (tmp_path / "log.db").unlink()
    again = SqliteLog(str(tmp_path / "log.db"))
    assert [record.number for record in again.read(RUN)] == [1, 2, 3, 4, 5, 6, 7]
    again.close()


def test_a_journal_that_could_not_be_made_anew_at_once_is_made_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, or a crash, while it is made anew: nothing is lost, and nothing has to be moved again."""
    _begun(tmp_path).close()
    (tmp_path / "journal.jsonl").rename(tmp_path / "journal.aside")

    def full(descriptor: int, text: bytes, at: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StoreUnreadable, match=r"journal\.jsonl cannot be written"):
        SqliteLog(str(tmp_path / "log.db"))
    monkeypatch.undo()
    SqliteLog(str(tmp_path / "log.db")).close()
    (tmp_path / "log.db").unlink()
    again = SqliteLog(str(tmp_path / "log.db"))
    assert [record.number for record in again.read(RUN)] == [1, 2, 3, 4, 5, 6]
    again.close()


def test_a_row_that_somebody_else_left_in_the_journal_alone_is_taken_over_before_the_next_one(tmp_path: Path) -> None:
    """A face was killed between journal and database while the supervisor has the log open: its request counts, too."""
    log = _begun(tmp_path)
    log.journal.append(
        [{"kind": "request", "number": 1, "run": "r1", "at": 2.0, "type": "ResumeRequested", "body": {}}]
    )  # fmt: skip
    assert log.ask(RUN, e.StopRequested(), now=3.0) == 2
    log.append([_record(7)])
    assert [type(asked.request).__name__ for asked in log.asked(RUN)] == ["ResumeRequested", "StopRequested"]
    log.close()


def test_a_damaged_journal_is_told_with_a_remedy_that_works(project: Project) -> None:
    """`wto doctor` names the line and says what to do; once that is done, nothing is wrong."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", plan).code == 0
    path = project.state / "journal.jsonl"
    lines = path.read_bytes().splitlines(True)
    path.write_bytes(b"".join([lines[0], lines[1].replace(b"e", b"E", 1), *lines[2:]]))
    told = project.wto("doctor").out
    assert "journal.jsonl:2" in told and "elsewhere: it is then rebuilt from the database" in told, told
    path.rename(project.state / "aside.jsonl")
    assert project.wto("status").code == 0
    assert project.wto("land").code == 0
    assert "is damaged" not in project.wto("doctor").out
    assert len(path.read_bytes().splitlines()) >= len(lines)


def test_D7_a_full_disk_at_any_write_leaves_log_and_journal_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that does not fit is taken back whole, and the same turn is written once there is space."""
    log = _begun(tmp_path)
    real = os.pwrite

    def full(descriptor: int, text: bytes, at: int) -> int:
        if len(text) > 20:
            return real(descriptor, text[:20], at)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StoreUnreadable) as raised:
        log.append([_record(7)])
    assert raised.value.passing
    monkeypatch.undo()
    assert log.damage() == ""
    log.append([_record(7)])
    assert [record.number for record in log.read(RUN)] == [1, 2, 3, 4, 5, 6, 7]
    log.close()


def test_a_deleted_log_is_noticed_by_whoever_writes(tmp_path: Path) -> None:
    """SQLite would go on writing into a file that is gone; we do not."""
    log = _begun(tmp_path)
    (tmp_path / "log.db").unlink()
    with pytest.raises(StoreUnreadable, match="was deleted or replaced while in use"):
        log.append([_record(7)])
    log.close()


WRITER = """
import sys
from tests.integration.store.test_journal import SqliteLog, _record
log = SqliteLog(sys.argv[1])
number = log.last_number()
while True:
    number += 1
    log.append([_record(number)])
    print(number, flush=True)
"""


def test_D5_what_was_acknowledged_is_there_after_every_kill(tmp_path: Path) -> None:
    """A writer is killed again and again: each time the last acknowledged event is in the log and in the journal."""
    _begun(tmp_path).close()
    for count in range(25):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "log.db")],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        last = 0
        for _ in range(3 + count % 5):
            last = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split("\n")
        child.stdout.close()
        child.wait()
        last = max([last, *(int(line) for line in rest[:-1] if line)])
        log = SqliteLog(str(tmp_path / "log.db"))
        assert log.last_number() >= last
        assert log.damage() == ""
        assert [record.number for record in log.read(RUN)] == list(range(1, log.last_number() + 1))
        log.close()


def test_D6_a_damaged_log_is_told_and_made_anew_by_one_command(project: Project) -> None:
    """Zeroed pages: every command says what to do, and after `wto doctor --rebuild` the run is what it was."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", plan).code == 0
    before = project.wto("status", "--json").json
    path = project.state / "log.db"
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\0" * (len(content) - 4096))
    for words in (("status",), ("land",), ("report",), ("resume",)):
        ended = project.wto(*words)
        assert ended.code == 1 and "Traceback" not in ended.err, ended.err
        assert "wto doctor --rebuild" in ended.err
    assert "damaged" in project.wto("doctor").out
    rebuilt = project.wto("doctor", "--rebuild")
    assert "Rebuilt the event log from its journal" in rebuilt.out, rebuilt.out + rebuilt.err
    after = project.wto("status", "--json").json
    assert [(ws["id"], ws["stage"], ws["integrated_as"]) for ws in after["workstreams"]] == [
        (ws["id"], ws["stage"], ws["integrated_as"]) for ws in before["workstreams"]
    ]
    assert list(project.state.glob("log.db.damaged-*"))
    assert project.wto("land").code == 0


def test_a_log_that_is_locked_for_long_is_told_plainly(project: Project) -> None:
    """Somebody holds the database: a request ends with a sentence and what to do, and `status` answers at once (O1)."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", plan).code == 0
    connection = sqlite3.connect(project.state / "log.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    assert project.wto("status").code == 0
    refused = project.wto("land")
    connection.execute("ROLLBACK")
    connection.close()
    assert refused.code == 1
    assert "cannot be" in refused.err and "locked" in refused.err and "Traceback" not in refused.err
    assert project.wto("land").code == 0


def test_R4_a_log_of_a_newer_release_is_refused_by_every_command_and_left_alone(project: Project) -> None:
    """No command touches what a newer release wrote; each says what is needed."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", plan).code == 0
    connection = sqlite3.connect(project.state / "log.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (project.state / "log.db").read_bytes()
    for words in (("run", plan), ("resume",), ("land",), ("report",)):
        ended = project.wto(*words)
        assert ended.code == 1 and "was written by a newer wt-orchestrate" in ended.err, ended.err
    assert (project.state / "log.db").read_bytes() == before


def test_D6_a_wish_with_a_key_is_put_once_also_after_the_log_was_made_anew(tmp_path: Path) -> None:
    """The same key brings back the first number, whatever is asked; a run's key names the run; the journal keeps both."""
    log = SqliteLog(str(tmp_path / "log.db"))
    log.begin(STARTED, actor=e.Actor.PERSON, now=1.0, view=lambda record: "{}", key="the run")
    first = log.ask(RUN, e.ResumeRequested(), now=2.0, key="go on")
    assert log.ask(RUN, e.ResumeRequested(), now=3.0, key="go on") == first
    assert log.ask(RUN, e.ResumeRequested(), now=4.0) == first + 1
    for _ in range(2):
        told = [log.known(key) for key in ("the run", "go on", "", "other")]
        assert [said and (said.run, said.number) for said in told] == [(RUN, None), (RUN, first), None, None]
        assert [said and said.wish for said in told] == [STARTED, e.ResumeRequested(), None, None]
        assert len(log.asked(RUN)) == 2
        log.close()
        for name in ("log.db", "log.db-wal", "log.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        log = SqliteLog(str(tmp_path / "log.db"))
    log.close()


def test_a_key_is_held_to_its_wish(tmp_path: Path) -> None:
    """The same wish again is one, whatever it holds; another wish under its key is refused, and nothing of it is written."""
    log = SqliteLog(str(tmp_path / "log.db"))

    def begun(event: e.RunStarted) -> RunId:
        return log.begin(event, actor=e.Actor.PERSON, now=1.0, view=lambda record: "{}", key="the run").run

    assert (begun(STARTED), begun(replace(STARTED, seed="another try"))) == (RUN, RUN)
    limit = e.LimitRequested(budget_usd=5, wall="2h")
    added = e.AddRequested(workstreams={"b": Workstream(brief="x", scope=("src/**",), limits=Budget(turns=3))})
    numbers = [log.ask(RUN, limit, now=2.0, key="limit"), log.ask(RUN, added, now=2.0, key="add")]
    assert numbers == [log.ask(RUN, limit, now=3.0, key="limit"), log.ask(RUN, added, now=3.0, key="add")]
    others: list[tuple[str, Callable[[], object]]] = [
        ("'limit' was sent to r1", lambda: log.ask(RUN, replace(limit, wall="3h"), now=4.0, key="limit")),
        ("'limit' was sent to r1", lambda: log.ask(RunId("r2"), limit, now=4.0, key="limit")),
        ("'add' was sent to r1", lambda: log.ask(RUN, limit, now=4.0, key="add")),
        ("r1 was started", lambda: log.ask(RUN, limit, now=4.0, key="the run")),
        ("r1 was started", lambda: begun(replace(STARTED, plan_path="another.yaml"))),
        ("r1 was started", lambda: begun(replace(STARTED, land=True))),
    ]
    before = (tmp_path / "journal.jsonl").read_bytes()
    for words, other in others:
        with pytest.raises(Refused, match=f"is already used: with it {words}"):
            other()
    assert (tmp_path / "journal.jsonl").read_bytes() == before
    assert len(log.asked(RUN)) == 2 and log.damage() == ""
    log.close()
