"""The status table, from the view alone: the same lines in `wto status`, on the live board and at the end of a run."""

from __future__ import annotations

from typing import Any

from wt_orchestrate.cli.render import Column, age, money, symbol, table
from wt_orchestrate.domain.text import clean, counted

_SYMBOLS = {
    "queued": "queued",
    "held": "held",
    "preparing": "working",
    "working": "running",
    "claimed": "working",
    "verifying": "working",
    "verified": "working",
    "integrated": "done",
    "landed": "done",
    "failed": "error",
    "escalated": "asks",
    "stopped": "warning",
}


def status_lines(view: dict[str, Any], *, now: float, width: int | None) -> list[str]:
    """The lines of the table with its summary and the next step."""
    columns = (
        Column("", priority=0),
        Column("WORKSTREAM", priority=0),
        Column("STAGE", priority=0),
        Column("ROLE", priority=5),
        Column("DONE", priority=4, right=True),
        Column("COMMITS", priority=3, right=True),
        Column("TRIES", priority=6, right=True),
        Column("COST", priority=4, right=True),
        Column("LAST", priority=2, right=True),
        Column("EVIDENCE", priority=1, grows=True),
    )
    rows = [_row(ws, now) for ws in view["workstreams"]]
    return [*table(columns, rows, width=width), *_summary(view), *_next(view)]


def _row(ws: dict[str, Any], now: float) -> tuple[str, ...]:
    newest = max((e["at"] for e in ws["evidence"] if e["at"]), default=ws["since"])
    progress = ws["progress"]
    return (
        symbol(_SYMBOLS.get(ws["stage"], "warning")),
        ws["id"],
        ws["stage"],
        clean(ws["role"]),
        f"{progress}%" if progress is not None else "",
        str(ws["commits"] or ""),
        str(ws["attempts"] or ""),
        money(ws["cost_usd"]) if ws["cost_usd"] else "",
        age(now - newest) if ws["stage"] != "queued" else "",
        note(ws),
    )


def note(ws: dict[str, Any]) -> str:
    """The one line that matters most about a workstream now."""
    if ws["stage"] == "held":
        return f"needs {', '.join(ws['held_by'])}"
    if ws["waits_for"]:
        return f"after {', '.join(ws['waits_for'])}"
    if ws["stage"] in {"failed", "escalated"}:
        return _line(ws["reason"])
    order: tuple[str, ...] = (
        "ask",
        "contradiction",
        "uncommitted",
        "waits",
        "tool",
        "finding",
        "check",
        "commits",
        "process",
        "handoff",
    )
    by_kind = {e["kind"]: e["text"] for e in reversed(ws["evidence"])}
    if ws["stage"] in {"integrated", "landed"}:
        order = ("commits", "handoff", "process")
    return next((_line(by_kind[kind]) for kind in order if kind in by_kind), "")


def _line(text: str, limit: int = 160) -> str:
    return " ".join(clean(text).split())[:limit]


def _summary(view: dict[str, Any]) -> list[str]:
    run, streams = view["run"], view["workstreams"]
    counts: dict[str, int] = {}
    for ws in streams:
        counts[ws["stage"]] = counts.get(ws["stage"], 0) + 1
    told = ", ".join(f"{count} {stage}" for stage, count in counts.items())
    cost = money(run["cost_usd"]) + (f" of {money(run['budget_usd'])}" if run["budget_usd"] else "")
    line = f"{run['id']} {run['phase']} · {counted(len(streams), 'workstream')}: {told} · {cost} · walls: {run['wall']}"
    return [line, *([f"{symbol('warning')} {_line(run['reason'])}"] if run["reason"] else [])]


def _next(view: dict[str, Any]) -> list[str]:
    steps = list(dict.fromkeys(view["next"]))
    return [f"{symbol('hint')} Next: run {'; '.join(steps[:3])}"] if steps else []
