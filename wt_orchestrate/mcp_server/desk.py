"""What the tools do, without a protocol: one repository each, every call over within seconds.

A wish is put into the log under the caller's key, so that the same call said twice is one; a supervisor is started where none
is at work and the wish needs one. Reading needs none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from wt_orchestrate import wiring
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import RunId, WorkstreamId
from wt_orchestrate.domain.packet import packet_text
from wt_orchestrate.domain.report import report
from wt_orchestrate.domain.secrets import without_secrets
from wt_orchestrate.domain.state import Phase, RunState, Stage
from wt_orchestrate.domain.view import view
from wt_orchestrate.engine import requests
from wt_orchestrate.errors import NotFound, PlanInvalid, WtError
from wt_orchestrate.mcp_server.pages import Decision, Page, briefing, decisions, is_news, news, page, position
from wt_orchestrate.ports import Known

LONGEST_WAIT_S = 40.0
_TAKEN_S = 3.0
_LOOK_S = 0.2
_PACKET = 200_000
_NOBODY = "nobody is at work, and the next supervisor takes it: `resume` starts one"


@dataclass(frozen=True, kw_only=True)  # the SDK makes no schema of slots
class Wished:
    """What became of a wish. `state` is taken, noted (nobody has taken it yet) or refused; `number` names it in the log."""

    run: str
    state: str
    number: int
    text: str


@dataclass(frozen=True, kw_only=True)  # the SDK makes no schema of slots
class Waited:
    """What a wait ended with. `cursor` goes into the next one; `decisions` is everything that waits now; `happened` is new."""

    cursor: str
    run: str
    phase: str
    decisions: tuple[Decision, ...]
    happened: tuple[str, ...]
    timed_out: bool


class Desk:
    """The repositories that a server may lead, each allowed by name when it was started."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = tuple(os.path.abspath(folder) for folder in folders)

    def repositories(self) -> tuple[str, ...]:
        return self._folders

    def site(self, repository: str) -> wiring.Site:
        """One of them, by its folder or its last name; without a name the only one. Raises NotFound."""
        if not repository and len(self._folders) == 1:
            return wiring.find_site(self._folders[0])
        for folder in self._folders:
            if repository in {folder, os.path.basename(folder)}:
                return wiring.find_site(folder)
        known = ", ".join(self._folders)
        raise NotFound(
            f"{repository or 'no repository'} is not one that this server leads", hint=f"name one of: {known}"
        )

    # ------------------------------------------------------------ looking

    def view(self, repository: str, run: str) -> dict[str, Any]:
        """The present as plain values."""
        return view(self._state(self.site(repository), run))

    def _state(self, site: wiring.Site, run: str) -> RunState:
        return wiring.reviewed_state(site, run or None)

    def briefing(self, repository: str, run: str, *, size: int) -> str:
        """The whole picture in a bounded size."""
        site = self.site(repository)
        state = self._state(site, run)
        at_work = "a supervisor is at work" if wiring.supervised(site) else "nobody is at work; `resume` starts one"
        text = briefing(view(state), self._records(site, state.id), size=max(500, size) - len(at_work) - 1)
        return f"{text}\n{at_work}"

    def _records(self, site: wiring.Site, run: RunId, *, after: int = 0) -> Sequence[e.Record]:
        log = wiring.open_log(site)
        try:
            return log.read(run, after=after)
        finally:
            log.close()

    def wait(self, repository: str, run: str, cursor: str, *, seconds: float) -> Waited:
        """Until something needs a decision or the run rests, at most so long; at once where something already does."""
        site = self.site(repository)
        log = wiring.open_log(site)
        try:
            name = requests.find_run(log, run or None)
            newest = log.last_number()
            after = position(cursor, most=newest) if cursor else newest
            until = time.monotonic() + min(max(0.0, seconds), LONGEST_WAIT_S)
            while True:
                new = log.read(name, after=after)
                shown = view(requests.load_state(log, name))
                waiting = decisions(shown)
                decided = any(map(is_news, new)) or (not cursor and bool(waiting))
                over = time.monotonic() >= until
                if decided or over:
                    break
                time.sleep(_LOOK_S)
        finally:
            log.close()
        return Waited(
            cursor=str(new[-1].number if new else after),
            run=name,
            phase=shown["run"]["phase"],
            decisions=waiting,
            happened=tuple(news(new)[-40:]),
            timed_out=over and not decided,
        )

    def story(self, repository: str, run: str, workstream: str, cursor: str) -> Page:
        """What happened, to all or to one workstream, oldest first."""
        site = self.site(repository)
        state = self._state(site, run)
        name = requests.find_workstream(state.workstreams, workstream) if workstream else ""
        lines = news(self._records(site, state.id), about=name, details=bool(name))
        return page("\n".join(lines), cursor, of="the log")

    def inspect(self, repository: str, run: str, workstream: str, what: str, cursor: str) -> Page:
        """A workstream's brief, handoff, review packet, diff or checks. Raises NotFound where there is nothing yet."""
        site = self.site(repository)
        state = self._state(site, run)
        ws = state.workstreams[requests.find_workstream(state.workstreams, workstream)]
        match what:
            case "brief":
                return page(ws.spec.brief, cursor, of="the plan")
            case "handoff":
                if ws.handoff is None:
                    raise NotFound(f"{ws.id} has left no handoff yet", hint="story tells what it is at")
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
                found = wiring.reviewed(site, state, ws)
                diff = wiring.vault(site).diff(base=found.base, head=found.head).decode("utf-8", "replace")
                return page(without_secrets(diff), cursor, of=f"the work of {ws.id}: data")
            case _:
                packet = wiring.reviewed(site, state, ws).packet
                return page(packet_text(packet, _PACKET), cursor, of="us; what its agent says is quoted as data")

    def report(self, repository: str, run: str) -> dict[str, Any]:
        """What was done and what it took."""
        site = self.site(repository)
        state = self._state(site, run)
        return report(self._records(site, state.id), now=wiring.clock().now(), watched=wiring.supervised(site))

    def check_plan(self, repository: str, plan: str, *, forecast: bool) -> dict[str, Any]:
        """Every problem of a plan, and with `forecast` which workstreams will likely meet."""
        site = self.site(repository)
        try:
            loaded = wiring.load_plan(self._kept(site, plan), wiring.settings_around(site.start))
        except PlanInvalid as error:
            return {"ok": False, "problems": list(error.problems), "warnings": []}
        found: dict[str, Any] = {"ok": True, "problems": [], "warnings": list(loaded.warnings)}
        if forecast:
            target, seen = wiring.foresee_plan(site, loaded.plan, commits=2_000)
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

    def _kept(self, site: wiring.Site, plan: str) -> str:
        """A plan's text as a file, which every check and run of it names the same."""
        folder = site.path("plans")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = f"{folder}/{sha256(plan.encode()).hexdigest()[:16]}.yaml"
        if not os.path.exists(path):
            beside = f"{path}.{os.getpid()}.new"
            with open(beside, "w", encoding="utf-8") as file:
                file.write(plan)
            os.replace(beside, path)
        return path

    # ------------------------------------------------------------ wishing

    def start(self, repository: str, plan: str, *, land: bool, key: str) -> Wished:
        """Begin a run and leave a supervisor to it. Raises PlanInvalid, Busy, Refused."""
        site = self.site(repository)
        path = os.path.abspath(self._kept(site, plan))
        said = wiring.known_wish(site, key)
        if said is not None:
            run = said.begun_again(plan_path=path, land=land)
            words = f"{run} was begun by this key before"
        else:
            settings = wiring.load_settings(wiring.repository(site).facts())
            loaded = wiring.load_plan(path, settings)
            log = wiring.open_log(site)
            try:
                wiring.require_free(site, log)
                run = wiring.begin_run(site, log, loaded, settings, path=path, land=land, key=key)
            finally:
                log.close()
            words = f"{run} began with {len(loaded.plan.workstreams)} workstreams"
        self._at_work(site, run)
        return Wished(run=run, state="taken", number=0, text=words)

    def wish(self, repository: str, run: str, request: e.Request, *, key: str, goes_on: bool = True) -> Wished:
        """Put a request; wait a moment for what becomes of it. Raises Refused when it is not possible as things are."""
        site = self.site(repository)
        said = wiring.known_wish(site, key)
        return self._put(site, self._run_of(site, run, said), request, key=key, again=said is not None, goes_on=goes_on)

    def _put(
        self, site: wiring.Site, run: RunId, request: e.Request, *, key: str, again: bool, goes_on: bool = True
    ) -> Wished:
        put = wiring.put_request(site, run, request, key=key, seconds=_TAKEN_S, leave=goes_on)
        if put.taken:
            words = "done by this key before" if again else "done"
        else:
            words = "noted; " + ("it is taken as soon as the supervisor can" if put.supervised else _NOBODY)
        return Wished(run=run, state="taken" if put.taken else "noted", number=put.number, text=words)

    def _run_of(self, site: wiring.Site, run: str, said: Known | None) -> RunId:
        """The run that is named; without a name that of a wish which is said again, else the newest."""
        if said is not None and not run:
            return said.run
        log = wiring.open_log(site)
        try:
            return requests.find_run(log, run or None)
        finally:
            log.close()

    def answer(self, repository: str, run: str, workstream: str, text: str, *, key: str) -> Wished:
        """Answer a question, by the number of an option or in words."""
        site = self.site(repository)
        said = wiring.known_wish(site, key)
        name = self._run_of(site, run, said)
        log = wiring.open_log(site)
        try:
            before = requests.answered_again(log, said, workstream, text) if said is not None else None
            request = before or requests.answered(requests.load_state(log, name), workstream, text)
        finally:
            log.close()
        return self._put(site, name, request, key=key, again=said is not None)

    def resume(self, repository: str, run: str, *, key: str) -> Wished:
        """Go on: ask for it where the run was stopped, else only see to it that somebody is at work."""
        site = self.site(repository)
        state = self._state(site, run)
        stopped = any(ws.stage is Stage.STOPPED for ws in state.workstreams.values())
        if state.phase is not Phase.RUNNING or stopped or wiring.known_wish(site, key) is not None:
            return self.wish(repository, run, e.ResumeRequested(), key=key)
        self._at_work(site, state.id)
        return Wished(run=state.id, state="taken", number=0, text="a supervisor is at work")

    def _at_work(self, site: wiring.Site, run: RunId) -> None:
        if not wiring.supervised(site):
            wiring.leave_supervisor(site, run)

    def named(self, repository: str, run: str, workstream: str) -> WorkstreamId:
        """A workstream of a run. Raises NotFound with the nearest known one."""
        state = self._state(self.site(repository), run)
        return requests.find_workstream(state.workstreams, workstream)

    def further(self, repository: str, run: str, text: str) -> e.AddRequested:
        """Workstreams to add, checked. Raises PlanInvalid with every problem."""
        site = self.site(repository)
        state = self._state(site, run)
        return e.AddRequested(workstreams=wiring.load_further(self._kept(site, text), state))

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
        """Comment on a line of the newest work, on a file or on all of it. Raises NotFound where there is no such line; said
        again, the first comment stands wherever its line went."""
        site = self.site(repository)
        said = wiring.known_wish(site, key)
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
            wish = wiring.comment_on(site, state, ws, text, path=path, first=line)
        done = self._put(site, name, wish, key=key, again=said is not None, goes_on=False)
        if not send:
            return done
        return self.wish(repository, name, e.CommentsSendRequested(workstream=wish.workstream), key=f"{key}#send")


def told(error: WtError) -> str:
    """A foreseen fault as a model can act on it."""
    return f"{error}. {error.hint}" if error.hint else str(error)
