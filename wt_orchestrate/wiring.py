"""The only place that picks adapters and hands them to the engine, and the only reader of the process's environment.

Imports of adapters stand inside the functions here, and only here: a command pays at start only for what it uses (see
docs/decisions/0005-lazy-imports-in-wiring.md).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from wt_orchestrate import __version__
from wt_orchestrate.errors import Busy, NotFound, Refused, WtError

if TYPE_CHECKING:
    from wt_orchestrate.adapters.planfile import LoadedPlan
    from wt_orchestrate.domain.events import Record
    from wt_orchestrate.domain.ids import Branch, ProcessId, RunId
    from wt_orchestrate.domain.plan import AgentSpec
    from wt_orchestrate.domain.settings import Settings
    from wt_orchestrate.domain.state import RunState, WorkstreamState
    from wt_orchestrate.engine.supervisor import Supervisor
    from wt_orchestrate.engine.world import World
    from wt_orchestrate.ports import (
        AgentVersion,
        Clock,
        Executor,
        Feed,
        Log,
        Repository,
        RepositoryFacts,
        SignReader,
        Vault,
    )

_SECRET = re.compile(
    r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|ACCESS_KEY|PRIVATE_KEY)(_|$)|^ANTHROPIC_"
)
"""Names of variables that setup commands and checks do not get: they run code that agents wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One repository and its state folder. `root` is the main worktree, or the common folder of a bare repository."""

    start: str
    common_dir: str
    state_dir: str

    def path(self, name: str) -> str:
        return f"{self.state_dir}/{name}"


def find_site(start: str) -> Site:
    """The repository around a folder, and its state folder (made if missing). Raises Refused when there is none."""
    from wt_orchestrate.adapters.gitrepo.discovery import find_common_dir

    common_dir = find_common_dir(start)
    state_dir = f"{state_root()}/{_folder_name(common_dir)}"
    os.makedirs(state_dir, mode=0o700, exist_ok=True)
    return Site(start=start, common_dir=common_dir, state_dir=state_dir)


def state_root() -> str:
    """The folder that holds one state folder for each repository: WTO_STATE_DIR, else the user's state folder."""
    override = os.environ.get("WTO_STATE_DIR")
    if override:
        return os.path.abspath(override)
    from platformdirs import user_state_dir

    return user_state_dir("wt-orchestrate")


def _folder_name(common_dir: str) -> str:
    from hashlib import sha256

    real = os.path.realpath(common_dir)
    name = os.path.basename(os.path.dirname(real) if real.endswith("/.git") else real)
    readable = re.sub(r"[^A-Za-z0-9._-]", "-", name).strip(".-")[:40] or "repository"
    return f"{readable}-{sha256(os.fsencode(real)).hexdigest()[:12]}"


# ---------------------------------------------------------------- parts


def clock() -> Clock:
    from wt_orchestrate.adapters.clock import SystemClock

    return SystemClock()


def open_log(site: Site) -> Log:
    from wt_orchestrate.adapters.store.eventlog import SqliteLog

    return SqliteLog(site.path("log.db"))


def repository(site: Site) -> Repository:
    from wt_orchestrate.adapters.gitrepo.repository import GitRepository

    return GitRepository(site.start, lock_path=site.path("worktree.lock"))


def vault(site: Site) -> Vault:
    from wt_orchestrate.adapters.gitrepo.vault import GitVault

    return GitVault(site.path("vault.git"), source=site.common_dir, scratch=site.path("checks"))


def settings_path(facts: RepositoryFacts) -> str:
    """Where a repository's settings lie."""
    return f"{facts.main_worktree or facts.common_dir}/.wto/config.yaml"


def load_settings(facts: RepositoryFacts) -> Settings:
    """The repository's settings; the defaults when it has none."""
    from wt_orchestrate.adapters.planfile import load_settings as load

    path = settings_path(facts)
    return load(path if os.path.exists(path) else None)


def load_plan(path: str, settings: Settings) -> LoadedPlan:
    """A checked plan. Raises PlanInvalid with every problem."""
    from wt_orchestrate.adapters.planfile import load_plan as load

    return load(path, settings)


