"""Our hooks in the main worktree, for people who want them: installed before existing ones, and removed without a
trace.

An existing hook is kept beside ours under another name and runs after it; removing ours restores it. Hook folders that
somebody else manages (husky's, or one shared by all repositories) are never written to.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence

from wt_orchestrate.adapters.gitrepo.discovery import users_own
from wt_orchestrate.adapters.gitrepo.runner import execute, text
from wt_orchestrate.errors import Refused
from wt_orchestrate.osfiles.atomic import replace_file
from wt_orchestrate.ports.git.repository import OwnHook

NAMES = ("pre-commit", "pre-push")
_MARK = "# wto hook: checks your commits and pushes; wto hook uninstall removes it"
_BEFORE = ".before-wto"
_SHIM = """#!/bin/sh
{mark}
input=
[ {name} = pre-push ] && input=$(cat)
if [ -x {program} ]; then
    printf '%s\\n' "$input" | {command} hook run {name}
    [ $? = 6 ] && exit 1 # any other failure must not stop a commit
fi
[ -x "$0{before}" ] || exit 0
if [ {name} = pre-push ]; then
    printf '%s\\n' "$input" | "$0{before}" "$@"
else
    exec "$0{before}" "$@"
fi
"""


def hooks_folder(root: str, common_dir: str) -> str:
    """Where git looks for hooks in the main worktree. Raises Refused if that folder is not this repository's own."""
    env = {**users_own(), "LC_ALL": "C"}
    _, output = execute(("rev-parse", "--path-format=absolute", "--git-path", "hooks"), env, cwd=root)
    folder, own = text(output).removesuffix("\n"), f"{common_dir}/hooks"
    if os.path.realpath(folder) == os.path.realpath(own):
        return own
    if os.path.realpath(folder).startswith(f"{os.path.realpath(root)}/"):
        lines = " and ".join(f"`wto hook run {name}` to its {name} hook" for name in NAMES)
        raise Refused(f"core.hooksPath is {folder}, which another tool manages", hint=f"add {lines} there, by hand")
    raise Refused(
        f"core.hooksPath is {folder}, which other repositories may share",
        hint=f"git config core.hooksPath {own} gives this repository its own; then run wto hook install",
    )


def installed(folder: str) -> tuple[OwnHook, ...]:
    """The state of each hook."""
    return tuple(
        OwnHook(name=name, ours=_ours(f"{folder}/{name}"), others=_others(folder, name), path=f"{folder}/{name}")
        for name in NAMES
    )


def install(folder: str, *, command: Sequence[str], dry: bool) -> Iterator[str]:
    """Install ours before existing ones; what was done for each, in words. Raises Refused if a kept hook is in the way."""
    for name in NAMES:
        path = f"{folder}/{name}"
        there, ours = os.path.lexists(path), _ours(path)
        if there and not ours and os.path.lexists(path + _BEFORE):
            raise Refused(
                f"{path}{_BEFORE} exists already, and {path} is not from wto", hint="look at both and remove one"
            )
        if not dry:
            os.makedirs(folder, exist_ok=True)
            if there and not ours:
                os.rename(path, path + _BEFORE)
            replace_file(path, _shim(name, command), mode=0o755)
        kept = f"; the existing hook runs after it, as {name}{_BEFORE}" if there and not ours else ""
        yield f"{name}: {'again' if ours else 'new'}{kept}"


def uninstall(folder: str, *, dry: bool) -> Iterator[str]:
    """Remove ours and restore what was there; what was done for each, in words."""
    for name in NAMES:
        path = f"{folder}/{name}"
        if not _ours(path):
            yield f"{name}: not installed"
            continue
        kept = os.path.lexists(path + _BEFORE)
        if not dry:
            os.unlink(path)
            if kept:
                os.rename(path + _BEFORE, path)
        yield f"{name}: removed" + ("; the earlier hook is restored" if kept else "")


def _shim(name: str, command: Sequence[str]) -> str:
    return _SHIM.format(
        mark=_MARK, name=name, before=_BEFORE, program=shlex.quote(command[0]), command=shlex.join(command)
    )


def _ours(path: str) -> bool:
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return _MARK.encode() in file.read(400)


def _others(folder: str, name: str) -> bool:
    """Whether a hook that is not ours runs there."""
    path = f"{folder}/{name}"
    return os.access(path + _BEFORE if _ours(path) else path, os.X_OK)
