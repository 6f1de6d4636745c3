"""What `wto status` prints: the state of a run, from the stored view.

People and prompts call it all the time, so it starts without click, typing, dataclasses and subprocess, and without the domain's
state; a test counts the modules it loads.

Whether the supervisor and the agents are alive is asked of the operating system (their locks), never taken from the
view: if its writer is gone, the output says so.
"""

from __future__ import annotations

import json
import os
import sys
import time

from wt_orchestrate.cli.screen.status_table import condition, status_lines
from wt_orchestrate.cli.screen.style import age, symbol
from wt_orchestrate.domain.text.clean import clean
from wt_orchestrate.domain.text.status_words import shown
from wt_orchestrate.errors import NotFound
from wt_orchestrate.wiring.read.runs import living_processes, stored_view, uncommitted
from wt_orchestrate.wiring.site import Site, find_site, supervised, supervisor_pid

TYPE_CHECKING = False  # mypy knows the name; importing typing takes as long as half of Python's own start
if TYPE_CHECKING:
    from typing import Any


def show_status(
    start: str, workstream: str | None, *, run: str | None = None, dirty: bool = False, as_json: bool = False
) -> None:
    """Print the state of all workstreams of a run, or the story of one. Raises NotFound."""
    site = find_site(start)
    found = stored_view(site, run)
    if found is None:
        raise NotFound(
            "there is no run in this repository yet" if run is None else f"there is no run {run}",
            hint="wto run plan.yaml",
        )
    _, text = found
    view = json.loads(text)
    _look(site, view)
    if dirty:
        _look_inside(site, view)
    if workstream is not None:
        _story(site, view, workstream, as_json=as_json)
    elif as_json:
        _print(json.dumps(_dated(view), indent=2, ensure_ascii=False))
    else:
        _print(*_warnings(view), *status_lines(view, now=time.time(), width=_width()))


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _width() -> int | None:
    """The width of the terminal; None where the output goes elsewhere."""
    if not sys.stdout.isatty():
        return None
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) else os.get_terminal_size(sys.stdout.fileno()).columns


def _look(site: Site, view: dict[str, Any]) -> None:
    """Add what only the operating system knows: which processes are alive, and what is uncommitted."""
    at_work = supervised(site)
    view["run"]["supervisor"] = "at work" if at_work else "none"
    view["run"]["supervisor_pid"] = supervisor_pid(site) if at_work else None
    alive = living_processes(site, [ws["process"] for ws in view["workstreams"] if ws["process"]])
    for ws in view["workstreams"]:
        ws["alive"] = ws["process"] in alive if ws["process"] else None
        ws["unwatched"] = not at_work
        if ws["process"] and not ws["alive"] and not at_work:
            ws["evidence"].insert(0, {"kind": "process", "text": "its process has died", "at": None})
    if not at_work and view["run"]["phase"] in {"running", "stopping"}:
        view["next"].insert(0, "wto resume")


def _look_inside(site: Site, view: dict[str, Any]) -> None:
    """Add how many paths are uncommitted in each existing worktree."""
    there = {ws["id"]: (ws["worktree"], ws["head"]) for ws in view["workstreams"] if ws["worktree"] and ws["head"]}
    found = uncommitted(site, view["run"]["id"], there)
    for ws in view["workstreams"]:
        ws["uncommitted"] = found.get(ws["id"])
        if ws["uncommitted"]:
            text = f"{ws['uncommitted']} uncommitted paths"
            ws["evidence"].insert(0, {"kind": "uncommitted", "text": text, "at": time.time()})


def _warnings(view: dict[str, Any]) -> list[str]:
    if view["run"]["supervisor"] == "none" and view["run"]["phase"] in {"running", "stopping"}:
        alive = sum(bool(ws["alive"]) for ws in view["workstreams"])
        seen = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(view["at"]))
        return [f"{symbol('warning')} no supervisor since {seen}; {alive} agents still running"]
    return []


def _dated(view: dict[str, Any]) -> dict[str, Any]:
    """The view with times as RFC 3339 in UTC and the age of each piece of evidence in seconds."""
    now = time.time()
    for ws in view["workstreams"]:
        for evidence in ws["evidence"]:
            evidence["age_s"] = round(now - evidence["at"], 3) if evidence["at"] else None
            evidence["at"] = _rfc3339(evidence["at"])
        ws["condition"] = condition(ws, now)
        for key in ("since", "resumes_at", "stuck_at"):
            ws[key] = _rfc3339(ws[key])
        for message in ws["messages"]:
            message["at"], message["delivered_at"] = _rfc3339(message["at"]), _rfc3339(message["delivered_at"])
        for said in (*ws.get("shared", ()), *([ws["told"]] if ws.get("told") else ())):
            said["at"] = _rfc3339(said["at"])
    for stage in view.get("stages", ()):
        stage["waits_since"], stage["approved_at"] = _rfc3339(stage["waits_since"]), _rfc3339(stage["approved_at"])
    if "forecast" in view:
        view["forecast"]["at"] = _rfc3339(view["forecast"]["at"])
    for key in ("started_at", "ended_at", "landed_at"):
        view["run"][key] = _rfc3339(view["run"].get(key))
    return {**view, "at": _rfc3339(view["at"])}


def _rfc3339(at: float | None) -> str | None:
    if not at:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"


def _story(site: Site, view: dict[str, Any], workstream: str, *, as_json: bool) -> None:
    known = {ws["id"]: ws for ws in view["workstreams"]}
    if workstream not in known:
        raise NotFound(
            f"there is no workstream {workstream!r} in {view['run']['id']}", hint=f"known: {', '.join(known)}"
        )
    if as_json:
        _print(json.dumps(_dated({**view, "workstreams": [known[workstream]]}), indent=2, ensure_ascii=False))
        return
    ws, now = known[workstream], time.time()
    words = shown(condition(ws, now))
    _print(f"{ws['id']} {words if words.startswith('needs') else f'is {words}'}: {ws['title'] or ws['branch']}")
    for evidence in ws["evidence"]:
        since = f"{age(now - evidence['at'])} ago" if evidence["at"] else ""
        _print(f"  {evidence['kind']:<13} {' '.join(clean(evidence['text']).split())[:200]}  {since}".rstrip())
    _print("")
    from wt_orchestrate.cli.screen.event_lines import workstream_story

    for line in workstream_story(site, view["run"]["id"], workstream):
        _print(line)
    if ws["worktree"]:
        _print(f"worktree {ws['worktree']} on {ws['branch']}")
    for tried in ws["tried"]:
        _print(f"{symbol('nothing')} tried: {clean(tried)}")
    for command in (*([clean(ws["hint"])] if ws["hint"] else []), *ws["commands"]):
        _print(f"{symbol('hint')} {command}")
