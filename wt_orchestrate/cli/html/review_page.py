"""Review packets as one HTML page: it holds all it shows, runs nothing and loads nothing.

Every text passes `element`, which escapes it. The page's policy allows its own style and nothing else. A symbol never
stands without its word, and no colour says what words do not.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from wt_orchestrate.cli.html.element import Markup, Part, element
from wt_orchestrate.cli.html.review_diff import diffs
from wt_orchestrate.domain.text.clean import at_line, counted
from wt_orchestrate.domain.text.diff import FileDiff
from wt_orchestrate.domain.text.status_words import shown
from wt_orchestrate.resources import resource

_MOST_FLAGS = 200
_WEIGHTS = {"high": ("bad", "✗ high"), "medium": ("warn", "▲ medium"), "low": ("soft", "○ low")}
_STATUS = {"A": "added", "M": "changed", "D": "deleted", "R": "renamed", "C": "copied", "T": "changed type"}
_THREADS = {
    "unsent": ("warn", "○ not sent yet"),
    "open": ("warn", "? open"),
    "answered": ("warn", "◎ answered"),
    "resolved": ("good", "✓ resolved"),
}

Row = Sequence[tuple[Part | list[Part], str]]
"""The cells of a table's line, each with its class."""


def page(packets: Sequence[tuple[dict[str, Any], Sequence[FileDiff]]]) -> str:
    """The whole page, for one packet or several."""
    with open(resource("templates", "review.css"), encoding="utf-8") as file:
        style = file.read()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    names = ", ".join(found["workstream"] for found, _ in packets)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"Review of {names}"),
        Markup(f"<style>{style}</style>"),
    )
    body = element(
        "body",
        element("main", (_article(number, found, files) for number, (found, files) in enumerate(packets))),
        element(
            "footer",
            "Made by wto review. A violet box holds an agent's own words; everything else comes from git or our own "
            "checks. Possible secrets are masked.",
        ),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en").text + "\n"


def _article(number: int, found: dict[str, Any], files: Sequence[FileDiff]) -> Markup:
    key = f"w{number}"
    anchors = {file.path: f"{key}-f{place}" for place, file in enumerate(files)}
    return element(
        "article",
        _top(found),
        _asked(found),
        element("div", _says(found), _does(found), of="pair"),
        _questions(found),
        _flags(found, anchors),
        _files(found, anchors),
        _checks(found),
        _resolution(found),
        _review(found["review"]),
        _beside(found),
        _threads(found, anchors),
        _section("Diff", diffs(files, found["read_first"], anchors, found["threads"]) if files else ()),
        id=key,
    )


def _section(title: str, *parts: Part | Iterator[Part] | Sequence[Part]) -> Markup:
    return element("section", element("h2", title), *parts)


def _top(found: dict[str, Any]) -> Markup:
    does = found["does"]
    bad = [check for check in found["checks"] if check["outcome"] != "passed"]
    checks = ("bad", f"✗ {counted(len(bad), 'check')} not passed") if bad else ("good", "✓ checks passed")
    if not found["checks"]:
        checks = ("warn", "▲ no check has run")
    high = sum(flag["weight"] == "high" for flag in found["flags"])
    look = ("bad", f"✗ {high} to check first") if high else ("good", "✓ nothing serious was flagged")
    waiting = sum(thread["status"] != "resolved" for thread in found["threads"])
    chips = [
        ("", shown(found["stage"])),
        (
            "",
            f"{counted(found['commits'], 'commit')}, {counted(len(does['files']), 'file')} +{does['added']} −{does['deleted']}",
        ),
        checks,
        look,
        *([("warn", f"? {counted(waiting, 'comment')} not resolved")] if waiting else []),
    ]
    return element(
        "header",
        element(
            "p",
            f"{found['run']} · {found['workstream']} → {found['target']} · ",
            element("code", f"{str(found['base'])[:10]}..{str(found['head'])[:10]}"),
            of="crumb",
        ),
        element("h1", found["asked"]["title"] or found["workstream"]),
        element("ul", (element("li", text, of=f"chip {kind}".strip()) for kind, text in chips), of="chips"),
        of="top",
    )


def _asked(found: dict[str, Any]) -> Markup:
    asked = found["asked"]
    return element(
        "section",
        element("h2", "Asked", of="tag"),
        element("p", asked["brief"].strip() or "nothing", of="words"),
        _named("Role", asked["role"]),
        [element("h3", "May write", of="small"), element("p", element("code", ", ".join(asked["scope"])))]
        if asked["scope"]
        else (),
        of="card",
    )


def _named(name: str, text: str) -> list[Part]:
    return [element("h3", name, of="small"), element("p", text.strip(), of="words")] if text.strip() else []


def _says(found: dict[str, Any]) -> Markup:
    says = found["says"]
    findings = [element("li", element("strong", each["kind"]), f": {each['text']}") for each in says["findings"]]
    return element(
        "section",
        element("h2", "Summary (the agent's own words)", of="tag"),
        element("p", says["summary"].strip() or "The agent left no summary.", of="words"),
        _named("Status", says["status"] or "none"),
        _named("Decisions", says["decisions"]),
        _named("Verification", says["verification"]),
        _named("Questions", says["questions"]),
        [element("h3", "Findings", of="small"), element("ul", findings, of="plain")] if findings else (),
        of="card said",
    )


def _questions(found: dict[str, Any]) -> Part:
    asks = [element("li", text) for text in found["questions"]]
    against = [element("li", text) for text in found["contradictions"]]
    if not asks and not against:
        return ""
    return element(
        "section",
        element("h2", "Questions for you"),
        element(
            "div",
            element("section", element("h3", "Questions"), element("ul", asks, of="plain"), of="card") if asks else (),
            element("section", element("h3", "▲ Contradictions"), element("ul", against, of="plain"), of="card")
            if against
            else (),
            of="pair",
        ),
    )


def _table(caption: str, heads: Sequence[str], rows: Sequence[Row]) -> Markup:
    """A table; each cell with its class. Numbers keep their column's name when cells are stacked on narrow screens."""
    lines = [
        element(
            "tr",
            (
                element("td", part, of=of, data_name=name) if of == "num" else element("td", part, of=of or "cell")
                for (part, of), name in zip(row, heads, strict=True)
            ),
        )
        for row in rows
    ]
    kinds = ["num" if of == "num" else "" for _, of in rows[0]] if rows else [""] * len(heads)
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element(
                "thead",
                element("tr", (element("th", name, scope="col", of=of) for name, of in zip(heads, kinds, strict=True))),
            ),
            element("tbody", lines),
            of="stack",
        ),
        of="scroll",
        role="region",
        aria_label=caption,
        tabindex="0",
    )


