"""The data set: tasks, each a commit of a public repository with several features that were made upon it.

It is read from the object store of a clone of `cooperbench/CooperBench` (bare, or with a work tree), at its HEAD. Features
are patches; with each comes a patch of tests. The commit is named in the task's Dockerfile.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_BASE = re.compile(r"git checkout ([0-9a-f]{40})")
_FEATURE = re.compile(r"dataset/([^/]+)/([^/]+)/feature(\d+)/(feature|tests)\.patch")


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature and its tests, as patches."""

    number: int
    patch: bytes
    tests: bytes

    @property
    def branch(self) -> str:
        return f"f{self.number}"


@dataclass(frozen=True, slots=True)
class Task:
    """Features of one repository upon one commit."""

    name: str
    base: str
    features: tuple[Feature, ...]

    def pairs(self) -> Iterator[tuple[Feature, Feature]]:
        """Every two of its features."""
        for at, one in enumerate(self.features):
            for other in self.features[at + 1 :]:
                yield one, other


def git(repository: str | Path, *words: str, stdin: bytes = b"", ok: tuple[int, ...] = (0,)) -> bytes:
    """Git's output, on a git directory or a work tree."""
    ended = subprocess.run(["git", "-C", str(repository), *words], input=stdin, capture_output=True, check=False)
    if ended.returncode not in ok:
        raise RuntimeError(f"git {' '.join(words)}: {ended.stderr.decode(errors='replace')}")
    return ended.stdout


def read_tasks(dataset: str | Path) -> tuple[Task, ...]:
    """All tasks of the data set, in the order of their names."""
    paths = git(dataset, "ls-tree", "-r", "-z", "--name-only", "HEAD", "--", "dataset").decode().split("\0")
    found: dict[str, dict[int, dict[str, str]]] = {}
    for path in paths:
        match = _FEATURE.fullmatch(path)
        if match is not None:
            task, number, kind = f"{match[1]}/{match[2]}", int(match[3]), match[4]
            found.setdefault(task, {}).setdefault(number, {})[kind] = path
    return tuple(_task(dataset, name, found[name]) for name in sorted(found))


def _task(dataset: str | Path, name: str, features: Mapping[int, Mapping[str, str]]) -> Task:
    dockerfile = git(dataset, "show", f"HEAD:dataset/{name}/Dockerfile").decode()
    base = _BASE.search(dockerfile)
    if base is None:
        raise RuntimeError(f"{name}: its Dockerfile names no commit")
    made = [
        Feature(number, *(git(dataset, "show", f"HEAD:{paths[kind]}") for kind in ("feature", "tests")))
        for number, paths in sorted(features.items())
    ]
    return Task(name, base[1], tuple(made))
