"""The only place that picks adapters and hands them to the engine, and the only reader of the process's environment.

Imports of adapters stand inside the functions here, and only here: a command pays at start only for what it uses (see
docs/decisions/0005-lazy-imports-in-wiring.md).
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from wt_orchestrate import __version__
from wt_orchestrate.errors import Busy, Refused, WtError

if TYPE_CHECKING:
    from wt_orchestrate.adapters.planfile import LoadedPlan
    from wt_orchestrate.domain.diagnosis import Diagnosis, MachineFacts
    from wt_orchestrate.domain.events import Record
    from wt_orchestrate.domain.ids import Branch, CommitId, RunId
    from wt_orchestrate.domain.plan import AgentSpec, Plan, Workstream
    from wt_orchestrate.domain.queueing import Queued
    from wt_orchestrate.domain.settings import Settings, UserSettings
    from wt_orchestrate.domain.state import RunState
    from wt_orchestrate.engine.lines import AttemptLines
    from wt_orchestrate.engine.supervisor import Supervisor
    from wt_orchestrate.engine.world import World
    from wt_orchestrate.ports import (
        AgentVersion,
        Clock,
        Feed,
        Log,
        Repository,
        RepositoryFacts,
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


def user_settings() -> UserSettings:
    """The user's own settings: config.yaml in WTO_CONFIG_DIR, else in the user's configuration folder."""
    from wt_orchestrate.adapters.planfile import load_user_settings

    folder = os.environ.get("WTO_CONFIG_DIR")
    if not folder:
        from platformdirs import user_config_dir

        folder = user_config_dir("wt-orchestrate")
    return load_user_settings(os.path.join(folder, "config.yaml"))


def account_environments() -> Mapping[str, Mapping[str, str]]:
    """The environment of each account, with the user's own filled in."""
    return {
        name: {key: os.path.expandvars(os.path.expanduser(value)) for key, value in account.env.items()}
        for name, account in user_settings().accounts.items()
    }


def load_plan(path: str, settings: Settings) -> LoadedPlan:
    """A checked plan. Raises PlanInvalid with every problem."""
    from wt_orchestrate.adapters.planfile import load_plan as load

    return load(path, settings)


def checked_plan(plan: Plan, settings: Settings) -> LoadedPlan:
    """A plan that was not read from a file. Raises PlanInvalid."""
    from wt_orchestrate.adapters.planfile import LoadedPlan
    from wt_orchestrate.domain.graph import problems
    from wt_orchestrate.errors import PlanInvalid

    found = [f"{problem.message} ({problem.hint})" for problem in problems(plan, settings) if not problem.warning]
    if found:
        raise PlanInvalid(found)
    return LoadedPlan(plan=plan, warnings=())


def load_further(path: str, state: RunState) -> Mapping[str, Workstream]:
    """Workstreams from a file that fit a run. Raises PlanInvalid with every problem."""
    from wt_orchestrate.adapters.planfile import load_further as load
    from wt_orchestrate.domain.expansion import misfits

    return load(path, lambda further: misfits(state, further))


def workstream_text(name: str, spec: Workstream) -> str:
    """A workstream as YAML for a person to edit."""
    from wt_orchestrate.adapters.planfile import render_workstream

    return render_workstream(name, spec)


def edited_workstream(path: str, name: str) -> Workstream:
    """The workstream in an edited file. Raises PlanInvalid."""
    from wt_orchestrate.adapters.planfile import load_further as load

    found = load(path, lambda further: ())
    if list(found) != [name]:
        raise Refused(f"{path} must hold {name} and nothing else", hint=f"wto edit {name}")
    return found[name]


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
    try:
        return load_settings(repository(find_site(start)).facts())
    except Refused:
        return _default_settings()


def _default_settings() -> Settings:
    from wt_orchestrate.domain.settings import Settings

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

    agent = agents(dict(os.environ))[spec.type]
    command = agent.version_command(spec)
    path = command.argv[0] if command.argv else ""
    return agent.version(spec, path=path, said=said(command.argv, command.env) if path else "")


# ---------------------------------------------------------------- runs