def _flags(found: dict[str, Any], anchors: dict[str, str]) -> Markup:
    if not found["flags"]:
        return _section("Check", element("p", "✓ Nothing was flagged.", of="good"))
    rows: list[Row] = []
    for flag in found["flags"][:_MOST_FLAGS]:
        kind, word = _WEIGHTS[flag["weight"]]
        rows.append(
            [
                (word, f"mark {kind}"),
                (_linked(flag["path"], flag["line"], anchors), ""),
                ([element("strong", flag["kind"]), f": {flag['text']}"], ""),
            ]
        )
    left = len(found["flags"]) - len(rows)
    caption = "Hints, not verdicts; most serious first" + (f" ({left} more in --json)" if left else "")
    return _section("Check", _table(caption, ("Weight", "Where", "What"), rows))


def _linked(path: str, line: int | None, anchors: dict[str, str]) -> Markup:
    place = element("code", at_line(path, line))
    anchor = anchors.get(path)
    if anchor is None:
        return place
    return element("a", place, href=f"#{anchor}-{line}" if line else f"#{anchor}")


def _does(found: dict[str, Any]) -> Markup:
    does = found["does"]
    areas: list[Row] = [
        [
            (element("code", area["area"]), ""),
            (str(area["files"]), "num"),
            (f"+{area['added']}", "num"),
            (f"−{area['deleted']}", "num"),
        ]
        for area in does["areas"][:20]
    ]
    moved = [
        element(
            "li",
            f"{counted(each['lines'], 'line')} from ",
            element("code", each["from"]),
            " to ",
            element("code", each["to"]),
        )
        for each in does["moved"][:20]
    ]
    return element(
        "section",
        element("h2", "Changes (from git)", of="tag"),
        _table("By area", ("Area", "Files", "Added", "Removed"), areas),
        [element("h3", "Moved code", of="small"), element("ul", moved, of="plain")] if moved else (),
        of="card",
    )


def _files(found: dict[str, Any], anchors: dict[str, str]) -> Markup:
    by_path = {file["path"]: file for file in found["does"]["files"]}
    rows: list[Row] = [
        [
            (_linked(path, None, anchors), ""),
            (_what(by_path[path]), ""),
            ("binary" if by_path[path]["binary"] else f"+{by_path[path]['added']}", "num"),
            ("" if by_path[path]["binary"] else f"−{by_path[path]['deleted']}", "num"),
        ]
        for path in found["read_first"][:_MOST_FLAGS]
    ]
    left = len(found["read_first"]) - len(rows)
    caption = "In reading order, most risky first" + (f" ({left} more in --json)" if left else "")
    return _section("Files", _table(caption, ("File", "What", "Added", "Removed"), rows))


def _what(file: dict[str, Any]) -> str:
    was = f", was {file['old']}" if file["old"] else ""
    return f"{_STATUS.get(file['status'], file['status'])}{was}"


