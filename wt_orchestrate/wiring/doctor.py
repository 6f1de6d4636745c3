"""Gather what `wto doctor` needs to know."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wt_orchestrate.errors import Untrusted, WtError
from wt_orchestrate.faults import in_words
from wt_orchestrate.wiring.draft_cleanup import sweep_drafts
from wt_orchestrate.wiring.memory import memories
from wt_orchestrate.wiring.plan.plan_files import default_settings, load_settings, settings_path
from wt_orchestrate.wiring.run.preflight import preflight
from wt_orchestrate.wiring.site import Site, find_site, open_log, repository, supervised

if TYPE_CHECKING:
    from wt_orchestrate.domain.doctor import Diagnosis, MachineFacts
    from wt_orchestrate.domain.ids import RunId
    from wt_orchestrate.domain.plan.model import AgentSpec
    from wt_orchestrate.ports.engine import AgentVersion
    from wt_orchestrate.ports.git.repository import RepositoryFacts


def agent_version(spec: AgentSpec) -> AgentVersion:
    """The version of an agent's program."""
    from wt_orchestrate.adapters.agents.registry import agents
    from wt_orchestrate.adapters.executor.detached import said

    agent = agents(dict(os.environ))[spec.type]
    command = agent.version_command(spec)
    path = command.argv[0] if command.argv else ""
    return agent.version(spec, path=path, said=said(command.argv, command.env) if path else "")


def diagnosis(start: str) -> tuple[Diagnosis, ...]:
    """Everything a run needs, checked. Never raises for what it finds."""
    from wt_orchestrate.domain.doctor import Diagnosis, diagnose

    try:
        site = find_site(start)
        facts = repository(site).facts()
        found = _of_repository(site, facts)
    except (WtError, OSError) as failed:
        error = failed if isinstance(failed, WtError) else in_words(failed)
        return (Diagnosis(what="git", weight="error", found=error.message, remedy=error.hint),)
    homeless = any(each.id == "folders" for each in found)
    of_machine = (each for each in diagnose(_machine_facts(site, facts)) if not homeless or "space" not in each.what)
    return (*of_machine, *found, _landing(site), _sandbox(site), *_drafts_left(site))


_STATES = {"refuse": "error", "warn": "warning", "note": "ok"}


def _of_repository(site: Site, facts: RepositoryFacts) -> tuple[Diagnosis, ...]:
    """The preflight of a run on the branch that is checked out."""
    from wt_orchestrate.domain.doctor import Diagnosis
    from wt_orchestrate.domain.ids import Branch

    if facts.head is None:
        return ()
    try:
        settings = load_settings(site)
    except WtError:
        settings = default_settings()
    found = preflight(site, settings, target=facts.branch or Branch(""), run=_next_run(site), agents=True)
    return tuple(
        Diagnosis(id=each.id, what=each.what, weight=_STATES[each.weight], found=each.found, remedy=each.remedy)
        for each in found
        if facts.branch is not None or each.id != "target"
    )


def _next_run(site: Site) -> RunId:
    """The id of the next run; one that no run has where the log cannot be read, which is told elsewhere."""
    from wt_orchestrate.domain.ids import RunId
    from wt_orchestrate.wiring.run.start_run import next_run

    try:
        log = open_log(site)
    except WtError:
        return RunId("r0")
    try:
        return next_run(log)
    except WtError:
        return RunId("r0")
    finally:
        log.close()


def _landing(site: Site) -> Diagnosis:
    """What a landing makes of the history, and as whom."""
    from wt_orchestrate.adapters.gitrepo.target.person import author
    from wt_orchestrate.domain.doctor import Diagnosis
    from wt_orchestrate.domain.plan.settings import LandingStyle

    try:
        settings = load_settings(site)
    except WtError:
        settings = default_settings()
    style = settings.landing
    try:
        person = repository(site).person()
    except WtError as error:
        return Diagnosis(what="landing", weight="error", found=error.message, remedy=error.hint)
    signed = f"signed ({person.signing.get('gpg.format', 'openpgp')})" if person.signing else "not signed"
    who = f"{person.name} <{person.email}>" if person.name else "wt-orchestrate"
    if style is LandingStyle.MERGE and not person.signing:
        whose = author(site.common_dir) or "wt-orchestrate"
        who = f"{whose} (merge commits, committed by wt-orchestrate), agents' commits as they are"
    return Diagnosis(
        what="landing",
        weight="ok",
        found=f"{style.value}: commits that land are by {who}, {signed}",
        remedy="landing: merge, squash, rebase or ff in .wto/config.yaml",
    )


