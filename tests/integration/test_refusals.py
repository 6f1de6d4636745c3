"""A request that was possible when it was put, and is not any more when a supervisor takes it: whoever asked is told.

The supervisor here is a stand-in that holds the lock and refuses whatever it is asked, so that each command meets the same
moment: the run went on while it was asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.handmade import RUN, Handmade, plan
from tests.support.project import Project, make_project
from wt_orchestrate.adapters.store.eventlog import SqliteLog
from wt_orchestrate.cli.app import app
from wt_orchestrate.cli.boundary import guarded
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.fold.run import fold
from wt_orchestrate.domain.ids import WorkstreamId
from wt_orchestrate.domain.plan.model import Gate, Plan, StageSpec, Workstream
from wt_orchestrate.domain.replace import replace
from wt_orchestrate.domain.status.view import render_view
from wt_orchestrate.errors import ExitCode, Refused
from wt_orchestrate.mcp_server.desk import Desk
from wt_orchestrate.osfiles.locks import FileLock
from wt_orchestrate.wiring.branch_queue import QueueWish
from wt_orchestrate.wiring.requests import open_requests
from wt_orchestrate.wiring.site import find_site

REASON, HINT = "the run went on meanwhile", "wto status r1"
WORKING, FAILED, QUEUED, HELD, DONE, GATED = map(WorkstreamId, ("working", "failed", "queued", "held", "done", "gated"))


def _all_kinds() -> Handmade:
    """A run in which every verb has a workstream that it is possible for."""
    further: dict[str, Workstream] = {
        QUEUED: Workstream(brief="x", needs=(WORKING,)),
        HELD: Workstream(brief="x", needs=(WORKING,)),
    }
    run = Handmade(plan(WORKING, FAILED, DONE, further=further))
    for name in (WORKING, FAILED, DONE):
        run.prepare(1, name)
    run.work(1, DONE, begins=1, ends=1, gone=1)
    attempt = run.start(2, WORKING)
    run.note(
        3,
        e.AttemptAsked(
            workstream=WORKING,
            attempt=attempt,
            ask="q",
            question=True,
            tool="AskUserQuestion",
            text="Which?",
            payload="{}",
            options=("this", "that"),
        ),
        e.CommentRequested(workstream=WORKING, text="Not so."),
        e.HoldRequested(workstream=HELD),
        e.WorkstreamFailed(workstream=FAILED, reason="It is broken.", hint="", tried=()),
    )
    run.claim(4, DONE)
    run.integrate(5, DONE)
    return run


def _at_rest() -> Handmade:
    """A run that is over: what lands and what removes worktrees is possible."""
    run = Handmade(plan(DONE))
    run.prepare(1, DONE)
    run.work(1, DONE, begins=1, ends=1, gone=1)
    run.claim(2, DONE)
    run.integrate(3, DONE)
    run.finish(4)
    return run


def _stopped() -> Handmade:
    """A run that a person stopped."""
    run = Handmade(plan(FAILED))
    run.note(1, e.StopRequested(), e.RunStopped(reason="a person stopped it"))
    return run


def _at_gate() -> Handmade:
    """A run whose first stage is over; the next one needs a person's word."""
    first = Workstream(brief="x", stage="one")
    then = Workstream(brief="x", stage="two")
    stages = (StageSpec(name="one", gate=Gate.APPROVAL), "two")
    streams: Plan = replace(plan(further={DONE: first, GATED: then}), stages=stages)
    run = Handmade(streams)
    run.prepare(1, DONE)
    run.work(1, DONE, begins=1, ends=1, gone=1)
    run.claim(2, DONE)
    run.integrate(3, DONE)
    run.note(4, e.RunFinished(integrated=1, unfinished=1, gate="one"))
    return run


def _write(project: Project, run: Handmade) -> SqliteLog:
    """The log of the project, with this run in it."""
    log = SqliteLog(find_site(str(project.repository.path)).path("log.db"))
    first, *others = run.records
    assert isinstance(first.event, e.RunStarted)
    log.begin(first.event, actor=first.actor, now=first.at, view=lambda record: render_view(fold(None, record)))
    assert run.state is not None
    log.append(others, view=render_view(run.state))
    return log


def _refuse(log: SqliteLog, over: Event) -> None:
    """Refuse whatever is asked, like a supervisor whose run went on."""
    while not over.wait(0.01):
        for asked in log.asked(RUN):
            record = e.Record(
                number=log.last_number() + 1,
                at=asked.at,
                actor=e.Actor.PERSON,
                run=RUN,
                cause=f"request:{asked.number}",
                event=e.RequestRefused(workstream=None, reason=REASON, hint=HINT),
            )
            log.append([record], taken=[asked.number])


