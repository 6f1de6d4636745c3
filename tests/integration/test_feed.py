"""The feed: whatever happens to a watched file is hinted at, by events within moments, by polling alone just the same."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.counting import open_descriptors
from tests.support.waiting import wait_until
from wt_orchestrate.adapters import feed as feed_module
from wt_orchestrate.adapters.feed import Notices, ObserverNotices, Tell, WatchdogFeed
from wt_orchestrate.ports.engine import Watched

Make = Callable[[], WatchdogFeed]


def _by_events() -> WatchdogFeed:
    return WatchdogFeed(600.0)


def _by_observer() -> WatchdogFeed:
    # It does not tell when a watched folder itself is moved: that is left to the poll.
    return WatchdogFeed(0.2, notices=ObserverNotices)


def _by_polling() -> WatchdogFeed:
    return WatchdogFeed(0.02, use_events=False)


@pytest.fixture(params=[_by_events, _by_observer, _by_polling], ids=["events", "observer", "polling"])
def feed(request: pytest.FixtureRequest) -> Iterator[WatchdogFeed]:
    """A feed that knows changes by file events (almost) alone, or by polling alone. It leaves no thread or open file."""
    before = (threading.active_count(), open_descriptors())
    feed: WatchdogFeed = request.param()
    yield feed
    feed.close()
    assert (threading.active_count(), open_descriptors()) == before


def _watch(feed: WatchdogFeed, *paths: Path, settled: bool = True) -> None:
    """Watch files, each under its own name as key; then take the first hints about what exists already."""
    feed.watch(frozenset(Watched(key=path.name, path=str(path)) for path in paths))
    existing = frozenset(path.name for path in paths if path.exists())
    if settled:
        assert feed.wait(0.0 if not existing else 5.0) == existing


def test_O3_each_kind_of_change_is_hinted_at(feed: WatchdogFeed, tmp_path: Path) -> None:
    """Created, written to, replaced by a rename, deleted: each gives the key of that file and no other."""
    handoff, other = tmp_path / "HANDOFF.md", tmp_path / "other"
    _watch(feed, handoff, other)
    handoff.write_text("status: working")
    assert feed.wait(5.0) == {"HANDOFF.md"}
    with open(handoff, "a", encoding="ascii") as file:
        file.write("more")
    assert feed.wait(5.0) == {"HANDOFF.md"}
    (tmp_path / "beside").write_text("status: done")
    os.rename(tmp_path / "beside", handoff)
    assert feed.wait(5.0) == {"HANDOFF.md"}
    handoff.unlink()
    assert feed.wait(5.0) == {"HANDOFF.md"}


def test_files_nobody_watches_give_no_hint(feed: WatchdogFeed, tmp_path: Path) -> None:
    """What happens beside a watched file, or below its folder, stays unmentioned."""
    (tmp_path / "src").mkdir()
    _watch(feed, tmp_path / "HANDOFF.md")
    (tmp_path / "beside").write_text("x")
    (tmp_path / "src" / "HANDOFF.md").write_text("x")
    assert feed.wait(0.1) == frozenset()


def test_a_git_lock_that_becomes_a_ref_is_a_change_of_the_ref(feed: WatchdogFeed, tmp_path: Path) -> None:
    """A rename counts by where it leads."""
    _watch(feed, tmp_path / "auth")
    (tmp_path / "auth.lock").write_text("0" * 40)
    os.rename(tmp_path / "auth.lock", tmp_path / "auth")
    assert feed.wait(5.0) == {"auth"}


def test_a_folder_made_later_is_watched(feed: WatchdogFeed, tmp_path: Path) -> None:
    """Files in folders that do not exist yet are hinted at when they come, however deep."""
    path = tmp_path / "logs" / "refs" / "heads" / "auth"
    _watch(feed, path)
    path.parent.mkdir(parents=True)
    path.write_text("one")
    assert feed.wait(5.0) == {"auth"}
    with open(path, "a", encoding="ascii") as file:
        file.write("two")
    assert feed.wait(5.0) == {"auth"}


def test_a_folder_that_was_moved_away_and_made_again_is_watched(feed: WatchdogFeed, tmp_path: Path) -> None:
    """A worktree removed by a rename takes its watch along; the one made in its place is watched anew."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "HANDOFF.md").write_text("old")
    _watch(feed, tree / "HANDOFF.md")
    os.rename(tree, tmp_path / "trash")
    assert feed.wait(5.0) == {"HANDOFF.md"}
    (tmp_path / "trash" / "HANDOFF.md").write_text("in the trash")
    tree.mkdir()
    (tree / "HANDOFF.md").write_text("new one")
    assert feed.wait(5.0) == {"HANDOFF.md"}
    shutil.rmtree(tree)
    assert feed.wait(5.0) == {"HANDOFF.md"}


def test_what_changed_before_it_was_watched_is_hinted_at(feed: WatchdogFeed, tmp_path: Path) -> None:
    """Between the last look and the first watch nothing is lost: a file that exists already gets a hint."""
    (tmp_path / "exit.json").write_text("{}")
    _watch(feed, tmp_path / "exit.json", settled=False)
    assert feed.wait(5.0) == {"exit.json"}