def plan_schema() -> dict[str, object]:
    """The JSON Schema of plan.yaml."""
    from wt_orchestrate.adapters.planfile import plan_schema as schema

    return schema()


def settings_schema() -> dict[str, object]:
    """The JSON Schema of .wto/config.yaml."""
    from wt_orchestrate.adapters.planfile import settings_schema as schema

    return schema()


def settings_around(start: str) -> Settings:
    """The settings of the repository around a folder; the defaults outside of one."""
    from wt_orchestrate.domain.settings import Settings

    try:
        return load_settings(repository(find_site(start)).facts())
    except Refused:
        return Settings()


def command_environment(environment: Mapping[str, str], *, passed: tuple[str, ...] = ()) -> Mapping[str, str]:
    """What setup commands and checks get: the user's environment without git's own variables and without secrets."""
    return {
        name: value
        for name, value in environment.items()
        if name in passed or not (name.startswith(("GIT_", "CLAUDE", "WTO_")) or _SECRET.search(name))
    }


def agent_version(spec: AgentSpec) -> AgentVersion:
    """What can be said of an agent's program."""
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.adapters.executor.detached import said

    agent = agents(dict(os.environ), passed=())[spec.type]
    command = agent.version_command(spec)
    path = command.argv[0] if command.argv else ""
    return agent.version(spec, path=path, said=said(command.argv, command.env) if path else "")


# ---------------------------------------------------------------- runs


def begin_run(site: Site, log: Log, loaded: LoadedPlan, settings: Settings, *, path: str, land: bool) -> RunId:
    """Write down a new run of this plan. Raises Refused when the repository or its target cannot carry one."""
    from wt_orchestrate.domain.events import Actor, RunStarted

    repo = repository(site)
    facts = repo.facts()
    target = _target(facts, loaded.plan.target)
    base = repo.resolve(target)
    if base is None:
        raise Refused(
            f"the target branch {target} does not exist", hint="name an existing branch as target: in the plan"
        )
    started = RunStarted(
        plan=loaded.plan,
        settings=replace(settings, worktrees=_worktrees(facts, settings)),
        plan_path=os.path.abspath(path),
        target=target,
        base=base,
        seed=str(uuid4()),
        repository=facts.main_worktree or facts.common_dir,
        land=land,
        boot=clock().boot(),
    )
    return log.begin(started, actor=Actor.PERSON, now=clock().now()).run


def _target(facts: RepositoryFacts, wanted: str | None) -> Branch:
    if facts.submodules:
        raise Refused(
            f"{facts.name} has submodules, which worktrees of agents cannot carry yet",
            hint="run it in a repository without submodules",
        )
    if wanted is not None:
        return _as_branch(wanted)
    if facts.branch is None:
        raise Refused(
            "HEAD is detached, so there is no target branch", hint="git switch a branch, or write target: in the plan"
        )
    if facts.head is None:
        raise Refused(f"the branch {facts.branch} has no commit yet", hint="make a first commit")
    return facts.branch


def _as_branch(text: str) -> Branch:
    from wt_orchestrate.domain.ids import Branch

    return Branch(text)


def _worktrees(facts: RepositoryFacts, settings: Settings) -> str:
    """The template of worktree paths, absolute, with {run} and {workstream} left in."""
    above = facts.main_worktree or facts.common_dir
    template = settings.worktrees.replace("{repo}", facts.name)
    return os.path.normpath(os.path.join(above, os.path.expanduser(template)))


@contextmanager
def supervise(site: Site, run: RunId, *, show: Callable[[Record], None]) -> Iterator[Supervisor]:
    """A supervisor of this run, opened. Raises Busy while another process has the lock."""
    from wt_orchestrate.adapters.store.locks import FileLock
    from wt_orchestrate.engine.supervisor import Supervisor

    lock = FileLock(site.path("supervisor.lock"))
    if not lock.take():
        raise Busy(
            f"another wt-orchestrate (process {lock.holder() or 'unknown'}) supervises this repository",
            hint="wto watch",
        )
    with lock:
        world, feed = _world(site, run)
        supervisor = Supervisor(world, run, show=show)
        try:
            supervisor.open()
            yield supervisor
        finally:
            supervisor.close()
            feed.close()
            world.log.close()


