"""All runs of a repository in numbers: one summary each, sums, and trends.

A trend is reported only with enough runs: two halves are compared by rank (Mann and Whitney's test), and a difference
counts only if chance would make it less than once in twenty times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import erf, sqrt
from statistics import median
from typing import Any

from wt_orchestrate.domain.report.markdown import duration, speedup
from wt_orchestrate.domain.text.clean import clean, counted, time_of_day

SCHEMA = "wto.stats/1"
ENOUGH = 8
"""With fewer runs there is no trend."""
_CERTAIN = 0.05
_SHOWN = 30

Summary = dict[str, Any]


def summary(report: Mapping[str, Any]) -> Summary:
    """The part of a run's report that counts here."""
    gain = report["gain"]
    return {
        "run": report["run"],
        "goal": report["goal"],
        "phase": report["phase"],
        "started_at": report["started_at"],
        "landed": bool(report["landed"]),
        "wall_s": report["wall_s"],
        "rest_s": gain["rest_s"],
        "active_s": report["active_s"],
        "serial_s": gain["serial_s"],
        "unsure_s": gain["unsure_s"],
        "speedup": gain["speedup"],
        "critical_path_s": report["critical_path_s"],
        "cost_usd": report["cost_usd"],
        "tokens": report["tokens"],
        "workstreams": len(report["workstreams"]),
        "integrated": len(report["integrated"]),
        "not_integrated": len(report["not_integrated"]),
        "attempts": sum(len(ws["attempts"]) for ws in report["workstreams"]),
        "rework": {name: report["rework"][name] for name in ("attempts", "active_s", "cost_usd", "commits_rewritten")},
        "waiting_s": report["waiting_s"],
    }


