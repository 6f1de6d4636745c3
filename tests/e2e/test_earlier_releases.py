"""What earlier releases left on disk is opened, read and finished by this one (samples: `tests/samples/`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.project import Project
from tests.support.samples import RELEASES, SAMPLES, journal_of, unpack
from wt_orchestrate.adapters.store.eventlog import SqliteLog
from wt_orchestrate.adapters.store.journal import Journal
from wt_orchestrate.adapters.store.records import parse_event
from wt_orchestrate.domain.ids import RunId

pytestmark = pytest.mark.parametrize("release", RELEASES)
Unpacked = Callable[[str], Project]


@pytest.fixture
def sample(release: str, tmp_path: Path) -> Iterator[Unpacked]:
    """Unpacks a sample of a release; nothing of it may be alive afterwards."""
    made: list[Project] = []

    def unpacked(name: str) -> Project:
        made.append(unpack(release, name, tmp_path))
        return made[-1]

    yield unpacked
    for project in made:
        project.close()


def _forget_database(project: Project) -> None:
    for name in ("log.db", "log.db-wal", "log.db-shm"):
        (project.state / name).unlink(missing_ok=True)


def test_R4_a_finished_run_is_read_as_it_ended(sample: Unpacked, release: str) -> None:
    """Status, story and report of a run that an earlier release finished and landed."""
    project = sample("finished")
    assert project.stages() == {"one": "landed", "two": "landed", "last": "landed"}
    two = next(each for each in project.status()["workstreams"] if each["id"] == "two")
    assert two["attempts"] == 2
    story = project.wto("status", "two")
    assert (story.code, "attempt 2" in story.out) == (0, True), story.out + story.err
    report = project.wto("report")
    assert report.code == 0, report.err
    assert "src/a.py:3 is slow" in report.out
    assert project.wto("doctor").code in {0, 1}


def test_R4_a_finished_run_is_made_again_from_its_journal(sample: Unpacked, release: str) -> None:
    """With the database gone, the journal of an earlier release gives the same log and the same answer."""
    project = sample("finished")
    before = _ageless(project.status()["workstreams"])
    log = SqliteLog(str(project.state / "log.db"))
    records, runs = log.read(RunId("r1")), log.runs()
    log.close()
    _forget_database(project)
    assert project.wto("doctor", "--rebuild").code == 0
    again = SqliteLog(str(project.state / "log.db"))
    assert (again.read(RunId("r1")), again.runs(), again.damage()) == (records, runs, "")
    again.close()
    now = _ageless(project.status()["workstreams"])
    # the stored answer is the earlier release's own: what came later is not in it
    assert [{name: each[name] for name in was} for each, was in zip(now, before, strict=True)] == before


def _ageless(value: Any) -> Any:
    """An answer without how long ago things were, which changes by itself."""
    if isinstance(value, dict):
        return {name: _ageless(each) for name, each in value.items() if name != "age_s"}
    return [_ageless(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("database", ["kept", "lost"])
def test_R4_an_interrupted_run_is_resumed_to_its_end(sample: Unpacked, release: str, database: str) -> None:
    """A run that lost its power under an earlier release: nothing of its work is lost, the wish that nobody took is heard,
    and all is integrated and landed; from the database, and from the journal alone."""
    project = sample("interrupted")
    if database == "lost":
        _forget_database(project)
        assert project.wto("doctor", "--rebuild").code == 0
    assert project.stages() == {"done": "integrated", "half": "working", "later": "queued"}
    resumed = project.wto("resume")
    assert resumed.code == 0, resumed.out + resumed.err
    assert set(project.stages().values()) == {"integrated"}
    landed = project.wto("land")
    assert landed.code == 0, landed.out + landed.err
    files = project.repository.git("ls-tree", "--name-only", "main").split()
    assert files == ["README.md", "done.txt", "draft.txt", "half.txt", "later.txt"]
    log = SqliteLog(str(project.state / "log.db"))
    kinds = [type(record.event).__name__ for record in log.read(RunId("r1"))]
    assert (kinds.count("TellRequested"), log.asked(RunId("r1")), log.damage()) == (1, [], "")
    log.close()


@pytest.mark.parametrize("name", ["finished", "interrupted"])
def test_R4_a_journal_of_an_earlier_release_is_whole(release: str, name: str, tmp_path: Path) -> None:
    """Every line of a journal, byte by byte as it was written, is bound to the one before by this release's own rule."""
    journal = Journal(journal_of(release, name, tmp_path))
    assert journal.damage() is None
    assert len(list(journal.rows())) > 40


def test_R4_events_are_stored_as_they_were(release: str, tmp_path: Path) -> None:
    """A row of each kind of event that an earlier release wrote is read and written again byte by byte: the journal's hashes
    hold across releases. A field that came later may stand between."""
    for line in (SAMPLES / release / "events.jsonl").read_bytes().splitlines():
        kind, _, body = line.partition(b" ")
        event = parse_event(kind.decode(), body)
        stored = msgspec.json.encode(event)
        assert msgspec.json.encode(_of_old(msgspec.json.decode(stored), msgspec.json.decode(body))) == body, kind
        assert parse_event(kind.decode(), stored) == event


def _of_old(now: Any, then: Any) -> Any:
    """What is stored now, without fields that were not there then."""
    if isinstance(now, dict) and isinstance(then, dict):
        return {name: _of_old(value, then[name]) for name, value in now.items() if name in then}
    if isinstance(now, list) and isinstance(then, list):
        return [_of_old(*pair) for pair in zip(now, then, strict=True)]
    return now