def supervised(site: Site) -> bool:
    """Whether a supervisor is at work on this repository."""
    from wt_orchestrate.adapters.store.locks import FileLock

    lock = FileLock(site.path("supervisor.lock"))
    free = lock.take()
    lock.free()
    return not free


def _world(site: Site, run: RunId) -> tuple[World, Feed]:
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.adapters.executor.local import LocalExecutor
    from wt_orchestrate.adapters.feed import WatchdogFeed
    from wt_orchestrate.adapters.handoffs import HandoffFiles
    from wt_orchestrate.adapters.workers import ThreadWorkers
    from wt_orchestrate.domain.plan import seconds
    from wt_orchestrate.engine.requests import load_state
    from wt_orchestrate.engine.world import World

    log = open_log(site)
    settings = load_state(log, run).settings
    repo = repository(site)
    repo.facts()
    repo.exclude(("HANDOFF.md",))
    feed = WatchdogFeed(seconds(settings.poll) or 5.0, use_events=settings.watch != "poll")
    for folder in ("indexes", "processes", "checks"):
        os.makedirs(site.path(folder), mode=0o700, exist_ok=True)
    world = World(
        clock=clock(),
        log=log,
        repository=repo,
        vault=vault(site),
        executor=LocalExecutor(site.path("processes")),
        agents=agents(dict(os.environ), passed=settings.pass_env),
        handoffs=HandoffFiles(),
        feed=feed,
        workers=ThreadWorkers(feed.wake),
        command_env=command_environment(os.environ, passed=settings.pass_env),
        common_dir=site.common_dir,
        indexes=site.path("indexes"),
        version=__version__,
        pid=os.getpid(),
        boot=clock().boot(),
    )
    return world, feed


def leave_supervisor(site: Site, run: RunId) -> None:
    """Start a supervisor that goes on without us; returns when it has taken its lock. Raises WtError if it does not."""
    from wt_orchestrate.adapters.executor.detached import start_detached

    argv = (sys.executable, "-m", "wt_orchestrate", "-C", site.start, "supervise", run)
    start_detached(argv, log=site.path("supervisor.log"), ready=lambda: supervised(site))


def planned_effects(site: Site, loaded: LoadedPlan, settings: Settings, *, path: str) -> Iterator[str]:
    """What `run` would do, in order, one line each; nothing is changed."""
    from wt_orchestrate.domain.graph import waves
    from wt_orchestrate.domain.ids import RunId, WorkstreamId, workstream_branch

    facts = repository(site).facts()
    target = _target(facts, loaded.plan.target)
    log = open_log(site)
    run = RunId(f"r{len(log.runs()) + 1}")
    log.close()
    yield f"fetch {target} into the vault {site.path('vault.git')}"
    template = _worktrees(facts, settings)
    for wave in waves(loaded.plan):
        for name in wave:
            where = template.replace("{run}", run).replace("{workstream}", name)
            yield f"make the worktree {where} on branch {workstream_branch(run, WorkstreamId(name))}"
            for command in (*settings.setup, *loaded.plan.setup):
                yield f"run the setup command `{command}` there"
            agent = loaded.plan.workstreams[name].agent or loaded.plan.defaults.agent
            yield f"start the agent {agent} on {name}"
        for name in wave:
            checks = (*loaded.plan.checks, *loaded.plan.workstreams[name].checks)
            told = ", ".join(f"`{check.run}`" for check in checks) or "no checks"
            yield f"merge {name} in memory, check the combined tree ({told}), advance wto/{run}/integration"


def sweep_trash(state: RunState, *, older_than_s: float = 7 * 86400.0) -> int:
    """Delete what has lain in the trash for a week; returns how many entries."""
    import shutil

    trash = state.settings.worktrees.split("{run}")[0].rstrip("/") + "/.trash"
    swept = 0
    for entry in os.scandir(trash) if os.path.isdir(trash) else ():
        if clock().now() - entry.stat(follow_symlinks=False).st_mtime > older_than_s:
            shutil.rmtree(entry.path, ignore_errors=True)
            swept += 1
    return swept


