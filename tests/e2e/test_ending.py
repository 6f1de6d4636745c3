"""A supervisor whose run has come to rest lives on for a moment, to learn from it: what is asked then is not lost."""

from __future__ import annotations

from tests.support.project import COMMAND_AGENT, COMMIT, Project

PLAN = "goal: Do it\n" + COMMAND_AGENT + "workstreams: {a: {brief: x}}\n"
WHILE_ENDING = """
from wt_orchestrate.wiring.requests import put_request
from wt_orchestrate.cli.app import app
from wt_orchestrate.domain import events as e
from wt_orchestrate.wiring.run import supervise as running

asked = []
def ending(site, run, warn):
    if not asked:
        asked.append(put_request(site, run, e.LandRequested(allow_protected=False), seconds=0.2, leave=True))
running._learn = ending
app(["supervise", "r1"], standalone_mode=False)
assert asked[0].supervised and not asked[0].taken
"""
HELD = """
import threading
from wt_orchestrate.wiring.requests import put_request
from wt_orchestrate.wiring.run.start_run import require_free
from wt_orchestrate.wiring.site import find_site, open_log, supervised
from wt_orchestrate.osfiles.locks import FileLock
from wt_orchestrate.domain import events as e
from wt_orchestrate.domain.ids import RunId

site = find_site(".")
lock = FileLock(site.path("supervisor.lock"))
assert lock.take()
threading.Timer(0.5, lock.free).start()
"""


def _finished(project: Project) -> None:
    project.repository.commit({".wto/config.yaml": "poll: 1s\n"})
    assert project.wto("run", project.plan(PLAN, {"a": COMMIT})).code == 0


def test_what_is_asked_of_an_ending_supervisor_is_still_done_by_it(project: Project) -> None:
    """Whoever asks sees somebody at work and leaves nobody behind: so it looks once more after it has let go."""
    _finished(project)
    project.python(WHILE_ENDING)
    assert project.stages() == {"a": "landed"}


def test_who_waits_for_a_supervisor_that_ends_leaves_another_one_behind(project: Project) -> None:
    """The lock is given back without the request having been taken: another supervisor takes it."""
    _finished(project)
    told = project.python(
        HELD + "put = put_request(site, RunId('r1'), e.LandRequested(), seconds=20, leave=True)\nprint(put.taken)\n"
    )
    assert told.split() == ["True"]
    project.wait_for("a", "landed")


def test_a_run_begins_once_the_one_before_has_ended(project: Project) -> None:
    """A supervisor that is only ending is waited for, instead of being told as a run at work."""
    _finished(project)
    told = project.python(HELD + "log = open_log(site)\nrequire_free(site, log)\nprint(supervised(site))\n")
    assert told.split() == ["False"]
