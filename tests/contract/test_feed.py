"""The feed port: hints about exactly what is watched, asked of the real feed and of the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.fakes import FakeClock, FakeFeed
from wt_orchestrate.adapters.feed import WatchdogFeed
from wt_orchestrate.ports.engine import Feed, Watched

Change = Callable[[Path], None]
Stage = tuple[Feed, Change]


@pytest.fixture(params=["fake", "events", "polling"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Each feed, with the way to change a file for it."""

    def write(path: Path) -> None:
        with open(path, "a", encoding="ascii") as file:
            file.write("x")

    if request.param == "fake":
        fake = FakeFeed(FakeClock())
        yield fake, lambda path: fake.tell(str(path))
        return
    feed = WatchdogFeed(0.02 if request.param == "polling" else 600.0, use_events=request.param == "events")
    yield feed, write
    feed.close()


def test_a_change_is_hinted_at_once(stage: Stage, tmp_path: Path) -> None:
    """The key of the changed file comes with the next wait, and not again after it."""
    feed, change = stage
    feed.watch(frozenset({Watched(key="a", path=str(tmp_path / "a")), Watched(key="b", path=str(tmp_path / "b"))}))
    assert feed.wait(0.0) == frozenset()
    change(tmp_path / "a")
    assert feed.wait(5.0) == {"a"}
    assert feed.wait(0.05) == frozenset()


def test_only_what_was_last_asked_for_is_watched(stage: Stage, tmp_path: Path) -> None:
    """A file that is no longer wanted gives no hint, not even for a change of before."""
    feed, change = stage
    feed.watch(frozenset({Watched(key="a", path=str(tmp_path / "a"))}))
    assert feed.wait(0.0) == frozenset()
    change(tmp_path / "a")
    feed.watch(frozenset({Watched(key="b", path=str(tmp_path / "b"))}))
    change(tmp_path / "a")
    assert feed.wait(0.05) == frozenset()
    change(tmp_path / "b")
    assert feed.wait(5.0) == {"b"}


def test_waking_ends_a_wait(stage: Stage, tmp_path: Path) -> None:
    """A wake ends one wait, also when it came before it."""
    feed, _ = stage
    feed.watch(frozenset({Watched(key="a", path=str(tmp_path / "a"))}))
    feed.wake()
    assert feed.wait(60.0) == frozenset()
    assert feed.wait(0.01) == frozenset()
