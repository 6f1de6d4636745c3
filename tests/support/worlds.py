"""Repositories as users have them, each made anew from one call: what is in them beside one small history on main.

Every world has `README.md`, `shared.txt` and a file `content.bin` that its own tool (git-lfs, git-crypt) stores otherwise than
the checkout shows it. A tool that is missing skips the test with its name, and fails it in CI.

`python -m tests.support.worlds` writes the table of worlds and outcomes into docs/reliability.md; the tests compare both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.missing import missing
from tests.support.project import ROOT, Project
from tests.support.repos import TestRepository

CONTENT = b"content of main\n"


def need(tool: str) -> None:
    """Skip without this program; in CI its absence is a failure."""
    if shutil.which(tool) is None:
        missing(f"{tool} was not found (apt-get install {tool})")


def git(project: Project, *words: str) -> str:
    """A git command of the user's, with their own environment, in the main worktree."""
    ended = subprocess.run(
        ["git", *words], cwd=project.repository.path, env=project.environment, capture_output=True, check=False
    )
    assert ended.returncode == 0, f"git {words}: {ended.stderr.decode(errors='replace')}"
    return ended.stdout.decode("utf-8", "surrogateescape")


def lfs(project: Project) -> None:
    """git-lfs, installed in the repository alone; there is no server."""
    need("git-lfs")
    git(project, "lfs", "install", "--local")
    git(project, "lfs", "track", "*.bin")


def lfs_of_the_user(project: Project) -> None:
    """git-lfs, installed for the user."""
    need("git-lfs")
    git(project, "lfs", "install", "--skip-repo")
    git(project, "lfs", "track", "*.bin")


def crypt(project: Project) -> None:
    """git-crypt, unlocked with a key of the repository."""
    need("git-crypt")
    git(project, "crypt", "init")
    project.repository.write({".gitattributes": "*.bin filter=git-crypt diff=git-crypt\n"})


FILTERED: Mapping[str, Callable[[Project], None]] = {
    "git-lfs": lfs,
    "git-lfs of the user": lfs_of_the_user,
    "git-crypt": crypt,
}
"""Worlds in which files are stored otherwise than they are shown."""


def plain(project: Project) -> None:
    """Nothing beside."""


def autocrlf(project: Project) -> None:
    git(project, "config", "--global", "core.autocrlf", "true")


def crlf_blobs(project: Project) -> None:
    """Line ends that were committed before the attribute that forbids them."""
    project.repository.commit({"dos.txt": "one\r\ntwo\r\n"})
    project.repository.write({".gitattributes": "* text=auto\n"})


def submodule(project: Project) -> None:
    other = _made(project, "library")
    git(_as(project, other), "commit", "-q", "--allow-empty", "-m", "library")
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q", other, "library")


def sparse(project: Project) -> None:
    project.repository.commit({"kept/a.txt": "a\n", "left/b.txt": "b\n"})
    git(project, "sparse-checkout", "set", "--cone", "kept")


def worktree_config(project: Project) -> None:
    git(project, "config", "extensions.worktreeConfig", "true")


def hooks_path(project: Project) -> None:
    hook = Path(project.repository.path, ".githooks", "pre-commit")
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    git(project, "config", "core.hooksPath", ".githooks")


def names(project: Project) -> None:
    """A name that is not UTF-8, one with a newline, and two that differ in case."""
    project.repository.write({os.fsdecode(b"caf\xe9"): "x\n", "two\nlines": "x\n", "Case": "x\n", "case": "y\n"})


def sha256(project: Project) -> None:
    project.repository = _as(project, _made(project, "longer", "--object-format=sha256")).repository


def reftable(project: Project) -> None:
    need_reftables()
    project.repository = _as(project, _made(project, "tables", "--ref-format=reftable")).repository


def git_3(project: Project) -> None:
    """What git 3 makes where nothing is said."""
    need_reftables()
    options = ("--ref-format=reftable", "--object-format=sha256")
    project.repository = _as(project, _made(project, "tomorrow", *options)).repository