def _sandbox(site: Site) -> Diagnosis:
    """Whether agents and commands would run in a sandbox, and whether this machine has one that holds: it is tried."""
    from wt_orchestrate.domain.doctor import Diagnosis
    from wt_orchestrate.domain.plan.settings import SandboxMode
    from wt_orchestrate.wiring.run.sandbox import INSTALL, sandbox_problem

    try:
        settings = load_settings(site)
    except WtError:
        settings = default_settings()
    try:
        problem = sandbox_problem(site)
    except OSError as error:
        problem = f"it cannot be tried: {in_words(error).message}"
    if settings.sandbox is SandboxMode.OFF:
        has = f"this machine has none ({problem})" if problem else "bubblewrap holds here"
        return Diagnosis(
            what="sandbox",
            weight="ok",
            found=f"off: agents have your rights; {has}",
            remedy="sandbox: auto in .wto/config.yaml",
        )
    if not problem:
        found = f"bubblewrap holds, tried just now or since the last boot; network: {settings.network.value}"
        return Diagnosis(what="sandbox", weight="ok", found=found)
    weight = "error" if settings.sandbox is SandboxMode.REQUIRED else "warning"
    return Diagnosis(what="sandbox", weight=weight, found=f"there is none: {problem}", remedy=INSTALL)


def _drafts_left(site: Site) -> Iterator[Diagnosis]:
    """Draftings that were killed and could not be cleaned up; empty if there are none."""
    from wt_orchestrate.domain.doctor import Diagnosis

    for name in sweep_drafts(site.state_dir):
        yield Diagnosis(
            what="drafting",
            weight="warning",
            found=f"processes or files that the killed draft {name} left could not be cleaned up",
            remedy=f"kill its processes by hand, then remove {site.path('drafts')}/{name}",
        )


def _machine_facts(site: Site, facts: RepositoryFacts) -> MachineFacts:
    """The input of `diagnose`."""
    from wt_orchestrate.adapters.machine import free_bytes, shares_blocks, watch_limits
    from wt_orchestrate.domain.doctor import AgentFound, MachineFacts
    from wt_orchestrate.domain.plan.model import AgentSpec, AgentType

    try:
        settings, problem = load_settings(site), ""
    except Untrusted:  # a finding of its own
        settings, problem = default_settings(), ""
    except WtError as error:
        settings, problem = default_settings(), error.message
    versions = {
        name: agent_version(spec)
        for name, spec in {AgentType.CLAUDE_CODE.value: AgentSpec(), **settings.agents}.items()
    }
    above = os.path.dirname(facts.main_worktree or facts.common_dir)
    return MachineFacts(
        git_version=facts.git_version,
        repository=facts.linked or facts.main_worktree or facts.common_dir,
        branch=facts.branch,
        has_commit=facts.head is not None,
        shallow=facts.shallow,
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
        memory=_memory_found(site),
    )


def _memory_found(site: Site) -> tuple[str, str]:
    """How much the memory holds, and what is wrong with it."""
    store = memories(site)
    damage = store.damage()
    if damage:
        return "", damage
    count = store.count()
    return f"{count} entries" if count else "empty", ""


def _run_found(site: Site) -> tuple[str, str, str]:
    """The newest run in words, what is wrong with it (empty if nothing), and what to do."""
    from wt_orchestrate.domain.machine import quiet
    from wt_orchestrate.engine.requests import newest_state

    if supervised(site):
        return "a supervisor is running", "", ""
    try:
        log = open_log(site)
    except WtError as error:
        return "the log cannot be read", error.message, error.hint
    try:
        damage = log.damage()
        if damage:
            aside = f"move {site.path('journal.jsonl')} elsewhere: it is then rebuilt from the database"
            return "the journal is damaged", damage, aside
        state = newest_state(log)
    except WtError as error:
        return "the log cannot be read", error.message, error.hint
    finally:
        log.close()
    if state is None:
        return "none yet", "", ""
    cut_off = "" if quiet(state) else "it was interrupted and has no supervisor"
    return f"{state.id} is {state.phase}", cut_off, "wto resume, or wto stop"
