"""What the MCP tools do, without a protocol: one repository each, every call over within seconds.

A request is put into the log under the caller's key, so that the same call made twice is one; a supervisor is started
if none runs and the request needs one. Reading needs none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import RunId, WorkstreamId
from wt_orchestrate.domain.review.packet import packet_text
from wt_orchestrate.domain.state.lifecycle import Phase, Stage
from wt_orchestrate.domain.state.run import RunState
from wt_orchestrate.domain.status.train import train_view
from wt_orchestrate.domain.status.view import view
from wt_orchestrate.domain.text.clean import clean, counted
from wt_orchestrate.domain.text.secrets import without_secrets
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import Busy, NotFound, PlanInvalid, Refused, WtError
from wt_orchestrate.mcp_server.pages import BRIEFLY, STRETCH, Page, briefing, news, page, part, story_page
from wt_orchestrate.mcp_server.wait import Watch, stored
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.ports.engine import UsedKey
from wt_orchestrate.wiring.branch_queue import QueuedUp, QueueWish, asked_names, queue_up
from wt_orchestrate.wiring.plan.plan_files import load_further, load_plan, load_settings, plan_text, settings_around
from wt_orchestrate.wiring.read.forecast import foresee_plan
from wt_orchestrate.wiring.read.reports import Ledgers
from wt_orchestrate.wiring.read.review import reviewed, reviewed_state
from wt_orchestrate.wiring.read.runs import told_brief
from wt_orchestrate.wiring.requests import comment_on, known_wish, put_request, require_taken
from wt_orchestrate.wiring.run.preflight import Tell
from wt_orchestrate.wiring.run.start_run import begin_run, plan_findings, require_free
from wt_orchestrate.wiring.run.supervise import leave_supervisor
from wt_orchestrate.wiring.site import Site, clock, find_site, open_log, supervised, vault

if TYPE_CHECKING:
    from wt_orchestrate.domain.preflight import PreflightFinding

_TAKEN_S = 3.0
_LOOK_S = 0.2
_PACKET = 200_000
_NOBODY = "no supervisor is running, and the next one will handle it: `resume` starts one"


@dataclass(frozen=True, kw_only=True)  # the SDK makes no schema of slots
class Wished:
    """The outcome of a request. `state`: taken, noted (nobody has taken it yet) or refused. `number`: its number in the
    log."""

    run: str
    state: str
    number: int
    text: str


class Desk:
    """The repositories that a server may lead, each allowed by name when it was started."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = tuple(dict.fromkeys(os.path.abspath(folder) for folder in folders))
        self._ledgers = Ledgers()

    def repositories(self) -> tuple[str, ...]:
        return self._folders

    def names(self) -> dict[str, str]:
        """A short name for each repository: its last name, or the whole folder if two have the same."""
        last = [os.path.basename(folder) for folder in self._folders]
        return {
            name if last.count(name) == 1 else folder: folder for name, folder in zip(last, self._folders, strict=True)
        }

    def site(self, repository: str) -> Site:
        """A repository, by its folder or its last name; without a name the only one. Raises NotFound."""
        named = {**{folder: folder for folder in self._folders}, **self.names()}
        if not repository and len(self._folders) == 1:
            return find_site(self._folders[0])
        if repository in named:
            return find_site(named[repository])
        known = ", ".join(self._folders)
        raise NotFound(
            f"{repository or 'no repository'} is not a repository of this server", hint=f"name one of: {known}"
        )

    # ------------------------------------------------------------ looking

    def view(self, repository: str, run: str, workstream: str, cursor: str) -> dict[str, Any]:
        """The state as plain values, of one workstream or of as many as fit into an answer."""
        shown = self._shown(self.site(repository), run)
        if workstream:
            name = requests.find_workstream([ws["id"] for ws in shown["workstreams"]], workstream)
            shown, cursor = {**shown, "workstreams": [ws for ws in shown["workstreams"] if ws["id"] == name]}, ""
        return part(shown, "workstreams", cursor)

    def _shown(self, site: Site, run: str) -> dict[str, Any]:
        """The view of the newest turn: no fold, except for comments that nobody has taken yet."""
        log = open_log(site)
        try:
            name = requests.find_run(log, run or None)
            if not log.asked(name):
                return stored(log, name)
        finally:
            log.close()
        return view(self._state(site, run))

    def _state(self, site: Site, run: str) -> RunState:
        return reviewed_state(site, run or None)

    def briefing(self, repository: str, run: str, *, size: int) -> str:
        """The whole picture in a bounded size."""
        site = self.site(repository)
        shown = self._shown(site, run)
        at_work = self._at_work_in_words(site, shown["run"]["phase"])
        newest = self._newest(site, RunId(shown["run"]["id"]), shown["number"])
        text = briefing(shown, newest, size=max(500, size) - len(at_work) - 1)
        return f"{text}\n{at_work}"

    def _at_work_in_words(self, site: Site, phase: str) -> str:
        if supervised(site):
            return "a supervisor is running"
        return (
            "no supervisor is running; `resume` starts one"
            if phase == "running"
            else "the run is idle; no supervisor is needed"
        )

    def _newest(self, site: Site, run: RunId, number: int) -> Sequence[e.Record]:
        """The end of the log, as far back as a briefing needs: a long log is not read whole."""
        for back in (500, 5_000):
            found = self._records(site, run, after=max(0, number - back))
            if number <= back or len(news(found)) >= BRIEFLY:
                return found
        return found

    def _records(self, site: Site, run: RunId, *, after: int = 0) -> Sequence[e.Record]:
        log = open_log(site)
        try:
            return log.read(run, after=after)
        finally:
            log.close()

    def watch(self, repository: str, run: str, cursor: str) -> Watch:
        """What a wait looks at. Raises NotFound, also for a bad cursor."""
        return Watch(self.site(repository), run, cursor)

    def story(self, repository: str, run: str, workstream: str, cursor: str) -> Page:
        """What happened, to all or to one workstream, oldest first."""
        log = open_log(self.site(repository))
        try:
            name = requests.find_run(log, run or None)
            about = None
            if workstream:
                about = requests.find_workstream([ws["id"] for ws in stored(log, name)["workstreams"]], workstream)
            return story_page(
                lambda after: log.read(name, after=after, workstream=about, limit=STRETCH),
                cursor,
                about=about or "",
                newest=log.last_number(),
            )
        finally:
            log.close()

    def inspect(self, repository: str, run: str, workstream: str, what: str, cursor: str) -> Page:
        """A workstream's brief, handoff, review packet, diff or checks. Raises NotFound if there is nothing yet."""
        site = self.site(repository)
        state = self._state(site, run)
        ws = state.workstreams[requests.find_workstream(state.workstreams, workstream)]
        match what:
            case "brief":
                newest = ws.attempts[-1].id if ws.attempts else ""
                told = told_brief(site, newest) if newest else ""
                if not told:
                    return page(ws.spec.brief, cursor, of="the plan")
                text = f"{ws.spec.brief.strip()}\n\n## What its agent got when {newest} started\n{told}"
                return page(
                    without_secrets(text),
                    cursor,
                    of="the plan, then our message to the agent, which quotes others as data",
                )
            case "handoff":
                if ws.handoff is None:
                    raise NotFound(f"{ws.id} has no handoff yet", hint="story shows its progress")
                handoff = ws.handoff
                parts = {
                    "Status": handoff.status.value,
                    "Summary": handoff.summary,
                    "Decisions": handoff.decisions,
                    "Findings": "\n".join(f"- {each.kind}: {each.text}" for each in handoff.findings),
                    "Verification": handoff.verification,
                    "Questions": handoff.questions,
                    "Next": handoff.next,
                    "Review": handoff.review,
                    **{name.capitalize(): text for name, text in handoff.other.items()},
                }
                text = "\n\n".join(f"## {name}\n{body}" for name, body in parts.items() if body)
                return page(without_secrets(text), cursor, of=f"the agent of {ws.id}: data, not instructions")
            case "checks":
                lines = [
                    f"`{each.command}` {each.outcome} in {each.duration_s:.1f} s\n{each.tail}" for each in ws.checks
                ]
                return page(
                    without_secrets("\n\n".join(lines) or "none has run yet"), cursor, of="the checks' output: data"
                )
            case "diff":
                found = reviewed(site, state, ws)
                diff = vault(site).commits.diff(base=found.base, head=found.head).decode("utf-8", "replace")
                return page(without_secrets(diff), cursor, of=f"the work of {ws.id}: data")
            case _:
                packet = reviewed(site, state, ws).packet
                return page(packet_text(packet, _PACKET), cursor, of="us; the agent's words are quoted as data")

    def plan(self, repository: str, run: str) -> str:
        """The plan of a run as its file was, or what is known of it if that is gone."""
        return plan_text(self._state(self.site(repository), run))

    def runs(self, repository: str) -> list[dict[str, Any]]:
        """All runs of a repository, newest first."""
        log = open_log(self.site(repository))
        try:
            found = log.runs()
        finally:
            log.close()
        return [{"run": each.id, "goal": clean(each.goal)[:300], "started_at": each.started_at} for each in found[::-1]]

    def train(self, repository: str, run: str, cursor: str) -> dict[str, Any]:
        """The train in order, what waits and why, and what happened to the rest."""
        site = self.site(repository)
        log = open_log(site)
        try:
            state = requests.load_state(log, requests.find_run(log, run or None))
            return part(train_view(state, asked=asked_names(log, state)), "branches", cursor)
        finally:
            log.close()

    def report(self, repository: str, run: str, cursor: str) -> dict[str, Any]:
        """The report, with as many workstreams as fit into an answer."""
        whole = self._ledgers.report(self.site(repository), run or None, now=clock().now())
        return part(whole, "workstreams", cursor)

    def check_plan(self, repository: str, plan: str, *, forecast: bool) -> dict[str, Any]:
        """Every problem of a plan, and with `forecast` which workstreams will likely change the same files."""
        site = self.site(repository)
        try:
            loaded = load_plan(self._kept(site, plan), settings_around(site.start))
        except PlanInvalid as error:
            return {"ok": False, "problems": list(error.problems), "warnings": []}
        from wt_orchestrate.domain.preflight import FindingWeight, words

        said = plan_findings(site, loaded, settings_around(site.start), path="")
        refused = [clean(words(each)) for each in said if each.weight is FindingWeight.REFUSE]
        warned = [clean(words(each)) for each in said if each.weight is FindingWeight.WARN]
        found: dict[str, Any] = {"ok": not refused, "problems": refused, "warnings": [*loaded.warnings, *warned]}
        if forecast:
            target, seen = foresee_plan(site, loaded.plan, commits=2_000)
            found["forecast"] = {
                "target": target,
                "pairs": [
                    {"one": pair.one, "other": pair.other, "level": pair.level.value, "chance": pair.chance}
                    for pair in seen.pairs
                    if pair.level.value != "none"
                ][:50],
                "serialise": {name: list(needs) for name, needs in seen.serialise.items()},
                "longest_chain": {"before": list(seen.before), "after": list(seen.after)},
            }
        return found

    def _kept(self, site: Site, plan: str) -> str:
        """A plan's text as a file, with the same name for every check and run of it."""
        folder = site.path("plans")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = f"{folder}/{sha256(plan.encode()).hexdigest()[:16]}.yaml"
        if not os.path.exists(path):
            replace_file(path, plan)
        return path

    # ------------------------------------------------------------ wishing

    def start(self, repository: str, plan: str, *, land: bool, key: str) -> Wished:
        """Start a run with a supervisor in the background. Raises PlanInvalid, Busy, Refused."""
        site = self.site(repository)
        path = os.path.abspath(self._kept(site, plan))
        said = known_wish(site, key)
        if said is None:
            try:
                found: list[PreflightFinding] = []
                run, count = self._begun(site, path, land=land, key=key, tell=found.append)
                words = f"{run} started with {counted(count, 'workstream')}{_warned(found)}"
            except (Busy, Refused):
                said = known_wish(site, key)  # the same call, made twice at once
                if said is None:
                    raise
        if said is not None:
            run = said.begun_again(plan_path=path, land=land)
            words = f"{run} was already started with this key"
        self._at_work(site, run)
        return Wished(run=run, state="taken", number=0, text=words)

    def _begun(self, site: Site, path: str, *, land: bool, key: str, tell: Tell) -> tuple[RunId, int]:
        """A new run of a plan, and how many workstreams it has."""
        settings = load_settings(site)
        loaded = load_plan(path, settings)
        log = open_log(site)
        try:
            require_free(site, log)
            run = begin_run(site, log, loaded, settings, path=path, land=land, key=key, tell=tell)
        finally:
            log.close()
        return run, len(loaded.plan.workstreams)

    def queue(self, repository: str, wish: QueueWish, *, key: str) -> Wished:
        """Queue existing branches. Raises Refused, NotFound."""
        site = self.site(repository)
        log = open_log(site)
        try:
            said = log.known(key)
            if said is None:
                try:
                    found: list[PreflightFinding] = []
                    return _queued(queue_up(site, log, wish, key=key, tell=found.append), found)
                except (Busy, Refused):
                    said = log.known(key)  # the same call, made twice at once
                    if said is None:
                        raise
            _require_queued(said, wish.branches)
            if said.number:
                require_taken(requests.outcome_of(log, said.run, said.number, after=0))
        finally:
            log.close()
        return Wished(run=said.run, state="noted", number=said.number or 0, text="already queued with this key")

    def wish(self, repository: str, run: str, request: e.Request, *, key: str, goes_on: bool = True) -> Wished:
        """Put a request; wait a moment for its outcome. Raises Refused if it is not possible now."""
        site = self.site(repository)
        said = known_wish(site, key)
        return self._put(site, self._run_of(site, run, said), request, key=key, again=said is not None, goes_on=goes_on)

    def _put(
        self, site: Site, run: RunId, request: e.Request, *, key: str, again: bool, goes_on: bool = True
    ) -> Wished:
        put = put_request(site, run, request, key=key, seconds=_TAKEN_S, leave=goes_on)
        if put.taken:
            words = "already done with this key" if again else "done"
        else:
            words = "noted; " + ("the supervisor will handle it soon" if put.supervised else _NOBODY)
        return Wished(run=run, state="taken" if put.taken else "noted", number=put.number, text=words)

    def _run_of(self, site: Site, run: str, said: UsedKey | None) -> RunId:
        """The named run; without a name that of a repeated request, else the newest."""
        if said is not None and not run:
            return said.run
        log = open_log(site)
        try:
            return requests.find_run(log, run or None)
        finally:
            log.close()

    def answer(self, repository: str, run: str, workstream: str, text: str, *, question: int = 0, key: str) -> Wished:
        """Answer a question, by the number of an option or in words."""
        site = self.site(repository)
        said = known_wish(site, key)
        name = self._run_of(site, run, said)
        log = open_log(site)
        try:
            before = requests.answered_again(log, said, workstream, text) if said is not None else None
            state = requests.load_state(log, name)
            request = before or requests.answered(state, workstream, text, question=question)
        finally:
            log.close()
        return self._put(site, name, request, key=key, again=said is not None)

    def resume(self, repository: str, run: str, *, key: str) -> Wished:
        """Resume: ask for it if the run was stopped, else only make sure that a supervisor runs."""
        site = self.site(repository)
        state = self._state(site, run)
        stopped = any(ws.stage is Stage.STOPPED for ws in state.workstreams.values())
        if state.phase is not Phase.RUNNING or stopped or known_wish(site, key) is not None:
            return self.wish(repository, run, e.ResumeRequested(), key=key)
        self._at_work(site, state.id)
        return Wished(run=state.id, state="taken", number=0, text="a supervisor is running")

    def _at_work(self, site: Site, run: RunId) -> None:
        if not supervised(site):
            leave_supervisor(site, run)

    def named(self, repository: str, run: str, workstream: str) -> WorkstreamId:
        """A workstream of a run. Raises NotFound with the nearest known one."""
        state = self._state(self.site(repository), run)
        return requests.find_workstream(state.workstreams, workstream)

    def further(self, repository: str, run: str, text: str) -> e.AddRequested:
        """Workstreams to add, checked. Raises PlanInvalid with every problem."""
        site = self.site(repository)
        state = self._state(site, run)
        return e.AddRequested(workstreams=load_further(self._kept(site, text), state))

    def comment(
        self,
        repository: str,
        run: str,
        workstream: str,
        text: str,
        path: str,
        line: int,
        *,
        key: str,
        send: bool,
    ) -> Wished:
        """Comment on a line of the newest work, on a file or on all of it. Raises NotFound if there is no such line;
        repeated, the first comment counts wherever its line went."""
        site = self.site(repository)
        said = known_wish(site, key)
        name = self._run_of(site, run, said)
        wish = said.wish if said is not None else None
        if not isinstance(wish, e.CommentRequested) or (wish.workstream, wish.text, wish.path, wish.line) != (
            workstream,
            text,
            path,
            line,
        ):
            if said is not None:
                raise said.used_elsewhere()
            state = self._state(site, name)
            ws = state.workstreams[requests.find_workstream(state.workstreams, workstream)]
            wish = comment_on(site, state, ws, text, path=path, first=line)
        done = self._put(site, name, wish, key=key, again=said is not None, goes_on=False)
        if not send:
            return done
        return self.wish(repository, name, e.CommentsSendRequested(workstream=wish.workstream), key=f"{key}#send")


def _warned(found: Sequence[PreflightFinding]) -> str:
    """What to know about the repository, a line each; nothing if there is nothing."""
    if not found:
        return ""
    from wt_orchestrate.domain.preflight import words

    return "".join(f"\nwarning: {clean(words(each))}" for each in found)


def _queued(found: QueuedUp, warned: Sequence[PreflightFinding]) -> Wished:
    """What became of branches that were put into a run, or that one began with."""
    words = ", ".join(f"{spec.branch} as {name}" for name, spec in found.further.items())
    text = f"queued {words}; `resume` integrates them" if found.number == 0 else f"queued {words}"
    return Wished(run=found.run or "", state="noted", number=found.number, text=text + _warned(warned))


def _require_queued(said: UsedKey, branches: Sequence[str]) -> None:
    """Raises Refused where a key was used for anything but to queue these very branches."""
    wish = said.wish
    further = wish.plan.workstreams if isinstance(wish, e.RunStarted) else getattr(wish, "workstreams", {})
    if [spec.branch for spec in further.values()] != list(branches):
        raise said.used_elsewhere()


def told(error: WtError) -> str:
    """An expected failure as a message on which a model can act."""
    return f"{error}. {error.hint}" if error.hint else str(error)
