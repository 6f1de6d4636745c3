"""The status table, from the view alone: the same lines in `wto status`, on the live board and at the end of a run."""

from __future__ import annotations

from wt_orchestrate.cli.screen.style import Column, age, money, symbol, table
from wt_orchestrate.domain.text.clean import clean, counted
from wt_orchestrate.domain.text.status_words import shown

TYPE_CHECKING = False  # mypy knows the name; importing typing takes as long as half of Python's own start
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

_SYMBOLS = {
    "queued": "queued",
    "held": "held",
    "on hold": "held",
    "preparing": "working",
    "working": "running",
    "waiting for an answer": "asks",
    "waiting for permission": "working",
    "waiting for approval": "asks",
    "limited": "held",
    "idle": "asks",
    "stuck": "warning",
    "ending": "working",
    "claimed": "working",
    "verifying": "working",
    "verified": "working",
    "integrating": "working",
    "integrated": "done",
    "landed": "done",
    "failed": "error",
    "cancelled": "error",
    "escalated": "asks",
    "stopped": "warning",
    "unknown": "warning",
}

_CALLS = 4
_PAIRS = 3


def status_lines(view: dict[str, Any], *, now: float, width: int | None) -> list[str]:
    """The lines of the table with its summary and the next step."""
    columns = (
        Column("", priority=0),
        Column("WORKSTREAM", priority=0),
        Column("STATE", priority=0),
        Column("ROLE", priority=5),
        Column("DONE", priority=4, right=True),
        Column("COMMITS", priority=3, right=True),
        Column("TRIES", priority=6, right=True),
        Column("COST", priority=4, right=True),
        Column("LAST", priority=2, right=True),
        Column("EVIDENCE", priority=1, grows=True),
    )
    rows = [_row(ws, now) for ws in view["workstreams"]]
    return [*table(columns, rows, width=width), *_summary(view, now), *_next(view)]


def condition(ws: dict[str, Any], now: float) -> str:
    """The condition of a workstream: as of the last turn, and what the time since then has changed."""
    known = str(ws.get("condition", ws["stage"]))
    if ws.get("alive") is False and ws.get("unwatched"):
        return "unknown"
    if known == "working" and ws.get("stuck_at") and now > ws["stuck_at"]:
        return "stuck"
    return known


def _row(ws: dict[str, Any], now: float) -> tuple[str, ...]:
    newest = max((e["at"] for e in ws["evidence"] if e["at"]), default=ws["since"])
    progress = _progress(ws)
    return (
        symbol(_SYMBOLS.get(condition(ws, now), "warning")),
        ws["id"],
        shown(condition(ws, now)),
        clean(ws["role"]),
        f"{progress}%" if progress is not None else "",
        str(ws["commits"] or ""),
        str(ws["attempts"] or ""),
        money(ws["cost_usd"]) if ws["cost_usd"] else "",
        age(now - newest) if ws["stage"] != "queued" else "",
        note(ws, now),
    )


def _progress(ws: dict[str, Any]) -> int | None:
    """Its agent's own progress: its last report, else its handoff's."""
    told = ws.get("told")
    written: int | None = ws["progress"]
    at = max((each["at"] or 0.0 for each in ws["evidence"] if each["kind"] == "handoff"), default=0.0)
    if told is None or told["percent"] is None or (written is not None and at >= told["at"]):
        return written
    return int(told["percent"])


def note(ws: dict[str, Any], now: float) -> str:
    """The most important fact about a workstream now, in one line."""
    if ws["stage"] == "held":
        return f"needs {', '.join(ws['held_by'])}"
    if condition(ws, now) == "limited" and ws["resumes_at"]:
        return f"resumes by itself in {age(ws['resumes_at'] - now)}"
    if ws.get("gate") and ws["stage"] == "queued":
        return f"needs wto approve {ws['gate']}"
    if ws["waits_for"]:
        return f"after {', '.join(ws['waits_for'])}"
    if ws["stage"] in {"failed", "escalated", "cancelled"}:
        return _line(ws["reason"])
    order: tuple[str, ...] = (
        "ask",
        "gate",
        "base",
        "paused",
        "contradiction",
        "lost",
        "uncommitted",
        "budget",
        "forecast",
        "review",
        "waits",
        "retry",
        "failing",
        "message",
        "told",
        "tool",
        "finding",
        "check",
        "commits",
        "process",
        "handoff",
    )
    by_kind = {e["kind"]: e["text"] for e in reversed(ws["evidence"])}
    if ws["stage"] in {"integrated", "landed"}:
        order = ("review", "commits", "handoff", "process")
    return next((_line(by_kind[kind]) for kind in order if kind in by_kind), "")


