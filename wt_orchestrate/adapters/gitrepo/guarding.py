"""Hooks in an agent's worktree alone, in front of the repository's own.

Git looks for them by `core.hooksPath` in the worktree's own configuration (`config.worktree`), which counts only where the
repository says `extensions.worktreeConfig`: the one key that is ever written into the shared configuration. The hooks lie in a
folder of ours in the state folder, with what they must know beside them; they call the repository's own hook of the same name,
wherever that was looked for before. A repository whose shared configuration sets `core.bare` or `core.worktree` is left as it is,
because that extension would change what these mean.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from wt_orchestrate.adapters.gitrepo.discovery import users_own
from wt_orchestrate.adapters.gitrepo.runner import Git, execute, text
from wt_orchestrate.git_ports import Guard

HOOKS = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit", "prepare-commit-msg",
    "commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "pre-push", "post-rewrite",
    "reference-transaction", "sendemail-validate", "fsmonitor-watchman", "p4-changelist", "p4-prepare-changelist",
    "p4-post-changelist", "p4-pre-submit", "post-index-change", "push-to-checkout", "pre-auto-gc",
)  # fmt: skip
"""Every hook that git may run in a worktree: a folder of hooks hides the one before it whole."""
_OFTEN = frozenset({"fsmonitor-watchman", "post-index-change"})
_IN_COMMITS = frozenset({"prepare-commit-msg", "commit-msg", "reference-transaction"})
"""Hooks that run between a commit's objects and its ref, while nothing holds these objects yet."""


def guard(git: Git, *, worktree: str, admin: str, wanted: Guard, shim: str) -> bool:
    """Put the hooks before a worktree's own, or bring them up to date; False where the repository does not allow it."""
    if not _allowed(git):
        return False
    chain = _before(git, worktree, wanted.folder)
    os.makedirs(wanted.folder, mode=0o700, exist_ok=True)
    _write(f"{wanted.folder}/facts", _facts(wanted, chain))
    _write(f"{wanted.folder}/scope", "".join(f"{glob}\n" for glob in wanted.scope))
    for name in HOOKS:
        path = f"{wanted.folder}/{name}"
        there = os.path.lexists(path)
        needless = name in _OFTEN or (name in _IN_COMMITS and not wanted.full)
        if needless and not os.access(f"{chain}/{name}", os.X_OK):
            if there:
                os.unlink(path)
        elif not there or os.readlink(path) != shim:
            if there:
                os.unlink(path)
            os.symlink(shim, path)
    if git.line("config", "--get", "extensions.worktreeConfig", ok=(0, 1)) != "true":
        git.run("config", "extensions.worktreeConfig", "true")
    git.run("config", "--file", f"{admin}/config.worktree", "core.hooksPath", wanted.folder)
    return True


def write_scopes(path: str, scopes: Sequence[tuple[str, str]]) -> None:
    """Who owns what in a run, for every guard's words."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    _write(path, "".join(f"{name}\t{glob}\n" for name, glob in scopes))


def _allowed(git: Git) -> bool:
    bare = git.line("config", "--type=bool", "--get", "core.bare", ok=(0, 1))
    elsewhere = git.line("config", "--get", "core.worktree", ok=(0, 1))
    return bare != "true" and not elsewhere


def _before(git: Git, worktree: str, ours: str) -> str:
    """The folder in which git would look for hooks there, were it not for ours."""
    env = {**users_own(), "GIT_DIR": git.git_dir, "GIT_OPTIONAL_LOCKS": "0"}
    code, output = execute(("config", "--type=path", "--get", "core.hooksPath"), env, cwd=git.git_dir, ok=(0, 1, 128))
    found = text(output).removesuffix("\n")
    if code != 0 or not found or found == ours:
        return f"{git.git_dir}/hooks"
    return os.path.normpath(os.path.join(worktree, found))


def _facts(wanted: Guard, chain: str) -> str:
    values = {
        "RUN": wanted.run,
        "NAME": wanted.name,
        "BRANCH": wanted.branch,
        "INTEGRATION": wanted.integration,
        "SCOPES": wanted.scopes,
        "CHAIN": chain,
    }
    return "".join(f"WTO_GUARD_{key}={shlex.quote(value)}\n" for key, value in values.items())


def _write(path: str, content: str) -> None:
    beside = f"{path}.new"
    with open(beside, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(content)
    os.replace(beside, path)
