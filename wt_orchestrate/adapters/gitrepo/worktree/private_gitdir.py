"""A private git directory on somebody else's objects.

It has no configuration, hooks, attributes, excludes or refs but ours, and finds objects through GIT_OBJECT_DIRECTORY.
So trees of the user's repository can be read and written without reading one line of a configuration that agents share.
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress

from wt_orchestrate.adapters.gitrepo.configuration import configuration
from wt_orchestrate.adapters.gitrepo.runner import Git

_KEYS = "git-crypt"
IGNORED = ("/HANDOFF.md",)
"""Names that never count as changes in a worktree: the handoff is kept out of commits."""


def set_apart(folder: str, *, common_dir: str) -> Git:
    """Git on the objects of `common_dir` with a git directory at `folder`, which is made if it is missing."""
    if not os.path.exists(f"{folder}/wto-ready"):
        _make(folder, object_format=configuration(common_dir).object_format())
    lend_keys(folder, common_dir=common_dir)
    return Git(folder, {"GIT_OBJECT_DIRECTORY": f"{common_dir}/objects"})


def lend_keys(git_dir: str, *, common_dir: str) -> None:
    """Let git-crypt find the repository's keys from another git directory: it looks in no common one, also in worktrees."""
    if os.path.isdir(f"{common_dir}/{_KEYS}"):
        with suppress(FileExistsError):
            os.symlink(f"{common_dir}/{_KEYS}", f"{git_dir}/{_KEYS}")


def _make(folder: str, *, object_format: str) -> None:
    beside = f"{folder}.{os.getpid()}-{threading.get_ident()}"
    shutil.rmtree(beside, ignore_errors=True)
    init_bare(beside, object_format=object_format)
    try:
        os.rename(beside, folder)
    except OSError:  # another process was quicker
        shutil.rmtree(beside)


def copy_or_remove(source: str, target: str) -> None:
    """Make a file of a git directory of ours what another one's is: the same text, or none."""
    beside = f"{target}.{os.getpid()}-{threading.get_ident()}"
    try:
        shutil.copyfile(source, beside, follow_symlinks=False)
        os.replace(beside, target)
    except (FileNotFoundError, NotADirectoryError):
        with suppress(FileNotFoundError):
            os.unlink(target)


def init_bare(path: str, *, object_format: str, config: str = "") -> None:
    """A bare repository with nothing from the machine's templates, marked when it is complete."""
    os.makedirs(path, mode=0o700)
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        os.makedirs(f"{path}/{folder}")
    longer = object_format != "sha1"
    extension = f"[extensions]\n\tobjectFormat = {object_format}\n" if longer else ""
    version = f"[core]\n\trepositoryFormatVersion = {int(longer)}\n\tfilemode = true\n\tbare = true\n"
    texts = {
        "HEAD": "ref: refs/heads/main\n",
        "config": f"{version}{extension}{config}",
        "info/exclude": "".join(f"{name}\n" for name in IGNORED),
        "wto-ready": "",
    }
    for name, text in texts.items():
        with open(f"{path}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
