"""`wto status` says the same whether it was answered without click or the usual way."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Project

FORMS = (
    ("status",),
    ("status", "a"),
    ("status", "--json"),
    ("status", "a", "--json"),
    ("status", "--run", "r1", "a"),
    ("status", "--run", "r9"),
    ("status", "nobody"),
    ("status", "--json", "nobody"),
)


@pytest.fixture
def ran(project: Project) -> Project:
    """A project with a run that has ended."""
    plan = project.plan("goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n", {"a": COMMIT})
    assert project.wto("run", plan).code == 0
    return project


def _ageless(text: str) -> str:
    return re.sub(r'"age_s": [0-9.]+|\b\d+[smh]\b', "AGE", text)


def test_both_ways_say_the_same(ran: Project) -> None:
    """Output, messages and exit code of each form are those of the same words behind `-C .`, which click reads."""
    for words in FORMS:
        light, whole = ran.wto(*words), ran.wto("-C", ".", *words)
        assert (light.code, _ageless(light.out), light.err) == (whole.code, _ageless(whole.out), whole.err), words


def test_what_is_unusual_is_told_the_usual_way(ran: Project) -> None:
    """Help, unknown options and too many words end as they do for every command."""
    assert ran.wto("status", "--help").out.startswith("Usage: wto status [OPTIONS] [WORKSTREAM]")
    assert [ran.wto("status", *words).code for words in (("--jason",), ("--run",), ("a", "b"), ("--dirty",))] == [
        2,
        2,
        2,
        0,
    ]
    told = ran.wto("status", "--run", "r9", "--json")
    assert json.loads(told.err)["error"]["code"] == told.code == 5
