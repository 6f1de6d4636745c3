"""Reports of runs whose logs grow, while a program that tells them lives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.handmade import Handmade, plan
from wt_orchestrate.adapters.store.eventlog import SqliteLog
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.report.report import Ledger, report
from wt_orchestrate.errors import NotFound
from wt_orchestrate.osfiles.locks import FileLock
from wt_orchestrate.wiring.read.reports import Ledgers
from wt_orchestrate.wiring.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(start=str(tmp_path), common_dir=str(tmp_path), state_dir=str(tmp_path))


def _write(site: Site, records: Sequence[e.Record]) -> None:
    """Append records of a log made by hand, a run begun by the first, numbered behind what is there."""
    log = SqliteLog(site.path("log.db"))
    for record in records:
        if isinstance(record.event, e.RunStarted):
            log.begin(record.event, actor=record.actor, now=record.at, view=lambda _: "{}")
        else:
            log.append([replace(record, number=log.last_number() + 1, run=log.runs()[-1].id)])
    log.close()


def _made() -> Handmade:
    log = Handmade(plan("a"))
    log.prepare(1, "a")
    log.work(2, "a", begins=3, ends=13, gone=14)
    return log


def test_what_was_read_before_is_not_read_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second report of a run takes the events that came since, and is the report of the whole log."""
    made = _made()
    _write(site, made.records[:-2])
    ledgers = Ledgers()
    ledgers.report(site, None, now=made.wall(20))
    _write(site, made.records[-2:])
    taken: list[int] = []
    take = Ledger.take

    def counting(self: Ledger, record: e.Record) -> None:
        taken.append(record.number)
        take(self, record)

    monkeypatch.setattr(Ledger, "take", counting)
    assert ledgers.report(site, "r1", now=made.wall(20)) == report(made.records, now=made.wall(20), watched=False)
    assert taken == [record.number for record in made.records[-2:]] + [record.number for record in made.records]


def test_a_log_that_was_made_anew_is_read_anew(site: Site) -> None:
    """A state folder that was thrown away and filled again: nothing of the old run is told of the new one."""
    old, new = _made(), Handmade(plan("b"))
    new.prepare(5, "b")
    _write(site, old.records)
    ledgers = Ledgers()
    ledgers.report(site, None, now=old.wall(20))
    for path in Path(site.state_dir).iterdir():
        path.unlink()
    _write(site, new.records)
    assert ledgers.report(site, None, now=new.wall(20)) == report(new.records, now=new.wall(20), watched=False)


def test_a_supervisor_that_is_at_work_on_another_run_watches_only_that(site: Site) -> None:
    """An older run that was cut off is nobody's, though a supervisor is at work: its agents' time since then is not certain."""
    made = _made()
    _write(site, made.records[:-2])
    ledgers = Ledgers()
    lock = FileLock(site.path("supervisor.lock"))
    assert lock.take()
    try:
        assert ledgers.read(site, "r1")[1] is True
        _write(site, Handmade(plan("b")).records)
        assert (ledgers.read(site, "r1")[1], ledgers.read(site, "r2")[1]) == (False, True)
    finally:
        lock.free()
    assert ledgers.read(site, "r2")[1] is False


def test_a_run_that_is_not_there_is_not_found(site: Site) -> None:
    """A wrong name is told as such, and nothing is kept of it."""
    _write(site, _made().records)
    with pytest.raises(NotFound, match="there is no run r7"):
        Ledgers().report(site, "r7", now=0.0)