def _line(text: str, limit: int = 160) -> str:
    return " ".join(clean(text).split())[:limit]


def _summary(view: dict[str, Any], now: float) -> list[str]:
    run, streams = view["run"], view["workstreams"]
    counts: dict[str, int] = {}
    for ws in streams:
        counts[condition(ws, now)] = counts.get(condition(ws, now), 0) + 1
    told = ", ".join(f"{count} {shown(stage)}" for stage, count in counts.items())
    cost = money(run["cost_usd"]) + (f" of {money(run['budget_usd'])}" if run["budget_usd"] else "")
    line = (
        f"{run['id']} {run['phase']} · {counted(len(streams), 'workstream')}: {told} · {cost} · sandbox: {run['wall']}"
    )
    return [
        line,
        *(
            f"{symbol('warning')} {_line(text)}"
            for text in (*_troubles(run, now), _foreseen(view), _gate(view, now), *_denied(streams))
            if text
        ),
    ]


def _denied(streams: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What agents were not allowed to do, one line for each workstream, with the line that would allow it."""
    for ws in [each for each in streams if each.get("denied")][:_PAIRS]:
        calls = [each["call"] for each in ws["denied"]]
        times = sum(each["times"] for each in ws["denied"])
        more = f" and {len(calls) - _CALLS} more" if len(calls) > _CALLS else ""
        rule = next((rule for call in calls if (rule := _rule_of(call))), "")
        then = f"; wto allow {ws['id']} '{rule}' allows it" if rule else ""
        yield f"{ws['id']}: {counted(times, 'call')} denied ({', '.join(calls[:_CALLS])}{more}){then}"


def _rule_of(call: str) -> str:
    """The rule that would allow a call like this; empty for git, whose shared parts stay refused, and for what an agent wrote so
    that a person should not paste it."""
    name, _, words = call.removesuffix(")").partition("(")
    if words.startswith("git") or not all(char.isalnum() or char in " _-./:=+@" for char in name + words):
        return ""
    return f"{name}({words} *)" if words else name


def _gate(view: dict[str, Any], now: float) -> str:
    """The gate that waits for a person, in one line."""
    for stage in view.get("stages", ()):
        if stage["standing"] == "waiting for approval":
            since = f" since {age(now - stage['waits_since'])}" if stage["waits_since"] else ""
            then = f", before {', '.join(stage['then'])}" if stage["then"] else ""
            return f"the stage {stage['name']} needs your approval{since}{then}"
    return ""


def _foreseen(view: dict[str, Any]) -> str:
    """The forecast conflicts in one line."""
    found = view.get("forecast", {}).get("conflicts", ())
    shown = [f"{each['one']} and {each['other'] or 'the integration branch'}" for each in found[:_PAIRS]]
    left = f"; and {len(found) - _PAIRS} more (wto forecast)" if len(found) > _PAIRS else ""
    return f"would conflict: {'; '.join(shown)}{left}" if found else ""


def _troubles(run: dict[str, Any], now: float) -> list[str]:
    """What keeps the run as a whole from going on."""
    resting = [
        f"account {each['name']} {_rest(each, now)}"
        for each in run.get("accounts", ())
        if each["refusal"] or (each["rests_until"] or 0.0) > now
    ]
    used = [use["words"] for use in run.get("used", ()) if use["used"] >= 0.8 * use["cap"]]
    return [
        run["reason"],
        "on hold: nothing new starts" if run.get("on_hold") and not run.get("red") else "",
        f"no new agent starts: {run['admission']}" if run.get("admission") else "",
        *(_changed(each) for each in run.get("repository_changes", ())),
        *resting,
        f"used: {'; '.join(used)}" if used else "",
    ]


def _rest(account: dict[str, Any], now: float) -> str:
    if account["refusal"]:
        return f"login failed: {account['refusal']}"
    return f"limit reached, {age(account['rests_until'] - now)} more"


def _next(view: dict[str, Any]) -> list[str]:
    steps = list(dict.fromkeys(view["next"]))
    return [f"{symbol('hint')} Next: run {'; '.join(steps[:3])}"] if steps else []


def _changed(change: dict[str, Any]) -> str:
    """One change of the repository, and how to undo it where it stops a landing."""
    undo = f"; landing waits until you undo it ({change['put_back']})" if change["stops"] else ""
    return f"the repository changed: {change['what']}{undo}"
