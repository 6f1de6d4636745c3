"""Hooks in an agent's worktree only, before the repository's own.

Git finds them by `core.hooksPath` in the worktree's own configuration (`config.worktree`), which counts only if the
repository sets `extensions.worktreeConfig`: the one key that is ever written into the shared configuration. The hooks
are in a folder of ours in the state folder, with the data they need beside them; they call the repository's own hook of
the same name. A repository whose shared configuration sets `core.bare` or `core.worktree` is left as it is, because
that extension would change their meaning.

The folder can be updated alone while an agent owns everything else: then nothing is written that it could have replaced
by a link, and its own configuration is only read.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress

from wt_orchestrate.adapters.gitrepo.configuration import configuration, quoted
from wt_orchestrate.adapters.gitrepo.runner import Git
from wt_orchestrate.errors import GitFailed
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.ports.git.repository import Guard
from wt_orchestrate.resources import resource

HOOKS = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit", "prepare-commit-msg",
    "commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "pre-push", "post-rewrite",
    "reference-transaction", "sendemail-validate", "fsmonitor-watchman", "p4-changelist", "p4-prepare-changelist",
    "p4-post-changelist", "p4-pre-submit", "post-index-change", "push-to-checkout", "pre-auto-gc",
    "pre-receive", "update", "proc-receive", "post-receive", "post-update",
)  # fmt: skip
"""Every hook that git may run in a worktree or in a push to it: a folder of hooks hides the one before it entirely."""
_OFTEN = frozenset({"fsmonitor-watchman", "post-index-change"})
_PUSHED_TO = frozenset({"pre-receive", "update", "proc-receive", "post-receive", "post-update"})
_FILES = ("facts", "scope", "committed")
_IN_COMMITS = frozenset({"prepare-commit-msg", "commit-msg", "reference-transaction"})
"""Hooks that run between a commit's objects and its ref, while nothing holds these objects yet."""


_EXTENSION = "extensions.worktreeConfig"


def guard(git: Git, *, worktree: str, admin: str, wanted: Guard, shim: str, mark: str) -> bool:
    """Put the hooks before a worktree's own; False where the repository does not allow it. Safe twice. The file `mark` says
    from then on that the extension was set by us."""
    if not _allowed(git):
        return False
    if not configuration(git.git_dir).own_is_true(_EXTENSION.lower()):
        replace_file(mark, "")
        configuration(git.git_dir).switch_on(*_EXTENSION.split("."))
    refresh(git, worktree=worktree, wanted=wanted, shim=shim)
    _name_hooks(git, f"{admin}/config.worktree", wanted.folder)
    return True


def refresh(git: Git, *, worktree: str, wanted: Guard, shim: str) -> None:
    """Update the folder of the hooks, and nothing else."""
    os.makedirs(wanted.folder, mode=0o700, exist_ok=True)
    read_at = os.stat(f"{git.git_dir}/config").st_mtime_ns
    chain = _before(git, worktree, wanted.folder)
    within = chain.startswith(f"{worktree}/")
    for name in HOOKS:
        wished = _is_needed(name, chain, full=wanted.full, within=within)
        _link(f"{wanted.folder}/{name}", shim if wished else None)
    scope = pathspecs(wanted.scope)
    replace_file(f"{wanted.folder}/scope", "".join(f"{glob}\n" for glob in scope or ()))
    replace_file(f"{wanted.folder}/facts", _facts(wanted, chain, git.git_dir))
    # a configuration that is newer than the facts is looked at again by the hooks
    os.utime(f"{wanted.folder}/facts", ns=(read_at, read_at))


def undo_extension(git: Git, mark: str) -> None:
    """Take back the one key in the shared configuration, once no worktree has a configuration of its own any more."""
    if not os.path.exists(mark):
        return
    above = f"{git.git_dir}/worktrees"
    admins = [f"{above}/{name}" for name in os.listdir(above)] if os.path.isdir(above) else []
    if any(os.path.exists(f"{folder}/config.worktree") for folder in (git.git_dir, *admins)):
        return
    git.run("config", "--unset", _EXTENSION, ok=(0, 5))
    os.unlink(mark)


def unguard(folder: str) -> None:
    """Remove a folder of hooks with what we put into it; other files stay."""
    for name in (*_FILES, *HOOKS):
        with suppress(OSError):
            os.unlink(f"{folder}/{name}")
    with suppress(OSError):
        os.rmdir(folder)


def write_scopes(path: str, scopes: Sequence[tuple[str, str]]) -> None:
    """Write every workstream's scope of a run, for the hooks' messages."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    told = [(name, glob) for name, written in scopes for glob in pathspecs((written,)) or ()]
    replace_file(path, "".join(f"{name}\t{glob}\n" for name, glob in told))


def pathspecs(scope: Sequence[str]) -> tuple[str, ...] | None:
    """The scope as git pathspecs with the same meaning; None if git cannot express it, so nothing is guarded. A scope
    has `*`, `?` and `**` only; in git a `[` starts a set, and `**` beside other characters stays within a folder."""
    globs = [glob.rstrip("/") for glob in scope]
    if any("**" in part and part != "**" for glob in globs for part in glob.split("/")):
        return None
    return tuple(glob.replace("[", "\\[") for glob in globs)


def _is_needed(name: str, chain: str, *, full: bool, within: bool) -> bool:
    """Whether a hook of this name must be installed. A folder within the worktree (husky's) is filled later than it is
    looked at: what it may contain counts as contained."""
    if name in _IN_COMMITS:
        needed = full or (within and name != "reference-transaction")
    else:
        needed = name not in _OFTEN and name not in _PUSHED_TO
    return needed or os.access(f"{chain}/{name}", os.X_OK)


def _link(path: str, shim: str | None) -> None:
    there = os.path.lexists(path)
    if there and (shim is None or not os.path.islink(path) or os.readlink(path) != shim):
        os.unlink(path)
        there = False
    if shim is not None and not there:
        os.symlink(shim, path)


def _name_hooks(git: Git, path: str, folder: str) -> None:
    """Have a worktree's own configuration name the folder; a file that is there already is git's to change."""
    if os.path.lexists(path):
        git.run("config", "--file", path, "core.hooksPath", folder)
    else:
        replace_file(path, f"[core]\n\thooksPath = {quoted(folder)}\n")


def _allowed(git: Git) -> bool:
    known = configuration(git.git_dir)
    return not known.bare() and not known.own("core.worktree")


def _before(git: Git, worktree: str, ours: str) -> str:
    """The folder in which git would look for hooks without ours."""
    try:
        found = configuration(git.git_dir).path("core.hookspath")
    except GitFailed:
        found = None
    if not found or found == ours:
        return f"{git.git_dir}/hooks"
    return os.path.normpath(os.path.join(worktree, found))


def _facts(wanted: Guard, chain: str, common_dir: str) -> str:
    values = {
        "RUN": wanted.run,
        "NAME": wanted.name,
        "BRANCH": wanted.branch,
        "INTEGRATION": wanted.integration,
        "SCOPES": wanted.scopes,
        "CHAIN": chain,
        "COMMON": common_dir,
        "BIN": resource("hooks", "agent-bin"),
    }
    return "".join(f"WTO_GUARD_{key}={shlex.quote(value)}\n" for key, value in values.items())
