"""All runs in numbers, and a run in the form of OpenTelemetry."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.handmade import Handmade, plan
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.agent.stream import TurnOutcome
from wt_orchestrate.domain.report.report import report
from wt_orchestrate.domain.report.stats import ENOUGH, by_chance, stats, stats_text, summary, trend
from wt_orchestrate.domain.report.telemetry import metrics, stats_metrics, trace
from wt_orchestrate.domain.report.timeline import measured


def _run(*, work: float = 10.0) -> Handmade:
    """One workstream that works twice: its first claim fails a check."""
    log = Handmade(plan("a"))
    log.prepare(0, "a")
    first = log.start(1, "a")
    log.sees(2, first, answered=True, model="claude-x")
    log.sees(
        2 + work,
        first,
        idle=True,
        outcome=TurnOutcome.COMPLETED,
        input_tokens=10,
        output_tokens=5,
        cache_tokens=100,
        cost_usd=0.5,
        turns=3,
    )
    log.end(3 + work, first)
    log.claim(3 + work, "a")
    log.checked(3 + work, 4 + work, "a", e.CheckOutcome.FAILED)
    log.note(4 + work, e.RetryDecided(workstream=first.split(".")[1], reason="evidence", message=""))  # type: ignore[arg-type]
    log.work(4 + work, "a", begins=5 + work, ends=9 + work, gone=10 + work, reason="evidence")
    log.claim(10 + work, "a")
    log.checked(10 + work, 11 + work, "a")
    log.integrate(11 + work, "a")
    log.finish(12 + work)
    return log


def _report(log: Handmade) -> dict[str, Any]:
    return report(log.records, now=log.wall(99))


def test_a_summary_holds_what_counts_and_sums_add_up() -> None:
    """Two runs: their sums are the sums of the summaries, the speed-up in all is all serial time over all wall time."""
    one, two = summary(_report(_run())), summary(_report(_run(work=20.0)))
    found = stats([one, two], [("r3", "it is damaged")])
    total = found["total"]
    assert (one["wall_s"], one["serial_s"], one["rework"]["attempts"]) == (22.0, 15.0, 1)
    assert total["wall_s"] == one["wall_s"] + two["wall_s"]
    assert total["speedup"] == {"value": round(40 / 54, 3), "least": round(40 / 54, 3), "how": "computed"}
    assert total["rework"]["attempts"] == 2 and total["tokens"] == {"input": 20, "output": 10, "cache": 200}
    assert found["unreadable"] == [{"run": "r3", "why": "it is damaged"}]
    told = stats_text(found)
    assert "2 runs: 2 of 2 workstreams integrated, 4 attempts, 2 of them retries, $1.00" in told
    assert "r3: cannot be read: it is damaged" in told


def test_no_runs_are_no_error() -> None:
    """An empty repository has numbers, too: none."""
    found = stats([])
    assert found["total"]["runs"] == 0 and found["total"]["speedup"]["value"] is None
    assert "0 runs" in stats_text(found)


def test_a_trend_is_told_only_where_chance_would_not_make_it() -> None:
    """Few runs tell nothing; equal halves differ by chance; halves that lie apart do not."""
    assert trend([1.0] * (ENOUGH - 1))["says"] == "too few runs to tell"
    assert trend([1.0, 2.0, 1.0, 2.0] * 3)["says"] == "no significant difference"
    assert trend([1.0] * 10)["says"] == "no significant difference"
    rising = trend([1.0, 1.1, 1.2, 1.3, 1.4, 2.0, 2.1, 2.2, 2.3, 2.4])
    assert (rising["says"], rising["older_median"], rising["newer_median"]) == ("higher", 1.2, 2.2)
    assert trend([2.0, 2.1, 2.2, 2.3, 2.4, 1.0, 1.1, 1.2, 1.3, 1.4])["says"] == "lower"


def test_chance_alone_is_seldom_taken_for_a_trend() -> None:
    """Of two thousand histories without any trend at most about one in twenty is told as one."""
    chance = random.Random(7)
    told = [trend([chance.random() for _ in range(20)])["says"] in {"higher", "lower"} for _ in range(2_000)]
    assert sum(told) / len(told) < 0.06


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_the_likelihood_of_chance_is_one(older: list[float], newer: list[float]) -> None:
    """It lies between nothing and one, whatever is compared, and does not depend on which comes first."""
    found = by_chance(older, newer)
    assert 0.0 <= found <= 1.0
    assert abs(found - by_chance(newer, older)) < 1e-9


# ---------------------------------------------------------------- OpenTelemetry


def _metrics(data: Any) -> dict[str, Any]:
    """The metrics by name, after their form was held against that of OTLP/JSON."""
    found: dict[str, Any] = {}
    for resource in data["resourceMetrics"]:
        assert set(resource) == {"resource", "scopeMetrics", "schemaUrl"}
        for scope in resource["scopeMetrics"]:
            for metric in scope["metrics"]:
                _hold(metric)
                assert metric["name"] not in found
                found[metric["name"]] = metric
    return found


_KINDS = {"gauge": set(), "sum": {"aggregationTemporality", "isMonotonic"}, "histogram": {"aggregationTemporality"}}


def _hold(metric: dict[str, Any]) -> None:
    """One metric: exactly one kind of data; whole 64-bit numbers are text, enumerations numbers."""
    (kind,) = set(metric) - {"name", "unit", "description"}
    data = metric[kind]
    assert set(data) == {"dataPoints"} | _KINDS[kind] and data["dataPoints"]
    assert data.get("aggregationTemporality", 2) == 2
    seen = []
    for point in data["dataPoints"]:
        assert int(point["startTimeUnixNano"]) <= int(point["timeUnixNano"])
        assert isinstance(point["timeUnixNano"], str)
        for each in point["attributes"]:
            ((kind_of, value),) = each["value"].items()
            assert kind_of in {"stringValue", "boolValue", "intValue"} and (
                kind_of != "intValue" or isinstance(value, str)
            )
        seen.append(json.dumps(point["attributes"], sort_keys=True))
        if kind == "histogram":
            assert len(point["bucketCounts"]) == len(point["explicitBounds"]) + 1
            assert sum(map(int, point["bucketCounts"])) == int(point["count"]) and isinstance(point["count"], str)
        else:
            assert isinstance(point["asInt"], str) if "asInt" in point else isinstance(point["asDouble"], float)
    assert len(seen) == len(set(seen)), f"{metric['name']} has two points of one name"


def test_a_run_is_written_as_metrics_by_the_conventions() -> None:
    """Tokens and durations under OpenTelemetry's names where they mean that; the rest under ours; estimates say so."""
    found = _metrics(metrics(_report(_run()), version="1", now=0.0))
    usage = {
        attribute["value"]["stringValue"]: point["sum"]
        for point in found["gen_ai.client.token.usage"]["histogram"]["dataPoints"]
        for attribute in point["attributes"]
        if attribute["key"] == "gen_ai.token.type"
    }
    assert usage == {"input": 110.0, "output": 5.0}
    operations = found["gen_ai.client.operation.duration"]["histogram"]["dataPoints"]
    assert sum(int(point["count"]) for point in operations) == 2
    names = {a["key"]: a["value"].get("stringValue") for a in operations[0]["attributes"]}
    assert (names["gen_ai.operation.name"], names["gen_ai.provider.name"]) == ("invoke_agent", "anthropic")
    assert found["wto.run.speedup"]["gauge"]["dataPoints"][0]["asDouble"] == round(15 / 22, 3)
    best = found["wto.run.best_wall_time"]["gauge"]["dataPoints"][0]["attributes"]
    assert {"key": "wto.how", "value": {"stringValue": "estimated"}} in best
    assert found["wto.rework.attempts"]["sum"]["dataPoints"][0]["asInt"] == "1"
    outcomes = {p["asInt"] for p in found["wto.check.runs"]["sum"]["dataPoints"]}
    assert outcomes == {"1"}


def test_all_runs_are_written_as_metrics() -> None:
    """The same form for stats, also where there is nothing to tell."""
    found = _metrics(stats_metrics(stats([summary(_report(_run()))]), version="1", now=2e9))
    assert found["wto.runs"]["sum"]["dataPoints"][0]["asInt"] == "1"
    assert _metrics(stats_metrics(stats([]), version="1", now=2e9))["wto.runs"]["sum"]["dataPoints"][0]["asInt"] == "0"


def test_a_trace_has_a_lane_for_each_workstream() -> None:
    """Stretches as boxes in microseconds of the run's own time; checks in a lane of their own."""
    log = _run()
    found = trace(measured(log.records, now=log.wall(99)))
    lanes = {each["tid"]: each["args"]["name"] for each in found["traceEvents"] if each["ph"] == "M"}
    assert lanes == {0: "checks", 1: "a"}
    boxes = [each for each in found["traceEvents"] if each["ph"] == "X"]
    work = next(each for each in boxes if each["name"] == "work")
    assert (work["ts"], work["dur"], work["tid"]) == (2_000_000, 10_000_000, 1)
    assert [each["args"]["outcome"] for each in boxes if each["tid"] == 0] == ["failed", "passed"]