def begin_run(site: Site, log: Log, loaded: LoadedPlan, settings: Settings, *, path: str, land: bool) -> RunId:
    """Write down a new run of this plan. Raises Refused when the repository or its target cannot carry one."""
    from wt_orchestrate.domain.events import Actor, RunStarted
    from wt_orchestrate.domain.fold import fold
    from wt_orchestrate.domain.view import render_view

    repo = repository(site)
    facts = repo.facts()
    target = _target(facts, loaded.plan.target)
    _require_agents(loaded, settings)
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
        accounts={name: account.agents for name, account in user_settings().accounts.items()},
    )
    return log.begin(
        started, actor=Actor.PERSON, now=clock().now(), view=lambda record: render_view(fold(None, record))
    ).run


def queued_branches(site: Site, names: Sequence[str], target: str | None) -> tuple[Queued, ...]:
    """What the commits of branches say they are for, read in the vault. Raises NotFound for a branch that is not there,
    Refused for one that the target holds already."""
    from difflib import get_close_matches

    from wt_orchestrate.domain.ids import Branch, branch_ref
    from wt_orchestrate.domain.queueing import Queued
    from wt_orchestrate.errors import NotFound

    repo, kept = repository(site), vault(site)
    onto = _target(repo.facts(), target)
    kept.ensure()
    known = repo.heads("")
    for name in names:
        if Branch(name) not in known:
            near = get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else "git branch --list; a remote's branch needs a local one first"
            )
            raise NotFound(f"there is no branch {name!r}", hint=hint)
    wanted = {branch_ref(Branch(name)): f"refs/wto/queue/{number}" for number, name in enumerate(names)}
    heads = kept.fetch({branch_ref(onto): f"refs/wto/target/{onto}", **wanted})
    found: list[Queued] = []
    for number, name in enumerate(names):
        commits = kept.commits(base=heads[f"refs/wto/target/{onto}"], head=heads[f"refs/wto/queue/{number}"])
        if not commits:
            raise Refused(
                f"{onto} holds all of {name!r} already", hint=f"wto train add leaves it out: git log {onto}..{name}"
            )
        subjects = [commit.subject for commit in commits]
        intent = "What its commits say:\n" + "\n".join(f"- {subject}" for subject in subjects[-20:])
        found.append(Queued(branch=name, title=subjects[-1], intent=intent))
    return tuple(found)


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


def _require_agents(loaded: LoadedPlan, settings: Settings) -> None:
    """Refuse a plan whose agents' programs are not there, before anything is made."""
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.domain.settings import agent_spec
    from wt_orchestrate.errors import AgentUnavailable

    plan, known = loaded.plan, agents(dict(os.environ))
    at_work = (stream for stream in plan.workstreams.values() if not stream.branch)
    for name in dict.fromkeys(stream.agent or plan.defaults.agent for stream in at_work):
        spec = agent_spec(name, plan_agents=plan.agents, settings=settings)
        if spec is not None and not known[spec.type].version_command(spec).argv:
            missing = known[spec.type].version(spec, path="", said="")
            raise AgentUnavailable(f"the agent {name} cannot be started: {missing.problem}", hint=missing.hint)


def _as_branch(text: str) -> Branch:
    from wt_orchestrate.domain.ids import Branch

    return Branch(text)


def _worktrees(facts: RepositoryFacts, settings: Settings) -> str:
    """The template of worktree paths, absolute, with {run} and {workstream} left in."""
    above = facts.main_worktree or facts.common_dir
    template = settings.worktrees.replace("{repo}", facts.name)
    return os.path.normpath(os.path.join(above, os.path.expanduser(template)))


@contextmanager
def supervise(
    site: Site, run: RunId, *, show: Callable[[Record], None], warn: Callable[[str], None]
) -> Iterator[Supervisor]:
    """A supervisor of this run, opened. Raises Busy while another process has the lock."""
    from wt_orchestrate.adapters.store.locks import FileLock
    from wt_orchestrate.engine.supervisor import Supervisor

    lock = FileLock(site.path("supervisor.lock"))
    if not lock.take_soon():
        raise Busy(
            f"another wt-orchestrate (process {lock.holder() or 'unknown'}) supervises this repository",
            hint="wto watch",
        )
    with lock:
        world, feed = _world(site, run)
        supervisor = Supervisor(world, run, show=show, warn=warn)
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

    return FileLock(site.path("supervisor.lock")).held()