# ---------------------------------------------------------------- diagnosis


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing a run needs. `weight` is ok, warning or error."""

    what: str
    weight: str
    found: str
    remedy: str = ""


def diagnosis(start: str) -> tuple[Diagnosis, ...]:
    """Everything a run needs, looked at. Never raises for what it finds."""
    try:
        site = find_site(start)
        facts = repository(site).facts()
    except WtError as error:
        return (Diagnosis("git", "error", error.message, error.hint),)
    version = ".".join(map(str, facts.git_version))
    found = [Diagnosis("git", "ok", f"version {version}, repository {facts.main_worktree or facts.common_dir}")]
    if facts.git_version < (2, 39, 4):
        found[0] = Diagnosis("git", "warning", f"version {version} lacks security fixes", "install git 2.39.4 or newer")
    found += [
        _repository_diagnosis(facts),
        _identity_diagnosis(site),
        *_agent_diagnosis(facts),
        *_machine_diagnosis(site, facts),
        _run_diagnosis(site),
    ]
    return tuple(found)


def _repository_diagnosis(facts: RepositoryFacts) -> Diagnosis:
    if facts.submodules:
        return Diagnosis("repository", "error", "it has submodules", "worktrees of agents cannot carry them yet")
    if facts.branch is None:
        return Diagnosis(
            "repository", "warning", "HEAD is detached", "git switch a branch, or write target: in the plan"
        )
    if facts.head is None:
        return Diagnosis("repository", "error", f"the branch {facts.branch} has no commit", "make a first commit")
    return Diagnosis("repository", "ok", f"on {facts.branch}" + (", shallow" if facts.shallow else ""))


def _identity_diagnosis(site: Site) -> Diagnosis:
    from wt_orchestrate.adapters.executor.detached import said

    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_DIR")}
    who = said(("git", "-C", site.start, "var", "GIT_COMMITTER_IDENT"), env).rpartition(" ")[0].rpartition(" ")[0]
    if not who:
        remedy = 'git config --global user.name "..." and git config --global user.email "..."'
        return Diagnosis("identity", "error", "git does not know who commits here, so agents cannot commit", remedy)
    return Diagnosis("identity", "ok", f"commits are made as {who}")


def _agent_diagnosis(facts: RepositoryFacts) -> Iterator[Diagnosis]:
    from wt_orchestrate.domain.plan import AgentSpec, AgentType

    try:
        settings = load_settings(facts)
    except WtError as error:
        yield Diagnosis("settings", "error", error.message, f"mend {settings_path(facts)}")
        return
    for name, spec in {AgentType.CLAUDE_CODE.value: AgentSpec(), **settings.agents}.items():
        seen = agent_version(spec)
        if seen.problem:
            yield Diagnosis(f"agent {name}", "warning", seen.problem, seen.hint)
        else:
            yield Diagnosis(f"agent {name}", "ok", f"{seen.version or spec.run} ({seen.path})")


def _machine_diagnosis(site: Site, facts: RepositoryFacts) -> Iterator[Diagnosis]:
    from wt_orchestrate.adapters.machine import free_bytes, shares_blocks, watch_limits

    limits = watch_limits()
    if limits is None:
        yield Diagnosis("file watching", "ok", "no limits to look at here")
    elif limits[0] < 8192 or limits[1] < 16:
        remedy = "sudo sysctl fs.inotify.max_user_watches=65536 fs.inotify.max_user_instances=256"
        yield Diagnosis("file watching", "warning", f"{limits[0]} watches, {limits[1]} instances: it will poll", remedy)
    else:
        yield Diagnosis("file watching", "ok", f"{limits[0]} watches, {limits[1]} instances")
    above = os.path.dirname(facts.main_worktree or facts.common_dir)
    for what, path in (("space for worktrees", above), ("space for state", site.state_dir)):
        free = free_bytes(path) / (1 << 30)
        weight, remedy = ("ok", "") if free > 2 else ("warning", f"free some space at {path}")
        yield Diagnosis(what, weight, f"{free:.1f} GiB free at {path}", remedy)
    sharing = shares_blocks(above)
    yield Diagnosis(
        "copies", "ok", "share their blocks (reflinks)" if sharing else "are full copies (no reflinks here)"
    )


def _run_diagnosis(site: Site) -> Diagnosis:
    from wt_orchestrate.domain.machine import quiet
    from wt_orchestrate.engine.requests import load_state

    if supervised(site):
        return Diagnosis("runs", "ok", "a supervisor is at work")
    log = open_log(site)
    try:
        runs = log.runs()
        if not runs:
            return Diagnosis("runs", "ok", "none yet")
        state = load_state(log, runs[-1].id)
    except WtError as error:
        return Diagnosis("runs", "error", error.message, error.hint)
    finally:
        log.close()
    if not quiet(state):
        return Diagnosis("runs", "warning", f"{state.id} was cut off and has no supervisor", "wto resume, or wto stop")
    return Diagnosis("runs", "ok", f"{state.id} is {state.phase}")


# ---------------------------------------------------------------- looking


@dataclass(frozen=True, slots=True)
class AttemptLines:
    """Reads an attempt's output for people, as it grows."""

    executor: Executor
    reader: SignReader | None
    process: ProcessId | None
    wanted: int | None
    at: dict[str, int]

    def more(self) -> Iterator[str]:
        """Lines that were written since the last call."""
        from wt_orchestrate.domain.story import sign_line
        from wt_orchestrate.domain.text import clean

        while self.process is not None:
            read = self.executor.read(self.process, offset=self.at.get(self.process, 0))
            if not read.lines:
                return
            self.at[self.process] = read.offset
            for line in read.lines:
                if self.reader is None:
                    yield clean(line.decode(errors="replace"))
                else:
                    yield from filter(None, (sign_line(sign) for sign in self.reader.read(line)))

    def on(self, workstream: WorkstreamState) -> AttemptLines:
        """The same for the newest attempt, if there is a newer one by now."""
        if self.wanted is not None or not workstream.attempts or str(workstream.attempts[-1].id) == self.process:
            return self
        return _lines(self.executor, workstream, attempt=None, raw=self.reader is None, at=self.at)


