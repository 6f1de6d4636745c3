"""Worktrees with our hooks in them, and what these say to the one who plays the agent."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.integration.gitrepo.conftest import Site
from tests.support.repos import TestRepository, sealed_environment
from wt_orchestrate.domain.ids import Branch
from wt_orchestrate.ports.git.repository import Guard

OWNED = (("db", "src/db/**"), ("web", "src/web/**"), ("web", "docs/*.md"))


def guarded(
    site: Site, name: str = "db", scope: Sequence[str] = ("src/db/**",), *, full: bool = True
) -> TestRepository:
    """A guarded worktree of ours, in which the caller plays the agent."""
    agent = site.agent(name)
    guard = guard_of(site, name, scope=scope, full=full)
    assert site.repository.guard_worktree(path=agent.path, guard=guard, owned=OWNED)
    return agent


def guard_of(site: Site, name: str, *, scope: Sequence[str], full: bool = True) -> Guard:
    """What the hooks of a workstream's worktree know."""
    return Guard(
        run="r1",
        name=name,
        branch=Branch(f"wto/r1/{name}"),
        integration=Branch("wto/r1/integration"),
        scope=tuple(scope),
        folder=f"{site.folder}/state/hooks/r1/{name}",
        scopes=f"{site.folder}/state/hooks/r1/scopes",
        full=full,
    )


def said(agent: TestRepository, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, list[str]]:
    """How a git command of the agent ends, and what our guard says."""
    code, output = heard(agent, *arguments, env=env)
    return code, [line for line in output if line.startswith("wto: ")]


def heard(agent: TestRepository, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, list[str]]:
    """How a git command of the agent ends, and every line it and its hooks write."""
    ended = subprocess.run(
        ["git", *arguments],
        cwd=agent.path,
        env=sealed_environment(agent.home) | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout.splitlines()
