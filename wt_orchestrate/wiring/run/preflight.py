"""The preflight of a repository: gathered once for a run, and told the same by every face."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from wt_orchestrate.errors import Refused
from wt_orchestrate.faults import missing_temporary_folder
from wt_orchestrate.wiring.run.environment import SECRET
from wt_orchestrate.wiring.site import Site, repository

if TYPE_CHECKING:
    from wt_orchestrate.domain.ids import Branch, RunId
    from wt_orchestrate.domain.plan.settings import Settings
    from wt_orchestrate.domain.preflight import Look, PreflightFinding
    from wt_orchestrate.ports.git.repository import RepositoryFacts

Tell = Callable[["PreflightFinding"], None]


def untold(_: PreflightFinding) -> None:
    """For faces that have no place for warnings."""


def preflight(
    site: Site,
    settings: Settings,
    *,
    target: Branch,
    run: RunId,
    agents: bool,
    setup: Sequence[str] = (),
    checks: Sequence[str] = (),
    plan: str = "",
) -> tuple[PreflightFinding, ...]:
    """What there is to say about this repository before a run of the plan in the file `plan`. Nothing is changed, and no
    network is used."""
    from wt_orchestrate.domain.preflight import findings

    return findings(
        _look(site, settings, target=target, run=run, setup=setup, checks=checks, plan=plan, agents=agents),
        agents=agents,
    )


def require_ready(
    site: Site,
    settings: Settings,
    *,
    target: Branch,
    run: RunId,
    agents: bool,
    setup: Sequence[str] = (),
    checks: Sequence[str] = (),
    plan: str = "",
    tell: Tell = untold,
    fetch: bool = True,
) -> None:
    """Look, tell each warning, and (unless `fetch` is off) fetch what a partial clone lacks. Raises Refused where a run
    cannot start."""
    from wt_orchestrate.adapters.gitrepo.look import fetch_missing
    from wt_orchestrate.domain.preflight import FindingWeight, findings, refusal

    look = _look(site, settings, target=target, run=run, setup=setup, checks=checks, plan=plan, agents=agents)
    found = findings(look, agents=agents)
    refused = refusal(found)
    if refused is not None:
        raise Refused(refused.found, hint=refused.remedy)
    for each in found:
        if each.weight is FindingWeight.WARN:
            tell(each)
    base = repository(site).resolve(target)
    if look.missing and fetch and base is not None:
        fetch_missing(site.common_dir, (base,))


def _look(
    site: Site,
    settings: Settings,
    *,
    target: Branch,
    run: RunId,
    setup: Sequence[str],
    checks: Sequence[str],
    plan: str,
    agents: bool,
) -> Look:
    from wt_orchestrate.adapters.gitrepo.look import look_around
    from wt_orchestrate.domain.plan.settings import Hooks
    from wt_orchestrate.domain.preflight import SIGNING_VARIABLES
    from wt_orchestrate.domain.replace import replace
    from wt_orchestrate.osfiles.locks import given
    from wt_orchestrate.wiring.plan.trust import agent_changes, lines

    repo = repository(site)
    facts = repo.facts()
    changed = agent_changes(site)
    seen = look_around(
        site.common_dir,
        main=facts.main_worktree,
        checkout=facts.linked if facts.linked and facts.branch == target else facts.main_worktree,
        target=target,
        base=repo.resolve(target),
        run=run,
        agents_environment=_agents_environment() if agents else {},
        trusted=not changed,
    )
    wanted = SIGNING_VARIABLES.get(seen.signing, ())
    return replace(
        seen,
        uncommitted=tuple(path for path in seen.uncommitted if not _needless(f"{seen.checkout}/{path}", plan)),
        unsigned_for=tuple(name for name in wanted if os.environ.get(name) and name not in settings.pass_env),
        guards=settings.hooks is not Hooks.OFF,
        setup=(*settings.setup, *setup),
        checks=(*(check.run for check in settings.checks), *checks),
        unborn=_unborn(facts, settings, site),
        withheld=withheld(os.environ, passed=settings.pass_env),
        lockless="" if given(site.path("worktree.lock")) else site.state_dir,
        temporary=missing_temporary_folder(),
        untrusted=_untrusted(site, facts),
        changed=dict(zip(lines(tuple(changed)), changed.values(), strict=True)),
    )


def is_sparse(site: Site) -> bool:
    """Whether the user's main checkout is sparse."""
    from wt_orchestrate.adapters.gitrepo.configuration import configuration

    return configuration(site.common_dir).own_is_true("core.sparsecheckout")


def _untrusted(site: Site, facts: RepositoryFacts) -> tuple[str, ...]:
    from wt_orchestrate.errors import WtError
    from wt_orchestrate.wiring.plan.plan_files import read_settings
    from wt_orchestrate.wiring.plan.trust import lines, untrusted

    try:
        return lines(untrusted(site, facts, read_settings(facts)))
    except WtError:
        return ()  # settings that cannot be read are told elsewhere, and nothing of them runs


def _agents_environment() -> Mapping[str, str]:
    """What every agent's git gets."""
    from wt_orchestrate.adapters.agents.environment import guarded

    return guarded(os.environ)


def _needless(path: str, plan: str) -> bool:
    """Whether no agent needs to see a file: it is the plan, or our settings."""
    return "/.wto/" in path or (plan != "" and os.path.realpath(path) == os.path.realpath(plan))


def worktree_template(facts: RepositoryFacts, settings: Settings) -> str:
    """The template of worktree paths, absolute, with {run} and {workstream} left in."""
    above = facts.main_worktree or facts.common_dir
    template = settings.worktrees.replace("{repo}", facts.name)
    return os.path.normpath(os.path.join(above, os.path.expanduser(template)))


def withheld(environment: Mapping[str, str], *, passed: Sequence[str]) -> tuple[str, ...]:
    """The user's variables that look like secrets, and that setup commands and checks therefore do not get."""
    return tuple(sorted(name for name in environment if SECRET.search(name) and name not in passed))


def _unborn(facts: RepositoryFacts, settings: Settings, site: Site) -> dict[str, str]:
    """Folders of ours that cannot be made, with the reason."""
    wanted = (worktree_template(facts, settings).split("{")[0].rstrip("/"), site.state_dir)
    return {path: reason for path in wanted if (reason := _why_not(path))}


def _why_not(path: str) -> str:
    """Why a folder cannot be made, or not written to; empty if it can."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    if not os.path.isdir(path):
        return f"{path} is a file" if os.path.exists(path) else f"{path} is a link to nothing"
    return "" if os.access(path, os.W_OK | os.X_OK) else f"{path} cannot be written to"
