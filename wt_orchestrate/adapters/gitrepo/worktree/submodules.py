"""The files of submodules, written from what the user has: offline, and by nothing of a submodule's own configuration.

Git keeps a submodule's objects below `modules/` of the common directory. They are read with a git directory of ours, so that
no filter and no hook of a submodule runs, and written as plain files without a `.git`: git takes such a folder for a submodule
that is not checked out, and what changes in it is nobody's work. A submodule that the user has not got stays an empty folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from tempfile import TemporaryDirectory

from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git, fields
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import GitFailed

_GITLINK = "160000"


def modules_of(git: Git, commit: CommitId, common_dir: str) -> Mapping[str, tuple[CommitId, str]]:
    """For each submodule of a commit, by its path: its commit, and the git directory that the user has of it; empty if none."""
    listed = fields(git.run("ls-tree", "-r", "-z", "--format=%(objectmode) %(objectname) %(path)", commit))
    links = {path: CommitId(name) for mode, name, path in (each.split(" ", 2) for each in listed) if mode == _GITLINK}
    if not links:
        return {}
    names = _names(git, commit)
    return {path: (at, _module(common_dir, names.get(path, ""))) for path, at in links.items()}


def fill_submodules(git: Git, *, path: str, commit: CommitId, common_dir: str, again: bool) -> None:
    """Write the submodules of a commit that was just checked out at `path`. With `again` folders that are not empty are emptied
    first, else left alone. No git is started where the commit has no `.gitmodules`."""
    if not os.path.lexists(f"{path}/.gitmodules"):
        return
    for below, (at, module) in modules_of(git, commit, common_dir).items():
        folder = f"{path}/{below}"
        if not _is_place(path, folder):
            continue
        if again:
            _empty(folder)
        if module and not os.listdir(folder):
            with suppress(GitFailed):  # the user's submodule has not got that commit
                _write(git, folder, at, module)
                inner = Git(git.git_dir, {**git.env, "GIT_OBJECT_DIRECTORY": f"{module}/objects"})
                fill_submodules(inner, path=folder, commit=at, common_dir=module, again=again)


def _write(git: Git, folder: str, commit: CommitId, module: str) -> None:
    with TemporaryDirectory(prefix="wto-") as beside:
        env = {
            "GIT_OBJECT_DIRECTORY": f"{module}/objects",
            "GIT_WORK_TREE": folder,
            "GIT_INDEX_FILE": f"{beside}/index",
        }
        git.at(env).run("read-tree", "--reset", "-u", commit, timeout_s=LONG_S)


def _names(git: Git, commit: CommitId) -> Mapping[str, str]:
    """The name of each submodule by its path, as `.gitmodules` of the commit says."""
    words = ("config", "-z", "--no-includes", f"--blob={commit}:.gitmodules", "--list")
    _, output = git.outcome(*words, ok=(0, 1, 3, 128))
    pairs = (each.partition("\n")[::2] for each in fields(output))
    return {
        value: key.removeprefix("submodule.").removesuffix(".path")
        for key, value in pairs
        if key.startswith("submodule.") and key.endswith(".path")
    }


def _module(common_dir: str, name: str) -> str:
    """The git directory that the user has of a submodule; empty if there is none, or its name leads elsewhere."""
    found, above = f"{common_dir}/modules/{name}", os.path.realpath(f"{common_dir}/modules")
    inside = name != "" and os.path.realpath(found).startswith(f"{above}/")
    return found if inside and os.path.isdir(f"{found}/objects") else ""


def _is_place(top: str, folder: str) -> bool:
    """Whether a folder is there, and no link on the way leads out of the checkout."""
    real = os.path.realpath(folder)
    return os.path.isdir(folder) and real == os.path.normpath(
        os.path.join(os.path.realpath(top), os.path.relpath(folder, top))
    )


def _empty(folder: str) -> None:
    for each in os.scandir(folder):
        if each.is_dir(follow_symlinks=False):
            shutil.rmtree(each.path, ignore_errors=True)
        else:
            os.unlink(each.path)
