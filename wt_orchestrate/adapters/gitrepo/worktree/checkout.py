"""Write a worktree's files and index from a commit.

It runs on a private git directory, so that no filter, hook or other program that an agent may have put into the shared
configuration is started. The user's own configuration (global and system) does count: git-lfs works as when the user
checks out, because its part of the shared configuration is passed on as values that name no program. Filters that only the
repository's configuration defines (`git lfs install --local`, `git-crypt unlock`) run as they were recorded when the run
started, if their program is outside of the repository; without a record its files are written as they are stored.

Two at a time: more do not make a disk or two processors faster.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

from wt_orchestrate.adapters.gitrepo.configuration import configuration
from wt_orchestrate.adapters.gitrepo.discovery import users_own
from wt_orchestrate.adapters.gitrepo.runner import EXCLUDES, LONG_S, Git, execute, text, users_environment
from wt_orchestrate.adapters.gitrepo.worktree.private_gitdir import lend_keys
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


RECORD = "settings.json"
_FILTER = re.compile(r"filter\..+\.(clean|smudge|process|required)")


def fill(
    apart: Git,
    *,
    worktree: str,
    admin: str,
    commit: CommitId,
    settings: Mapping[str, str],
    common_dir: str,
    slots: tuple[str, ...],
) -> None:
    """Write every file of a commit over whatever is there, and the worktree's own index."""
    lend_keys(admin, common_dir=common_dir)
    env = users_environment(
        {
            **apart.env,
            "GIT_DIR": apart.git_dir,
            "GIT_WORK_TREE": worktree,
            "GIT_INDEX_FILE": f"{admin}/index",
        },
        config=settings,
    )
    with one_of(slots):
        execute(("read-tree", "--reset", "-u", commit), env, cwd=worktree, timeout_s=LONG_S)


def passed_on(common_dir: str, record: str = "") -> Mapping[str, str]:
    """The values of the repository's configuration that a checkout needs: as they were written into the folder `record` when
    the run started; without one as they are, and then none of them names a program."""
    found = _recorded(record) if record else None
    if found is None:
        found = _naming_no_program(configuration(common_dir).in_file())
    return {**found, "lfs.storage": os.path.join(common_dir, "lfs")}


def to_record(common_dir: str, main: str | None) -> Mapping[str, str]:
    """What `passed_on` finds later: also the filters, but for those whose program agents could write."""
    own = [each for each in configuration(common_dir).settings() if each.scope in {"local", "worktree"}]
    values = {each.key: "true" if each.value is None else each.value for each in own}
    filters = {key: value for key, value in values.items() if _FILTER.fullmatch(key)}
    inside = {
        key.rpartition(".")[0]
        for key, value in filters.items()
        if not key.endswith(".required") and _names_a_file_in(value, main or common_dir)
    }
    return {
        **_naming_no_program(values),
        **{key: value for key, value in filters.items() if key.rpartition(".")[0] not in inside},
    }


def _naming_no_program(values: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in values.items()
        if key in CONVERSION or key == "lfs.url" or (key.startswith("remote.") and key.endswith((".url", ".lfsurl")))
    }


def _names_a_file_in(command: str, folder: str) -> bool:
    """Whether a word of a command is a path in the repository, or one that only the shell can tell."""
    words = [word for word in re.split(r"[\s;|&()<>'\"=]+", command) if word not in {"", ".", "%f"}]
    above = os.path.realpath(folder)
    return any(
        word.startswith(("$", "`", "~"))
        or os.path.lexists(f"{folder}/{word}")
        or (os.path.isabs(word) and os.path.realpath(word).startswith(f"{above}/"))
        or (not os.path.isabs(word) and "/" in word and os.path.lexists(f"{folder}/{word.split('/')[0]}"))
        for word in words
    )


def _recorded(folder: str) -> dict[str, str] | None:
    """What a folder holds; None when it was written by a version that recorded none of it."""
    try:
        with open(f"{folder}/{RECORD}", encoding="utf-8", errors="surrogateescape") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else None


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


def reading_settings(common_dir: str, record: str = "") -> Mapping[str, str]:
    """What a comparison with a worktree must know: how files are written there, and what the user ignores everywhere."""
    above = users_own().get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    usual = "/dev/null" if above.startswith("~") else f"{above}/git/ignore"  # a user without a home has no such list
    return {
        **passed_on(common_dir, record),
        EXCLUDES: configuration(common_dir).path(EXCLUDES.lower(), scope="global") or usual,
    }