def supervisor_pid(site: Site) -> int | None:
    """The process that supervises this repository, as it wrote down itself: for people, never for signals."""
    from wt_orchestrate.adapters.store.locks import FileLock

    holder = FileLock(site.path("supervisor.lock")).holder()
    return int(holder) if holder.isdigit() else None


def _world(site: Site, run: RunId) -> tuple[World, Feed]:
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.adapters.executor.local import LocalExecutor
    from wt_orchestrate.adapters.feed import WatchdogFeed
    from wt_orchestrate.adapters.handoffs import HandoffFiles
    from wt_orchestrate.adapters.machine import SystemMachine
    from wt_orchestrate.adapters.planfile import PlanTexts
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
        machine=SystemMachine({"worktrees": settings.worktrees.split("{")[0], "state": site.state_dir}),
        log=log,
        repository=repo,
        vault=vault(site),
        executor=LocalExecutor(site.path("processes")),
        agents=agents(dict(os.environ), passed=settings.pass_env, accounts=account_environments()),
        handoffs=HandoffFiles(),
        plans=PlanTexts(),
        feed=feed,
        workers=ThreadWorkers(feed.wake),
        command_env=command_environment(os.environ, passed=settings.pass_env),
        common_dir=site.common_dir,
        indexes=site.path("indexes"),
        version=__version__,
        pid=os.getpid(),
        boot=clock().boot(),
        reached=_end_at(os.environ.get("WTO_CRASH_AT", "")),
    )
    return world, feed


def _end_at(point: str) -> Callable[[str], None]:
    """What tests kill the supervisor with: `WTO_CRASH_AT=<point>[#n]` ends the process where it is reached the n-th time."""
    name, _, number = point.partition("#")
    left = [int(number or 1)]

    def reached(passed: str) -> None:
        if passed == name:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def rebuild_log(site: Site) -> str:
    """Make the event log anew from its journal; where the old one went (empty: there was none). Raises Busy while a
    supervisor is at work, StoreUnreadable when the journal is damaged."""
    from wt_orchestrate.adapters.store.eventlog import SqliteLog
    from wt_orchestrate.adapters.store.journal import Journal
    from wt_orchestrate.adapters.store.rebuilding import set_aside

    if supervised(site):
        raise Busy("a supervisor is at work on this repository", hint="wto stop")
    aside = set_aside(site.path("log.db"), Journal(site.path("journal.jsonl")))
    SqliteLog(site.path("log.db")).close()
    return aside


def leave_supervisor(site: Site, run: RunId) -> None:
    """Start a supervisor that goes on without us; returns when it has taken its lock. Raises WtError if it does not."""
    from wt_orchestrate.adapters.executor.detached import start_detached

    argv = (sys.executable, "-m", "wt_orchestrate", "-C", site.start, "supervise", run)
    start_detached(argv, log=site.path("supervisor.log"), ready=lambda: supervised(site))


def planned_effects(site: Site, loaded: LoadedPlan, settings: Settings) -> Iterator[str]:
    """What `run` would do, in order, one line each; nothing is changed."""
    from wt_orchestrate.domain.ids import RunId
    from wt_orchestrate.domain.preview import preview

    facts = repository(site).facts()
    log = open_log(site)
    run = RunId(f"r{len(log.runs()) + 1}")
    log.close()
    target = _target(facts, loaded.plan.target)
    return preview(loaded.plan, settings, run=run, target=target, worktrees=_worktrees(facts, settings))


def sweep_trash(state: RunState) -> int:
    """Delete what has lain in the trash for a week; returns how many entries."""
    from wt_orchestrate.adapters.trash import sweep
    from wt_orchestrate.engine.tidying import trash_folder

    return sweep(trash_folder(state), now=clock().now())


# ---------------------------------------------------------------- diagnosis


def diagnosis(start: str) -> tuple[Diagnosis, ...]:
    """Everything a run needs, looked at. Never raises for what it finds."""
    from wt_orchestrate.domain.diagnosis import Diagnosis, diagnose

    try:
        site = find_site(start)
        facts = repository(site).facts()
    except WtError as error:
        return (Diagnosis(what="git", weight="error", found=error.message, remedy=error.hint),)
    return diagnose(_machine_facts(site, facts))