def need_reftables() -> None:
    """Skip where the installed git cannot make reftables."""
    said = subprocess.run(["git", "--version"], capture_output=True, check=True).stdout.split()[2].split(b".")
    if tuple(map(int, said[:2])) < (2, 45):
        pytest.skip(f"git {b'.'.join(said).decode()} has no reftables: 2.45 or newer has (`make newest` tests them)")


def odd_path(project: Project) -> None:
    project.repository = _as(project, _made(project, "my\nrepository 1/app")).repository


def nested(project: Project) -> None:
    project.repository.commit({".gitignore": "inner/\n"})
    project.repository = _as(project, _made(project, "repository/inner")).repository


def husky(project: Project) -> None:
    """As husky 9 leaves a repository: tracked hooks, and a folder that it made, which names them and is ignored."""
    folder = Path(project.repository.path, ".husky", "_")
    folder.mkdir(parents=True)
    (folder / ".gitignore").write_text("*")
    (folder / "h").write_text('#!/usr/bin/env sh\ns=$(dirname "$(dirname "$0")")/$(basename "$0")\nsh -e "$s" "$@"\n')
    for name in ("pre-commit", "post-checkout"):
        (folder / name).write_text('#!/usr/bin/env sh\n. "$(dirname "$0")/h"')
        (folder / name).chmod(0o755)
        project.repository.write({f".husky/{name}": _RAN})
    git(project, "config", "core.hooksPath", ".husky/_")


def pre_commit(project: Project) -> None:
    """The real pre-commit, with one hook that needs nothing from a network."""
    if find_spec("pre_commit") is None:
        missing("pre-commit was not found (pip install pre-commit)")
    hook = {"id": "look", "name": "look", "entry": "sh look.sh", "language": "system", "pass_filenames": False}
    settings = {"repos": [{"repo": "local", "hooks": [hook]}]}
    project.repository.write({".pre-commit-config.yaml": json.dumps(settings), "look.sh": _RAN})
    environment = {**project.environment, "PYTHONPATH": ""}
    subprocess.run(
        [sys.executable, "-m", "pre_commit", "install"], cwd=project.repository.path, env=environment, check=True
    )


_RAN = 'echo "${WTO_WORKSTREAM:-you}" >> "$TEST_FOLDER/hooks-ran"\n'


