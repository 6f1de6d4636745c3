"""A run in formats that other tools read: OpenTelemetry metrics as OTLP/JSON, and a trace for Chrome's viewer and
Perfetto.

Names of OpenTelemetry's conventions (1.37) are used only where they mean what we measure: `gen_ai.client.token.usage`
and `gen_ai.client.operation.duration`, where an operation is one attempt of a client (`invoke_agent`). Everything else
is `wto.*` (docs/reference/metrics.md). OTLP/JSON writes 64-bit integers as text and enumerations as numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from wt_orchestrate.domain.report.timeline import MeasuredRun
from wt_orchestrate.domain.text.clean import clean

CONVENTIONS = "https://opentelemetry.io/schemas/1.37.0"
_CUMULATIVE = 2
_TOKEN_BOUNDS = [4.0**power for power in range(14)]
_SECOND_BOUNDS = [0.01 * 2**power for power in range(14)]

Attributes = Mapping[str, str | int | bool]
Point = tuple[Attributes, float]


def metrics(report: Mapping[str, Any], *, version: str, now: float) -> dict[str, Any]:
    """A run's report as one OTLP `MetricsData`."""
    return _data([_run(report, now)], version)


def stats_metrics(stats: Mapping[str, Any], *, version: str, now: float) -> dict[str, Any]:
    """All runs as one OTLP `MetricsData`: their sums and each run's own numbers."""
    span = (min((each["started_at"] for each in stats["runs"]), default=now), now)
    points = [({"wto.run": each["run"]}, each) for each in stats["runs"]]
    told = [(about, each) for about, each in points if each["speedup"]["value"] is not None]
    total = stats["total"]
    return _data(
        [
            [
                _gauge("wto.run.wall_time", "s", span, [(about, each["wall_s"]) for about, each in points]),
                _gauge("wto.run.serial_equivalent", "s", span, [(about, each["serial_s"]) for about, each in points]),
                _gauge("wto.run.speedup", "1", span, [(about, each["speedup"]["value"]) for about, each in told]),
                _sum("wto.run.cost", "{USD}", span, [(about, each["cost_usd"]) for about, each in points]),
                _sum("wto.runs", "{run}", span, [({}, total["runs"])], whole=True),
                _sum("wto.workstreams", "{workstream}", span, _integrated(total), whole=True),
                _sum("wto.waiting_time", "s", span, _by("wto.cause", total["waiting_s"])),
                _sum("wto.tokens", "{token}", span, _by("wto.token.type", total["tokens"]), whole=True),
                _sum("wto.attempts", "{attempt}", span, [({}, total["attempts"])], whole=True),
                _sum("wto.rework.attempts", "{attempt}", span, [({}, total["rework"].get("attempts", 0))], whole=True),
            ]
        ],
        version,
    )


def _integrated(total: Mapping[str, Any]) -> list[Point]:
    return [
        ({"wto.integrated": True}, total["integrated"]),
        ({"wto.integrated": False}, total["not_integrated"]),
    ]


