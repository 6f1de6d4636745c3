"""Write a worktree's files and index from a commit.

It runs on a private git directory, so that no filter, hook or other program that an agent may have put into the shared
configuration is started. The user's own configuration (global and system) does count: git-lfs works as when the user
checks out, because its part of the shared configuration is passed on as values that name no program. A filter that only
the repository's configuration defines (`git config --local filter...`) does not run; its files are written as they are
stored.

Two at a time: more do not make a disk or two processors faster.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from wt_orchestrate.adapters.gitrepo.configuration import configuration
from wt_orchestrate.adapters.gitrepo.discovery import users_own
from wt_orchestrate.adapters.gitrepo.runner import EXCLUDES, LONG_S, Git, execute, text, users_environment
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.osfiles.locks import one_of

CONVERSION = (
    "core.autocrlf",
    "core.eol",
    "core.filemode",
    "core.symlinks",
    "core.ignorecase",
    "core.precomposeunicode",
)
"""Keys of a repository's configuration that say how files are written, and that cannot start a program."""


def fill(apart: Git, *, worktree: str, admin: str, commit: CommitId, common_dir: str, slots: tuple[str, ...]) -> None:
    """Write every file of a commit over whatever is there, and the worktree's own index."""
    env = users_environment(
        {
            **apart.env,
            "GIT_DIR": apart.git_dir,
            "GIT_WORK_TREE": worktree,
            "GIT_INDEX_FILE": f"{admin}/index",
        },
        config=passed_on(common_dir),
    )
    with one_of(slots):
        execute(("read-tree", "--reset", "-u", commit), env, cwd=worktree, timeout_s=LONG_S)


def passed_on(common_dir: str) -> Mapping[str, str]:
    """The values of the repository's configuration that a checkout needs, none of which names a program."""
    found: dict[str, str] = {}
    for key, value in configuration(common_dir).in_file().items():
        remote = key.startswith("remote.") and key.endswith((".url", ".lfsurl"))
        if key in CONVERSION or key == "lfs.url" or remote:
            found[key] = value
    return found | {"lfs.storage": os.path.join(common_dir, "lfs")}


_SPARSE = ("core.sparsecheckout", "core.sparsecheckoutcone", "index.sparse")


def sparse_settings(common_dir: str, git_dir: str) -> Mapping[str, str]:
    """Whether a checkout is a sparse one, as its own configuration or the shared one says."""
    own = configuration(common_dir).settings()
    found = {each.key: each.value or "" for each in own if each.key in _SPARSE and each.scope != "command"}
    if git_dir != common_dir and os.path.isfile(f"{git_dir}/config.worktree"):
        words = ("config", "--file", f"{git_dir}/config.worktree", "--no-includes", "-z", "--list")
        pairs = (item.partition("\n")[::2] for item in text(Git(common_dir).run(*words)).split("\0"))
        found.update({key: value for key, value in pairs if key in _SPARSE})
    return found


def reading_settings(common_dir: str) -> Mapping[str, str]:
    """What a comparison with a worktree must know: how files are written there, and what the user ignores everywhere."""
    found = {key: value for key, value in passed_on(common_dir).items() if key in CONVERSION}
    above = users_own().get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return {
        **found,
        EXCLUDES: configuration(common_dir).path(EXCLUDES.lower(), scope="global") or f"{above}/git/ignore",
    }
