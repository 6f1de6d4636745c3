"""Which sandbox a run gets on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wt_orchestrate.errors import Refused
from wt_orchestrate.wiring.site import Site

if TYPE_CHECKING:
    from wt_orchestrate.adapters.executor.sandbox.places import Ground
    from wt_orchestrate.domain.plan.settings import Settings
    from wt_orchestrate.ports.engine import Sandbox
    from wt_orchestrate.ports.git.repository import RepositoryFacts

INSTALL = (
    "install bubblewrap (apt-get install bubblewrap; it needs user namespaces), or sandbox: off in .wto/config.yaml"
)
_HIDDEN = ("/tmp", "/var/tmp", "/run", "/dev/shm")


def sandbox_of(site: Site, settings: Settings, facts: RepositoryFacts) -> Sandbox | None:
    """The sandbox that these settings ask for; None for none. Raises Refused where one is required and none holds."""
    from wt_orchestrate.adapters.executor.sandbox.bubblewrap import Bubblewrap, program
    from wt_orchestrate.domain.plan.settings import Network, SandboxMode

    if settings.sandbox is SandboxMode.OFF:
        return None
    problem = sandbox_problem(site)
    binary = program()
    if binary is not None and not problem:
        return Bubblewrap(binary, ground_of(site, settings, facts), network=settings.network is not Network.OFF)
    if settings.sandbox is SandboxMode.REQUIRED:
        raise Refused(f"a sandbox is required, and there is none: {problem}", hint=INSTALL)
    return None


def sandbox_problem(site: Site) -> str:
    """Why this machine has no sandbox, in words; empty if it has one that holds."""
    from wt_orchestrate.adapters.executor.sandbox.bubblewrap import Bubblewrap, program
    from wt_orchestrate.adapters.executor.sandbox.probe import known_weakness

    binary = program()
    if binary is None:
        return "bubblewrap is not installed"
    words = known_weakness(
        lambda ground: Bubblewrap(binary, ground, network=True), state_dir=site.state_dir, binary=binary
    )
    return f"bubblewrap: {words}" if words else ""


def ground_of(site: Site, settings: Settings, facts: RepositoryFacts) -> Ground:
    """The machine around a run."""
    from wt_orchestrate.adapters.executor.sandbox.places import Ground

    root = facts.main_worktree or os.path.dirname(facts.common_dir)
    worktrees = os.path.normpath(
        os.path.join(root, settings.worktrees.replace("{repo}", facts.name).split("/{run}")[0].split("{")[0])
    )
    return Ground(
        common_dir=facts.common_dir,
        state_dir=site.state_dir,
        main_worktree=facts.main_worktree,
        worktrees=worktrees,
        hidden=_HIDDEN,
        readable=tuple(_needed()),
        writable=tuple(os.path.realpath(os.path.expanduser(path)) for path in settings.writable),
    )


def _needed() -> Iterator[str]:
    """Programs that lie below what is hidden."""
    found = (
        sys.prefix,
        sys.base_prefix,
        os.path.dirname(os.path.dirname(__file__)),
        *os.environ.get("PATH", "").split(os.pathsep),
    )
    for path in found:
        if any(os.path.realpath(path).startswith(f"{hidden}/") for hidden in _HIDDEN):
            yield path
