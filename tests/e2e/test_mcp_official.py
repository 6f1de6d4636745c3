"""The official judges of MCP servers: the inspector's strict look at the schemas, and the conformance suite over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.mcp_client import http_server, token
from tests.support.mcp_tools import program, ran
from tests.support.project import ROOT, Project
from tests.support.waiting import wait_until
from tools.install_mcp_tools import CONFORMANCE, INSPECTOR

ERAS = ("legacy", "modern")


@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_finds_nothing_to_say_of_the_tools(project: Project, era: str) -> None:
    """Over standard input and output, in both eras of the protocol: the strict check of all schemas passes."""
    program(INSPECTOR)
    words = ["--cli", "--strict", "--protocol-era", era, "--connect-timeout", "60000", "--method", "tools/list"]
    given = [word for pair in project.environment.items() for word in ("-e", "=".join(pair))]
    server = [sys.executable, "-P", "-m", "wt_orchestrate", "-C", project.repository.path, "mcp"]
    ended = ran(INSPECTOR, *words, *given, "--", *server, home=project.folder / "inspector")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    assert {"briefing", "wait", "land"} <= {tool["name"] for tool in json.loads(ended.stdout)["tools"]}


@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_calls_tools_over_http_with_the_token(project: Project, era: str) -> None:
    """With the token it is answered, without it the server says nothing."""
    program(INSPECTOR)
    words = ["--cli", "--protocol-era", era, "--connect-timeout", "60000", "--transport", "http"]
    called = ["--method", "tools/call", "--tool-name", "repositories"]
    with http_server(project) as url:
        shown = ["--header", f"Authorization: Bearer {token(project)}"]
        ended = ran(INSPECTOR, *words, "--server-url", url, *shown, *called, home=project.folder / "inspector")
        assert ended.returncode == 0, ended.stderr
        assert project.repository.path in ended.stdout
        refused = ran(INSPECTOR, *words, "--server-url", url, *called, home=project.folder / "inspector")
        assert refused.returncode != 0 and project.repository.path not in refused.stdout + refused.stderr


@contextmanager
def suite_server(project: Project) -> Iterator[str]:
    """Our server with the fixtures of the suite; its address."""
    said = project.folder / "suite.txt"
    with said.open("w", encoding="utf-8") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.support.conformance_server", project.repository.path],
            cwd=ROOT,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
    project.started.append(child)
    wait_until(lambda: "Serving" in said.read_text() or child.poll() is not None, what="the server", timeout_s=60.0)
    yield said.read_text().split()[1].rstrip(";")
    child.terminate()
    assert child.wait(timeout=20) == 0


def test_the_conformance_suite_passes_what_the_protocol_requires(project: Project) -> None:
    """Every scenario that the revision of July 2026 requires passes; what else the suite runs fails as expected."""
    program(CONFORMANCE)
    with suite_server(project) as url:
        ended = ran(
            CONFORMANCE,
            *("server", "--url", url, "--requirements", "2026-07-28"),
            *("--expected-failures", str(ROOT / "tests" / "support" / "conformance_expected.yaml")),
            *("--output-dir", str(project.folder / "results")),
            home=project.folder / "conformance",
        )
    assert ended.returncode == 0, ended.stdout[-3_000:]
    passed = {checks.parent.name.split("-2026")[0] for checks in _results(project.folder / "results")}
    assert {"server-server-stateless", "server-dns-rebinding-protection", "server-tools-list"} <= passed
    assert len(passed) >= 37


def _results(folder: Path) -> Iterator[Path]:
    """Scenarios without a failed check."""
    for found in folder.rglob("checks.json"):
        if all(check["status"] != "FAILURE" for check in json.loads(found.read_text(encoding="utf-8"))):
            yield found
