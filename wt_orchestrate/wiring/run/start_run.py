"""Start a run: what is logged before anything is made, or why the run cannot start."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from wt_orchestrate.domain.replace import replace
from wt_orchestrate.errors import Refused, StoreUnreadable, WtError
from wt_orchestrate.wiring.memory import learn
from wt_orchestrate.wiring.plan.plan_files import user_settings
from wt_orchestrate.wiring.run.preflight import (
    Tell,
    preflight,
    require_ready,
    untold,
    worktree_template,
)
from wt_orchestrate.wiring.site import (
    Site,
    clock,
    mark,
    open_log,
    record_folder,
    repository,
    require_common,
    supervised,
    vault,
)

if TYPE_CHECKING:
    from wt_orchestrate.adapters.planfile import LoadedPlan
    from wt_orchestrate.domain.ids import Branch, CommitId, RunId, TreeId
    from wt_orchestrate.domain.plan.branch_queue import Queued
    from wt_orchestrate.domain.plan.model import Plan
    from wt_orchestrate.domain.plan.settings import Merging, Settings
    from wt_orchestrate.domain.preflight import PreflightFinding
    from wt_orchestrate.ports.engine import Log
    from wt_orchestrate.ports.git.repository import RepositoryFacts

_ENDS_S = 10.0
_LOOK_S = 0.05


def begin_run(
    site: Site,
    log: Log,
    loaded: LoadedPlan,
    settings: Settings,
    *,
    path: str,
    land: bool,
    key: str = "",
    tell: Tell = untold,
) -> RunId:
    """Log a new run of this plan; `tell` is told each warning about the repository. Raises Refused if the repository or its
    target is not suitable: then nothing is written down."""
    from wt_orchestrate.adapters.gitrepo.remotes import remotes, without_credentials
    from wt_orchestrate.adapters.gitrepo.target.person import author
    from wt_orchestrate.domain.events.run import Actor, RunStarted
    from wt_orchestrate.domain.fold.run import fold
    from wt_orchestrate.domain.status.view import render_view

    repo = repository(site)
    facts = repo.facts()
    target = target_of(facts, loaded.plan.target)
    _require_agents(loaded, settings)
    _look_first(site, log, loaded, settings, target=target, path=path, tell=tell)
    base = repo.resolve(target)
    if base is None:
        raise Refused(
            f"the target branch {target} does not exist", hint="name an existing branch as target: in the plan"
        )
    seed = str(uuid4())
    try:
        repo.record(record_folder(site, seed))
    except OSError as error:
        raise StoreUnreadable(
            f"{site.state_dir} cannot be written: {error.strerror}", hint="make it writable, or free some space"
        ) from error
    started = RunStarted(
        plan=loaded.plan,
        settings=replace(settings, worktrees=worktree_template(facts, settings), merge=_merging(facts, settings, base)),
        plan_path=path if path == "-" else os.path.abspath(path),
        target=target,
        base=base,
        seed=seed,
        repository=facts.main_worktree or facts.common_dir,
        land=land,
        boot=clock().boot(),
        accounts={name: account.agents for name, account in user_settings().accounts.items()},
        remotes={name: without_credentials(url) for name, url in remotes(site.common_dir).items()},
        author=author(site.common_dir),
        base_checks=_base_checks(loaded.plan, settings),
        base_passed=_passed_before(log) if _base_checks(loaded.plan, settings) else {},
    )
    mark(site)
    runs = log.runs()
    if runs:  # its end may have been cut off before anybody learned from it
        with suppress(WtError):
            learn(site, runs[-1].id)
    return log.begin(
        started, actor=Actor.PERSON, now=clock().now(), view=lambda record: render_view(fold(None, record)), key=key
    ).run


def _base_checks(plan: Plan, settings: Settings) -> tuple[str, ...]:
    """The checks that must pass on the base before an agent starts; a queue of branches has none to save from it."""
    agents = any(not stream.branch for stream in plan.workstreams.values())
    return tuple(check.run for check in plan.checks) if settings.check_target and agents else ()


def _passed_before(log: Log) -> Mapping[TreeId, tuple[str, ...]]:
    """Which checks passed on the trees that the newest run began with, has integrated and has landed."""
    from wt_orchestrate.engine.requests import newest_state

    state = newest_state(log)
    if state is None:
        return {}
    judged = {
        tree: state.checks.judged.get(tree, {}) for tree in (state.base_checks.tree, state.integration.tree) if tree
    }
    passed = {tree: tuple(name for name, each in found.items() if each.passed) for tree, found in judged.items()}
    own = state.base_checks
    if own.tree is not None:
        passed[own.tree] = tuple(dict.fromkeys((*passed[own.tree], *own.known.get(own.tree, ()))))
    return {tree: names for tree, names in passed.items() if names}


def _look_first(
    site: Site,
    log: Log,
    loaded: LoadedPlan,
    settings: Settings,
    *,
    target: Branch,
    path: str,
    tell: Tell,
    fetch: bool = True,
) -> None:
    from wt_orchestrate.domain.plan.branch_queue import is_queue

    require_ready(
        site,
        settings,
        target=target,
        run=next_run(log),
        agents=not is_queue(loaded.plan),
        setup=loaded.plan.setup,
        checks=_checks(loaded),
        plan=path,
        tell=tell,
        fetch=fetch,
    )


def plan_findings(site: Site, loaded: LoadedPlan, settings: Settings, *, path: str) -> tuple[PreflightFinding, ...]:
    """What a run of this plan would say first about this repository."""
    from wt_orchestrate.domain.plan.branch_queue import is_queue

    target = target_of(repository(site).facts(), loaded.plan.target)
    log = open_log(site)
    try:
        run = next_run(log)
    finally:
        log.close()
    return preflight(
        site,
        settings,
        target=target,
        run=run,
        agents=not is_queue(loaded.plan),
        setup=loaded.plan.setup,
        checks=_checks(loaded),
        plan=path,
    )


def _checks(loaded: LoadedPlan) -> tuple[str, ...]:
    streams = loaded.plan.workstreams.values()
    return tuple(check.run for check in (*loaded.plan.checks, *(check for each in streams for check in each.checks)))


def next_run(log: Log) -> RunId:
    """The id that the next run gets."""
    from wt_orchestrate.domain.ids import RunId

    return RunId(f"r{len(log.runs()) + 1}")


def require_free(site: Site, log: Log) -> None:
    """One run at a time: a second one would take the first one's slots and integration order. A supervisor whose run
    has come to rest is only ending, which is waited for. Raises Busy."""
    from wt_orchestrate.domain.machine import quiet
    from wt_orchestrate.engine.requests import newest_state
    from wt_orchestrate.errors import Busy

    state = newest_state(log)
    if supervised(site) and not (state is not None and quiet(state) and _ends(site)):
        raise Busy("another run is active in this repository", hint="wto watch, or wto stop")
    state = newest_state(log)
    if state is not None and not quiet(state):
        raise Busy(f"run {state.id} was interrupted and is unfinished", hint="wto resume, or wto stop")


def _ends(site: Site) -> bool:
    """Whether the running supervisor ends within some seconds."""
    until = time.monotonic() + _ENDS_S
    while supervised(site):
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_S)
    return True


def _merging(facts: RepositoryFacts, settings: Settings, base: CommitId) -> Merging:
    """How conflicts of this run are resolved: with the drivers and the program that exist now, before any agent starts."""
    from shutil import which

    from wt_orchestrate.adapters.gitrepo.conflict.merge_drivers import configured_drivers

    wanted = settings.merge
    program = which("mergiraf") or "off" if wanted.mergiraf == "auto" else wanted.mergiraf
    drivers = {**configured_drivers(facts.common_dir, base), **wanted.drivers}
    return replace(wanted, drivers=drivers, mergiraf=program)


def queued_branches(site: Site, names: Sequence[str], target: str | None) -> tuple[Queued, ...]:
    """The titles and intents of branches, from their commits in the vault. Raises NotFound for a branch that does not
    exist, Refused for one that the target contains already."""
    from difflib import get_close_matches

    from wt_orchestrate.adapters.gitrepo.look import fetch_missing
    from wt_orchestrate.domain.ids import Branch, branch_ref
    from wt_orchestrate.domain.plan.branch_queue import Queued
    from wt_orchestrate.errors import NotFound

    repo, kept = repository(site), vault(site)
    facts = repo.facts()
    onto = target_of(facts, target)
    kept.ensure()
    known = repo.heads("")
    if onto in names:
        raise Refused(f"{onto} already contains all of {str(onto)!r}", hint="it is the target: queue other branches")
    for name in (onto, *names):
        if Branch(name) not in known:
            near = get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else "see git branch --list; a remote branch needs a local one first"
            )
            raise NotFound(f"there is no branch {name!r}", hint=hint)
    fetch_missing(site.common_dir, [known[Branch(name)] for name in (onto, *names)])
    wanted = {branch_ref(Branch(name)): f"refs/wto/queue/{number}" for number, name in enumerate(names)}
    heads = kept.refs.fetch({branch_ref(onto): f"refs/wto/target/{onto}", **wanted})
    found: list[Queued] = []
    for number, name in enumerate(names):
        require_common(site, onto=heads[f"refs/wto/target/{onto}"], head=heads[f"refs/wto/queue/{number}"], name=name)
        commits = kept.commits.between(base=heads[f"refs/wto/target/{onto}"], head=heads[f"refs/wto/queue/{number}"])
        if not commits:
            raise Refused(f"{onto} already contains all of {name!r}", hint=f"leave it out; see git log {onto}..{name}")
        subjects = [commit.subject for commit in commits]
        intent = "Its commits:\n" + "\n".join(f"- {subject}" for subject in subjects[-20:])
        found.append(Queued(branch=name, title=subjects[-1], intent=intent))
    return tuple(found)


def target_of(facts: RepositoryFacts, wanted: str | None) -> Branch:
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
    """Refuse a plan whose agents' programs are missing, before anything is made."""
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.domain.plan.settings import agent_spec
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


def planned_effects(
    site: Site, loaded: LoadedPlan, settings: Settings, *, path: str, tell: Tell = untold
) -> Iterator[str]:
    """What `run` would do, in order, one line each; nothing is changed."""
    from wt_orchestrate.domain.drafting.dry_run import preview

    facts = repository(site).facts()
    target = target_of(facts, loaded.plan.target)
    log = open_log(site)
    try:
        run = next_run(log)
        _look_first(site, log, loaded, settings, target=target, path=path, tell=tell, fetch=False)
    finally:
        log.close()
    base = repository(site).resolve(target)
    if base is not None:
        settings = replace(settings, merge=_merging(facts, settings, base))
    return preview(loaded.plan, settings, run=run, target=target, worktrees=worktree_template(facts, settings))
