"""Seals every test off from whoever runs it, and looks behind it.

A test has an empty home and state folder of its own, no configuration of git but a fixed user, fixed dates and time zone,
no inherited variables of git, of agents or of ours, and an editor that fails. When it has ended, no kept process of it may
be alive. Unit tests run first; behind them, what computes runs beside what waits, and the longest start early.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.project import Project, make_project
from tests.support.waiting import wait_until

settings.register_profile("the same every time", derandomize=True)
if os.environ.get("CI"):  # a gate must not fail by chance; `make soak` and runs by hand look further
    settings.load_profile("the same every time")
_ORDER = ("unit", "simulation", "integration", "contract")
_FOREIGN = ("GIT_", "WTO_", "CLAUDE", "ANTHROPIC_", "XDG_", "AWS_", "PYTEST_ADDOPTS", "COV_")
_GIT_CONFIG = """\
[user]
    name = Ada
    email = ada@example.org
[init]
    defaultBranch = main
[protocol]
    allow = never
[protocol "file"]
    allow = always
"""
_FIXED = {
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
    "EDITOR": "false",
    "VISUAL": "false",
    "GIT_EDITOR": "false",
    "PYTHONHASHSEED": "0",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests first. Then stories of the program, which wait for processes, in turn with all others, which compute, so that
    workers that run side by side need different things; of the stories those with real clients first, for they are the longest.
    """
    stories = sorted((each for each in items if "e2e" in each.path.parts), key=_is_short)
    others = sorted((each for each in items if "e2e" not in each.path.parts), key=_folder)
    units = [each for each in others if "unit" in each.path.parts]
    rest = others[len(units) :]
    share = [(number / len(each), item) for each in (rest, stories) for number, item in enumerate(each)]
    items[:] = [*units, *(item for _, item in sorted(share, key=lambda pair: pair[0]))]


def _is_short(item: pytest.Item) -> bool:
    return item.get_closest_marker("real_client") is None


def _folder(item: pytest.Item) -> int:
    return next((n for n, name in enumerate(_ORDER) if name in item.path.parts), len(_ORDER))


@pytest.fixture(autouse=True)
def _sealed(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An environment of its own for each test; afterwards none of its kept processes may be left."""
    seal = tmp_path_factory.mktemp("seal")
    (seal / "home").mkdir()
    (seal / "gitconfig").write_text(_GIT_CONFIG, encoding="utf-8")
    for name in list(os.environ):
        if name.startswith(_FOREIGN):
            monkeypatch.delenv(name)
    own = {"HOME": seal / "home", "GIT_CONFIG_GLOBAL": seal / "gitconfig", "WTO_STATE_DIR": seal / "state"}
    for name, value in {**_FIXED, **own}.items():
        monkeypatch.setenv(name, str(value))
    yield seal
    base = os.fsencode(f"{tmp_path_factory.getbasetemp()}/")
    try:
        wait_until(lambda: not _left_behind(base), what="no kept process of this test is left", timeout_s=5.0)
    finally:  # only the test that left them is to fail
        for pid in _left_behind(base):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _left_behind(base: bytes) -> list[int]:
    """Living processes that a keeper marked and that belong to this worker's temporary folder (Linux only)."""
    names = os.listdir("/proc") if os.path.isdir("/proc/self") else []
    return [int(name) for name in names if name.isdigit() and _is_kept_below(Path("/proc", name), base)]


def _is_kept_below(process: Path, base: bytes) -> bool:
    try:
        environment = (process / "environ").read_bytes()
        if b"WTO_PROCESS=" not in environment:
            return False
        return base in environment + (process / "cmdline").read_bytes() + os.fsencode((process / "cwd").readlink())
    except OSError:
        return False  # it ended meanwhile, or belongs to somebody else


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with one commit on main; after the test nothing of it may be alive."""
    made = make_project(tmp_path)
    yield made
    made.close()
