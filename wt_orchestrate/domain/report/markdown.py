"""The report in Markdown: what was asked, what was achieved, what it saved, then each workstream.

Numbers that are not measured are marked. What agents said is quoted, one line each, with its author. The whole text
passes through `clean`, so that it is harmless on a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wt_orchestrate.domain.text.clean import clean, counted
from wt_orchestrate.domain.text.status_words import shown

_SHOWN = 15
"""How many entries of a list are shown; JSON has them all."""
_DETAILED = 12
"""With more workstreams than this, integrated ones are only in the table."""
_TITLES = {
    "contradictions": "Contradictions",
    "risks": "Risks",
    "follow_ups": "Follow-ups",
    "learned": "Learned",
}


def report_markdown(values: Mapping[str, Any], *, workstream: str = "") -> str:
    """The report of a run, or of one workstream of it."""
    streams = values["workstreams"]
    if workstream:
        lines = [line for ws in streams if ws["id"] == workstream for line in _workstream(ws)][1:]
        return clean("\n".join(lines)) + "\n"
    lines = [
        f"# Run {values['run']}: {_line(values['goal'], 400)}",
        "",
        *_outcome(values),
        *_gain(values),
        *_table(streams),
        *_synthesis(values["synthesis"]),
        *_shared(values["shared"]),
        *_memory(values["memory"]),
    ]
    told = [ws for ws in streams if len(streams) <= _DETAILED or ws["stage"] not in {"integrated", "landed"}]
    for ws in told:
        lines += _workstream(ws)
    if len(told) < len(streams):
        lines += ["", f"{len(streams) - len(told)} integrated workstreams appear only in the table; "]
        lines[-1] += "`wto report --workstream NAME` shows one, `--json` all."
    return clean("\n".join(lines)) + "\n"


def _line(text: str, limit: int = 300) -> str:
    told = " ".join(text.split())
    return told if len(told) <= limit else told[: limit - 1] + "…"


def duration(seconds: float) -> str:
    """A duration for people, such as `42.1 s`, `12m 03s` or `3h 20m`."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 7200:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def _outcome(values: Mapping[str, Any]) -> Iterator[str]:
    landed = f"as {values['landed'][:10]}" if values["landed"] else "not yet"
    yield f"- Landed on {values['target']}: {landed}"
    yield f"- Integrated: {len(values['integrated'])} of {counted(len(values['workstreams']), 'workstream')}"
    for each in values["not_integrated"][:_SHOWN]:
        yield f"- Not integrated: `{each['id']}` ({shown(each['stage'])}): {_line(each['why']) or 'reason unknown'}"
    if len(values["not_integrated"]) > _SHOWN:
        yield f"- and {len(values['not_integrated']) - _SHOWN} more that are not integrated"


# ---------------------------------------------------------------- the gain


def _gain(values: Mapping[str, Any]) -> Iterator[str]:
    gain = values["gain"]
    yield from ("", "## Time, cost and savings", "")
    yield f"- Wall-clock time: {duration(gain['wall_s'])}{_beside(gain)}"
    yield (
        f"- One agent alone: {duration(gain['serial_s'])} (computed: {duration(gain['serial_parts']['work_s'])} of "
        f"work and one start of {duration(gain['serial_parts']['start_s'])}; without checks, other starts and "
        "conflicts)"
    )
    yield f"- Speed-up: {speedup(gain['speedup'])}"
    path = " > ".join(values["critical_path"][:8]) + (" > …" if len(values["critical_path"]) > 8 else "")
    yield f"- Critical path: {duration(values['critical_path_s'])} ({path or 'no work'})"
    best = gain["best"]["with"]
    if best and gain["serial_s"] > 0:
        yield f"- Estimated at best, {gain['best']['of']}: {', '.join(_best(best))}"
    if gain["unwatched_s"]:
        told = f"- No supervisor was running for {duration(gain['unwatched_s'])} at most"
        unsure = f"; {duration(gain['unsure_s'])} of agent work in that time is uncertain" if gain["unsure_s"] else ""
        yield told + unsure
    elif gain["unsure_s"]:
        yield f"- {duration(gain['unsure_s'])} of agent work is uncertain: nobody saw when it ended"
    waiting = sorted(values["waiting_s"].items(), key=lambda each: -each[1])
    if waiting:
        yield "- Waiting, over all workstreams: " + ", ".join(f"{cause} {duration(s)}" for cause, s in waiting)
    yield from _spent(values)


