"""Report and stats, by the program as a user runs it: text, JSON, OpenTelemetry, a trace, many runs, damaged logs."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from tests.support.project import COMMAND_AGENT, COMMIT, Project
from tests.support.waiting import wait_until

HANDOFF = """cat > "$WTO_HANDOFF" <<'H'
---
status: done
progress: 100
---
## Summary
{summary}

## Decisions
- {decision}

## Findings
- risk: src/a.py:3 is slow
H
"""


def _plan(project: Project) -> str:
    scripts = {
        "pool": COMMIT + HANDOFF.format(summary="The pool is larger.", decision="pool.size = 20"),
        "config": COMMIT + HANDOFF.format(summary="One file.", decision="`pool.size`: 50"),
    }
    streams = "workstreams:\n  pool: {brief: Mend it}\n  config: {brief: Tidy it}\n"
    return project.plan(f"goal: Connect again\nchecks: [{{run: 'true'}}]\n{COMMAND_AGENT}{streams}", scripts)


def _ran(project: Project) -> None:
    ended = project.wto("run", _plan(project))
    assert ended.code == 0, ended.err


def test_the_report_tells_what_was_asked_contributed_and_saved(project: Project) -> None:
    """One run of two workstreams: goal, table, contributions, a contradiction and a risk in the text; JSON says how each
    number came about, and a workstream can be asked for alone."""
    _ran(project)
    told = project.wto("report").out
    for text in (
        "# Run r1: Connect again",
        "- Integrated: 2 of 2 workstreams",
        "- Speed-up: ",
        "Estimated at best",
        "`pool` and `config` disagree about the setting `pool.size`",
        "- `pool`, risk: “src/a.py:3 is slow”",
        "The agent says: “The pool is larger.”",
    ):
        assert text in told
    found = project.wto("report", "r1", "--json").json
    assert found["schema"] == "wto.report/1"
    assert (found["how"]["wall_s"], found["how"]["speedup"], found["how"]["best"]) == (
        "measured",
        "computed",
        "estimated",
    )
    assert {"person", "limit"} & set(found["waiting_s"]) == set()
    assert found["gain"]["serial_s"] == pytest.approx(found["active_s"], abs=0.01)
    assert found == {**found, **project.wto("report", "--format", "json").json}
    only = project.wto("report", "--workstream", "pool", "--json").json
    assert [ws["id"] for ws in only["workstreams"]] == ["pool"]
    assert project.wto("report", "-w", "pool").out.startswith("## pool: ")
    assert project.wto("report", "-w", "pol").code == 5
    assert project.wto("report", "r9").code == 5


def _names(data: Any) -> list[str]:
    (resource,) = data["resourceMetrics"]
    return [metric["name"] for scope in resource["scopeMetrics"] for metric in scope["metrics"]]


def test_metrics_and_a_trace_are_written_where_asked(project: Project) -> None:
    """OTLP/JSON to standard output or a file, a trace into a file; a folder that is not there is told."""
    _ran(project)
    told = project.wto("report", "--otel")
    assert "wto.run.speedup" in _names(json.loads(told.out))
    target = project.folder / "metrics.json"
    ended = project.wto("report", "--otel", str(target), "--trace", str(project.folder / "trace.json"))
    assert (ended.code, ended.out) == (0, "")
    assert _names(json.loads(target.read_text())) == _names(json.loads(told.out))
    trace = json.loads((project.folder / "trace.json").read_text())
    boxes = [each for each in trace["traceEvents"] if each["ph"] == "X"]
    assert {"work", "preparation", "checks"} <= {each["name"] for each in boxes}
    ended = project.wto("report", "--otel", str(project.folder / "no" / "where.json"))
    assert ended.code == 6 and "cannot be written" in ended.err


def test_an_absent_supervisor_is_told_and_agents_work_counts_as_long_as_it_was(project: Project) -> None:
    """The supervisor is killed; its agent works on, ends, and for a while nobody notices: its keeper's word counts as its end,
    the rest is waiting for a supervisor, and how long nobody looked is told as an upper bound."""
    plan = project.plan(
        f"goal: g\n{COMMAND_AGENT}workstreams: {{a: {{brief: x}}}}\n",
        {"a": "while [ ! -e ../alone ]; do sleep 0.05; done\n" + COMMIT},
    )
    child = project.start("run", plan)
    project.wait_for("a", "working", deadline_s=60)  # so that the log knows of the attempt
    child.kill()
    child.wait()
    (project.worktree("a").parent / "alone").touch()
    ended = project.state / "processes" / "r1.a.1" / "exit.json"
    wait_until(ended.exists, timeout_s=60, what="the agent having ended")
    end = json.loads(ended.read_text())
    wait_until(lambda: time.time() > end["ended_at"] + 4, what="nobody having noticed for a while")
    lonely = project.wto("report", "--json").json["gain"]
    assert lonely["unwatched_s"] > 3 and lonely["speedup"]["how"] == "between"
    assert project.wto("resume").code == 0
    found = project.wto("report", "--json").json
    assert found["active_s"] == pytest.approx(end["ended_at"] - end["started_at"], abs=0.3)
    assert (found["gain"]["unsure_s"], found["gain"]["speedup"]["how"]) == (0, "computed")
    assert found["waiting_s"]["supervisor"] > 3.5
    assert "- No supervisor was running for " in project.wto("report").out


def test_stats_tell_every_run_and_survive_a_damaged_one(project: Project) -> None:
    """Three runs: each with its numbers, their sums, no trend out of three; kept for the next time; a run whose log is damaged is
    told, and the others are counted; what was kept may be garbage."""
    plan = _plan(project)
    for _ in range(3):
        assert project.wto("run", plan).code == 0
    found = project.wto("stats", "--json").json
    assert found["schema"] == "wto.stats/1"
    assert [(each["run"], each["integrated"]) for each in found["runs"]] == [("r1", 2), ("r2", 2), ("r3", 2)]
    assert found["total"]["integrated"] == 6
    assert found["total"]["wall_s"] == pytest.approx(sum(each["wall_s"] for each in found["runs"]), abs=0.01)
    assert found["trend"]["speedup"] == {"says": "too few runs to tell", "runs": 3, "needed": 8}
    kept = project.state / "stats.json"
    assert set(json.loads(kept.read_text())["runs"]) == {"r1", "r2", "r3"}
    assert project.wto("stats", "--json").json == found
    assert "3 runs: 6 of 6 workstreams integrated" in project.wto("stats").out
    assert "wto.runs" in _names(json.loads(project.wto("stats", "--otel").out))
    with closing(sqlite3.connect(project.state / "log.db")) as log, log:
        log.execute("UPDATE events SET body = '{' WHERE run = 'r2' AND type = 'RunStarted'")
    log.close()
    kept.write_text("garbage")
    found = project.wto("stats", "--json").json
    assert [each["run"] for each in found["runs"]] == ["r1", "r3"]
    assert found["unreadable"][0]["run"] == "r2" and "cannot be read" in found["unreadable"][0]["why"]
    assert "r2: cannot be read" in project.wto("stats").out
    ended = project.wto("report", "r2")
    assert ended.code == 1 and "Traceback" not in ended.err
