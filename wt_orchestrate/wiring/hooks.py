"""Hooks of the main worktree: install, remove, and what they check."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wt_orchestrate.wiring.site import Site, open_log, repository

if TYPE_CHECKING:
    from wt_orchestrate.domain.state.run import RunState
    from wt_orchestrate.ports.git.repository import OwnHook, Staged


def own_hooks(site: Site) -> tuple[OwnHook, ...]:
    """The hooks that are installed. Raises Refused if the folder of hooks is not this repository's own."""
    from wt_orchestrate.adapters.gitrepo.hooks.user import installed

    return installed(_folder(site))


def install_hooks(site: Site, *, dry: bool) -> tuple[str, ...]:
    """Install ours before existing ones; what was done, in words."""
    from wt_orchestrate.adapters.gitrepo.hooks.user import install

    return tuple(install(_folder(site), command=(sys.executable, "-P", "-m", "wt_orchestrate"), dry=dry))


def uninstall_hooks(site: Site, *, dry: bool) -> tuple[str, ...]:
    """Remove ours; what was done, in words."""
    from wt_orchestrate.adapters.gitrepo.hooks.user import uninstall

    return tuple(uninstall(_folder(site), dry=dry))


def _folder(site: Site) -> str:
    from wt_orchestrate.adapters.gitrepo.hooks.user import hooks_folder
    from wt_orchestrate.errors import Refused

    root = repository(site).facts().main_worktree
    if root is None:
        raise Refused("a bare repository has no main worktree for hooks", hint="install them in a clone")
    return hooks_folder(root, site.common_dir)


def staged_work(start: str) -> Staged | None:
    """What is about to be committed; None in a worktree that is not the main one."""
    from wt_orchestrate.adapters.gitrepo.hooks.staged import is_main_worktree, staged

    return staged(start) if is_main_worktree(start) else None


def newest_run(site: Site) -> RunState | None:
    """The newest run, if there is any."""
    from wt_orchestrate.engine.requests import newest_state

    log = open_log(site)
    try:
        return newest_state(log)
    finally:
        log.close()