def _checks(found: dict[str, Any]) -> Markup:
    if not found["checks"]:
        return _section("Checks", element("p", "▲ No check has run on this work yet.", of="warn"))
    rows: list[Row] = []
    for check in found["checks"]:
        passed = check["outcome"] == "passed"
        tail = element("details", element("summary", "The end of its output"), element("pre", check["tail"]))
        rows.append(
            [
                (f"{'✓' if passed else '✗'} {check['outcome']}", f"mark {'good' if passed else 'bad'}"),
                ([element("code", check["command"]), tail if check["tail"].strip() else ""], ""),
                (f"{check['duration_s']:.1f} s", "num"),
                ([element("code", check["tree"][:10]), " flaky" if check["flaky"] else ""], ""),
            ]
        )
    return _section("Checks", _table("We ran these on exactly this tree", ("Outcome", "Command", "Time", "Tree"), rows))


def _resolution(found: dict[str, Any]) -> Part:
    """How its conflict was resolved: for each conflict both sides and the result."""
    resolution = found["conflict"]["resolution"]
    if resolution is None:
        return ""
    names = {"base": "It was", "ours": found["workstream"], "theirs": "Integrated", "result": "Became"}
    return _section("Conflicts", [_resolved(file, names) for file in resolution["files"]])


def _resolved(file: dict[str, Any], names: dict[str, str]) -> Markup:
    side: Part = element("p", "▲ It is exactly one side.", of="warn") if file["took"] else ""
    return element(
        "div",
        element("h3", element("code", file["path"]), f", resolved by {file['by']}"),
        side,
        [_conflict(hunk, names) for hunk in file["hunks"][:_HUNKS]],
        element("p", "It is not text.", of="soft") if not file["text"] else "",
    )


_HUNKS = 50


def _conflict(hunk: dict[str, Any], names: dict[str, str]) -> Markup:
    rows: list[Row] = [
        [(name, "mark"), (element("pre", "\n".join(hunk[key]) or "(nothing)", of="code"), "")]
        for key, name in names.items()
    ]
    for key, name in (("dropped_ours", names["ours"]), ("dropped_theirs", names["theirs"])):
        if hunk[key]:
            rows.append([(f"▲ removed by {name}", "mark warn"), (element("pre", "\n".join(hunk[key]), of="code"), "")])
    caption = f"At line {hunk['line']}" + (": one side was dropped" if hunk["took"] else "")
    return _table(caption, ("Side", "Lines"), rows)


_WEIGHS = {"must": "mark bad", "should": "mark warn", "note": "mark"}


def _review(review: dict[str, Any] | None) -> Part:
    """The findings of a reviewing agent."""
    if review is None:
        return ""
    older = "" if review["current"] else f", of the earlier {review['head'][:10]}"
    name = f"Reviewed by {review['by']}{older}"
    if not review["findings"]:
        return _section(name, element("p", "✓ Nothing to change.", of="good"))
    rows: list[Row] = [
        [
            (each["weighs"], _WEIGHS[each["weighs"]]),
            (
                element("code", f"{each['path']}{':' + str(each['line']) if each['line'] else ''}")
                if each["path"]
                else "",
                "",
            ),
            (each["text"], ""),
        ]
        for each in review["findings"]
    ]
    return _section(name, _table("An agent's words", ("Weighs", "Where", "What"), rows))


def _beside(found: dict[str, Any]) -> Part:
    if not found["overlaps"]:
        return ""
    words = {"conflict": ("✗ would conflict", "mark bad"), "clean": ("✓ merges cleanly", "mark good")}
    rows: list[Row] = [
        [
            (element("strong", other["workstream"]), ""),
            (shown(other["stage"]), ""),
            (element("code", ", ".join(other["paths"][:20])), ""),
            words.get(other["forecast"] or "", ("○ not looked at", "mark soft")),
        ]
        for other in found["overlaps"]
    ]
    return _section(
        "Others in these files",
        _table("Workstreams that touch the same files", ("Workstream", "Stage", "Files", "Merge"), rows),
    )


def _threads(found: dict[str, Any], anchors: dict[str, str]) -> Part:
    if not found["threads"]:
        return ""
    return _section("Comments", [thread(each, anchors) for each in found["threads"]])


def thread(found: dict[str, Any], anchors: dict[str, str]) -> Markup:
    """A comment with its answer."""
    kind, word = _THREADS[found["status"]]
    place: Part = ""
    if found["path"]:
        now = found["now"] or {}
        place = _linked(now.get("path", found["path"]), now.get("line", found["line"]), anchors)
    since = " · its lines have changed since" if found["changed"] else ""
    return element(
        "section",
        element("h3", f"{found['id']} ", element("span", word, of=kind), " ", place, element("span", since, of="soft")),
        element("pre", found["quoted"]) if found["quoted"] else (),
        element("p", found["text"], of="words"),
        element("p", element("strong", "The agent: "), found["answer"], of="answer") if found["answer"] else (),
        of=f"card thread {found['status']}",
    )
