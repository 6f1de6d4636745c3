"""Throwaway trees for checks: each slot is a folder of ours with exactly one commit's files.

A slot is moved from commit to commit by an index beside it, on the vault's git, so nothing that a check left in it is
trusted. For the checks it is a small repository of its own that borrows the vault's objects: git commands that a test
suite runs (also `git config` or `git commit`) work, and change nothing but the slot.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress

from wt_orchestrate.adapters.gitrepo.configuration import quoted
from wt_orchestrate.adapters.gitrepo.objects.fetch import TAGS
from wt_orchestrate.adapters.gitrepo.objects.refs import commits_at
from wt_orchestrate.adapters.gitrepo.runner import LONG_S, Git
from wt_orchestrate.adapters.gitrepo.worktree.private_gitdir import lend_keys
from wt_orchestrate.adapters.gitrepo.worktree.submodules import fill_submodules
from wt_orchestrate.domain.ids import CommitId
from wt_orchestrate.errors import WtError
from wt_orchestrate.osfiles.locks import locked
from wt_orchestrate.ports.git.checkouts import NOTHING_AROUND, Around

_LINE_ENDS = frozenset({"core.autocrlf", "core.eol"})


def check_out(
    git: Git,
    *,
    scratch: str,
    commit: CommitId,
    slot: str,
    keep: bool,
    settings: Mapping[str, str] | None = None,
    around: Around = NOTHING_AROUND,
    modules: str = "",
) -> str:
    """The path of the slot, with the commit's tree in it. With settings its files are written as in a checkout of the
    user's: with their filters (git-lfs) and line ends; without, as they are stored. Submodules are
    written from what the common git directory `modules` has of them."""
    path, mark = f"{scratch}/{slot}", f"{scratch}/{slot}.commit"
    os.makedirs(scratch, mode=0o700, exist_ok=True)
    with locked(f"{scratch}/{slot}.lock"):
        if keep and _read(mark) == commit and os.path.isdir(path) and not os.path.islink(path):
            return path
        with suppress(FileNotFoundError):
            os.unlink(mark)
        try:
            _bring(git, path, commit, settings, around)
        except (WtError, OSError):
            _discard(path)
            _bring(git, path, commit, settings, around)
        if modules:
            fill_submodules(git, path=path, commit=commit, common_dir=modules, again=True)
        with open(mark, "w", encoding="ascii") as file:
            file.write(commit)
    return path


def drop(*, scratch: str, slot: str) -> None:
    """Remove a slot that is not needed any more."""
    path = f"{scratch}/{slot}"
    with locked(f"{path}.lock"):
        _discard(path)
        with suppress(FileNotFoundError):
            os.unlink(f"{path}.commit")


def _bring(git: Git, path: str, commit: CommitId, settings: Mapping[str, str] | None, around: Around) -> None:
    index = f"{path}.index"
    if os.path.islink(path) or not os.path.exists(index) or not os.path.isdir(path):
        _discard(path)
    os.makedirs(path, mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):
        os.unlink(f"{index}.lock")
    _remove(f"{path}/.git")
    env = {"GIT_WORK_TREE": path, "GIT_INDEX_FILE": index}
    writing = git.at(env) if settings is None else git.as_the_user(env, settings)
    writing.run("read-tree", "--reset", "-u", commit, timeout_s=LONG_S)
    git.run("clean", "-ffdxq", env=env, timeout_s=LONG_S)
    _give_repository(git, path, commit, index, settings or {})
    _give_names(git, f"{path}/.git", around)


def _give_repository(git: Git, path: str, commit: CommitId, index: str, settings: Mapping[str, str]) -> None:
    """A git directory in the slot that borrows the vault's objects and has the commit checked out."""
    own = f"{path}/.git"
    for folder in ("objects/info", "refs/heads", "info"):
        os.makedirs(f"{own}/{folder}")
    sha256 = len(commit) == 64
    version = "\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n[core]\n" if sha256 else ""
    line_ends = "".join(
        f"\t{key.removeprefix('core.')} = {quoted(value)}\n" for key, value in settings.items() if key in _LINE_ENDS
    )
    texts = {
        "objects/info/alternates": f"{git.git_dir}/objects\n",
        "config": f"[core]\n{version}\tbare = false\n\tfilemode = true\n{line_ends}[gc]\n\tauto = 0\n{_filters(settings)}",
        "HEAD": f"{commit}\n",
    }
    for name, text in texts.items():
        with open(f"{own}/{name}", "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    for name in ("shallow",):
        if os.path.exists(f"{git.git_dir}/{name}"):
            shutil.copyfile(f"{git.git_dir}/{name}", f"{own}/{name}")
    shutil.copyfile(index, f"{own}/index")
    lend_keys(own, common_dir=git.git_dir)


def _filters(settings: Mapping[str, str]) -> str:
    """The repository's own filters as configuration of the slot, so that git there calls clean what is clean."""
    keys = (key.removeprefix("filter.").rpartition(".") for key in settings if key.startswith("filter."))
    return "".join(
        f"[filter {quoted(name)}]\n\t{key} = {quoted(settings[f'filter.{name}.{key}'])}\n" for name, _, key in keys
    )


def _give_names(git: Git, own: str, around: Around) -> None:
    """Branches, tags and remotes, so that a check can ask where it is; all of it lies in the slot alone."""
    names: dict[str, str] = dict(around.refs)
    if os.path.isdir(f"{git.git_dir}/{TAGS}"):
        found = commits_at(git, (TAGS,), below=True)
        names |= {f"refs/tags/{ref.removeprefix(TAGS)}": at for ref, at in found.items()}
    with open(f"{own}/packed-refs", "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{at} {ref}\n" for ref, at in sorted(names.items()))
    with open(f"{own}/config", "a", encoding="utf-8", errors="surrogateescape") as file:
        for name, url in around.remotes.items():
            file.write(f"[remote {quoted(name)}]\n\turl = {quoted(url)}\n")


def _discard(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(f"{path}.index")
    _remove(path)


def _remove(path: str) -> None:
    """Delete a tree of ours, including folders that a check made read-only; a link is removed, its target stays."""
    if os.path.islink(path) or not os.path.isdir(path):
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    shutil.rmtree(path, onerror=_open_up)


def _open_up(remove: Callable[[str], object], path: str, _error: object) -> None:
    for each in (os.path.dirname(path), path):
        if not os.path.islink(each):
            with suppress(FileNotFoundError):
                os.chmod(each, stat.S_IRWXU)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        remove(path)


def _read(path: str) -> str:
    with suppress(FileNotFoundError), open(path, encoding="ascii") as file:
        return file.read()
    return ""
