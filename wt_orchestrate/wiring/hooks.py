"""Hooks of the main worktree: where they are, and what they look at."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wt_orchestrate.wiring.site import Site, open_log, repository

if TYPE_CHECKING:
    from wt_orchestrate.domain.state.run import RunState
    from wt_orchestrate.ports.git.repository import OwnHook, Staged


def own_hooks(site: Site) -> tuple[OwnHook, ...]:
    """What stands in the folder of hooks. Raises Refused where that is not this repository's own."""
    from wt_orchestrate.adapters.gitrepo.hooks.user import installed

    return installed(_folder(site))


def install_hooks(site: Site, *, dry: bool) -> tuple[str, ...]:
    """Put ours in front of what is there; what was done, in words."""
    from wt_orchestrate.adapters.gitrepo.hooks.user import install

    return tuple(install(_folder(site), command=(sys.executable, "-P", "-m", "wt_orchestrate"), dry=dry))


def uninstall_hooks(site: Site, *, dry: bool) -> tuple[str, ...]:
    """Take ours away again; what was done, in words."""
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