def attempt_lines(site: Site, workstream: WorkstreamState, *, attempt: int | None, raw: bool) -> AttemptLines:
    """The output of an attempt (the newest by default). Raises NotFound for an attempt that never was."""
    from wt_orchestrate.adapters.executor.local import LocalExecutor

    return _lines(LocalExecutor(site.path("processes")), workstream, attempt=attempt, raw=raw, at={})


def _lines(
    executor: Executor, workstream: WorkstreamState, *, attempt: int | None, raw: bool, at: dict[str, int]
) -> AttemptLines:
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.domain.ids import ProcessId
    from wt_orchestrate.domain.plan import AgentType

    if not workstream.attempts:
        return AttemptLines(executor, None, None, attempt, at)
    chosen = workstream.attempts[-1]
    if attempt is not None:
        known = {each.epoch: each for each in workstream.attempts}
        if attempt not in known:
            raise NotFound(f"{workstream.id} has no attempt {attempt}", hint=f"it has {len(known)}")
        chosen = known[attempt]
    as_text = raw or chosen.agent_type is AgentType.COMMAND
    reader = None if as_text else agents({}, passed=())[chosen.agent_type].reader()
    return AttemptLines(executor, reader, ProcessId(chosen.id), attempt, at)


def stored_view(site: Site, run: str | None) -> tuple[str, str | None] | None:
    """The id of a run (the newest by default) and its view as JSON text; None when there is no such run."""
    from wt_orchestrate.adapters.store.views import read_view

    return read_view(site.path("log.db"), run)


def living_processes(site: Site, names: Iterable[str]) -> frozenset[str]:
    """Those of these kept processes whose keeper is alive: it holds its lock."""
    from wt_orchestrate.adapters.store.locks import held

    return frozenset(name for name in names if held(site.path(f"processes/{name}/keeper.lock")))
