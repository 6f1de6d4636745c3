"""A task's repository: its base tree as one commit, and a branch for each feature.

The history of the subject is not taken along, and a file whose content its clone lacks (a snapshot without large files)
is left out. So every task costs the same few megabytes, whatever its repository is. Each branch also has an empty file
`.features/N`, by which a check knows whose tests it has to run.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cooperbench.dataset import Feature, Task, git


def subject_of(task: Task, subjects: Sequence[str]) -> str | None:
    """The first of the clones that has the task's commit."""
    for each in subjects:
        if git(each, "cat-file", "-t", task.base, ok=(0, 128)).strip() == b"commit":
            return each
    return None


def make_repository(task: Task, subject: str, folder: Path, *, config: str = "") -> Path:
    """A repository with the task's base on `main`, and a branch for each feature. `config`: its `.wto/config.yaml`."""
    path = folder / "repository"
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    git(path, "config", "gc.auto", "0")
    alternates = path / ".git" / "objects" / "info" / "alternates"
    alternates.write_text(git(subject, "rev-parse", "--path-format=absolute", "--git-path", "objects").decode())
    _read_whole_files(path, task.base)
    git(path, "commit", "-q", "-m", task.name)
    git(path, "repack", "-q", "-a", "-d")
    alternates.unlink()
    git(path, "reset", "-q", "--hard")
    if config:
        (path / ".wto").mkdir()
        (path / ".wto" / "config.yaml").write_text(config, encoding="utf-8")
        git(path, "add", "-f", ".wto")
        git(path, "commit", "-q", "-m", "Settings")
    for feature in task.features:
        _make_branch(path, feature)
    git(path, "switch", "-q", "main")
    return path


def _read_whole_files(path: Path, base: str) -> None:
    """The index with every regular file and link of the base whose content is there; no submodules."""
    entries = [each for each in git(path, "ls-tree", "-r", "-z", base).split(b"\0") if b" blob " in each]
    names = b"".join(each.split(None, 3)[2] + b"\n" for each in entries)
    kinds = git(path, "cat-file", "--batch-check=%(objecttype)", stdin=names).split(b"\n")
    there = [each for each, kind in zip(entries, kinds, strict=False) if kind == b"blob"]
    git(path, "update-index", "-z", "--index-info", stdin=b"".join(each + b"\0" for each in there))


def _make_branch(path: Path, feature: Feature) -> None:
    git(path, "switch", "-q", "-c", feature.branch, "main")
    apply_patch(path, feature.patch)
    (path / ".features").mkdir(exist_ok=True)
    (path / ".features" / str(feature.number)).touch()
    git(path, "add", "-A", "-f", "--", ".features")
    git(path, "commit", "-q", "-a", "-m", f"Feature {feature.number}")


def apply_patch(path: Path, patch: bytes) -> None:
    """Apply a patch to index and files, as the data set's own scripts do. Raises RuntimeError where it does not fit."""
    strict = ("apply", "--index", "--whitespace=nowarn")
    try:
        git(path, *strict, stdin=patch)
    except RuntimeError:
        try:
            git(path, *strict, "--ignore-whitespace", stdin=patch)
        except RuntimeError:
            git(path, *strict, "--3way", stdin=patch)


def test_files(repository: Path, feature: Feature) -> Mapping[str, bytes]:
    """The feature's tests: files of the base as its patch of tests makes them."""
    git(repository, "switch", "-q", "--detach", "main")
    try:
        apply_patch(repository, feature.tests)
        names = git(repository, "diff", "--cached", "--name-only", "-z", "--diff-filter=d").decode().split("\0")
        return {name: (repository / name).read_bytes() for name in names if name}
    finally:
        git(repository, "reset", "-q", "--hard")
        git(repository, "switch", "-q", "main")


def environment(folder: Path, **extra: str) -> dict[str, str]:
    """An environment with nothing of this machine's settings, in which git and `wto` have an identity and a state of their
    own."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    people = {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    fixed = {"HOME": str(home), "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1", "WTO_STATE_DIR": str(folder / "state")}
    return {"PATH": os.environ["PATH"], **people, **fixed, **extra}


def run(words: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, whatever its exit code."""
    return subprocess.run(list(words), cwd=cwd, env=dict(env), capture_output=True, check=False)
