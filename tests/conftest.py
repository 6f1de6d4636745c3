"""Seals every test: an empty home, no configuration of this machine, nothing inherited that could reach outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import Project, make_project

_ORDER = ("unit", "contract", "integration", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cheap tests first."""
    root = Path(__file__).parent
    items.sort(key=lambda item: _ORDER.index(item.path.relative_to(root).parts[0]))


@pytest.fixture(autouse=True)
def sealed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees this machine's settings or credentials."""
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    for name in list(os.environ):
        if name.startswith(("GIT_", "CLAUDE", "ANTHROPIC_", "WTO_", "XDG_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_EDITOR", "false")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("WTO_STATE_DIR", "/nonexistent/a-test-used-the-default-state-folder")
    yield


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with one commit on main; after the test nothing of it may be alive."""
    made = make_project(tmp_path)
    yield made
    made.close()