def signed(project: Project) -> None:
    """Every commit is signed with a key for ssh."""
    need("ssh-keygen")
    key = str(project.folder / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", f"{key}.pub"), ("commit.gpgSign", "true")):
        git(project, "config", "--global", name, value)


def within_submodule(project: Project) -> None:
    """The user works in a submodule's own checkout, whose git directory is the outer repository's."""
    submodule(project)
    git(project, "commit", "-qm", "submodule")
    project.repository = _named(_as(project, f"{project.repository.path}/library"))
    git(project, "checkout", "-q", "-B", "main")


def anothers(project: Project) -> None:
    """The files belong to another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    for folder, _, names in os.walk(project.repository.path):
        for path in (folder, *(f"{folder}/{name}" for name in names)):
            os.chown(path, _ANOTHER, _ANOTHER, follow_symlinks=False)


def anothers_trusted(project: Project) -> None:
    """The same, named by the user as safe."""
    anothers(project)
    git(project, "config", "--global", "safe.directory", project.repository.path)


_ANOTHER = 65_534


def linked(project: Project) -> None:
    """The user works in a linked worktree; the main one is on another branch."""
    git(project, "checkout", "-q", "-b", "elsewhere")
    git(project, "worktree", "add", "-q", str(project.folder / "linked"), "main")
    project.repository = project.repository.at(str(project.folder / "linked"))


def blobless(project: Project) -> None:
    _clone(project, "--filter=blob:none")


def shallow(project: Project) -> None:
    _clone(project, "--depth=1")


def _clone(project: Project, option: str) -> None:
    project.repository.commit({"history.txt": "x\n"})
    git(project, "config", "uploadpack.allowFilter", "true")
    git(project, "config", "uploadpack.allowAnySHA1InWant", "true")
    path = str(project.folder / "clone")
    git(project, "clone", "-q", option, f"file://{project.repository.path}", path)
    project.repository = _named(_as(project, path))


def _made(project: Project, path: str, *options: str) -> str:
    """A new repository with one commit, as its own user would make it."""
    whole = str(project.folder / path)
    git(project, "init", "-q", "-b", "main", *options, whole)
    _named(_as(project, whole)).commit({"README.md": "hello\n"})
    return whole


def _as(project: Project, path: str) -> Project:
    return Project(project.folder, TestRepository(path=path, home=project.repository.home), project.environment)


def _named(project: Project) -> TestRepository:
    git(project, "config", "user.name", "Ada")
    git(project, "config", "user.email", "ada@example.org")
    return project.repository


@dataclass(frozen=True, slots=True)
class World:
    """One kind of repository, and how the core stories end there."""

    words: str
    make: Callable[[Project], None]
    after: Callable[[Project], None] = plain
    """What is done once the common files are committed."""
    run: str = "works"
    queue: str = "works"
    crash: str = "works"
    hooked: frozenset[str] = frozenset()
    """For whom the repository's pre-commit hook has run: workstreams, and you."""


_UNSAFE = "refused: git does not trust the repository at …: it belongs to another user"
WORLDS: Mapping[str, World] = {
    "plain": World("nothing special", plain),
    "git-lfs": World("git-lfs, `git lfs install --local`, no server", lfs),
    "git-crypt": World("git-crypt, unlocked", crypt),
    "autocrlf": World("`core.autocrlf=true` of the user's", autocrlf),
    "crlf blobs": World("`* text=auto` over files committed with CRLF", crlf_blobs),
    "submodule": World("a submodule", submodule),
    "blobless": World("a clone with `--filter=blob:none`", blobless),
    "shallow": World("a clone with `--depth=1`", shallow),
    "sparse": World("a sparse checkout (cone)", sparse),
    "worktree config": World("`extensions.worktreeConfig` is on already", worktree_config),
    "sha256": World("SHA-256 objects", sha256),
    "reftable": World("a reftable (`--ref-format=reftable`, git 2.45 or newer)", reftable),
    "git 3": World("the defaults of git 3: SHA-256, a reftable, `main`", git_3),
    "hooks path": World("`core.hooksPath` names tracked hooks", hooks_path),
    "husky": World(
        "husky's hooks, in the folder `.husky/_` that it makes; told that agents have none",
        husky,
        hooked=frozenset({"you"}),
    ),
    "pre-commit": World("the hooks of pre-commit, installed", pre_commit, hooked=frozenset({*"abcd", "you"})),
    "signed": World("every commit is signed (ssh)", signed),
    "names": World("names that are not UTF-8, have a newline, or differ in case only", names),
    "odd path": World("a space and a newline in the repository's path", odd_path),
    "linked": World("the user works in a linked worktree, and names the target", linked),
    "nested": World("a repository inside of another one", nested),
    "within a submodule": World("a submodule's own checkout", within_submodule),
    "another user's": World("files of another user", plain, anothers, run=_UNSAFE, queue=_UNSAFE, crash=_UNSAFE),
    "another user's, trusted": World("files of another user, named in `safe.directory`", plain, anothers_trusted),
}
START, END = "<!-- worlds: written by `python -m tests.support.worlds` -->", "<!-- worlds end -->"
PAGE = ROOT / "docs" / "reliability.md"


def table() -> str:
    """The worlds and how the three stories end in each, as the page has it."""
    rows = [f"| {each.words} | {each.run} | {each.queue} | {each.crash} |" for each in WORLDS.values()]
    stories = "a run with two agents, landed | three branches, one in conflict, landed | killed, resumed, landed"
    head = [f"| repository | {stories} |", "|---|---|---|---|"]
    return "\n".join([START, "", *head, *rows, "", END])


def main() -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    PAGE.write_text(f"{before}{table()}{rest.partition(END)[2]}", encoding="utf-8")


def make_world(project: Project, world: Callable[[Project], None], after: Callable[[Project], None] = plain) -> None:
    """Turn a fresh project into a world, with the common files committed."""
    world(project)
    project.repository.write({"content.bin": CONTENT, "shared.txt": "one\ntwo\n"})
    git(project, "add", "-A")
    git(project, "commit", "-qm", "world")
    after(project)


if __name__ == "__main__":
    main()