def _run(report: Mapping[str, Any], now: float) -> list[dict[str, Any]]:
    run = {"wto.run": report["run"]}
    span = (report["started_at"], max(report["started_at"], report["ended_at"] or now))
    gain, rework, streams = report["gain"], report["rework"], report["workstreams"]
    gained = gain["speedup"]
    speedups: list[Point] = []
    if gained["value"] is not None:
        speedups = [
            ({**run, "wto.how": "computed"}, gained["value"]),
            ({**run, "wto.how": "at least"}, gained["least"]),
        ]
    best = [
        ({**run, "wto.agents": each["agents"], "wto.how": "estimated"}, each["wall_s"]) for each in gain["best"]["with"]
    ]
    active = [({**run, "wto.workstream": ws["id"]}, ws["active_s"]) for ws in streams]
    cost = [({**run, "wto.workstream": ws["id"]}, ws["cost_usd"]) for ws in streams]
    waiting = [
        ({**run, "wto.workstream": ws["id"], "wto.cause": cause}, length)
        for ws in streams
        for cause, length in ws["waiting_s"].items()
    ]
    tokens = [
        ({**run, "wto.workstream": ws["id"], "wto.token.type": kind}, count)
        for ws in streams
        for kind, count in ws["tokens"].items()
    ]
    again = rework["by_cause"].items()
    checks = [
        ({**run, "wto.check": each["check"], "wto.outcome": outcome}, count)
        for each in report["checks"]
        for outcome, count in each["outcomes"].items()
    ]
    stages: dict[str, int] = defaultdict(int)
    for ws in streams:
        stages[ws["stage"]] += 1
    return [
        _histogram("gen_ai.client.token.usage", "{token}", span, _TOKEN_BOUNDS, _usage(report)),
        _histogram("gen_ai.client.operation.duration", "s", span, _SECOND_BOUNDS, _operations(report)),
        _gauge("wto.run.wall_time", "s", span, [(run, gain["wall_s"])]),
        _gauge("wto.run.serial_equivalent", "s", span, [({**run, "wto.how": "computed"}, gain["serial_s"])]),
        _gauge("wto.run.speedup", "1", span, speedups),
        _gauge("wto.run.critical_path", "s", span, [({**run, "wto.how": "computed"}, report["critical_path_s"])]),
        _gauge("wto.run.best_wall_time", "s", span, best),
        _gauge("wto.run.unwatched_time", "s", span, [({**run, "wto.how": "at most"}, gain["unwatched_s"])]),
        _gauge("wto.workstreams", "{workstream}", span, _by("wto.stage", stages, run), whole=True),
        _sum("wto.active_time", "s", span, active),
        _sum("wto.waiting_time", "s", span, waiting),
        _sum("wto.cost", "{USD}", span, cost),
        _sum("wto.tokens", "{token}", span, tokens, whole=True),
        _sum(
            "wto.rework.attempts",
            "{attempt}",
            span,
            [({**run, "wto.cause": c}, r["attempts"]) for c, r in again],
            whole=True,
        ),
        _sum("wto.rework.time", "s", span, [({**run, "wto.cause": c}, r["active_s"]) for c, r in again]),
        _sum("wto.rework.cost", "{USD}", span, [({**run, "wto.cause": c}, r["cost_usd"]) for c, r in again]),
        _sum("wto.check.runs", "{run}", span, checks, whole=True),
        _sum("wto.check.time", "s", span, [({**run, "wto.check": c["check"]}, c["seconds"]) for c in report["checks"]]),
    ]


def _by(name: str, values: Mapping[str, float], run: Attributes | None = None) -> list[Point]:
    return [({**(run or {}), name: key}, value) for key, value in values.items()]


def _clients(report: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    """The attempts of clients whose model's provider is known, each with its attributes."""
    for ws in report["workstreams"]:
        for attempt in ws["attempts"]:
            if attempt["provider"]:
                about = {
                    "gen_ai.operation.name": "invoke_agent",
                    "gen_ai.provider.name": attempt["provider"],
                    "gen_ai.agent.name": attempt["agent"],
                    "wto.run": report["run"],
                    "wto.workstream": ws["id"],
                }
                yield (about | {"gen_ai.response.model": attempt["model"]} if attempt["model"] else about), attempt


def _usage(report: Mapping[str, Any]) -> Iterator[Point]:
    """Tokens of each attempt. The conventions' input includes what was read from or written to a cache."""
    for about, attempt in _clients(report):
        if attempt["input_tokens"] or attempt["output_tokens"] or attempt["cache_tokens"]:
            given = attempt["input_tokens"] + attempt["cache_tokens"]
            yield {**about, "gen_ai.token.type": "input"}, given
            yield {**about, "gen_ai.token.type": "output"}, attempt["output_tokens"]


def _operations(report: Mapping[str, Any]) -> Iterator[Point]:
    """How long each ended attempt took, with its error if it had one."""
    for about, attempt in _clients(report):
        if attempt["cause"]:
            failed = attempt["cause"] not in {"exit", "stopped"} or attempt["exit_code"] not in {0, None}
            error = attempt["cause"] if attempt["cause"] != "exit" else f"exit {attempt['exit_code']}"
            yield ({**about, "error.type": error} if failed else about), attempt["seconds"]


# ---------------------------------------------------------------- the form


def _data(scopes: Iterable[list[dict[str, Any]]], version: str) -> dict[str, Any]:
    resource = {"service.name": "wt-orchestrate", "service.version": version}
    return {
        "resourceMetrics": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeMetrics": [
                    {
                        "scope": {"name": "wt_orchestrate", "version": version},
                        "metrics": [metric for metric in found if metric],
                        "schemaUrl": CONVENTIONS,
                    }
                    for found in scopes
                ],
                "schemaUrl": CONVENTIONS,
            }
        ]
    }