def test_a_file_no_longer_watched_gives_no_hint(feed: WatchdogFeed, tmp_path: Path) -> None:
    """Only what was last asked for is watched."""
    _watch(feed, tmp_path / "old")
    (tmp_path / "old").write_text("x")
    _watch(feed, tmp_path / "new")
    (tmp_path / "old").write_text("xx")
    assert feed.wait(0.1) == frozenset()
    (tmp_path / "new").write_text("x")
    assert feed.wait(5.0) == {"new"}


def test_several_files_may_share_a_key(feed: WatchdogFeed, tmp_path: Path) -> None:
    """A key is hinted at when any of its files changes, and a file may stand under several keys."""
    feed.watch(
        frozenset(
            {
                Watched(key="branches", path=str(tmp_path / "a")),
                Watched(key="branches", path=str(tmp_path / "b")),
                Watched(key="b", path=str(tmp_path / "b")),
            }
        )
    )
    assert feed.wait(0.0) == frozenset()
    (tmp_path / "b").write_text("x")
    assert feed.wait(5.0) == {"branches", "b"}


def test_a_burst_of_changes_comes_together(tmp_path: Path) -> None:
    """Hints of one moment are given at once, each key one time."""
    feed = _by_events()
    paths = [tmp_path / f"f{number}" for number in range(20)]
    _watch(feed, *paths)
    for path in paths:
        path.write_text("x")
    came: list[str] = []

    def all_came() -> bool:
        came.extend(feed.wait(0.0))
        return set(came) == {path.name for path in paths}

    wait_until(all_came)
    assert len(came) < 60
    feed.close()


def test_waking_ends_a_wait(feed: WatchdogFeed, tmp_path: Path) -> None:
    """`wake` from another thread ends a wait at once; one that comes before it is not lost."""
    _watch(feed, tmp_path / "a")
    feed.wake()
    assert feed.wait(60.0) == frozenset()
    threading.Timer(0.05, feed.wake).start()
    assert feed.wait(60.0) == frozenset()


def test_a_wait_ends_with_its_time(feed: WatchdogFeed, tmp_path: Path) -> None:
    """With nothing to tell, a wait returns empty-handed when its time has run out."""
    _watch(feed, tmp_path / "a")
    began = time.monotonic()
    assert feed.wait(0.05) == frozenset()
    assert time.monotonic() - began >= 0.05


def test_hundred_folders_need_one_thread(tmp_path: Path) -> None:
    """On Linux the number of threads does not grow with the number of worktrees."""
    before = threading.active_count()
    feed = _by_events()
    paths = [tmp_path / f"tree{number}" / f"handoff{number}" for number in range(100)]
    for path in paths:
        path.parent.mkdir()
    _watch(feed, *paths)
    assert threading.active_count() == before + 1
    paths[57].write_text("x")
    assert feed.wait(5.0) == {"handoff57"}
    feed.close()


def test_O3_lost_notices_are_made_up_for_by_polling(tmp_path: Path) -> None:
    """Where events are promised but never come (network file systems) the poll finds the change."""

    class Deaf:
        def __init__(self, tell: Tell) -> None: ...

        def add(self, folder: str) -> None: ...

        def drop(self, folder: str) -> None: ...

        def close(self) -> None: ...

    feed = WatchdogFeed(0.05, notices=Deaf)
    _watch(feed, tmp_path / "a" / "b")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("x")
    assert feed.wait(5.0) == {"b"}
    assert feed.degraded == ""


def test_reached_limits_are_told_and_polled_over(tmp_path: Path) -> None:
    """When no (further) watch can be had, the feed says why, polls, and takes up events when they can be had again."""

    class Limited:
        full = True

        def __init__(self, tell: Tell) -> None:
            self._real: Notices = feed_module.native_notices(tell)
            self.add, self.drop, self.close = self._add, self._real.drop, self._real.close

        def _add(self, folder: str) -> None:
            if self.full:
                raise OSError(28, "inotify watch limit reached")
            self._real.add(folder)

    feed = WatchdogFeed(0.05, notices=Limited)
    _watch(feed, tmp_path / "a")
    assert feed.degraded == f"no file events for {tmp_path}: inotify watch limit reached"
    (tmp_path / "a").write_text("x")
    assert feed.wait(5.0) == {"a"}
    Limited.full = False
    wait_until(lambda: feed.wait(0.0) == frozenset() and feed.degraded == "")
    feed.close()


def test_without_any_file_events_the_reason_is_told(tmp_path: Path) -> None:
    """When not even one descriptor can be had, the feed polls."""

    def none_left(tell: Tell) -> Notices:
        raise OSError(24, "inotify instance limit reached")

    feed = WatchdogFeed(0.02, notices=none_left)
    assert feed.degraded == "file events are not available: inotify instance limit reached"
    _watch(feed, tmp_path / "a")
    (tmp_path / "a").write_text("x")
    assert feed.wait(5.0) == {"a"}
    feed.close()
