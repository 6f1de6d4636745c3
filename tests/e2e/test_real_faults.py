"""The real Claude Code client when its service is in trouble: overloads, limits, dropped and malformed answers.

The client gives up after few retries of its own; the orchestrator waits and goes on in the same session.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.support.claude_client import NEWEST, OLDEST, client, use_client
from tests.support.project import Project
from tests.support.stub_model import SOON_S, StubModel, Turn, serve
from tests.support.turns import work

pytestmark = pytest.mark.real_client

SETTINGS = "poll: 1s\nrecovery: {overload: [{times: 6, waits: [1s]}], limit: [{times: 6, waits: [1s]}], jitter: 0}\n"


@pytest.fixture
def stub() -> Iterator[StubModel]:
    """The stand-in; a test fills `scripts`."""
    server = serve({})
    yield server
    server.close()


def _run(project: Project, stub: StubModel, version: str, turns: Sequence[Turn], idle: str = "10m") -> list[Any]:
    """Run one workstream to its end; its attempts."""
    use_client(project, stub)
    stub.scripts = {"a": turns}
    project.environment["CLAUDE_CODE_MAX_RETRIES"] = "1"
    project.repository.commit({".wto/config.yaml": SETTINGS + "pass_env: [CLAUDE_CODE_MAX_RETRIES]\n"})
    env = "env: {CLAUDE_CODE_MAX_RETRIES: '1'}"
    plan = project.plan(
        f"goal: Do it\nagents: {{claude-code: {{binary: {json.dumps(client(version))}, {env}}}}}\n"
        f"workstreams:\n  a: {{brief: 'Write a. [[script:a]]', scope: [a.py], idle: {idle}}}\n"
    )
    ended = project.wto("run", plan, timeout=120)
    assert ended.code == 0, ended.out + ended.err
    report = project.wto("report", "--format", "json").json
    return [(attempt["reason"], attempt["resumed"]) for attempt in report["workstreams"][0]["attempts"]]


def _trouble(first: int, **trouble: Any) -> list[Turn]:
    """A workstream's turns, the second of which fails so often."""
    turns = work("a")
    return [turns[0], {**turns[1], **trouble, "first": first}, *turns[2:]]


@pytest.mark.parametrize(
    ("status", "kind", "version"),
    [
        (529, "overloaded_error", OLDEST),
        (529, "overloaded_error", NEWEST),
        (500, "api_error", NEWEST),
        (429, "rate_limit_error", NEWEST),
    ],
)
def test_P4_an_overload_that_outlasts_the_client_is_waited_out(
    project: Project, stub: StubModel, status: int, kind: str, version: str
) -> None:
    """After the client gave up, the same session goes on and the work is integrated; no other attempt is paid for."""
    error = {"status": status, "type": kind, "message": "Overloaded"}
    attempts = _run(project, stub, version, _trouble(2, error=error))
    assert attempts == [("first", False), ("overload", True)]


@pytest.mark.parametrize(("drop", "version"), [("before", NEWEST), ("mid", OLDEST), ("mid", NEWEST)])
def test_dropped_connections_are_survived(project: Project, stub: StubModel, drop: str, version: str) -> None:
    """A connection that breaks before or inside an answer costs at most a resumed attempt."""
    attempts = _run(project, stub, version, _trouble(4, drop=drop))
    assert attempts[0] == ("first", False)
    assert all(attempt == ("overload", True) for attempt in attempts[1:])


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_malformed_stream_events_are_survived(project: Project, stub: StubModel, version: str) -> None:
    """Garbage in the middle of an answer ends in a finished workstream, whatever the client makes of it."""
    attempts = _run(project, stub, version, _trouble(1, garbage=True), idle="20s")
    assert attempts[0] == ("first", False)
    assert len(attempts) <= 3


def test_a_usage_limit_of_a_subscription_is_waited_for(project: Project, stub: StubModel) -> None:
    """A rejection with its reset rests the account until then; the same session goes on by itself."""
    headers = {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": "{{soon}}",
        "anthropic-ratelimit-unified-representative-claim": "five_hour",
    }
    error = {"status": 429, "type": "rate_limit_error", "message": "limit"}
    use_client(project, stub)
    del project.environment["ANTHROPIC_API_KEY"]
    project.environment["CLAUDE_CODE_OAUTH_TOKEN"] = "sk-ant-oat01-stub"
    turns = _trouble(1, error=error, headers=headers)
    stub.scripts = {"a": turns}
    project.repository.commit({".wto/config.yaml": SETTINGS})
    plan = project.plan(
        f"goal: Do it\nagents: {{claude-code: {{binary: {json.dumps(client(NEWEST))}}}}}\n"
        "workstreams:\n  a: {brief: 'Write a. [[script:a]]', scope: [a.py]}\n"
    )
    ended = project.wto("run", plan, timeout=120)
    assert ended.code == 0, ended.out + ended.err
    report = project.wto("report", "--format", "json").json
    first, second = report["workstreams"][0]["attempts"]
    assert [(each["reason"], each["resumed"]) for each in (first, second)] == [("first", False), ("limit", True)]
    asked = [entry["at"] for entry in stub.requests if entry["script"] == "a"]
    resets = int(next(entry["at"] for entry in stub.requests if entry["turn"] == 1)) + SOON_S
    gave_up = report["started_at"] + first["began_s"] + first["seconds"]
    assert report["started_at"] + second["began_s"] > resets - 1, "something was started into the limit"
    assert not [at for at in asked if gave_up + 1 < at < resets - 1], "the model was asked during the limit"


def test_an_exhausted_context_begins_a_new_session(project: Project, stub: StubModel) -> None:
    """The older client gives up with `Prompt is too long`, and a new session finishes the work; the newer one compacts."""
    error = {"status": 400, "type": "invalid_request_error", "message": "prompt is too long: 250000 tokens > 200000"}
    attempts = _run(project, stub, OLDEST, _trouble(1, error=error))
    assert attempts == [("first", False), ("context", False)]