def _attributes(values: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: str | int | bool) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": clean(value)}


def _nano(seconds: float) -> str:
    return str(int(max(0.0, seconds) * 1_000_000) * 1000)


Span = tuple[float, float]


def _number(value: float, *, whole: bool) -> dict[str, Any]:
    return {"asInt": str(int(value))} if whole else {"asDouble": float(value)}


def _numbers(span: Span, points: Iterable[Point], *, whole: bool) -> list[dict[str, Any]]:
    return [
        {
            "attributes": _attributes(about),
            "startTimeUnixNano": _nano(span[0]),
            "timeUnixNano": _nano(span[1]),
            **_number(value, whole=whole),
        }
        for about, value in points
    ]


def _gauge(name: str, unit: str, span: Span, points: Sequence[Point], *, whole: bool = False) -> dict[str, Any]:
    """A metric of numbers that do not add up; empty without points."""
    data = _numbers(span, points, whole=whole)
    return {"name": name, "unit": unit, "gauge": {"dataPoints": data}} if data else {}


def _sum(name: str, unit: str, span: Span, points: Sequence[Point], *, whole: bool = False) -> dict[str, Any]:
    """A metric of numbers that add up from the start on; empty without points."""
    data = _numbers(span, points, whole=whole)
    kind = {"dataPoints": data, "aggregationTemporality": _CUMULATIVE, "isMonotonic": True}
    return {"name": name, "unit": unit, "sum": kind} if data else {}


def _histogram(name: str, unit: str, span: Span, bounds: Sequence[float], points: Iterable[Point]) -> dict[str, Any]:
    """A metric of how many values fell between bounds; one point for each set of attributes."""
    by: dict[tuple[tuple[str, str | int | bool], ...], list[float]] = defaultdict(list)
    for about, value in points:
        by[tuple(about.items())].append(float(value))
    data = []
    for key, values in by.items():
        counts = [0] * (len(bounds) + 1)
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        data.append(
            {
                "attributes": _attributes(dict(key)),
                "startTimeUnixNano": _nano(span[0]),
                "timeUnixNano": _nano(span[1]),
                "count": str(len(values)),
                "sum": sum(values),
                "bucketCounts": [str(count) for count in counts],
                "explicitBounds": list(bounds),
                "min": min(values),
                "max": max(values),
            }
        )
    kind = {"dataPoints": data, "aggregationTemporality": _CUMULATIVE}
    return {"name": name, "unit": unit, "histogram": kind} if data else {}


# ---------------------------------------------------------------- the trace


def trace(found: MeasuredRun) -> dict[str, Any]:
    """A run's intervals as a trace: one lane for each workstream, one for the checks. Times are the run's own."""
    events: list[dict[str, Any]] = [_lane(0, "checks")]
    for number, (name, times) in enumerate(found.streams.items(), start=1):
        events.append(_lane(number, str(name)))
        events += [_box(number, each.what, "workstream", each.start, each.end, {}) for each in times.stretches]
    for check in found.checks:
        about = {"outcome": check.outcome.value, "workstreams": ", ".join(check.workstreams)}
        events.append(_box(0, clean(check.command)[:200], "check", check.start, check.end, about))
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"run": found.state.id}}


def _lane(number: int, name: str) -> dict[str, Any]:
    return {"name": "thread_name", "ph": "M", "pid": 1, "tid": number, "args": {"name": name}}


def _box(lane: int, name: str, kind: str, start: float, end: float, about: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "cat": kind,
        "ph": "X",
        "ts": round(start * 1e6),
        "dur": round((end - start) * 1e6),
        "pid": 1,
        "tid": lane,
        "args": dict(about),
    }
