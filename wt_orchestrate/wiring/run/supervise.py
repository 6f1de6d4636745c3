"""The supervisor of a run with all its adapters, and background processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wt_orchestrate import __version__
from wt_orchestrate.errors import Busy, WtError
from wt_orchestrate.wiring.memory import learn, memories
from wt_orchestrate.wiring.plan.plan_files import account_environments
from wt_orchestrate.wiring.run.environment import command_environment, withheld_names
from wt_orchestrate.wiring.site import Site, clock, open_log, record_folder, repository, supervised, vault

if TYPE_CHECKING:
    from wt_orchestrate.domain.events.log import Record
    from wt_orchestrate.domain.ids import RunId
    from wt_orchestrate.domain.plan.settings import Settings
    from wt_orchestrate.engine.supervisor import Supervisor
    from wt_orchestrate.engine.world import World
    from wt_orchestrate.ports.engine import Feed, Sandbox
    from wt_orchestrate.ports.git.repository import RepositoryFacts
    from wt_orchestrate.wiring.run.interrupts import Interrupts


@contextmanager
def supervise(
    site: Site, run: RunId, *, show: Callable[[Record], None], warn: Callable[[str], None]
) -> Iterator[Supervisor]:
    """A supervisor of this run, opened. Raises Busy while another process has the lock."""
    from wt_orchestrate.engine.supervisor import Supervisor
    from wt_orchestrate.osfiles.locks import FileLock
    from wt_orchestrate.wiring.run.interrupts import Interrupts

    lock = FileLock(site.path("supervisor.lock"))
    if not lock.take_soon():
        raise Busy(
            f"another wt-orchestrate (process {lock.holder() or 'unknown'}) is running this repository",
            hint="wto watch",
        )
    with lock:
        with Interrupts() as interrupts:
            world, feed = _world(site, run, interrupts)
            supervisor = Supervisor(world, run, show=show, warn=warn)
            try:
                supervisor.open()
                yield supervisor
            finally:
                supervisor.close()
                feed.close()
                world.log.close()
        _learn(site, run, warn)


def _learn(site: Site, run: RunId, warn: Callable[[str], None]) -> None:
    """Learn from a run at rest; a failure is only reported."""
    try:
        learn(site, run)
    except WtError as error:
        warn(f"could not learn from {run}: {error.message}")


def _world(site: Site, run: RunId, interrupts: Interrupts) -> tuple[World, Feed]:
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.adapters.executor.local import LocalExecutor
    from wt_orchestrate.adapters.feed import WatchdogFeed
    from wt_orchestrate.adapters.gitrepo.target.record import recorded
    from wt_orchestrate.adapters.handoffs import HandoffFiles
    from wt_orchestrate.adapters.machine import SystemMachine
    from wt_orchestrate.adapters.notes import NoteFiles
    from wt_orchestrate.adapters.planfile import PlanTexts
    from wt_orchestrate.adapters.workers import ThreadWorkers
    from wt_orchestrate.domain.plan.model import seconds
    from wt_orchestrate.domain.plan.settings import SandboxMode
    from wt_orchestrate.engine.requests import load_state
    from wt_orchestrate.engine.world import World

    log = open_log(site)
    state = load_state(log, run)
    settings, reached = state.settings, _end_at(os.environ.get("WTO_CRASH_AT", ""))
    repo = repository(site, run=state.seed, reached=reached)
    facts = repo.facts()
    sandbox = _sandbox(site, settings, facts) if settings.sandbox is not SandboxMode.OFF else None
    repo.exclude(("/HANDOFF.md",))
    feed = WatchdogFeed(seconds(settings.poll) or 5.0, use_events=settings.watch != "poll", waiting=interrupts.waiting)
    for folder in ("indexes", "processes", "checks"):
        os.makedirs(site.path(folder), mode=0o700, exist_ok=True)
    world = World(
        clock=clock(),
        machine=SystemMachine({"worktrees": settings.worktrees.split("{")[0], "state": site.state_dir}),
        log=log,
        repository=repo,
        vault=vault(site, run=state.seed),
        executor=LocalExecutor(site.path("processes"), sandbox=sandbox),
        sandbox="none" if sandbox is None else f"{sandbox.name}, network: {settings.network.value}",
        agents=agents(
            dict(os.environ), passed=settings.pass_env, accounts=account_environments(), sandboxed=sandbox is not None
        ),
        handoffs=HandoffFiles(),
        notes=NoteFiles(),
        plans=PlanTexts(),
        memories=memories(site),
        feed=feed,
        workers=ThreadWorkers(feed.wake),
        command_env=command_environment(os.environ, passed=settings.pass_env),
        withheld=withheld_names(os.environ, passed=settings.pass_env),
        common_dir=site.common_dir,
        indexes=site.path("indexes"),
        hooks=site.path("hooks"),
        version=__version__,
        tools=agent_tools_command(),
        site={
            "start": os.path.abspath(site.start),
            "common_dir": site.common_dir,
            "state_dir": site.state_dir,
        },
        pid=os.getpid(),
        boot=clock().boot(),
        fault=lambda error: _kept_report(site, error),
        reached=reached,
        recorded=recorded(record_folder(site, state.seed)),
    )
    return world, feed


def _sandbox(site: Site, settings: Settings, facts: RepositoryFacts) -> Sandbox | None:
    """The sandbox of a run, with what is only loose in the object store copied to where nothing in it reaches."""
    from wt_orchestrate.adapters.gitrepo.objects.pack_loose import pack_loose
    from wt_orchestrate.wiring.run.sandbox import sandbox_of

    found = sandbox_of(site, settings, facts)
    if found is not None:
        pack_loose(site.common_dir)
    return found


def _kept_report(site: Site, error: BaseException) -> str:
    from wt_orchestrate.wiring.run.fault_reports import keep_report

    return keep_report(site, error)


def agent_tools_command() -> tuple[str, ...]:
    """The command that serves agents their tools; empty if the official SDK is not installed."""
    from importlib.util import find_spec

    if find_spec("mcp") is None:
        return ()
    # -P: nothing is imported from the folder it is started in, which is the agent's worktree
    return (sys.executable, "-P", "-m", "wt_orchestrate", "agent-tools")


def _end_at(point: str) -> Callable[[str], None]:
    """How tests kill the supervisor: `WTO_CRASH_AT=<point>[#n]` ends the process where that point is reached the n-th
    time."""
    name, _, number = point.partition("#")
    left = [int(number or 1)]

    def reached(passed: str) -> None:
        if passed == name:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def rebuild_log(site: Site) -> str:
    """Make the event log again from its journal; where the old one went (empty: there was none). Raises Busy while a
    supervisor runs, StoreUnreadable if the journal is damaged."""
    from wt_orchestrate.adapters.store.eventlog import SqliteLog
    from wt_orchestrate.adapters.store.journal import Journal
    from wt_orchestrate.adapters.store.rebuild import set_aside

    if supervised(site):
        raise Busy("a supervisor is running in this repository", hint="wto stop")
    aside = set_aside(site.path("log.db"), Journal(site.path("journal.jsonl")))
    SqliteLog(site.path("log.db")).close()
    return aside


def leave_supervisor(site: Site, run: RunId) -> None:
    """Start a supervisor in the background; returns when it has taken its lock. Raises WtError if it does not."""
    from wt_orchestrate.adapters.executor.detached import start_detached

    # -P: nothing is imported from the folder it is started in, which is a repository that agents write
    argv = (sys.executable, "-P", "-m", "wt_orchestrate", "-C", site.start, "supervise", run)
    start_detached(argv, log=site.path("supervisor.log"), ready=lambda: supervised(site))