def speedup(found: Mapping[str, Any]) -> str:
    """The speed-up with its certainty."""
    if found["value"] is None:
        return "unknown"
    if found["how"] == "between":
        return f"between {found['least']:.2f} and {found['value']:.2f} times (nobody saw a part of the work)"
    return f"{found['value']:.2f} times"


def _beside(gain: Mapping[str, Any]) -> str:
    parts = []
    if gain["rest_s"]:
        parts.append(f"{duration(gain['rest_s'])} idle")
    if gain["skipped_s"]:
        parts.append(f"{duration(abs(gain['skipped_s']))} asleep or from a changed clock")
    return f" (not counted: {', '.join(parts)})" if parts else ""


def _best(best: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    shown = best if len(best) <= 6 else [*best[:4], *best[-1:]]
    for each in shown:
        yield f"{counted(each['agents'], 'agent')} {duration(each['wall_s'])}"


def _spent(values: Mapping[str, Any]) -> Iterator[str]:
    tokens = ", ".join(f"{count} {kind}" for kind, count in values["tokens"].items())
    yield f"- Cost ${values['cost_usd']:.2f}; tokens: {tokens}"
    if len(values["spent"]) > 1:
        for each in values["spent"][:_SHOWN]:
            model = f" ({each['model']})" if each["model"] else ""
            yield f"  - {each['agent']}{model}: ${each['cost_usd']:.2f}, {counted(each['attempts'], 'attempt')}"
    again = values["rework"]
    if again["attempts"] or again["commits_rewritten"] or again["not_integrated_s"]:
        causes = ", ".join(f"{cause} {each['attempts']}" for cause, each in again["by_cause"].items())
        parts = [f"{counted(again['attempts'], 'attempt')} retried{f' ({causes})' if causes else ''}"]
        parts.append(f"{duration(again['active_s'])}, ${again['cost_usd']:.2f}")
        if again["commits_rewritten"]:
            parts.append(f"{counted(again['commits_rewritten'], 'commit')} were rewritten")
        if again["not_integrated_s"]:
            parts.append(f"{duration(again['not_integrated_s'])} for work that is not integrated")
        yield f"- Rework: {'; '.join(parts)}"
    for each in values["checks"][:_SHOWN]:
        said = ", ".join(f"{count} {outcome}" for outcome, count in each["outcomes"].items())
        yield f"- Check `{_line(each['check'], 100)}`: {counted(each['runs'], 'run')}, {duration(each['seconds'])} ({said})"


# ---------------------------------------------------------------- the table, the synthesis


def _table(streams: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not streams:
        return
    yield from ("", "## Workstreams", "")
    yield "| workstream | stage | agent time | waited | attempts | commits | files | cost |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for ws in streams:
        waited = sum(ws["waiting_s"].values())
        files = f"{ws['files']['changed']} (+{ws['files']['added']} -{ws['files']['deleted']})"
        yield (
            f"| {ws['id']} | {shown(ws['stage'])} | {duration(ws['active_s'])} | {duration(waited)} | {len(ws['attempts'])} "
            f"| {len(ws['commits'])} | {files} | ${ws['cost_usd']:.2f} |"
        )


def _synthesis(found: Mapping[str, Any]) -> Iterator[str]:
    for each in found["synthesisers"]:
        yield from _synthesiser(each)
    for name, title in _TITLES.items():
        entries = found[name]
        if not entries:
            continue
        yield from ("", f"## {title}", "")
        for entry in entries[:_SHOWN]:
            yield from _said(entry) if "says" in entry else _entry(entry)
        more = len(entries) - _SHOWN + found["left_out"].get(name, 0)
        if more > 0:
            yield f"- and {more} more (`wto report --json`)"


def _shared(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What agents shared while they worked."""
    if not found:
        return
    yield from ("", "## What agents told each other", "")
    for each in found[:_SHOWN]:
        place = f" at {each['path']}{':' + str(each['line']) if each['line'] else ''}" if each["path"] else ""
        yield f"- `{each['workstream']}`, {each['kind']} {each['id']}{place}: “{_line(each['text'])}”"
    if len(found) > _SHOWN:
        yield f"- and {len(found) - _SHOWN} more (`wto report --json`)"


def _memory(found: Mapping[str, Any]) -> Iterator[str]:
    """What earlier runs told this one, and what was learned from it."""
    told: dict[str, list[Mapping[str, Any]]] = {}
    for each in found["recalled"]:
        told.setdefault(each["id"], []).append(each)
    if not told and not found["learned"]:
        return
    yield from ("", "## Memory", "")
    for name, uses in list(told.items())[:_SHOWN]:
        to = ", ".join(f"`{each['workstream']}`" for each in uses[:5]) + (" and more" if len(uses) > 5 else "")
        old = "; files changed since" if uses[0]["stale"] else ""
        yield f"- {name} was given to {to} ({uses[0]['kind']}, {uses[0]['source']}{old}): “{_line(uses[0]['text'], 200)}”"
    if len(told) > _SHOWN:
        yield f"- and {len(told) - _SHOWN} more (`wto report --json`)"
    if found["learned"]:
        yield f"- learned from this run: {found['learned']} (`wto memory list`)"


def _entry(entry: Mapping[str, Any]) -> Iterator[str]:
    who = f"`{entry['workstream']}`, " if entry["workstream"] else ""
    quoted = f"“{entry['text']}”" if entry["how"].endswith("word") and entry["kind"] != "unverified" else entry["text"]
    hint = f" ({'; '.join(f'`{each}`' for each in entry.get('commands', ())[:2])})" if entry.get("commands") else ""
    yield f"- {who}{entry['kind']}: {quoted}{hint}"


def _said(entry: Mapping[str, Any]) -> Iterator[str]:
    names = [each["workstream"] for each in entry["says"] if each["workstream"]]
    if entry["kind"] == "measured":
        yield f"- `{names[0]}` makes a claim about `{entry['about']}` that was not seen:"
    else:
        yield f"- {' and '.join(f'`{name}`' for name in names)} disagree about the {entry['kind']} `{entry['about']}`:"
    for each in entry["says"][:6]:
        yield f"  - {each['workstream'] or 'we'}: “{each['text']}”" if each["workstream"] else f"  - {each['text']}"


def _synthesiser(each: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"## What `{each['workstream']}` concludes (its word, not measured)", "")
    if each["summary"]:
        yield f"> {each['summary']}"
    for name in ("contradictions", "risks", "follow_ups", "learned", "decisions"):
        if each[name]:
            yield from ("", f"{name.replace('_', '-').capitalize()}:", "")
            yield from (f"> - {text}" for text in each[name][:_SHOWN])


# ---------------------------------------------------------------- one workstream


def _workstream(ws: Mapping[str, Any]) -> list[str]:
    lines = ["", f"## {ws['id']}: {_line(ws['title']) or shown(ws['stage'])}", "", ws["contribution"], ""]
    waited = ", ".join(f"{cause} {duration(length)}" for cause, length in ws["waiting_s"].items())
    lines.append(
        f"{counted(len(ws['attempts']), 'attempt')}, {duration(ws['active_s'])} of agent time, ${ws['cost_usd']:.2f}; "
        f"waited: {waited or 'not at all'}"
    )
    for name in ("decisions", "verification"):
        if ws[name]:
            lines += ["", f"{name.capitalize()}:", "", *(f"> {line}" for line in ws[name].splitlines()[:40])]
    if ws["happened"]:
        lines += ["", "Events:", ""]
        lines += [f"- {_line(text)}" for text in ws["happened"]]
    if ws["findings"]:
        lines += ["", "Findings:", ""]
        lines += [f"- {f['kind']}: {_line(f['text'])}" for f in ws["findings"][:40]]
    if ws["evidence"]:
        lines += ["", "Checks on the combined tree:", ""]
        lines += [f"- `{_line(c['check'], 100)}` {c['outcome']} in {c['duration_s']:.1f} s" for c in ws["evidence"]]
    return lines