def stats(summaries: Sequence[Summary], unreadable: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """All of them, oldest first; `unreadable`: runs whose log cannot be read, with the reason."""
    return {
        "schema": SCHEMA,
        "runs": list(summaries),
        "unreadable": [{"run": run, "why": why} for run, why in unreadable],
        "total": _total(summaries),
        "trend": {
            "speedup": trend([each["speedup"]["value"] for each in _told(summaries)]),
            "cost_per_integrated_usd": trend(
                [each["cost_usd"] / each["integrated"] for each in _told(summaries) if each["integrated"]]
            ),
            "rework_share": trend([each["rework"]["attempts"] / each["attempts"] for each in _told(summaries)]),
        },
    }


def _told(summaries: Sequence[Summary]) -> list[Summary]:
    """Runs at rest in which agents worked: a run that goes on has no final numbers."""
    over = (each for each in summaries if each["phase"] in {"finished", "stopped"})
    return [each for each in over if each["attempts"] and each["serial_s"] and each["speedup"]["value"] is not None]


def _total(summaries: Sequence[Summary]) -> dict[str, Any]:
    sums: dict[str, float] = defaultdict(float)
    waiting: dict[str, float] = defaultdict(float)
    tokens: dict[str, int] = defaultdict(int)
    rework: dict[str, float] = defaultdict(float)
    for each in summaries:
        for name in ("wall_s", "active_s", "serial_s", "unsure_s", "cost_usd"):
            sums[name] += each[name]
        for name in ("workstreams", "integrated", "not_integrated", "attempts"):
            sums[name] += each[name]
        for cause, length in each["waiting_s"].items():
            waiting[cause] += length
        for kind, count in each["tokens"].items():
            tokens[kind] += count
        for name, value in each["rework"].items():
            rework[name] += value
    wall, serial = sums["wall_s"], sums["serial_s"]
    least = round((serial - sums["unsure_s"]) / wall, 3) if wall > 0 else None
    counts = {name: int(sums[name]) for name in ("workstreams", "integrated", "not_integrated", "attempts")}
    return {
        "runs": len(summaries),
        **counts,
        **{name: round(sums[name], 3) for name in ("wall_s", "active_s", "serial_s", "unsure_s")},
        "speedup": {
            "value": round(serial / wall, 3) if wall > 0 else None,
            "least": least,
            "how": "between" if sums["unsure_s"] else "computed",
        },
        "cost_usd": round(sums["cost_usd"], 6),
        "tokens": dict(tokens),
        "waiting_s": {cause: round(length, 3) for cause, length in sorted(waiting.items())},
        "rework": {name: round(value, 6) for name, value in rework.items()},
    }


# ---------------------------------------------------------------- the trend


def trend(values: Sequence[float]) -> dict[str, Any]:
    """Whether the newer half is higher or lower than the older one, if that is known."""
    if len(values) < ENOUGH:
        return {"says": "too few runs to tell", "runs": len(values), "needed": ENOUGH}
    middle = len(values) // 2
    older, newer = values[:middle], values[middle:]
    chance = by_chance(older, newer)
    higher = median(newer) > median(older)
    told = "higher" if higher else "lower"
    return {
        "says": told if chance < _CERTAIN and median(newer) != median(older) else "no significant difference",
        "runs": len(values),
        "older_median": round(median(older), 6),
        "newer_median": round(median(newer), 6),
        "by_chance": round(chance, 4),
    }


def by_chance(older: Sequence[float], newer: Sequence[float]) -> float:
    """The probability that chance alone separates two samples so far by rank (two-sided, normal approximation with
    ties)."""
    both = sorted((*older, *newer))
    ranks: dict[float, float] = {}
    ties = 0.0
    start = 0
    while start < len(both):
        end = start
        while end < len(both) and both[end] == both[start]:
            end += 1
        ranks[both[start]] = (start + 1 + end) / 2
        ties += (end - start) ** 3 - (end - start)
        start = end
    one, other, size = len(older), len(newer), len(both)
    beats = sum(ranks[value] for value in older) - one * (one + 1) / 2
    spread = one * other / 12 * (size + 1 - ties / (size * (size - 1)))
    if spread <= 0:
        return 1.0
    away = max(0.0, abs(beats - one * other / 2) - 0.5) / sqrt(spread)
    return 1.0 - erf(away / sqrt(2))


# ---------------------------------------------------------------- for people


def stats_text(found: Mapping[str, Any]) -> str:
    """The newest runs as a table, then sums and trends."""
    lines: list[str] = []
    runs = found["runs"]
    if runs:
        lines.append(
            f"{'run':<6} {'started':<17} {'wall':>9} {'serial':>9} {'speed-up':>8} {'integrated':>9}  again      cost  goal"
        )
    for each in runs[-_SHOWN:]:
        value = each["speedup"]["value"]
        gained = "-" if value is None else f"{'<' if each['speedup']['how'] == 'between' else ''}{value:.2f}"
        goal = " ".join(each["goal"].split())
        lines.append(
            f"{each['run']:<6} {time_of_day(each['started_at'])[:16]:<17} {duration(each['wall_s']):>9} "
            f"{duration(each['serial_s']):>9} {gained:>8} {each['integrated']:>4} of {each['workstreams']:<3} "
            f"{each['rework']['attempts']:>5} {'$' + format(each['cost_usd'], '.2f'):>9}  {goal[:60]}"
        )
    if len(runs) > _SHOWN:
        lines.append(f"and {counted(len(runs) - _SHOWN, 'older run')} (--json has all)")
    lines += [f"{each['run']}: cannot be read: {each['why']}" for each in found["unreadable"]]
    return clean("\n".join([*lines, *_sums(found)])) + "\n"


def _sums(found: Mapping[str, Any]) -> list[str]:
    total = found["total"]
    waiting = sorted(total["waiting_s"].items(), key=lambda each: -each[1])[:6]
    trend_ = found["trend"]["speedup"]
    told = trend_["says"]
    if "older_median" in trend_:
        told += f" (median {trend_['older_median']:.2f}, then {trend_['newer_median']:.2f}, over {trend_['runs']} runs)"
    else:
        told += f" ({trend_['runs']} of {trend_['needed']})"
    done = f"{total['integrated']} of {counted(total['workstreams'], 'workstream')} integrated"
    again = f"{counted(total['attempts'], 'attempt')}, {int(total['rework'].get('attempts', 0))} of them retries"
    took = f"Wall-clock {duration(total['wall_s'])}, one agent alone {duration(total['serial_s'])} (computed)"
    return [
        "",
        f"{counted(total['runs'], 'run')}: {done}, {again}, ${total['cost_usd']:.2f}",
        f"{took}: {speedup(total['speedup'])}",
        f"Waiting: {', '.join(f'{cause} {duration(length)}' for cause, length in waiting) or 'none'}",
        f"Speed-up of newer runs against older ones: {told}",
    ]