def _machine_facts(site: Site, facts: RepositoryFacts) -> MachineFacts:
    """What the rules of `diagnose` ask for, gathered."""
    from wt_orchestrate.adapters.executor.detached import said
    from wt_orchestrate.adapters.machine import free_bytes, shares_blocks, watch_limits
    from wt_orchestrate.domain.diagnosis import AgentFound, MachineFacts
    from wt_orchestrate.domain.plan import AgentSpec, AgentType

    try:
        settings, problem = load_settings(facts), ""
    except WtError as error:
        settings, problem = _default_settings(), error.message
    versions = {
        name: agent_version(spec)
        for name, spec in {AgentType.CLAUDE_CODE.value: AgentSpec(), **settings.agents}.items()
    }
    above = os.path.dirname(facts.main_worktree or facts.common_dir)
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_DIR")}
    return MachineFacts(
        git_version=facts.git_version,
        repository=facts.main_worktree or facts.common_dir,
        branch=facts.branch,
        has_commit=facts.head is not None,
        submodules=facts.submodules,
        shallow=facts.shallow,
        identity=said(("git", "-C", site.start, "var", "GIT_COMMITTER_IDENT"), env),
        settings_path=settings_path(facts),
        settings_problem=problem,
        agents=tuple(
            AgentFound(name=name, path=seen.path, version=seen.version, problem=seen.problem, hint=seen.hint)
            for name, seen in versions.items()
        ),
        watch_limits=watch_limits(),
        free_bytes={"worktrees": (above, free_bytes(above)), "state": (site.state_dir, free_bytes(site.state_dir))},
        shares_blocks=shares_blocks(above),
        run=_run_found(site),
    )


def _run_found(site: Site) -> tuple[str, str]:
    """The newest run in words, and what is wrong with it (empty when nothing is)."""
    from wt_orchestrate.domain.machine import quiet
    from wt_orchestrate.engine.requests import load_state

    if supervised(site):
        return "a supervisor is at work", ""
    try:
        log = open_log(site)
    except WtError as error:
        return "the log cannot be read", f"{error.message} ({error.hint})"
    try:
        runs = log.runs()
        if not runs:
            return "none yet", ""
        damage = log.damage()
        if damage:
            return "the journal is damaged", damage
        state = load_state(log, runs[-1].id)
    except WtError as error:
        return "the log cannot be read", error.message
    finally:
        log.close()
    return f"{state.id} is {state.phase}", "" if quiet(state) else "it was cut off and has no supervisor"


# ---------------------------------------------------------------- looking


def attempt_lines(site: Site, *, attempt: int | None, raw: bool) -> AttemptLines:
    """The output of a workstream's attempt (the newest by default)."""
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.adapters.executor.local import LocalExecutor
    from wt_orchestrate.engine.lines import AttemptLines

    known = agents({})
    return AttemptLines(
        executor=LocalExecutor(site.path("processes")),
        reader_of=lambda kind: known[kind].reader(),
        raw=raw,
        wanted=attempt,
    )


def changed_files(site: Site, *, base: CommitId, head: CommitId) -> list[dict[str, object]]:
    """Changed files with their hunks, as plain values."""
    from dataclasses import asdict

    from wt_orchestrate.adapters.gitrepo.patches import parse_diff

    return [asdict(file) for file in parse_diff(vault(site).diff(base=base, head=head))]


def stored_view(site: Site, run: str | None) -> tuple[str, str] | None:
    """The id of a run (the newest by default) and its view as JSON text; None when there is no such run."""
    from wt_orchestrate.adapters.store.views import read_view

    return read_view(site.path("log.db"), run)


def uncommitted(site: Site, worktrees: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    """How many uncommitted paths each worktree holds, by our own index; two are looked at in turn at a time.
    `worktrees` has a path and a head for each name."""
    from concurrent.futures import ThreadPoolExecutor

    from wt_orchestrate.domain.ids import CommitId
    from wt_orchestrate.engine.world import index_path

    source = vault(site)

    def count(name: str) -> int:
        path, head = worktrees[name]
        return len(source.dirty(worktree=path, head=CommitId(head), index=index_path(site.path("indexes"), path)))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(worktrees, pool.map(count, worktrees), strict=True))


def living_processes(site: Site, names: Iterable[str]) -> frozenset[str]:
    """Those of these kept processes whose keeper is alive: it holds its lock."""
    from wt_orchestrate.adapters.executor.liveness import keeper_lives

    return frozenset(name for name in names if keeper_lives(site.path(f"processes/{name}")))