@contextmanager
def _refusing(project: Project, run: Handmade) -> Iterator[None]:
    """While a supervisor is at work that refuses everything."""
    log = _write(project, run)
    over = Event()
    at_work = Thread(target=_refuse, args=(log, over))
    with FileLock(find_site(str(project.repository.path)).path("supervisor.lock")) as lock:
        assert lock.take()
        at_work.start()
        try:
            yield
        finally:
            over.set()
            at_work.join()
            log.close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A repository with a file of workstreams to add and a branch to queue; commands are called in this process."""
    made = make_project(tmp_path)
    monkeypatch.chdir(made.repository.path)
    made.plan("workstreams: {more: {brief: x}}\n", name="more.yaml")
    made.repository.git("checkout", "-qb", "theirs")
    made.repository.commit({"theirs.txt": "x\n"})
    made.repository.git("checkout", "-q", "main")
    return made


def _wto(*words: str) -> int:
    return guarded(lambda: app.main(list(words), prog_name="wto", standalone_mode=False), as_json="--json" in words)


VERBS = {
    "tell": (_all_kinds, "tell working x"),
    "interrupt": (_all_kinds, "interrupt working"),
    "redirect": (_all_kinds, "redirect working x"),
    "answer": (_all_kinds, "answer working 1"),
    "cancel": (_all_kinds, "cancel working"),
    "stop one": (_all_kinds, "stop working"),
    "stop": (_all_kinds, "stop"),
    "retry": (_all_kinds, "retry failed"),
    "retry fresh": (_all_kinds, "retry failed --fresh"),
    "continue": (_all_kinds, "continue failed"),
    "hold one": (_all_kinds, "hold queued"),
    "hold": (_all_kinds, "hold"),
    "release one": (_all_kinds, "release held"),
    "release": (_all_kinds, "release"),
    "limit": (_all_kinds, "limit agents=2"),
    "limit one": (_all_kinds, "limit tokens=9000 --workstream working"),
    "add": (_all_kinds, "add ../more.yaml"),
    "edit": (_all_kinds, "edit queued --brief y"),
    "comment": (_all_kinds, "comment working y"),
    "comment --send": (_all_kinds, "comment working --send"),
    "comment --resolve": (_all_kinds, "comment working --resolve C1"),
    "comment --reopen": (_all_kinds, "comment working --reopen C1"),
    "review --send": (_all_kinds, "review working --send"),
    "train add": (_all_kinds, "train add theirs"),
    "resume": (_stopped, "resume"),
    "land": (_at_rest, "land"),
    "clean": (_at_rest, "clean"),
    "restore": (_at_rest, "restore done"),
    "approve": (_at_gate, "approve one"),
    "approve --json": (_at_gate, "approve one --json"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_refused_when_it_is_taken_is_told_to_who_asked(
    verb: str, project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each verb ends with the code of a refusal, the supervisor's reason and its hint, and never says that it was done."""
    made, words = VERBS[verb]
    with _refusing(project, made()):
        code = _wto(*words.split())
    out, err = capfd.readouterr()
    assert (code, REASON in err, HINT in err) == (ExitCode.CONFLICT, True, True), out + err
    assert "✓" not in out


def test_a_wish_of_an_mcp_client_is_refused_when_it_is_taken(project: Project) -> None:
    """A tool call ends with the supervisor's reason, also for branches that are queued and for the same call said again."""
    folder = str(project.repository.path)
    desk = Desk([folder])
    with _refusing(project, _all_kinds()):
        with pytest.raises(Refused, match=REASON):
            desk.wish(folder, RUN, e.RetryRequested(workstream=FAILED), key="a")
        for _ in range(2):
            with pytest.raises(Refused, match=REASON):
                desk.queue(folder, QueueWish(branches=("theirs",)), key="b")


def test_of_many_requests_those_that_were_refused_come_back(project: Project) -> None:
    """Who puts one request after another without waiting learns at the end which ones were not possible any more."""
    site = find_site(str(project.repository.path))
    run = _all_kinds()
    noted = e.CommentRequested(workstream=WORKING, text="And this.")
    with _refusing(project, run), open_requests(site) as put:
        assert run.state is not None
        put.put(run.state, noted)
        assert [(request, became.reason) for request, became in put.refusals()] == [(noted, REASON)]
