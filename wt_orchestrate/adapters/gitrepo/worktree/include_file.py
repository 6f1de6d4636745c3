"""Copy files that git ignores but work needs (`.env`, `node_modules`), as `.worktreeinclude` says.

The file is at the main worktree's root, has gitignore syntax and means the same as for Claude Code: a file is copied if
it is named there and ignored by git. git itself answers both questions. Existing files stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from wt_orchestrate.adapters.gitrepo.files.copy_tree import copy_all
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, execute, fields, users_environment
from wt_orchestrate.adapters.gitrepo.worktree.dirty import INCLUDED


def bring_along(*, common_dir: str, main: str, path: str, never: Sequence[str]) -> int:
    """Copy what `.worktreeinclude` names into `path`, but nothing below a folder of `never`; returns how many files."""
    named = f"{main}/{INCLUDED}"
    if not os.path.isfile(named):
        return 0
    wanted = _untracked(common_dir, main, f"--exclude-from={named}")
    if not wanted:
        return 0
    ignored = _untracked(common_dir, main, "--exclude-standard")
    return copy_all(sorted(_both(wanted, ignored)), source=main, target=path, never=frozenset((*never, path)))


def _untracked(common_dir: str, main: str, excluded: str) -> set[str]:
    """Untracked files that the given patterns name; a whole folder ends in a slash."""
    env = users_environment({"GIT_DIR": common_dir, "GIT_WORK_TREE": main})
    arguments = ("ls-files", "-z", "--others", "--ignored", "--directory", excluded)
    return set(fields(execute(arguments, env, cwd=main, timeout_s=LONG_S)[1]))


def _both(one: set[str], other: set[str]) -> set[str]:
    """What both lists name; a folder stands for everything below it."""
    return {name for name in one if _covered(name, other)} | {name for name in other if _covered(name, one)}


def _covered(name: str, by: set[str]) -> bool:
    parts = name.rstrip("/").split("/")
    return name in by or any("/".join(parts[:count]) + "/" in by for count in range(1, len(parts)))
